//! The client of Valkey (or Redis): one connection, no retries, skipped for a while once the cache is known to be down.
//!
//! Each call is a pipeline of commands that stay in one hash slot each, so a cluster behind one endpoint (ElastiCache
//! Serverless) takes them as a single server does. Transactions and blocking commands do not belong here.
//!
//! A late answer is no outage. A call waits while its connection brings answers to others. When the connection has been silent
//! for the configured time, or has ended, the process probes the cache on a new connection, once for all calls. Only if the
//! cache does not answer this either does it count as down: then all calls fail at once, and further ones are not sent.

mod connection;
mod patience;
mod script;
mod sign_in;

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Pipeline, Value};
use tokio::sync::OwnedMutexGuard;

use crate::clock::{Clock, Timestamp};
use crate::config::{Config, SharedCache};
use crate::dependency_breaker::DependencyBreaker;
use crate::error::Outage;

pub use self::script::{Invocation, Script};

use self::connection::{Connection, Dialer};
use self::patience::{Patience, TURN, WaitStep, within};

/// The time limit of a new connection, signing in included. Calls wait for it while nothing speaks against the cache.
const CONNECT: Duration = Duration::from_secs(1);

/// How long the request that probes a cache known to be down waits. Its attempt may end well later.
const PROBE: Duration = Duration::from_millis(40);

/// Idle time after which a connection is replaced. The other side may have given it up while this environment was frozen, and a
/// new one costs less than finding that out by a timeout.
const IDLE: Duration = Duration::from_secs(30);

/// Time without a call after which the runtime gets a turn to notice that the other side has ended the connection.
const QUIET: Duration = Duration::from_millis(100);

/// `ElastiCache` ends a connection 12 hours after it signed in. Ours are replaced before that.
const LONGEST_LIFE: Duration = Duration::from_hours(11);

/// The answer of a server that does not know a script yet: an intermediate step, not a failure.
const NO_SCRIPT: &str = "NOSCRIPT";

/// One cache. Its clones share the connection.
#[derive(Clone)]
pub struct Valkey(Arc<CacheLink>);

struct CacheLink {
    dialer: Dialer,
    /// How long a connection may be silent, and then the cache to a new one.
    timeout: Duration,
    clock: Clock,
    breaker: DependencyBreaker,
    /// Held by the one attempt to connect.
    connecting: Arc<tokio::sync::Mutex<()>>,
    current: Mutex<Option<Arc<Connection>>>,
    /// The number of calls that were answered, on any connection.
    answered: AtomicU64,
}

/// The reason why a call gave no result.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The commands were not sent, because the cache is down. Nothing was done.
    Unasked(Outage),
    /// The cache is down now, or answered with an error. The commands may have been carried out, in part too.
    Failed(Outage),
    /// The answer is lost, or there is no connection, while the cache answers others. The commands may have been carried out,
    /// in part too.
    Unknown(Outage),
}

impl Failure {
    /// Returns the outage.
    #[must_use]
    pub fn into_outage(self) -> Outage {
        match self {
            Self::Unasked(outage) | Self::Failed(outage) | Self::Unknown(outage) => outage,
        }
    }
}

impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Valkey").field(&self.0.dialer.place()).finish()
    }
}

impl Valkey {
    /// Makes the client of `cache`, which connects at the first call.
    #[must_use]
    pub fn new(cache: &SharedCache, config: &Config, clock: Clock) -> Self {
        Self(Arc::new(CacheLink {
            dialer: Dialer::new(cache, config),
            timeout: config.cache.timeout,
            clock,
            breaker: DependencyBreaker::default(),
            connecting: Arc::default(),
            current: Mutex::new(None),
            answered: AtomicU64::new(0),
        }))
    }

    /// Connects while that costs no user anything. The next call reports a failure.
    pub async fn connect(&self) {
        let _ = self.0.connection(self.0.clock.now()).await;
    }

    /// Checks that the cache answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), Outage> {
        let answered = self.ask(redis::pipe().cmd("PING")).await;
        answered.map(|_| ()).map_err(Failure::into_outage)
    }

    /// Sends `commands` together; returns their replies in the same order. The only server error among them is that a script is
    /// unknown.
    ///
    /// # Errors
    /// [`Failure`]; also when the server answers a command with an error.
    pub async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, Failure> {
        let inner = &self.0;
        let now = inner.clock.now();
        let connection = inner.connection(now).await?;
        let mut sender = connection.sender();
        let mut sending = pin!(sender.req_packed_commands(commands, 0, commands.len()));
        let mut patience = Patience::new(inner.timeout, connection.heard());
        // Until the answer is there, the cache is known to be away, or patience ends.
        let answer = loop {
            match tokio::time::timeout(TURN, &mut sending).await {
                Ok(answer) => break answer.map_err(|error| error.to_string()),
                Err(_) if !inner.breaker.is_closed() => break Err("no answer".to_owned()),
                Err(_) => {}
            }
            match patience.after_turn(connection.heard()) {
                WaitStep::Wait => {}
                WaitStep::GiveUp => break Err("no answer".to_owned()),
                WaitStep::Check => tokio::select! {
                    biased;
                    answer = &mut sending => break answer.map_err(|error| error.to_string()),
                    // Its result is in the breaker.
                    _ = inner.replace(Some(&connection), inner.timeout, now) => {}
                },
            }
        };
        match answer {
            Ok(replies) => {
                inner.breaker.succeed();
                inner.answered.fetch_add(1, Ordering::Relaxed);
                connection.note_answer(now);
                inner.check(replies)
            }
            Err(problem) => Err(inner.lost(&connection, &problem, now).await),
        }
    }

    /// Runs scripts together, as [`Valkey::ask`] sends commands. Scripts that the server does not know are sent to it in full.
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

impl CacheLink {
    /// Returns the connection in use, or a new one. A cache that was down must answer on a new one first.
    async fn connection(self: &Arc<Self>, now: Timestamp) -> Result<Arc<Connection>, Failure> {
        if !self.breaker.admits(now) {
            return Err(self.unasked("skipped after a failure"));
        }
        if !self.breaker.is_closed() {
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

    /// Returns the meaning of a lost answer: it was lost alone, or with the cache.
    async fn lost(self: &Arc<Self>, connection: &Arc<Connection>, problem: &str, now: Timestamp) -> Failure {
        if self.breaker.is_closed() {
            let _ = self.replace(Some(connection), self.timeout, now).await;
        }
        let outage = self.outage(problem);
        if self.breaker.is_closed() {
            Failure::Unknown(outage)
        } else {
            Failure::Failed(outage)
        }
    }

    /// Returns a connection other than `old` on which the cache has answered. Callers wait for the same attempt, `patience` at
    /// most: then the cache counts as down, unless it has answered others meanwhile. The attempt itself continues, so that each
    /// probe need not begin a slow handshake again.
    async fn replace(
        self: &Arc<Self>,
        old: Option<&Arc<Connection>>,
        patience: Duration,
        now: Timestamp,
    ) -> Result<Arc<Connection>, Failure> {
        let probes = !self.breaker.is_closed();
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
            if !probes && !self.breaker.is_closed() {
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
            if self.breaker.is_closed() {
                Failure::Unknown(self.outage(&problem))
            } else {
                self.unasked(&problem)
            }
        })
    }

    /// Connects, and waits for a first answer within the usual time. The breaker knows the outcome before the next attempt.
    async fn attempt(self: Arc<Self>, lock: OwnedMutexGuard<()>, now: Timestamp) -> Result<(), String> {
        let answered = self.answered.load(Ordering::Relaxed);
        let outcome = match within(CONNECT, self.dialer.open(now)).await {
            Some(Ok(connection)) => match within(self.timeout, connection.ping()).await {
                Some(answered) => answered.map(|()| connection).map_err(|outage| outage.to_string()),
                None => Err(format!("no answer within {} ms", self.timeout.as_millis())),
            },
            Some(Err(outage)) => Err(outage.to_string()),
            None => Err(format!("no connection within {} ms", CONNECT.as_millis())),
        };
        let outcome = outcome.map(|connection| {
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(connection));
            self.breaker.succeed();
        });
        if outcome.is_err() {
            self.fail_unless_answered(answered);
        }
        drop(lock);
        outcome
    }

    /// Marks the cache as down, unless it has answered a call since `answered` was read.
    fn fail_unless_answered(&self, answered: u64) {
        if self.answered.load(Ordering::Relaxed) == answered {
            self.breaker.fail(self.clock.now());
        }
    }

    /// Returns the connection in use, if a command may be risked on it.
    fn sound(&self, now: Timestamp) -> Option<Arc<Connection>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let found = current.take_if(|connection| {
            connection.is_closed() || connection.idle(now) >= IDLE || connection.age(now) >= LONGEST_LIFE
        });
        drop(found);
        current.clone()
    }

    /// Stops using `connection`, unless it was replaced already.
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
            // The server is up and quick: it need not be skipped.
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
        Outage(format!("{}: {problem}", self.dialer.place()))
    }
}

fn is_no_script(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == NO_SCRIPT)
}
