//! The figures of this process since its start, as counters that cost a request a few additions and no lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::attestation::AttestationOutcome;
use super::degraded::Degraded;
use super::record::{Record, Signal};
use super::work::{COUNTS, STATISTICS_COUNTS};

/// The outcomes of a request.
pub const OUTCOMES: [&str; 4] = ["ok", "degraded", "refused", "failed"];

/// The tiers counted separately; the last stands for any other.
pub const TIERS: [&str; 3] = ["free", "pro", OTHER];

/// The limits that refuse.
pub const LIMITS: [&str; 3] = ["ip", "burst", "daily"];

/// Upper bounds of the duration's buckets, in milliseconds. Longer durations are in none.
pub const BUCKETS: [f64; 10] = [1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];

/// How many names of a kind are told apart: far more than there are functions.
const MOST_NAMES: usize = 32;

const OTHER: &str = "other";

/// A number that only grows.
#[derive(Debug, Default)]
pub struct RunningTotal(AtomicU64);

impl RunningTotal {
    fn add(&self, amount: u64) {
        // No other memory access is ordered by it.
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Returns its value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters by names that are in no list: each gets its place at its first use.
#[derive(Debug, Default)]
pub struct ByName<T> {
    places: [OnceLock<(&'static str, T)>; MOST_NAMES],
    other: T,
}

impl<T: Default> ByName<T> {
    fn of(&self, name: &'static str) -> &T {
        let taken = self
            .places
            .iter()
            .map(|place| place.get_or_init(|| (name, T::default())));
        let mut own = taken.filter(|(taken, _)| *taken == name);
        own.next().map_or(&self.other, |(_, counters)| counters)
    }

    /// Returns what was counted, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        let named = self.places.iter().map_while(OnceLock::get);
        named
            .map(|(name, counters)| (*name, counters))
            .chain([(OTHER, &self.other)])
    }
}

/// The requests of an endpoint.
#[derive(Debug, Default)]
pub struct Requests {
    /// By outcome.
    pub outcomes: [RunningTotal; OUTCOMES.len()],
    /// Answers of 500.
    pub defects: RunningTotal,
    /// How long they took.
    pub durations: Durations,
}

/// How long requests took.
#[derive(Debug, Default)]
pub struct Durations {
    /// For each of [`BUCKETS`], those that are in no smaller one.
    pub buckets: [RunningTotal; BUCKETS.len()],
    /// All.
    pub count: RunningTotal,
    /// Their sum in microseconds.
    pub sum_micros: RunningTotal,
}

/// The counts of a workload for the users of a tier.
pub type WorkDone = [RunningTotal; COUNTS];

/// All counters of a process. Each array goes with the list of names of the same length.
#[derive(Debug, Default)]
pub struct Figures {
    /// Requests by endpoint.
    pub requests: ByName<Requests>,
    /// Work by workload and tier.
    pub work: ByName<[WorkDone; TIERS.len()]>,
    /// The cost of requests in thousandths of a millionth of a US dollar, by tier; unknown users' requests are under
    /// `other`.
    pub cost_nano_usd: [RunningTotal; TIERS.len()],
    /// Requests that a limit refused, by limit.
    pub refusals: [RunningTotal; LIMITS.len()],
    /// Requests that were refused before any work, because too many were under way.
    pub shed: RunningTotal,
    /// Degraded requests, by mode.
    pub degraded: [RunningTotal; Degraded::ALL.len()],
    /// Registrations by their attestation, where they are asked for.
    pub attestations: [RunningTotal; AttestationOutcome::ALL.len()],
    /// Counts of statistics.
    pub statistics: [RunningTotal; STATISTICS_COUNTS],
    /// Signals: events that belong to no request.
    pub signals: [RunningTotal; Signal::ALL.len()],
}

impl Figures {
    /// Counts a request or an event.
    pub(super) fn count(&self, record: &Record) {
        let tier = place(&TIERS, record.tier.as_ref().map_or(OTHER, |tier| tier.as_str()));
        let requests = self.requests.of(record.endpoint);
        requests.outcomes[place(&OUTCOMES, record.outcome)].add(1);
        requests.defects.add(record.defects.into());
        requests.durations.count(record.duration_ms);
        self.cost_nano_usd[tier].add(whole(record.cost_micro_usd * 1e3));
        for (counter, mode) in self.degraded.iter().zip(Degraded::ALL) {
            counter.add(record.degraded.contains(&mode).into());
        }
        for (counter, limit) in self.refusals.iter().zip(LIMITS) {
            counter.add((record.refused_by == Some(limit)).into());
        }
        for (counter, outcome) in self.attestations.iter().zip(AttestationOutcome::ALL) {
            counter.add((record.attestation == Some(outcome)).into());
        }
        if let Some(statistics) = &record.statistics {
            let counters = self.statistics.iter().zip(statistics.numbers());
            counters.for_each(|(counter, count)| counter.add(count));
        }
        if let Some(work) = &record.work {
            let counters = self.work.of(work.workload)[tier].iter();
            counters
                .zip(work.values())
                .for_each(|(counter, count)| counter.add(count));
        }
    }

    /// Counts a request that was refused before any work.
    pub fn shed(&self) {
        self.shed.add(1);
    }

    /// Counts a signal.
    pub(super) fn raise(&self, signal: Signal) {
        let found = Signal::ALL.iter().position(|other| *other == signal);
        if let Some(counter) = found.and_then(|place| self.signals.get(place)) {
            counter.add(1);
        }
    }
}

impl Durations {
    fn count(&self, millis: f64) {
        if let Some(bucket) = BUCKETS.iter().position(|bound| millis <= *bound) {
            self.buckets[bucket].add(1);
        }
        self.count.add(1);
        self.sum_micros.add(whole(millis * 1e3));
    }
}

/// Returns the index of a name; that of the last one for an unknown name.
fn place(names: &[&str], name: &str) -> usize {
    names.iter().position(|other| *other == name).unwrap_or(names.len() - 1)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_counters_of_its_own_and_those_beyond_the_last_share_theirs() {
        const NAMES: [&str; MOST_NAMES + 2] = {
            let mut names = ["x"; MOST_NAMES + 2];
            let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
            let mut n = 0;
            while n < names.len() {
                names[n] = letters.split_at(n).1.split_at(1).0;
                n += 1;
            }
            names
        };
        let counters = ByName::<RunningTotal>::default();
        for name in NAMES.into_iter().chain(["a"]) {
            counters.of(name).add(1);
        }
        let counted: Vec<(&str, u64)> = counters.iter().map(|(name, counter)| (name, counter.value())).collect();
        assert_eq!((counted[0], counted[1]), (("a", 2), ("b", 1)));
        assert_eq!((counted.len(), counted[MOST_NAMES]), (MOST_NAMES + 1, (OTHER, 2)));
    }
}
