//! The circuit breaker of a dependency, per process: after a failure the dependency is skipped, so that its outage costs each
//! request nothing, and one request at a time probes whether it answers again. Pure but for the lock around its state.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// How long a dependency is skipped by default after its first failure; doubled by each further one.
const FIRST_SKIP: Duration = Duration::from_millis(250);

/// The longest that it is skipped by default without being probed.
const LONGEST_SKIP: Duration = Duration::from_secs(5);

/// By how much the skip has grown after a third failure in a row, which nobody takes for a hiccup.
const SURELY_DOWN: u32 = 4;

/// The breaker of one dependency.
#[derive(Debug)]
pub struct DependencyBreaker {
    first: Duration,
    longest: Duration,
    state: Mutex<BreakerState>,
}

impl Default for DependencyBreaker {
    fn default() -> Self {
        Self::with_skips(FIRST_SKIP, LONGEST_SKIP)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum BreakerState {
    #[default]
    Closed,
    /// Skipped since a failure, or since a probe was admitted.
    Open {
        since: Timestamp,
        skip: Duration,
        probing: bool,
    },
}

impl DependencyBreaker {
    /// Makes one whose first skip is `first`, and whose longest is `longest`: for a dependency whose failures take their time.
    #[must_use]
    pub fn with_skips(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            state: Mutex::default(),
        }
    }

    /// Reports whether the caller may ask the dependency now. While it is skipped, one caller per period may, as its probe.
    pub fn admits(&self, now: Timestamp) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let BreakerState::Open { since, skip, .. } = *state else {
            return true;
        };
        // A clock that was set back must not keep it open.
        if since <= now && now.since(since) < skip {
            return false;
        }
        *state = BreakerState::Open {
            since: now,
            skip,
            probing: true,
        };
        true
    }

    /// Reports whether nothing speaks against the dependency.
    pub fn is_closed(&self) -> bool {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) == BreakerState::Closed
    }

    /// Reports whether the dependency has failed and then failed two probes.
    pub fn is_down(&self) -> bool {
        match *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            BreakerState::Closed => false,
            BreakerState::Open { skip, .. } => skip >= self.first * SURELY_DOWN,
        }
    }

    /// Notes that the dependency has answered.
    pub fn succeed(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = BreakerState::Closed;
    }

    /// Notes that the dependency has failed.
    pub fn fail(&self, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = match *state {
            BreakerState::Closed => self.first,
            BreakerState::Open {
                skip, probing: true, ..
            } => (skip * 2).min(self.longest),
            // Requests that were under way together fail together: that is one failure, not many.
            BreakerState::Open { .. } => return,
        };
        *state = BreakerState::Open {
            since: now,
            skip,
            probing: false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_closed_breaker_admits_everybody() {
        let breaker = DependencyBreaker::default();
        assert!(breaker.admits(ms(0)) && breaker.admits(ms(0)));
    }

    #[test]
    fn after_a_failure_one_probe_per_period_passes() {
        let breaker = DependencyBreaker::default();
        breaker.fail(ms(0));
        assert!(!breaker.admits(ms(249)));
        assert!(breaker.admits(ms(250)));
        assert!(!breaker.admits(ms(260)), "the probe is under way");
        breaker.succeed();
        assert!(breaker.admits(ms(261)));
    }

    #[test]
    fn failed_probes_are_spaced_out_up_to_five_seconds() {
        let breaker = DependencyBreaker::default();
        let mut now = 0;
        breaker.fail(ms(now));
        for skip in [250, 500, 1000, 2000, 4000, 5000, 5000] {
            assert!(!breaker.admits(ms(now + skip - 1)), "{skip}");
            now += skip;
            assert!(breaker.admits(ms(now)), "{skip}");
            // The probe takes a while to fail.
            now += 2600;
            breaker.fail(ms(now));
        }
    }

    #[test]
    fn failures_that_come_together_count_once() {
        let breaker = DependencyBreaker::default();
        for _ in 0..50 {
            breaker.fail(ms(10));
        }
        assert!(breaker.admits(ms(260)));
    }

    #[test]
    fn three_failures_in_a_row_are_an_outage_and_fewer_are_not() {
        let breaker = DependencyBreaker::default();
        for (at, down) in [(0, false), (250, false), (750, true)] {
            assert!(breaker.admits(ms(at)));
            // Together they are one.
            breaker.fail(ms(at));
            breaker.fail(ms(at));
            assert_eq!((breaker.is_closed(), breaker.is_down()), (false, down), "{at}");
        }
        breaker.succeed();
        assert_eq!((breaker.is_closed(), breaker.is_down()), (true, false));
    }

    #[test]
    fn skips_are_as_long_as_they_were_made() {
        let breaker = DependencyBreaker::with_skips(Duration::from_secs(5), Duration::from_secs(8));
        let mut now = 0;
        breaker.fail(ms(now));
        for skip in [5_000, 8_000, 8_000] {
            assert!(!breaker.admits(ms(now + skip - 1)) && !breaker.is_down(), "{skip}");
            now += skip;
            assert!(breaker.admits(ms(now)), "{skip}");
            breaker.fail(ms(now));
        }
    }

    #[test]
    fn a_clock_set_back_does_not_keep_it_open() {
        let breaker = DependencyBreaker::default();
        breaker.fail(ms(3_600_000));
        assert!(breaker.admits(ms(0)));
    }
}
