//! The way to Valkey (or Redis): one connection, a deadline on every call, no retries; skipped for a while after a failure.
//!
//! Each call is a pipeline of commands that stay in one hash slot each, so a cluster behind one endpoint (ElastiCache
//! Serverless) takes them as a single server does. Transactions and blocking commands do not belong here.

mod connection;
mod script;
mod sign_in;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Pipeline, Value};

use crate::clock::{Clock, Timestamp};
use crate::config::{Config, SharedCache};
use crate::error::Outage;
use crate::gate::Gate;

pub use self::script::{Invocation, Script};

use self::connection::{Connection, Door};

/// The longest that a new connection may take, signing in included.
const CONNECT: Duration = Duration::from_millis(100);

/// A connection that was idle for this long may have been given up by the other side while this environment was frozen: a new
/// one costs less than finding that out by a timeout.
const IDLE: Duration = Duration::from_secs(30);

/// After this long without a call the runtime is given a turn to notice that the other side has ended the connection.
const QUIET: Duration = Duration::from_millis(100);

/// `ElastiCache` ends a connection 12 hours after it signed in. Ours are replaced before that.
const LONGEST_LIFE: Duration = Duration::from_hours(11);

/// What a server answers to a script that it does not know yet: a step on the way, not a failure.
const NO_SCRIPT: &str = "NOSCRIPT";

/// One cache. Its clones share the connection.
#[derive(Clone)]
pub struct Valkey(Arc<Inner>);

struct Inner {
    door: Door,
    timeout: Duration,
    clock: Clock,
    gate: Gate,
    /// Held by the one who connects.
    connecting: tokio::sync::Mutex<()>,
    current: Mutex<Option<Arc<Connection>>>,
}

/// Why a call gave no result.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The commands were not sent: no connection could be made, or the cache has just failed. Nothing was done.
    Unasked(Outage),
    /// The cache did not answer in time, or not with sense. The commands may have been carried out, in part too.
    Failed(Outage),
}

impl Failure {
    /// The outage.
    #[must_use]
    pub fn into_outage(self) -> Outage {
        match self {
            Self::Unasked(outage) | Self::Failed(outage) => outage,
        }
    }
}

impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Valkey").field(&self.0.door.place()).finish()
    }
}

impl Valkey {
    /// The way to `cache`. Connects at the first call.
    #[must_use]
    pub fn new(cache: &SharedCache, config: &Config, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            door: Door::new(cache, config),
            timeout: config.cache.timeout,
            clock,
            gate: Gate::default(),
            connecting: tokio::sync::Mutex::new(()),
            current: Mutex::new(None),
        }))
    }

    /// Whether the cache answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), Outage> {
        let answered = self.ask(redis::pipe().cmd("PING")).await;
        answered.map(|_| ()).map_err(Failure::into_outage)
    }

    /// Sends `commands` at once, within the deadline; their replies, one each and in their order. The only error of the server
    /// among them is that it does not know a script.
    ///
    /// # Errors
    /// [`Failure`]; also when the server answers a command with an error.
    pub async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let inner = &*self.0;
        let now = inner.clock.now();
        if !inner.gate.admits(now) {
            return Err(inner.unasked("skipped after a failure"));
        }
        let connection = inner.connection(now).await?;
        let sending = connection.send(commands);
        let problem = match tokio::time::timeout(inner.timeout, sending).await {
            Ok(Ok(replies)) => {
                inner.gate.succeed();
                connection.used(now);
                return inner.check(replies);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", inner.timeout.as_millis()),
        };
        inner.forget(&connection);
        inner.gate.fail(inner.clock.now());
        Err(Failure::Failed(inner.outage(&problem)))
    }

    /// Runs scripts at once, as [`Valkey::ask`] sends commands. Those that the server does not know are sent to it in full.
    ///
    /// # Errors
    /// As [`Valkey::ask`].
    pub async fn run(&self, invocations: &[Invocation<'_>]) -> Result<Vec<Value>, Failure> {
        let mut commands = redis::pipe();
        for invocation in invocations {
            commands.add_command(invocation.by_hash());
        }
        let mut replies = self.ask(&commands).await?;
        let unknown: Vec<usize> = (0..replies.len()).filter(|at| is_no_script(&replies[*at])).collect();
        if unknown.is_empty() {
            return Ok(replies);
        }
        commands.clear();
        for at in &unknown {
            commands.add_command(invocations[*at].in_full());
        }
        for (at, reply) in unknown.into_iter().zip(self.ask(&commands).await?) {
            replies[at] = reply;
        }
        Ok(replies)
    }
}

impl Inner {
    /// The connection in use, or a new one. Requests that come while one is being made wait for it, and make none themselves.
    async fn connection(&self, now: Timestamp) -> Result<Arc<Connection>, Failure> {
        if let Some(connection) = self.sound(now) {
            if connection.idle(now) < QUIET {
                return Ok(connection);
            }
            drop(connection);
            tokio::task::yield_now().await;
        }
        let Ok(_connecting) = self.connecting.try_lock() else {
            drop(self.connecting.lock().await);
            return self.sound(now).ok_or_else(|| self.unasked("no connection"));
        };
        // Still there, or made between the two looks.
        if let Some(connection) = self.sound(now) {
            return Ok(connection);
        }
        let problem = match tokio::time::timeout(CONNECT, self.door.open(now)).await {
            Ok(Ok(connection)) => {
                let connection = Arc::new(connection);
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&connection));
                return Ok(connection);
            }
            Ok(Err(outage)) => outage.to_string(),
            Err(_) => format!("no connection within {} ms", CONNECT.as_millis()),
        };
        self.gate.fail(self.clock.now());
        Err(self.unasked(&problem))
    }

    /// The connection in use, if a command may be risked on it.
    fn sound(&self, now: Timestamp) -> Option<Arc<Connection>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let found = current.take_if(|connection| {
            connection.is_closed() || connection.idle(now) >= IDLE || connection.age(now) >= LONGEST_LIFE
        });
        drop(found);
        current.clone()
    }

    /// Uses `connection` no more, unless it was replaced already.
    fn forget(&self, connection: &Arc<Connection>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|current| Arc::ptr_eq(current, connection));
    }

    fn check(&self, replies: Vec<Value>) -> Result<Vec<Value>, Failure> {
        let error = replies.iter().find_map(|reply| match reply {
            Value::ServerError(error) if error.code() != NO_SCRIPT => Some(error),
            _ => None,
        });
        match error {
            // The server is well and quick: it need not be skipped.
            Some(error) => {
                let details = error.details().unwrap_or_default();
                Err(Failure::Failed(self.outage(&format!("{} {details}", error.code()))))
            }
            None => Ok(replies),
        }
    }

    fn unasked(&self, problem: &str) -> Failure {
        Failure::Unasked(self.outage(problem))
    }

    fn outage(&self, problem: &str) -> Outage {
        Outage(format!("{}: {problem}", self.door.place()))
    }
}

fn is_no_script(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == NO_SCRIPT)
}
