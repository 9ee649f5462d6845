//! Idempotency keys of an outage: those whose charge waits in a ledger, so that the table has no record of them. Each instance
//! remembers its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;

use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::quota::Counter;
use crate::quota::idempotency::{self, IdempotencyKey, KeyRecord, Request};

/// Keys that are remembered.
const REMEMBERED: usize = 10_000;

/// The keys that an instance remembers.
#[derive(Debug)]
pub struct OutageKeys(Mutex<Cache<String, Run>>);

/// The last run of a key.
#[derive(Debug, Clone)]
struct Run {
    record: KeyRecord,
    /// Units used on its day once it was charged.
    used: u64,
}

impl Default for OutageKeys {
    fn default() -> Self {
        Self(Mutex::new(Cache::new(REMEMBERED)))
    }
}

impl OutageKeys {
    /// Decides what a request with `key` is, as far as this instance knows.
    #[must_use]
    pub fn decide(&self, user: &UserId, key: &IdempotencyKey, now: Timestamp) -> Request {
        let runs = self.runs();
        idempotency::decide(key, runs.get(&name(user, &key.key)).map(|run| &run.record), now)
    }

    /// Begins the run of `record`, unless it must not run or is paid for. Returns what the request was before that.
    #[must_use]
    pub fn begin(&self, user: &UserId, key: &IdempotencyKey, record: KeyRecord, now: Timestamp) -> Request {
        let mut runs = self.runs();
        let name = name(user, &key.key);
        let request = idempotency::decide(key, runs.get(&name).map(|run| &run.record), now);
        if request.due(record.charged).is_some() {
            runs.insert(name, Run { record, used: 0 });
        }
        request
    }

    /// Notes how much is used with a run that has begun.
    pub fn admitted(&self, user: &UserId, key: &str, units: u64) {
        if let Some(mut run) = self.runs().get_mut(&name(user, key)) {
            run.used = units;
        }
    }

    /// Ends a run that has begun: `unpaid` of its units are not charged, or not any more. Where nothing is, the key is free.
    pub fn end(&self, user: &UserId, key: &str, unpaid: u64) {
        let (mut runs, name) = (self.runs(), name(user, key));
        let Some(mut run) = runs.get_mut(&name) else { return };
        run.record.busy_until = Timestamp::from_millis(0);
        run.record.charged = run.record.charged.saturating_sub(unpaid);
        let is_free = run.record.charged == 0;
        drop(run);
        if is_free {
            runs.remove(&name);
        }
    }

    /// Returns the time of the run that a key was last charged for here.
    #[must_use]
    pub fn run_of(&self, user: &UserId, key: &str) -> Option<Timestamp> {
        let runs = self.runs();
        Some(runs.get(&name(user, key))?.record.charged_at())
    }

    /// Returns how much was used on the day of `counter` with the last run of a key; `None` if that was another day's.
    #[must_use]
    pub fn used(&self, counter: &Counter, key: &str) -> Option<u64> {
        let runs = self.runs();
        let run = runs.get(&name(&counter.user, key))?;
        (run.record.charged_on() == counter.day).then_some(run.used)
    }

    fn runs(&self) -> MutexGuard<'_, Cache<String, Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names a key of a user.
fn name(user: &UserId, key: &str) -> String {
    format!("{user}#{key}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Meter;

    fn at(seconds: i64) -> Timestamp {
        // Half an hour before midnight.
        Timestamp::from_seconds(86_400 - 1_800 + seconds)
    }

    fn record(key: &IdempotencyKey, units: u64, now: Timestamp) -> KeyRecord {
        KeyRecord::of_run(key, units, now, Duration::from_secs(10))
    }

    #[test]
    fn a_key_is_busy_until_its_run_ends_then_paid_and_forgotten_after_its_hour() {
        let (keys, user) = (OutageKeys::default(), UserId::random().unwrap());
        let key = IdempotencyKey::of("k", b"request");
        assert_eq!(keys.begin(&user, &key, record(&key, 5, at(0)), at(0)), Request::First);
        assert_eq!(keys.decide(&user, &key, at(9)), Request::UnderWay);
        keys.end(&user, &key.key, 2);
        assert_eq!(keys.decide(&user, &key, at(9)), Request::Replay(3));
        let other = IdempotencyKey::of("k", b"another request");
        assert_eq!(keys.decide(&user, &other, at(9)), Request::Mismatch);
        assert_eq!(keys.decide(&user, &key, at(3_600)), Request::First);
    }

    #[test]
    fn a_run_is_of_the_day_on_which_it_was_charged() {
        let (keys, user) = (OutageKeys::default(), UserId::random().unwrap());
        let key = IdempotencyKey::of("k", b"request");
        let counter = |now: Timestamp| Counter {
            user: user.clone(),
            meter: Meter::Posts,
            day: now.day(),
        };
        assert_eq!(keys.begin(&user, &key, record(&key, 5, at(0)), at(0)), Request::First);
        keys.admitted(&user, &key.key, 25);
        keys.end(&user, &key.key, 0);
        assert_eq!(keys.used(&counter(at(1)), &key.key), Some(25));
        assert_eq!(keys.used(&counter(at(1_800)), &key.key), None);
        assert_eq!(keys.decide(&user, &key, at(1_800)), Request::Replay(5));
    }

    #[test]
    fn a_run_that_nothing_is_charged_for_leaves_its_key_free() {
        let (keys, user) = (OutageKeys::default(), UserId::random().unwrap());
        let key = IdempotencyKey::of("k", b"request");
        let _ = keys.begin(&user, &key, record(&key, 5, at(0)), at(0));
        keys.end(&user, &key.key, 5);
        let other = IdempotencyKey::of("k", b"another request");
        assert_eq!(keys.decide(&user, &other, at(1)), Request::First);
    }
}
