//! Sends announcements: to the address that was checked and to no other, following nowhere, reading nothing of the answer but its
//! status and how long to wait.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use lambda_http::Service;
use lambda_http::http::{Method, Request, Response, header};

use super::address::is_global;
use super::endpoint::{WebhookEndpoint, literal};
use super::{Announcement, signature};
use crate::clock::{Clock, Timestamp};
use crate::dependency_breaker::DependencyBreaker;
use crate::telemetry::VERSION;
use crate::tls;

/// The time limit of an attempt, from the name's resolution to the answer's head.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The time limit of a connection attempt.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an endpoint is skipped after an attempt that it did not answer, at first and at the most. Each such attempt keeps a
/// batch for its whole time limit, with the announcements for others behind it.
const SKIPS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

type Bytes = Full<std::io::Cursor<Vec<u8>>>;

type Hyper = Client<HttpsConnector<HttpConnector<Guard>>, Bytes>;

/// The end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver took it.
    Delivered,
    /// The receiver wants none of these any more: 410.
    Gone,
    /// The endpoint does not want this kind. Nothing was sent.
    Unwanted,
    /// The receiver did not take it, and asked to wait for so long.
    Refused(u16, Option<Duration>),
    /// The receiver was not reached, or did not answer in time.
    Unreached,
    /// The name leads to an address that is none of the public internet. Nothing was sent.
    NotPublic,
    /// The receiver did not answer a moment ago. Nothing was sent.
    Skipped,
}

impl Attempt {
    /// Returns its name in records.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone => "gone",
            Self::Unwanted => "unwanted",
            Self::Refused(..) => "refused",
            Self::Unreached => "unreached",
            Self::NotPublic => "notPublic",
            Self::Skipped => "skipped",
        }
    }

    /// Returns the receiver's status, if it refused.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(status, _) => Some(*status),
            _ => None,
        }
    }
}

/// Sends announcements.
#[derive(Clone)]
pub struct Courier {
    guard: Guard,
    client: Arc<OnceLock<Result<Hyper, rustls::Error>>>,
    /// By endpoint, of which there are as many as the operator has named.
    breakers: Arc<Mutex<HashMap<String, Arc<DependencyBreaker>>>>,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Courier")
    }
}

impl Courier {
    /// Makes one that reaches the public internet alone, unless `private` addresses are allowed.
    #[must_use]
    pub fn new(private: bool) -> Self {
        Self {
            guard: Guard {
                private,
                look_up: |name| {
                    Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) })
                },
            },
            client: Arc::default(),
            breakers: Arc::default(),
        }
    }

    /// Sends an announcement once, unless its endpoint has just not answered. The last attempt is left out only if the endpoint has
    /// failed three times in a row.
    pub async fn attempt(
        &self,
        announcement: &Announcement,
        endpoint: &WebhookEndpoint,
        is_last: bool,
        clock: &Clock,
    ) -> Attempt {
        let breaker = self.breaker(&announcement.endpoint);
        let is_tried = breaker.admits(clock.now()) || (is_last && !breaker.is_down());
        if !is_tried {
            return Attempt::Skipped;
        }
        let attempt = self.send(announcement, endpoint, clock.now()).await;
        match attempt {
            // An attempt takes longer than the first skip.
            Attempt::Unreached => breaker.fail(clock.now()),
            _ => breaker.succeed(),
        }
        attempt
    }

    fn breaker(&self, endpoint: &str) -> Arc<DependencyBreaker> {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let breaker = breakers
            .entry(endpoint.to_owned())
            .or_insert_with(|| Arc::new(DependencyBreaker::with_skips(SKIPS.0, SKIPS.1)));
        Arc::clone(breaker)
    }

    /// Sends an announcement once.
    pub async fn send(&self, announcement: &Announcement, endpoint: &WebhookEndpoint, now: Timestamp) -> Attempt {
        // An address is not resolved, so the guard of names would not see it.
        if literal(&endpoint.url).is_some_and(|address| !self.guard.admits(SocketAddr::new(address, 0))) {
            return Attempt::NotPublic;
        }
        let Ok(client) = self.client.get_or_init(|| connect(self.guard)) else {
            return Attempt::Unreached;
        };
        let Some(request) = request(announcement, endpoint, now) else {
            return Attempt::Unreached;
        };
        match tokio::time::timeout(ATTEMPT, client.request(request)).await {
            // The body is dropped unread, and with it the connection.
            Ok(Ok(answer)) => outcome(&answer),
            Ok(Err(error)) if is_of_guard(&error) => Attempt::NotPublic,
            Ok(Err(_)) | Err(_) => Attempt::Unreached,
        }
    }
}

fn request(announcement: &Announcement, endpoint: &WebhookEndpoint, now: Timestamp) -> Option<Request<Bytes>> {
    let (id, body) = (announcement.id(), announcement.body());
    Request::builder()
        .method(Method::POST)
        .uri(endpoint.url.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, format!("ClearView/{VERSION}"))
        .header("webhook-signature", signature(&endpoint.secrets, &id, now, &body))
        .header("webhook-id", id)
        .header("webhook-timestamp", now.seconds())
        .body(Full::new(std::io::Cursor::new(body.into_bytes())))
        .ok()
}

fn outcome<B>(answer: &Response<B>) -> Attempt {
    let seconds = answer.headers().get(header::RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match answer.status().as_u16() {
        200..=299 => Attempt::Delivered,
        410 => Attempt::Gone,
        status => Attempt::Refused(status, seconds.map(Duration::from_secs)),
    }
}

fn connect(guard: Guard) -> Result<Hyper, rustls::Error> {
    let mut tcp = HttpConnector::new_with_resolver(guard);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls::client(tls::system_roots())?);
    let tls = if guard.private {
        tls.https_or_http()
    } else {
        tls.https_only()
    };
    let connector = tls.enable_http1().wrap_connector(tcp);
    // No connection is kept: each message is sent to an address that was checked for it.
    Ok(Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build(connector))
}

/// Resolves names, and gives the connection no address but those that it checked: there is no second look-up that could say
/// something else.
#[derive(Clone, Copy)]
struct Guard {
    private: bool,
    look_up: fn(String) -> LookUp,
}

/// The addresses of a name.
type LookUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// The reason why a name is not called.
#[derive(Debug, thiserror::Error)]
#[error("it leads to an address that is none of the public internet")]
struct NotPublic;

impl Guard {
    fn admits(self, address: SocketAddr) -> bool {
        self.private || is_global(address.ip())
    }

    /// Returns the addresses of a name; one that is not public refuses them all.
    fn check(self, addresses: Vec<SocketAddr>) -> io::Result<std::vec::IntoIter<SocketAddr>> {
        if addresses.iter().all(|address| self.admits(*address)) {
            Ok(addresses.into_iter())
        } else {
            Err(io::Error::other(NotPublic))
        }
    }
}

impl Service<Name> for Guard {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = *self;
        Box::pin(async move { guard.check((guard.look_up)(name.as_str().to_owned()).await?) })
    }
}

fn is_of_guard(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if error.is::<NotPublic>() || inner.and_then(|inner| inner.downcast_ref::<NotPublic>()).is_some() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn guard(private: bool) -> Guard {
        Guard {
            private,
            ..Courier::new(false).guard
        }
    }

    #[test]
    fn one_address_that_is_not_public_refuses_the_name() {
        for refused in [
            &["127.0.0.1:0"][..],
            &["8.8.8.8:0", "10.0.0.1:0"],
            &["[2600:1f18::1]:0", "[fd00:ec2::254]:0"],
            &["8.8.8.8:0", "[::ffff:169.254.169.254]:0"],
        ] {
            let error = guard(false).check(addresses(refused)).unwrap_err();
            assert!(is_of_guard(&error), "{refused:?}");
            assert!(guard(true).check(addresses(refused)).is_ok());
        }
        let public = addresses(&["8.8.8.8:0", "[2600:1f18::1]:0"]);
        assert_eq!(guard(false).check(public.clone()).unwrap().collect::<Vec<_>>(), public);
    }

    #[tokio::test]
    async fn a_name_that_changes_its_address_is_looked_up_once_for_each_connection() {
        static LOOK_UPS: AtomicUsize = AtomicUsize::new(0);
        let mut guard = Guard {
            private: false,
            look_up: |_| {
                let first = LOOK_UPS.fetch_add(1, Ordering::SeqCst) == 0;
                let address = if first { "8.8.8.8:0" } else { "127.0.0.1:0" };
                Box::pin(async move { Ok(vec![address.parse().unwrap()]) })
            },
        };
        let name: Name = "rebinds.example".parse().unwrap();
        // The connection is made to what was checked: nothing asks again.
        assert_eq!(guard.call(name.clone()).await.unwrap().next(), "8.8.8.8:0".parse().ok());
        assert_eq!(LOOK_UPS.load(Ordering::SeqCst), 1);
        assert!(is_of_guard(&guard.call(name).await.unwrap_err()));
    }

    #[test]
    fn only_success_is_success_and_a_redirection_is_a_refusal() {
        for (status, wait, expected) in [
            (200, None, Attempt::Delivered),
            (204, None, Attempt::Delivered),
            (301, None, Attempt::Refused(301, None)),
            (307, None, Attempt::Refused(307, None)),
            (410, None, Attempt::Gone),
            (429, Some("7"), Attempt::Refused(429, Some(Duration::from_secs(7)))),
            (500, Some("soon"), Attempt::Refused(500, None)),
        ] {
            let mut answer = Response::builder().status(status);
            if let Some(wait) = wait {
                answer = answer.header("retry-after", wait);
            }
            assert_eq!(outcome(&answer.body(()).unwrap()), expected, "{status}");
        }
    }
}
