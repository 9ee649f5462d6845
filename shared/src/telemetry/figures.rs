//! The figures of this process since its start, as counters that cost a request a few additions and no lock.

use std::sync::atomic::{AtomicU64, Ordering};

use super::emf::{SIGNALS, names_of_degraded};
use super::record::{Record, Signal};

/// The endpoints; the last stands for any other.
pub const ENDPOINTS: [&str; 7] = ["auth", "classify", "rank", "usage", "health", "admin", "other"];

/// The outcomes of a request.
pub const OUTCOMES: [&str; 4] = ["ok", "degraded", "refused", "failed"];

/// The tiers counted separately; the last stands for any other.
pub const TIERS: [&str; 3] = ["free", "pro", "other"];

/// The limits that refuse.
pub const LIMITS: [&str; 3] = ["ip", "burst", "daily"];

/// The layers that answer a question; the last is a provider.
pub const ANSWERS: [&str; 5] = ["local", "shared", "table", "joined", "judged"];

/// The sources of rankings; the last stands for none.
pub const RANKINGS: [&str; 5] = ["model", "cache", "stale", "local", "none"];

/// Upper bounds of the duration's buckets, in milliseconds. Longer durations are in none.
pub const BUCKETS: [f64; 10] = [1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];

const MODES: usize = 7;

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

/// The durations of an endpoint's requests.
#[derive(Debug, Default)]
pub struct Durations {
    /// For each of [`BUCKETS`], those that are in no smaller one.
    pub buckets: [RunningTotal; BUCKETS.len()],
    /// All.
    pub count: RunningTotal,
    /// Their sum in microseconds.
    pub sum_micros: RunningTotal,
}

/// All counters of a process. Each array goes with the list of names of the same length.
#[derive(Debug, Default)]
pub struct Figures {
    /// Requests by endpoint and outcome.
    pub requests: [[RunningTotal; OUTCOMES.len()]; ENDPOINTS.len()],
    /// Defects by endpoint.
    pub defects: [RunningTotal; ENDPOINTS.len()],
    /// Durations by endpoint.
    pub durations: [Durations; ENDPOINTS.len()],
    /// Posts asked for, by tier.
    pub posts: [RunningTotal; TIERS.len()],
    /// Posts charged and kept, by tier.
    pub charged: [RunningTotal; TIERS.len()],
    /// Posts given back.
    pub refunded: RunningTotal,
    /// Posts whose refund failed.
    pub refund_lost: RunningTotal,
    /// The cost of requests in thousandths of a millionth of a US dollar, by tier; unknown users' requests are under
    /// `other`.
    pub cost_nano_usd: [RunningTotal; TIERS.len()],
    /// Different questions, by the layer that answered.
    pub questions: [RunningTotal; ANSWERS.len()],
    /// Requests for a ranking, by its source.
    pub rankings: [RunningTotal; RANKINGS.len()],
    /// Samples of rankings without an answer.
    pub unanswered: RunningTotal,
    /// Requests that a limit refused, by limit.
    pub refusals: [RunningTotal; LIMITS.len()],
    /// Requests that were refused before any work, because too many were under way.
    pub shed: RunningTotal,
    /// Degraded requests, by mode.
    pub degraded: [RunningTotal; MODES],
    /// Signals: events that belong to no request.
    pub signals: [RunningTotal; SIGNALS.len()],
}

impl Figures {
    /// Counts a request.
    pub(super) fn count(&self, record: &Record) {
        let endpoint = place(&ENDPOINTS, record.endpoint);
        let tier = place(&TIERS, record.tier.as_ref().map_or("other", |tier| tier.as_str()));
        self.requests[endpoint][place(&OUTCOMES, record.outcome)].add(1);
        self.defects[endpoint].add(record.defects.into());
        self.durations[endpoint].count(record.duration_ms);
        self.cost_nano_usd[tier].add(whole(record.cost_micro_usd * 1e3));
        for (counter, (mode, _)) in self.degraded.iter().zip(names_of_degraded()) {
            counter.add(record.degraded.contains(&mode).into());
        }
        for (counter, limit) in self.refusals.iter().zip(LIMITS) {
            counter.add((record.refused_by == Some(limit)).into());
        }
        if let Some(ranked) = &record.ranked {
            self.rankings[place(&RANKINGS, ranked.ranking_source)].add(1);
            self.unanswered.add(ranked.unanswered as u64);
        }
        let Some(classified) = &record.classified else { return };
        self.posts[tier].add(classified.posts as u64);
        self.charged[tier].add(classified.charged);
        self.refunded.add(classified.refunded);
        self.refund_lost.add(classified.refund_lost);
        let answers = [
            classified.local_hits,
            classified.shared_hits,
            classified.table_hits,
            classified.joined,
            classified.judged,
        ];
        for (counter, amount) in self.questions.iter().zip(answers) {
            counter.add(amount as u64);
        }
    }

    /// Counts a request that was refused before any work.
    pub fn shed(&self) {
        self.shed.add(1);
    }

    /// Counts a signal.
    pub(super) fn raise(&self, signal: Signal) {
        let found = SIGNALS.iter().position(|other| *other == signal);
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
