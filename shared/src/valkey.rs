//! The way to Valkey (or Redis): one connection, no retries, skipped for a while once it is known to be away.
//!
//! Each call is a pipeline of commands that stay in one hash slot each, so a cluster behind one endpoint (ElastiCache
//! Serverless) takes them as a single server does. Transactions and blocking commands do not belong here.
//!
//! A late answer is no outage. A call waits while its connection brings the answers to others. When that has been silent for
//! the configured time, or has ended, the process asks on a new connection, once for all calls, whether the cache is there.
//! Only a cache that does not answer this either is away: then all calls fail at once, and further ones are not sent.

mod connection;
mod patience;
mod script;
mod sign_in;

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::sync::OwnedMutexGuard;

use crate::clock::{Clock, Timestamp};
use crate::config::{Config, SharedCache};
use crate::error::Outage;
use crate::gate::Gate;

pub use self::script::{Invocation, Script};

use self::connection::{Connection, Door};
use self::patience::{Next, Patience, TURN, within};

/// The longest that a new connection may take, signing in included. Calls wait for it while nothing speaks against the cache.
const CONNECT: Duration = Duration::from_secs(1);

/// The longest that the request waits which probes a cache that is known to be away. Its attempt may end well later.
const PROBE: Duration = Duration::from_millis(40);

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
    /// How long a connection may be silent, and then the cache to a new one.
    timeout: Duration,
    clock: Clock,
    gate: Gate,
    /// Held by the one attempt to connect.
    connecting: Arc<tokio::sync::Mutex<()>>,
    current: Mutex<Option<Arc<Connection>>>,
    /// How many calls were answered, on whichever connection.
    answered: AtomicU64,
}

/// Why a call gave no result.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The commands were not sent, as the cache is away. Nothing was done.
    Unasked(Outage),
    /// The cache is known to be away since, or has answered with an error. The commands may have been carried out, in part too.
    Failed(Outage),
    /// The answer is lost, or there is no connection, while the cache answers others. The commands may have been carried out, in
    /// part too.
    Unknown(Outage),
}

impl Failure {
    /// The outage.
    #[must_use]
    pub fn into_outage(self) -> Outage {
        match self {
            Self::Unasked(outage) | Self::Failed(outage) | Self::Unknown(outage) => outage,
        }
    }
}

impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Valkey").field(&self.0.door.place()).finish()
    }
}

impl Valkey {
    /// Makes the way to `cache`, which connects at the first call.
    #[must_use]
    pub fn new(cache: &SharedCache, config: &Config, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            door: Door::new(cache, config),
            timeout: config.cache.timeout,
            clock,
            gate: Gate::default(),
            connecting: Arc::default(),
            current: Mutex::new(None),
            answered: AtomicU64::new(0),
        }))
    }

    /// Connects while that costs nobody anything. Of a failure the next call learns.
    pub async fn connect(&self) {
        let _ = self.0.connection(self.0.clock.now()).await;
    }

    /// Whether the cache answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), Outage> {
        let answered = self.ask(redis::pipe().cmd("PING")).await;
        answered.map(|_| ()).map_err(Failure::into_outage)
    }

    /// Sends `commands` at once; their replies, one each and in their order. The only error of the server among them is that it
    /// does not know a script.
    ///
    /// # Errors
    /// [`Failure`]; also when the server answers a command with an error.
    pub async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let inner = &self.0;
        let now = inner.clock.now();
        let connection = inner.connection(now).await?;
        let replies = inner.answer(&connection, commands, now).await?;
        inner.gate.succeed();
        inner.answered.fetch_add(1, Ordering::Relaxed);
        connection.note_answer(now);
        inner.check(replies)
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
    /// The connection in use, or a new one. A cache that was away has to answer on a new one first.
    async fn connection(self: &Arc<Self>, now: Timestamp) -> Result<Arc<Connection>, Failure> {
        if !self.gate.admits(now) {
            return Err(self.unasked("skipped after a failure"));
        }
        if !self.gate.is_open() {
            let patience = PROBE.min(self.timeout);
            return self.replace(None, patience, now).await;
        }
        if let Some(connection) = self.sound(now) {
            if connection.idle(now) < QUIET {
                return Ok(connection);
            }
            drop(connection);
            tokio::task::yield_now().await;
        }
        match self.sound(now) {
            Some(connection) => Ok(connection),
            None => self.replace(None, CONNECT, now).await,
        }
    }

    /// Waits for the answer to `commands` until it is there, the cache is known to be away, or patience ends.
    async fn answer(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        commands: &Pipeline,
        now: Timestamp,
    ) -> Result<Vec<Value>, Failure> {
        let mut sending = pin!(connection.send(commands));
        let mut patience = Patience::new(self.timeout, connection.heard());
        let problem = loop {
            match tokio::time::timeout(TURN, &mut sending).await {
                Ok(Ok(replies)) => return Ok(replies),
                Ok(Err(error)) => break error.to_string(),
                Err(_) if !self.gate.is_open() => break "no answer".to_owned(),
                Err(_) => {}
            }
            match patience.after_turn(connection.heard()) {
                Next::Wait => {}
                Next::GiveUp => break "no answer".to_owned(),
                Next::Check => tokio::select! {
                    biased;
                    answered = &mut sending => match answered {
                        Ok(replies) => return Ok(replies),
                        Err(error) => break error.to_string(),
                    },
                    // What it finds is in the gate.
                    _ = self.replace(Some(connection), self.timeout, now) => {}
                },
            }
        };
        // Lost alone, or with the cache?
        if self.gate.is_open() {
            let _ = self.replace(Some(connection), self.timeout, now).await;
        }
        let outage = self.outage(&problem);
        Err(if self.gate.is_open() {
            Failure::Unknown(outage)
        } else {
            Failure::Failed(outage)
        })
    }

    /// A connection other than `old` on which the cache has answered. Whoever needs one waits for the same attempt, `patience` at
    /// most: then the cache is away, unless it has answered others meanwhile. The attempt itself goes on, so that a slow handshake
    /// is not begun anew by each probe.
    async fn replace(
        self: &Arc<Self>,
        old: Option<&Arc<Connection>>,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Arc<Connection>, Failure> {
        let probes = !self.gate.is_open();
        let answered = self.answered.load(Ordering::Relaxed);
        let found = || {
            let found = self.sound(now);
            found.filter(|found| old.is_none_or(|old| !Arc::ptr_eq(found, old)))
        };
        let attempt = async {
            let lock = Arc::clone(&self.connecting).lock_owned().await;
            // Another attempt may have ended meanwhile, one way or the other.
            if let Some(connection) = found() {
                return Ok(connection);
            }
            if !probes && !self.gate.is_open() {
                return Err("it has been found away".to_owned());
            }
            let attempt = tokio::spawn(Arc::clone(self).attempt(lock, now));
            attempt.await.unwrap_or_else(|error| Err(error.to_string()))?;
            found().ok_or_else(|| "the connection has ended".to_owned())
        };
        let late = || Err(format!("no answer within {} ms", patience.as_millis()));
        within(patience, attempt).await.unwrap_or_else(late).map_err(|problem| {
            if let Some(old) = old {
                self.forget(old);
            }
            self.fail_unless_answered(answered);
            if self.gate.is_open() {
                Failure::Unknown(self.outage(&problem))
            } else {
                self.unasked(&problem)
            }
        })
    }

    /// Connects, and hears a first answer within the time of any other. The gate knows the outcome before the next attempt.
    async fn attempt(self: Arc<Self>, lock: OwnedMutexGuard<()>, now: Timestamp) -> Result<(), String> {
        let answered = self.answered.load(Ordering::Relaxed);
        let outcome = match within(CONNECT, self.door.open(now)).await {
            Some(Ok(connection)) => match within(self.timeout, connection.ping()).await {
                Some(answered) => answered.map(|()| connection).map_err(|outage| outage.to_string()),
                None => Err(format!("no answer within {} ms", self.timeout.as_millis())),
            },
            Some(Err(outage)) => Err(outage.to_string()),
            None => Err(format!("no connection within {} ms", CONNECT.as_millis())),
        };
        let outcome = outcome.map(|connection| {
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(connection));
            self.gate.succeed();
        });
        if outcome.is_err() {
            self.fail_unless_answered(answered);
        }
        drop(lock);
        outcome
    }

    /// Takes the cache for away, unless it has answered a call since there were so many answers.
    fn fail_unless_answered(&self, answered: u64) {
        if self.answered.load(Ordering::Relaxed) == answered {
            self.gate.fail(self.clock.now());
        }
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
