//! One connection to a cache: opened, encrypted, signed in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::clock::Timestamp;
use crate::config::{Config, Endpoint, SharedCache};
use crate::error::Outage;
use crate::tls;

use super::sign_in::SignIn;

/// The answer of a server that is still reading its data.
const LOADING: &str = "LOADING";

/// The address of a cache and the way to sign in.
pub(super) struct Dialer {
    endpoint: Endpoint,
    sign_in: Option<SignIn>,
    ca_file: Option<PathBuf>,
    /// Made at the first connection; remembers the sessions of earlier ones.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Dialer {
    pub(super) fn new(cache: &SharedCache, config: &Config) -> Self {
        let settings = &config.cache;
        let sign_in = settings.user.clone().zip(cache.name.clone());
        Self {
            endpoint: cache.endpoint.clone(),
            sign_in: sign_in.map(|(user, cache)| SignIn {
                user,
                cache,
                region: config.region.clone(),
                credentials: config.credentials.clone(),
            }),
            ca_file: settings.ca_file.clone(),
            tls: OnceLock::new(),
        }
    }

    /// Returns its name for the log.
    pub(super) fn place(&self) -> String {
        format!("cache {}:{}", self.endpoint.host, self.endpoint.port)
    }

    /// Opens a connection and signs in.
    pub(super) async fn open(&self, now: Timestamp) -> Result<Connection, Outage> {
        let info = self.credentials(now)?;
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(outage)?;
        stream.set_nodelay(true).map_err(outage)?;
        if !self.endpoint.tls {
            return Connection::on(stream, &info, now).await;
        }
        let connector = TlsConnector::from(self.tls()?);
        let name = ServerName::try_from(host.clone()).map_err(outage)?;
        let stream = connector.connect(name, stream).await.map_err(outage)?;
        Connection::on(stream, &info, now).await
    }

    fn credentials(&self, now: Timestamp) -> Result<RedisConnectionInfo, Outage> {
        // The name of the client library would cost a round trip at every start.
        let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(sign_in) = &self.sign_in {
            let password = sign_in.password(now)?;
            return Ok(info.set_username(&sign_in.user).set_password(password.expose()));
        }
        if let Some(user) = &self.endpoint.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.endpoint.password {
            info = info.set_password(password.expose());
        }
        Ok(info)
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, Outage> {
        if let Some(tls) = self.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let tls = tls::client(self.roots()?).map_err(outage)?;
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(tls))))
    }

    /// Returns the authorities that may have signed the cache's certificate: those of the settings, Amazon for its own hosts,
    /// else the system's.
    fn roots(&self) -> Result<RootCertStore, Outage> {
        let roots = if let Some(file) = &self.ca_file {
            tls::roots_of(file).map_err(outage)?
        } else if is_amazons(&self.endpoint.host) {
            tls::amazon_roots()
        } else {
            tls::system_roots()
        };
        if roots.is_empty() {
            return Err(Outage(
                "there are no certificates to check the cache's own with".to_owned(),
            ));
        }
        Ok(roots)
    }
}

/// True if a host is one of AWS.
fn is_amazons(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

/// A connection that calls share; each gets its own replies.
pub(super) struct Connection {
    sender: MultiplexedConnection,
    /// Moves bytes; ends when the connection does.
    driver: JoinHandle<()>,
    opened: Timestamp,
    /// The time of the last answer, in milliseconds.
    used: AtomicI64,
    /// The number of answers so far.
    heard: AtomicU64,
}

impl Connection {
    async fn on<S>(stream: S, info: &RedisConnectionInfo, now: Timestamp) -> Result<Self, Outage>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The deadline is set where commands are sent.
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let (sender, driver) = MultiplexedConnection::new_with_config(info, stream, settings)
            .await
            .map_err(outage)?;
        Ok(Self {
            sender,
            driver: tokio::spawn(driver),
            opened: now,
            used: AtomicI64::new(now.millis()),
            heard: AtomicU64::new(0),
        })
    }

    /// The client to send commands with.
    pub(super) fn sender(&self) -> MultiplexedConnection {
        self.sender.clone()
    }

    /// Waits for a first answer: a frozen server accepts connections too. An error counts as an answer, unless the server is
    /// still reading its data.
    pub(super) async fn ping(&self) -> Result<(), Outage> {
        let mut ping = redis::pipe();
        ping.cmd("PING");
        let replies = self.sender().req_packed_commands(&ping, 0, 1).await.map_err(outage)?;
        match replies.first() {
            Some(Value::ServerError(error)) if error.code() == LOADING => Err(outage(LOADING)),
            _ => Ok(()),
        }
    }

    /// True if the other side has ended it.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Notes that it has brought an answer.
    pub(super) fn note_answer(&self, now: Timestamp) {
        self.used.fetch_max(now.millis(), Ordering::Relaxed);
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of answers so far.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    pub(super) fn idle(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(self.used.load(Ordering::Relaxed)))
    }

    pub(super) fn age(&self, now: Timestamp) -> Duration {
        now.since(self.opened)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It would wait for replies that no call waits for any more.
        self.driver.abort();
    }
}

fn outage(error: impl std::fmt::Display) -> Outage {
    Outage(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialer(url: &str) -> Dialer {
        let config = Config::read(|name| (name == "CLEARVIEW_CACHE_URL").then(|| url.to_owned())).unwrap();
        Dialer::new(config.cache.shared.as_ref().unwrap(), &config)
    }

    #[test]
    fn aws_own_caches_are_checked_against_amazons_roots_alone() {
        let dialer = dialer("rediss://clearview-abc.serverless.euw1.cache.amazonaws.com:6379");
        assert_eq!(dialer.roots().unwrap().len(), tls::amazon_roots().len());
        assert!(!is_amazons("amazonaws.com.example.org"));
        assert!(dialer.tls().is_ok());
    }

    #[test]
    fn a_password_does_not_show_in_the_name_for_the_log() {
        assert_eq!(dialer("redis://app:top-secret@cache:7000").place(), "cache cache:7000");
    }
}
