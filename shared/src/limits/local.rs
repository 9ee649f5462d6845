//! The logs of this process: for a deployment without a shared cache, and for the time that the cache is down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;

use super::{Decision, Log, Policy};
use crate::clock::Timestamp;
use crate::quota::outage::shadow::Booking;

/// The most logs that are kept; the least recently used goes first.
const KEPT: usize = 100_000;

/// A limit on a key, and the units that a request takes of it.
#[derive(Debug)]
pub struct Ask {
    /// The log's name.
    pub key: String,
    /// The limit.
    pub policy: Policy,
    /// Units; 0 only looks.
    pub weight: u64,
    /// The further keys of the user, if the limit is a user's.
    pub user: Option<UserKeys>,
}

/// The keys of a user's script besides the log.
#[derive(Debug)]
pub struct UserKeys {
    /// The mark of the session if it was revoked.
    pub revoked: String,
    /// The booking in the day's shadow count, if the meter is counted by day.
    pub booking: Option<Booking>,
}

/// Logs by key.
#[derive(Debug)]
pub struct LocalLogs(Cache<String, Arc<Mutex<Log>>>);

impl Default for LocalLogs {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl LocalLogs {
    /// Decides on a request by several limits, all or nothing: if one refuses, the others keep no trace.
    #[must_use]
    pub fn decide(&self, asks: &[Ask], id: u64, now: Timestamp) -> Vec<Decision> {
        let logs: Vec<Arc<Mutex<Log>>> = asks.iter().map(|ask| self.log(&ask.key)).collect();
        let decide = |(ask, log): (&Ask, &Arc<Mutex<Log>>)| lock(log).decide(&ask.policy, ask.weight, id, now);
        let decisions: Vec<Decision> = asks.iter().zip(&logs).map(decide).collect();
        if decisions.iter().any(|decision| decision.wait.is_some()) {
            for log in &logs {
                lock(log).take_back(id);
            }
        }
        decisions
    }

    /// Notes a request that the shared cache has admitted: should the cache fail next, this process's share counts it.
    pub fn note(&self, asks: &[Ask], id: u64, now: Timestamp) {
        for ask in asks {
            lock(&self.log(&ask.key)).note(&ask.policy, ask.weight, id, now);
        }
    }

    fn log(&self, key: &str) -> Arc<Mutex<Log>> {
        let made = || Ok::<_, std::convert::Infallible>(Arc::default());
        match self.0.get_or_insert_with(key, made) {
            Ok(log) => log,
            Err(never) => match never {},
        }
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(key: &str, policy: Policy, weight: u64) -> Ask {
        let key = key.to_owned();
        Ask {
            key,
            policy,
            weight,
            user: None,
        }
    }

    #[test]
    fn what_one_limit_refuses_does_not_count_for_another() {
        let logs = LocalLogs::default();
        let now = Timestamp::from_seconds(0);
        let both = |weight| [ask("a", Policy::ip(2), 1), ask("u", Policy::burst(50), weight)];
        let waits = |decisions: Vec<Decision>| decisions.iter().map(|d| d.wait.is_some()).collect::<Vec<_>>();
        assert_eq!(waits(logs.decide(&both(40), 1, now)), [false, false]);
        for id in 2..10 {
            assert_eq!(waits(logs.decide(&both(11), id, now)), [false, true]);
        }
        assert_eq!(waits(logs.decide(&both(5), 10, now)), [false, false]);
        assert_eq!(waits(logs.decide(&both(5), 11, now)), [true, false]);
        let left = logs.decide(&[ask("u", Policy::burst(50), 0)], 12, now);
        assert_eq!(left[0].standing.remaining, 5);
    }
}
