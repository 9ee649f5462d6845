//! The logs of this process: for a deployment without a shared cache, and for the time that the cache is down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;

use super::device::Paces;
use super::{Decision, Log, Policy};
use crate::clock::Timestamp;
use crate::quota::outage::shadow::Booking;

/// The most logs that are kept; the least recently used goes first.
const KEPT: usize = 100_000;

/// The number of decisions after which logs are dropped whose windows are over. Memory grows with the requests of a window, not with
/// all addresses that ever asked.
const SWEEP_EVERY: u64 = 10_000;

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
    /// The further key of a device, if the limit is a device's.
    pub device: Option<DeviceKey>,
}

/// The key of a device's script besides the log, and what it decides by.
#[derive(Debug)]
pub struct DeviceKey {
    /// The state of the device.
    pub state: String,
    /// The paces that it is asked to keep.
    pub paces: Paces,
    /// The time of its arrival.
    pub now: Timestamp,
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
pub struct LocalLogs {
    logs: Cache<String, Arc<Mutex<KeptLog>>>,
    decided: AtomicU64,
}

/// A log, and until when it says anything.
#[derive(Debug, Default)]
struct KeptLog {
    log: Log,
    until: Option<Timestamp>,
}

impl KeptLog {
    /// Returns the log to ask `policy` at `now`.
    fn used(&mut self, policy: &Policy, now: Timestamp) -> &mut Log {
        self.until = Some(now.plus(policy.window));
        &mut self.log
    }
}

impl Default for LocalLogs {
    fn default() -> Self {
        Self {
            logs: Cache::new(KEPT),
            decided: AtomicU64::new(0),
        }
    }
}

impl LocalLogs {
    /// Decides on a request by several limits, all or nothing: if one refuses, the others keep no trace.
    #[must_use]
    pub fn decide(&self, asks: &[Ask], id: u64, now: Timestamp) -> Vec<Decision> {
        self.sweep(now);
        let logs: Vec<Arc<Mutex<KeptLog>>> = asks.iter().map(|ask| self.log(&ask.key)).collect();
        let decide = |(ask, log): (&Ask, &Arc<Mutex<KeptLog>>)| {
            let policy = &ask.policy;
            lock(log).used(policy, now).decide(policy, ask.weight, id, now)
        };
        let decisions: Vec<Decision> = asks.iter().zip(&logs).map(decide).collect();
        if decisions.iter().any(|decision| decision.wait.is_some()) {
            for log in &logs {
                lock(log).log.take_back(id);
            }
        }
        decisions
    }

    /// Notes a request that the shared cache has admitted: should the cache fail next, this process's share counts it.
    pub fn note(&self, asks: &[Ask], id: u64, now: Timestamp) {
        self.sweep(now);
        for ask in asks {
            let policy = &ask.policy;
            lock(&self.log(&ask.key))
                .used(policy, now)
                .note(policy, ask.weight, id, now);
        }
    }

    fn sweep(&self, now: Timestamp) {
        if self.decided.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            // A request that is deciding holds the log too: its notes must not go.
            self.logs
                .retain(|_, log| Arc::strong_count(log) > 1 || lock(log).until.is_none_or(|until| until > now));
        }
    }

    fn log(&self, key: &str) -> Arc<Mutex<KeptLog>> {
        let made = || Ok::<_, std::convert::Infallible>(Arc::default());
        match self.logs.get_or_insert_with(key, made) {
            Ok(log) => log,
            Err(never) => match never {},
        }
    }
}

fn lock(log: &Mutex<KeptLog>) -> MutexGuard<'_, KeptLog> {
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
            device: None,
        }
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_with_its_window_and_nothing_is_forgotten_within_it() {
        let (logs, start) = (LocalLogs::default(), Timestamp::from_seconds(0));
        let visit = |address: u64, now: Timestamp| {
            let decided = logs.decide(&[ask(&format!("ip {address}"), Policy::ip(1), 1)], address, now);
            decided[0].wait.is_none()
        };
        for address in 0..50_000 {
            assert!(visit(address, start), "{address}");
        }
        let within = start.plus(std::time::Duration::from_secs(59));
        for address in 0..50_000 {
            assert!(!visit(address, within), "{address} was forgotten within its minute");
        }
        let later = within.plus(std::time::Duration::from_mins(1));
        for address in 50_000..70_000 {
            assert!(visit(address, later));
        }
        assert!(logs.logs.len() <= 20_000, "{} are kept", logs.logs.len());
        assert!(visit(0, later), "and its window is over");
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
