//! When a device is to send its next capture: soon while something is going on, later while all is safe.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Detection, Level};
use crate::error::Error;
use crate::limits::device::{Arrival, Paces};

/// 5 s; 10 s after 6 safe captures in a row, 15 s after 12.
pub const PACES: Paces = Paces {
    first: Duration::from_secs(5),
    every: 6,
    most: 3,
};

/// The interval while nothing is known of the device, as the cache of the limits is down: an outage is no time for more work.
pub const BLIND: Duration = Duration::from_secs(10);

/// The interval of a plan with one capture in a minute: a minute, and room for a network's jitter.
const ONE_A_MINUTE: Duration = Duration::from_secs(65);

/// The outcome of a capture, as far as the cadence is concerned; the worst of a batch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Safety {
    /// Level 0.
    Safe,
    /// Nobody could tell.
    Unknown,
    /// Any other level.
    NotSafe,
}

impl Safety {
    /// Returns the safety of an image's outcome; nobody knows that of one that was refused.
    #[must_use]
    pub fn of(detection: Result<&Detection, &Error>) -> Self {
        match detection {
            Ok(detection) if detection.failed_open() => Self::Unknown,
            Ok(detection) if detection.level() == Level::Safe => Self::Safe,
            Ok(_) => Self::NotSafe,
            Err(_) => Self::Unknown,
        }
    }
}

/// The state of a device after an outcome: good arrivals in a row, and if the last one was not good.
#[must_use]
pub fn after(arrival: &Arrival, safety: Safety) -> (u32, bool) {
    match safety {
        Safety::Safe => (arrival.with_good(), false),
        Safety::NotSafe => (0, true),
        // It neither counts as safe nor ends the run.
        Safety::Unknown if arrival.bad => (0, true),
        Safety::Unknown => (arrival.run, false),
    }
}

/// Returns the interval after a run of safe captures, within a plan's figure by minute. A device that keeps to it is never refused: at one
/// arrival each 60 / (n - 1) seconds, no 60 seconds hold more than n, and 13 leaves room for the jitter of a network.
#[must_use]
pub fn interval(run: u32, per_minute: u64) -> Duration {
    let of_plan = match u32::try_from(per_minute).unwrap_or(u32::MAX) {
        0 | 1 => ONE_A_MINUTE,
        figure => Duration::from_mins(1) / (figure - 1),
    };
    PACES.interval(run).max(of_plan)
}

/// The outcomes of one arrival, as they come in.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    arrival: &'a Arrival,
    known: Mutex<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    worst: Option<Safety>,
    /// The state that the limits' cache has noted.
    noted: (u32, bool),
}

impl<'a> Pace<'a> {
    pub(super) fn of(arrival: &'a Arrival) -> Self {
        let known = Known {
            worst: None,
            noted: (arrival.noted(), arrival.bad),
        };
        Self {
            arrival,
            known: Mutex::new(known),
        }
    }

    /// Adds an outcome.
    pub(super) fn add(&self, safety: Safety) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.worst = known.worst.max(Some(safety));
    }

    /// Returns the state to be noted; `None` if it is noted already and `always` is false.
    pub(super) fn due(&self, always: bool) -> Option<(u32, bool)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let state = after(self.arrival, known.worst.unwrap_or(Safety::Unknown));
        let is_due = always || state != known.noted;
        known.noted = state;
        is_due.then_some(state)
    }

    /// Returns the run of safe captures with this one.
    pub(super) fn run(&self) -> u32 {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        after(self.arrival, known.worst.unwrap_or(Safety::Unknown)).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(run: u32, paced: bool, bad: bool) -> Arrival {
        Arrival {
            run,
            paced,
            bad,
            memory: Vec::new(),
        }
    }

    #[test]
    fn safe_captures_in_a_row_make_the_interval_longer_and_the_first_other_makes_it_short_again() {
        for (before, safety, expected) in [
            (arrival(5, true, false), Safety::Safe, (6, false)),
            (arrival(5, false, false), Safety::Safe, (5, false)),
            (arrival(11, true, false), Safety::Safe, (12, false)),
            (arrival(12, true, false), Safety::NotSafe, (0, true)),
            (arrival(0, true, true), Safety::Safe, (1, false)),
            (arrival(5, true, false), Safety::Unknown, (5, false)),
            (arrival(0, true, true), Safety::Unknown, (0, true)),
        ] {
            assert_eq!(after(&before, safety), expected, "{before:?} {safety:?}");
        }
        let seconds: Vec<u64> = [0, 5, 6, 11, 12, 99].map(|run| interval(run, 13).as_secs()).into();
        assert_eq!(seconds, [5, 5, 10, 10, 15, 15]);
    }

    #[test]
    fn a_plan_with_a_smaller_figure_makes_it_longer() {
        for (per_minute, millis) in [
            (13, 5_000),
            (120, 5_000),
            (7, 10_000),
            (2, 60_000),
            (1, 65_000),
            (0, 65_000),
        ] {
            assert_eq!(interval(0, per_minute).as_millis(), millis, "{per_minute}");
        }
    }

    #[test]
    fn the_worst_of_a_batch_counts_and_is_noted_once() {
        let arrival = arrival(3, true, false);
        let pace = Pace::of(&arrival);
        pace.add(Safety::Safe);
        assert_eq!(pace.due(false), None, "that was assumed");
        pace.add(Safety::NotSafe);
        assert_eq!(pace.due(false), Some((0, true)));
        pace.add(Safety::Safe);
        assert_eq!((pace.due(false), pace.run()), (None, 0));
        assert_eq!(pace.due(true), Some((0, true)));
    }
}
