//! A circuit breaker per process for one dependency: skips it after a failure, so that its outage costs each request
//! nothing. While it is skipped, one request at a time probes if it answers again. Pure except the lock around its
//! state.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// How long a dependency is skipped after its first failure; doubled by each further one.
const FIRST_SKIP: Duration = Duration::from_millis(250);

/// The longest that it is skipped without being probed.
const LONGEST_SKIP: Duration = Duration::from_secs(5);

/// The skip after its third failure in a row, which nobody takes for a hiccup.
const SURELY_DOWN: Duration = Duration::from_secs(1);

/// A breaker for one dependency.
#[derive(Debug, Default)]
pub struct Gate(Mutex<State>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// Skipped since a failure, or since a probe was admitted.
    Shut {
        since: Timestamp,
        skip: Duration,
        probing: bool,
    },
}

impl Gate {
    /// Returns true if the caller may use the dependency now. While it is skipped, one caller per period may, as its
    /// probe.
    pub fn admits(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Shut { since, skip, .. } = *state else {
            return true;
        };
        // A clock that was set back must not keep the gate shut.
        if since <= now && now.since(since) < skip {
            return false;
        }
        *state = State::Shut {
            since: now,
            skip,
            probing: true,
        };
        true
    }

    /// True if nothing speaks against the dependency.
    pub fn is_open(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) == State::Open
    }

    /// True if the dependency has failed and then failed two probes.
    pub fn is_down(&self) -> bool {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open => false,
            State::Shut { skip, .. } => skip >= SURELY_DOWN,
        }
    }

    /// Records that the dependency has answered.
    pub fn succeed(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Open;
    }

    /// Records that the dependency has failed.
    pub fn fail(&self, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = match *state {
            State::Open => FIRST_SKIP,
            State::Shut {
                skip, probing: true, ..
            } => (skip * 2).min(LONGEST_SKIP),
            // Requests that were under way together fail together: that is one failure, not many.
            State::Shut { .. } => return,
        };
        *state = State::Shut {
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
    fn an_open_gate_admits_everybody() {
        let gate = Gate::default();
        assert!(gate.admits(ms(0)) && gate.admits(ms(0)));
    }

    #[test]
    fn after_a_failure_one_probe_per_period_passes() {
        let gate = Gate::default();
        gate.fail(ms(0));
        assert!(!gate.admits(ms(249)));
        assert!(gate.admits(ms(250)));
        assert!(!gate.admits(ms(260)), "the probe is under way");
        gate.succeed();
        assert!(gate.admits(ms(261)));
    }

    #[test]
    fn failed_probes_are_spaced_out_up_to_five_seconds() {
        let gate = Gate::default();
        let mut now = 0;
        gate.fail(ms(now));
        for skip in [250, 500, 1000, 2000, 4000, 5000, 5000] {
            assert!(!gate.admits(ms(now + skip - 1)), "{skip}");
            now += skip;
            assert!(gate.admits(ms(now)), "{skip}");
            // The probe takes a while to fail.
            now += 2600;
            gate.fail(ms(now));
        }
    }

    #[test]
    fn failures_that_come_together_count_once() {
        let gate = Gate::default();
        for _ in 0..50 {
            gate.fail(ms(10));
        }
        assert!(gate.admits(ms(260)));
    }

    #[test]
    fn three_failures_in_a_row_are_an_outage_and_fewer_are_not() {
        let gate = Gate::default();
        for (at, down) in [(0, false), (250, false), (750, true)] {
            assert!(gate.admits(ms(at)));
            // Together they are one.
            gate.fail(ms(at));
            gate.fail(ms(at));
            assert_eq!((gate.is_open(), gate.is_down()), (false, down), "{at}");
        }
        gate.succeed();
        assert_eq!((gate.is_open(), gate.is_down()), (true, false));
    }

    #[test]
    fn a_clock_set_back_does_not_keep_it_shut() {
        let gate = Gate::default();
        gate.fail(ms(3_600_000));
        assert!(gate.admits(ms(0)));
    }
}
