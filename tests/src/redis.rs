//! A real Redis server on a free port: killed, frozen, started again on demand.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, Commands, Connection, Value};
use tempfile::TempDir;

/// The longest that a server may take to answer after its start.
const LONGEST_START: Duration = Duration::from_secs(10);

/// A certificate for `localhost` and 127.0.0.1, its key, and who signed it.
pub const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/tls");

/// How a server is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Has all 16,384 slots of a cluster, and refuses commands over several of them.
    Cluster,
    /// Speaks TLS alone.
    Tls,
}

/// A `redis-server` of its own. Ends with this value.
pub struct Redis {
    kind: Kind,
    port: u16,
    process: Option<Child>,
    directory: TempDir,
}

impl Redis {
    /// A single server.
    #[must_use]
    pub fn start() -> Self {
        Self::of(Kind::Plain)
    }

    /// A cluster of one node.
    #[must_use]
    pub fn cluster() -> Self {
        let redis = Self::of(Kind::Cluster);
        let mut connection = redis.connection();
        let _: () = redis::cmd("CLUSTER")
            .arg(&["ADDSLOTSRANGE", "0", "16383"])
            .query(&mut connection)
            .expect("slots");
        redis.wait_for("a cluster", || {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query(&mut redis.connection()).ok()?;
            info.contains("cluster_state:ok").then_some(())
        });
        redis
    }

    /// A single server that speaks TLS.
    #[must_use]
    pub fn encrypted() -> Self {
        Self::of(Kind::Tls)
    }

    fn of(kind: Kind) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut redis = Self {
            kind,
            port: free_port(),
            process: None,
            directory,
        };
        redis.restart();
        redis
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The setting that leads to it.
    #[must_use]
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Tls => format!("rediss://localhost:{}", self.port),
            Kind::Plain | Kind::Cluster => format!("redis://{}", self.address()),
        }
    }

    /// Starts it again, empty, if it does not run.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            return;
        }
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--daemonize",
                "no",
            ])
            .args(["--loglevel", "warning", "--enable-debug-command", "yes"])
            .arg("--dir")
            .arg(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let certificate = |name: &str| PathBuf::from(CERTIFICATES).join(name);
        match self.kind {
            Kind::Plain => command.args(["--port", &port]),
            // A node's second port is 10,000 above its own unless it is told another.
            Kind::Cluster => command
                .args(["--port", &port, "--cluster-enabled", "yes"])
                .args(["--cluster-port", &free_port().to_string()]),
            Kind::Tls => command
                .args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"])
                // Takes any password: nobody here could tell what AWS would accept.
                .args(["--user", "app", "on", "nopass", "~*", "+@all"])
                .arg("--tls-cert-file")
                .arg(certificate("server.pem"))
                .arg("--tls-key-file")
                .arg(certificate("server.key"))
                .arg("--tls-ca-cert-file")
                .arg(certificate("ca.pem")),
        };
        self.process = Some(command.spawn().expect("redis-server starts; `make test` installs it"));
        self.wait_for("an answer", || match self.kind {
            Kind::Tls => std::net::TcpStream::connect(self.address()).ok().map(drop),
            Kind::Plain | Kind::Cluster => {
                let client = Client::open(self.url()).ok()?;
                let mut connection = client.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
                redis::cmd("PING").query::<String>(&mut connection).ok().map(drop)
            }
        });
    }

    /// Ends it at once; all that it held is lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a running server");
            process.wait().expect("an end");
        }
    }

    /// Stops it from answering, without closing anything.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("a running server");
        let sent = Command::new("kill").args([signal, &process.id().to_string()]).status();
        assert!(sent.expect("kill").success(), "{signal}");
    }

    /// Forgets everything, scripts too.
    pub fn flush(&self) {
        let mut connection = self.connection();
        let _: () = redis::cmd("FLUSHALL").query(&mut connection).expect("a flush");
        let _: () = redis::cmd("SCRIPT")
            .arg("FLUSH")
            .query(&mut connection)
            .expect("a flush");
    }

    /// A connection to look into it from outside. Not for one that speaks TLS.
    #[must_use]
    pub fn connection(&self) -> Connection {
        let client = Client::open(self.url()).expect("a URL");
        client.get_connection().expect("a connection")
    }

    /// Sends one command.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut self.connection()).expect("an answer")
    }

    /// Counts the commands that it has carried out, those inside scripts among them, but for questions about itself.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn commands(&self) -> u64 {
        let text: String = redis::cmd("INFO")
            .arg("commandstats")
            .query(&mut self.connection())
            .expect("statistics");
        let of_line = |line: &str| {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = figures.split(',').next()?.parse::<u64>().ok()?;
            (!matches!(name, "info" | "hello" | "client|setinfo")).then_some(calls)
        };
        text.lines().filter_map(of_line).sum()
    }

    /// The keys that it holds, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.connection().keys("*").expect("keys");
        keys.sort();
        keys
    }

    fn wait_for<T>(&self, what: &str, attempt: impl Fn() -> Option<T>) -> T {
        let waiting = shared::clock::Stopwatch::start();
        loop {
            if let Some(found) = attempt() {
                return found;
            }
            assert!(
                waiting.elapsed() < LONGEST_START,
                "{what} from redis-server on port {}",
                self.port
            );
            std::thread::yield_now();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A frozen process ends by this signal too.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    free.local_addr().expect("its address").port()
}
