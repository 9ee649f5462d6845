//! A user's devices: each has the limit by minute for itself, a pace that it is asked to keep, and a memory of what it did last.
//!
//! All of it rides in the round trip of the limits. The rule is [`arrive`]; in the shared cache the same rule runs as a script
//! (`device.lua`). A device in a hurry earns no longer interval: an arrival counts only if it comes at least four fifths of the
//! interval after the last.

use std::time::Duration;

use crate::clock::Timestamp;

/// How many devices of a user have the limit by minute at the same time.
pub const DEVICES: u64 = 8;

/// How long a device is remembered after its last arrival.
pub const REMEMBERED_FOR: Duration = Duration::from_mins(1);

/// The intervals that devices are asked to keep: the longer, the more good arrivals there were in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paces {
    /// The first interval; the second is twice as long, and so on.
    pub first: Duration,
    /// How many good arrivals make the interval longer.
    pub every: u32,
    /// How many intervals there are.
    pub most: u32,
}

impl Paces {
    /// Returns the interval after a run of good arrivals.
    #[must_use]
    pub fn interval(self, run: u32) -> Duration {
        self.first * (run / self.every.max(1) + 1).min(self.most.max(1))
    }
}

/// The device that a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// Its name among the user's devices.
    pub name: &'a str,
    /// The paces that it is asked to keep.
    pub paces: Paces,
}

/// The state of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceState {
    /// Its last arrival.
    pub at: Option<Timestamp>,
    /// Good arrivals in a row, with the last if that was good.
    pub run: u32,
    /// True if the last outcome was not good.
    pub bad: bool,
    /// The bytes that a workload wants to see when it arrives again.
    pub memory: Vec<u8>,
}

/// An arrival that was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Good arrivals in a row before this one.
    pub run: u32,
    /// True if it kept its interval.
    pub paced: bool,
    /// True if the outcome before was not good.
    pub bad: bool,
    /// The bytes that it remembers.
    pub memory: Vec<u8>,
}

impl Arrival {
    /// Returns the run that is noted before the outcome is known: as if it was like the one before.
    #[must_use]
    pub fn noted(&self) -> u32 {
        if self.bad { 0 } else { self.with_good() }
    }

    /// Returns the run with this arrival, if it is good.
    #[must_use]
    pub fn with_good(&self) -> u32 {
        let before = if self.bad { 0 } else { self.run };
        before.saturating_add(self.paced.into())
    }
}

/// Notes an arrival.
pub fn arrive(state: &mut DeviceState, paces: Paces, now: Timestamp) -> Arrival {
    let due = |at: Timestamp| at.plus(paces.interval(state.run) * 4 / 5);
    let arrival = Arrival {
        run: state.run,
        paced: state.at.is_none_or(|at| now >= due(at)),
        bad: state.bad,
        memory: state.memory.clone(),
    };
    state.at = Some(now);
    state.run = arrival.noted();
    arrival
}

/// The note about a device, once the outcome of its arrival is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivalOutcome {
    /// Good arrivals in a row.
    pub run: u32,
    /// True if this one was not good.
    pub bad: bool,
    /// The bytes that it is to remember, if they have changed.
    pub memory: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACES: Paces = Paces {
        first: Duration::from_secs(5),
        every: 6,
        most: 3,
    };

    #[test]
    fn the_interval_grows_with_good_arrivals_up_to_the_longest() {
        for (run, seconds) in [(0, 5), (5, 5), (6, 10), (11, 10), (12, 15), (600, 15), (u32::MAX, 15)] {
            assert_eq!(PACES.interval(run), Duration::from_secs(seconds), "{run}");
        }
    }

    #[test]
    fn only_arrivals_that_keep_their_interval_count() {
        let mut state = DeviceState::default();
        let runs: Vec<u32> = [0, 1000, 5000, 9000, 12_999, 17_000]
            .map(|at| arrive(&mut state, PACES, Timestamp::from_millis(at)).noted())
            .into();
        assert_eq!(runs, [1, 1, 2, 3, 3, 4]);
        state.bad = true;
        assert_eq!(arrive(&mut state, PACES, Timestamp::from_millis(30_000)).noted(), 0);
    }

    #[test]
    fn a_flood_earns_nothing() {
        let mut state = DeviceState::default();
        for n in 0..10_000 {
            arrive(&mut state, PACES, Timestamp::from_millis(n * 100));
        }
        assert_eq!(PACES.interval(state.run), PACES.first);
    }
}
