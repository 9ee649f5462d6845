//! The circuit breaker of a provider, as a state machine over plain values, and the budget of retries.
//!
//! Closed, calls pass and are counted ([`window`]). It opens on 10 failures in a row, or when at least half of 20 or more
//! calls of the last 30 s failed, or when 80 % of them were slow. Open, nothing passes for 60 s; then, half-open, 5 probes:
//! 4 good ones close it, 2 bad ones open it for twice as long, up to 10 minutes. Failures that requests can have provoked only
//! put the provider in doubt: it is half-open at once, and whoever else asks shows whether it is well. Every change starts an
//! epoch, and results of calls that began in an older one are ignored. [`fleet`] keeps the counts for all instances, [`store`]
//! carries decisions out.

pub mod fleet;
pub mod store;
pub mod window;

use std::time::Duration;

use crate::clock::Timestamp;

/// Failures in a row that open it.
pub const STREAK: u32 = 10;

/// The fewest calls whose rates are judged.
pub const FEWEST: u32 = 20;

/// The span in which calls are counted.
pub const WINDOW: Duration = Duration::from_secs(30);

/// The time for which it stays open at first, and at most.
pub const FIRST_OPEN: Duration = Duration::from_mins(1);
/// See [`FIRST_OPEN`].
pub const LONGEST_OPEN: Duration = Duration::from_mins(10);

/// Probes of one half-open phase, and how many must be good.
pub const PROBES: u32 = 5;
/// See [`PROBES`].
pub const GOOD_PROBES: u32 = 4;

/// The time for which a doubt counts as having been open: if the probes confirm it, the provider is skipped for [`FIRST_OPEN`].
const DOUBTED: Duration = Duration::from_secs(30);

/// The time after which a probe counts as lost: twice the longest call.
pub const PROBE_LEASE: Duration = Duration::from_secs(10);

/// The most timeouts and schema violations that one user, or one content, may bring against a provider in [`BLAME_SPAN`]:
/// nobody can switch a provider off with poisoned content.
pub const MOST_BLAMED: u32 = 3;
/// See [`MOST_BLAMED`].
pub const BLAME_SPAN: Duration = Duration::from_mins(10);

/// Calls that must have been made for each retry: the fleet's budget of 10 %, with no floor.
pub const CALLS_PER_RETRY: u32 = 10;

/// The state of a provider's breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Calls pass.
    Closed,
    /// No call passes until then.
    Open {
        /// The time from which probes may pass.
        until: Timestamp,
        /// The time for which it is open in all.
        span: Duration,
    },
    /// Probes pass.
    HalfOpen {
        /// The time from which probes without a result count as lost, and others may be made.
        until: Timestamp,
        /// The time for which it was open before.
        span: Duration,
        /// Probes under way or done.
        leased: u32,
        /// Those that were good.
        good: u32,
        /// Those that were bad.
        bad: u32,
    },
}

/// The counts of the current epoch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Calls that ended in the last 30 s.
    pub calls: u32,
    /// Those that failed.
    pub failures: u32,
    /// Of the failed ones, those that the request can have provoked.
    pub provoked: u32,
    /// Those that were slow, good or not.
    pub slow: u32,
    /// Those that were retries.
    pub retries: u32,
    /// Failures in a row, however long ago.
    pub streak: u32,
}

/// The state and the counts of a provider at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Counts the changes of phase.
    pub epoch: u64,
    /// The state.
    pub phase: Phase,
    /// The counts.
    pub tally: Tally,
    /// Until when the provider asked not to be called.
    pub held_until: Option<Timestamp>,
    /// The status with which it last refused a call, if it has answered none since.
    pub refusal: Option<u16>,
}

/// The end of a call, as far as it concerns a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// With an answer.
    Good {
        /// It took long.
        slow: bool,
    },
    /// Without, by the provider's fault.
    Failed {
        /// It took long.
        slow: bool,
    },
    /// Without, by the provider's fault or by that of what it was asked.
    Provoked {
        /// It took long.
        slow: bool,
    },
    /// With nothing that speaks for or against the provider.
    Neutral,
}

/// The next step towards a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallDecision {
    /// It passes.
    Call,
    /// It passes as a probe, if one can be had.
    Lease,
    /// The phase is over: this one follows.
    Shift(Phase),
    /// It does not pass before then.
    Refuse(Timestamp),
}

impl Snapshot {
    /// A provider of which nothing is known.
    pub const NEW: Self = Self {
        epoch: 0,
        phase: Phase::Closed,
        tally: Tally {
            calls: 0,
            failures: 0,
            provoked: 0,
            slow: 0,
            retries: 0,
            streak: 0,
        },
        held_until: None,
        refusal: None,
    };

    /// Returns the next step towards a call at `now`.
    #[must_use]
    pub fn admission(&self, now: Timestamp) -> CallDecision {
        if let Some(until) = self.held_until.filter(|until| now < *until) {
            return CallDecision::Refuse(until);
        }
        match self.phase {
            Phase::Closed => CallDecision::Call,
            Phase::HalfOpen { leased, .. } if leased < PROBES => CallDecision::Lease,
            Phase::Open { until, .. } | Phase::HalfOpen { until, .. } if now < until => CallDecision::Refuse(until),
            Phase::Open { span, .. } | Phase::HalfOpen { span, .. } => CallDecision::Shift(half_open(span, now)),
        }
    }

    /// Returns the phase that follows from the counts, if another does.
    #[must_use]
    pub fn consequence(&self, now: Timestamp) -> Option<Phase> {
        match self.phase {
            Phase::Closed if self.tally.trips() && self.tally.is_doubtful() => Some(half_open(DOUBTED, now)),
            Phase::Closed => self.tally.trips().then(|| open(FIRST_OPEN, now)),
            Phase::HalfOpen { good, .. } if good >= GOOD_PROBES => Some(Phase::Closed),
            Phase::HalfOpen { span, bad, .. } if bad > PROBES - GOOD_PROBES => {
                Some(open((span * 2).min(LONGEST_OPEN), now))
            }
            Phase::Open { .. } | Phase::HalfOpen { .. } => None,
        }
    }
}

impl Tally {
    /// Reports whether these counts open a closed breaker.
    #[must_use]
    pub const fn trips(&self) -> bool {
        let enough = self.calls >= FEWEST;
        let half_failed = self.failures * 2 >= self.calls;
        let most_slow = self.slow * 5 >= self.calls * 4;
        self.streak >= STREAK || (enough && (half_failed || most_slow))
    }

    /// Reports whether requests can have provoked most of what failed.
    #[must_use]
    pub const fn is_doubtful(&self) -> bool {
        self.provoked > 0 && self.provoked * 2 >= self.failures
    }

    /// Reports whether one more retry stays within the budget.
    #[must_use]
    pub const fn allows_retry(&self) -> bool {
        (self.retries + 1) * CALLS_PER_RETRY <= self.calls
    }
}

fn open(span: Duration, now: Timestamp) -> Phase {
    Phase::Open {
        until: now.plus(span),
        span,
    }
}

fn half_open(span: Duration, now: Timestamp) -> Phase {
    Phase::HalfOpen {
        until: now.plus(PROBE_LEASE),
        span,
        leased: 0,
        good: 0,
        bad: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000 + seconds)
    }

    fn tally(calls: u32, failures: u32, slow: u32, streak: u32) -> Tally {
        Tally {
            calls,
            failures,
            slow,
            streak,
            ..Tally::default()
        }
    }

    #[test]
    fn it_opens_by_a_streak_or_by_a_rate_of_enough_calls() {
        for (counts, expected) in [
            (tally(9, 9, 0, 9), false),
            (tally(10, 10, 0, 10), true),
            (tally(0, 0, 0, 10), true),
            (tally(19, 18, 19, 9), false),
            (tally(20, 10, 0, 1), true),
            (tally(21, 10, 0, 1), false),
            (tally(20, 0, 16, 0), true),
            (tally(20, 0, 15, 0), false),
        ] {
            assert_eq!(counts.trips(), expected, "{counts:?}");
        }
    }

    #[test]
    fn what_requests_can_have_provoked_puts_it_in_doubt_and_no_more() {
        for (provoked, expected) in [
            (0, open(FIRST_OPEN, at(0))),
            (4, open(FIRST_OPEN, at(0))),
            (5, half_open(DOUBTED, at(0))),
            (10, half_open(DOUBTED, at(0))),
        ] {
            let tripped = Snapshot {
                tally: Tally {
                    provoked,
                    ..tally(10, 10, 0, 10)
                },
                ..Snapshot::NEW
            };
            assert_eq!(tripped.consequence(at(0)), Some(expected), "{provoked}");
        }
    }

    #[test]
    fn a_retry_needs_ten_calls_each() {
        for (calls, retries, expected) in [
            (0, 0, false),
            (9, 0, false),
            (10, 0, true),
            (10, 1, false),
            (19, 1, false),
            (20, 1, true),
        ] {
            let counts = Tally {
                calls,
                retries,
                ..Tally::default()
            };
            assert_eq!(counts.allows_retry(), expected, "{counts:?}");
        }
    }

    #[test]
    fn open_times_double_up_to_ten_minutes() {
        let mut span = FIRST_OPEN;
        for seconds in [120, 240, 480, 600, 600] {
            let Phase::HalfOpen { until, leased, .. } = half_open(span, at(0)) else {
                panic!("half-open");
            };
            let failed = Snapshot {
                phase: Phase::HalfOpen {
                    until,
                    span,
                    leased,
                    good: 3,
                    bad: 2,
                },
                ..Snapshot::NEW
            };
            assert_eq!(
                failed.consequence(at(0)),
                Some(open(Duration::from_secs(seconds), at(0)))
            );
            span = Duration::from_secs(seconds);
        }
    }

    #[test]
    fn what_the_provider_asked_for_is_honoured_in_every_phase() {
        let held = Snapshot {
            held_until: Some(at(5)),
            ..Snapshot::NEW
        };
        assert_eq!(held.admission(at(4)), CallDecision::Refuse(at(5)));
        assert_eq!(held.admission(at(5)), CallDecision::Call);
    }

    #[test]
    fn probes_that_were_lost_are_made_again_after_their_lease() {
        let Phase::HalfOpen { until, span, .. } = half_open(FIRST_OPEN, at(0)) else {
            panic!("half-open");
        };
        let lost = Snapshot {
            phase: Phase::HalfOpen {
                until,
                span,
                leased: PROBES,
                good: 3,
                bad: 1,
            },
            ..Snapshot::NEW
        };
        assert_eq!(lost.admission(at(9)), CallDecision::Refuse(at(10)));
        assert_eq!(
            lost.admission(at(10)),
            CallDecision::Shift(half_open(FIRST_OPEN, at(10)))
        );
    }
}
