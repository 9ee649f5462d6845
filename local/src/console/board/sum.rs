//! The sum of requests: a second of them, a minute, or all.

use serde::Serialize;
use shared::telemetry::Record;
use shared::telemetry::figures::LIMITS;

/// The duration below which none is told from another, in milliseconds.
const SHORTEST: f64 = 0.05;

/// Each bucket of durations reaches this much further than the one before.
const RATIO: f64 = 1.15;

/// The buckets, which reach to half a minute.
const BUCKETS: usize = 96;

/// A sum of requests.
#[derive(Debug, Clone)]
pub(super) struct TrafficSum {
    pub(super) requests: u64,
    failed: u64,
    degraded: u64,
    refused: u64,
    buckets: [u64; BUCKETS],
    answered: AnsweredBy,
    refusals: [u64; LIMITS.len()],
    micro_usd: f64,
    input_tokens: u64,
    output_tokens: u64,
    model_calls: u64,
    model_failures: u64,
}

/// Questions by who answered them.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct AnsweredBy {
    memory: usize,
    cache: usize,
    table: usize,
    joined: usize,
    asked: usize,
}

/// A sum as the page reads it; durations in milliseconds, none where nothing came.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SumView {
    pub(super) requests: u64,
    failed: u64,
    degraded: u64,
    refused: u64,
    p50: Option<f64>,
    p99: Option<f64>,
    answered: AnsweredBy,
    refusals: Refusals,
    micro_usd: f64,
    input_tokens: u64,
    output_tokens: u64,
    model_calls: u64,
    model_failures: u64,
}

/// Refusals by limit.
#[derive(Debug, Serialize)]
struct Refusals {
    ip: u64,
    burst: u64,
    daily: u64,
}

impl Default for TrafficSum {
    fn default() -> Self {
        Self {
            requests: 0,
            failed: 0,
            degraded: 0,
            refused: 0,
            buckets: [0; BUCKETS],
            answered: AnsweredBy::default(),
            refusals: [0; LIMITS.len()],
            micro_usd: 0.0,
            input_tokens: 0,
            output_tokens: 0,
            model_calls: 0,
            model_failures: 0,
        }
    }
}

impl TrafficSum {
    /// Adds a request.
    pub(super) fn count(&mut self, record: &Record) {
        self.requests += 1;
        match record.outcome {
            "failed" => self.failed += 1,
            "degraded" => self.degraded += 1,
            "refused" => self.refused += 1,
            _ => {}
        }
        self.buckets[bucket(record.duration_ms)] += 1;
        for (counter, limit) in self.refusals.iter_mut().zip(LIMITS) {
            *counter += u64::from(record.refused_by == Some(limit));
        }
        self.micro_usd += record.cost_micro_usd;
        let Some(work) = &record.work else { return };
        self.answered.memory += work.counts.local_hits;
        self.answered.cache += work.counts.shared_hits;
        self.answered.table += work.counts.table_hits;
        self.answered.joined += work.counts.joined;
        self.answered.asked += work.counts.asked;
        self.input_tokens += work.models.input_tokens;
        self.output_tokens += work.models.output_tokens;
        self.model_calls += u64::from(work.models.calls);
        self.model_failures += u64::from(work.models.failures);
    }

    /// Adds all of another sum.
    pub(super) fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.degraded += other.degraded;
        self.refused += other.refused;
        let pairs = self.buckets.iter_mut().zip(other.buckets);
        pairs.for_each(|(counter, count)| *counter += count);
        let pairs = self.refusals.iter_mut().zip(other.refusals);
        pairs.for_each(|(counter, count)| *counter += count);
        self.answered.memory += other.answered.memory;
        self.answered.cache += other.answered.cache;
        self.answered.table += other.answered.table;
        self.answered.joined += other.answered.joined;
        self.answered.asked += other.answered.asked;
        self.micro_usd += other.micro_usd;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.model_calls += other.model_calls;
        self.model_failures += other.model_failures;
    }

    /// Returns it as the page reads it.
    pub(super) fn view(&self) -> SumView {
        let [ip, burst, daily] = self.refusals;
        SumView {
            requests: self.requests,
            failed: self.failed,
            degraded: self.degraded,
            refused: self.refused,
            p50: self.percentile(50),
            p99: self.percentile(99),
            answered: self.answered,
            refusals: Refusals { ip, burst, daily },
            micro_usd: self.micro_usd,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            model_calls: self.model_calls,
            model_failures: self.model_failures,
        }
    }

    /// Returns the duration that so many per cent of the requests do not exceed, to the width of its bucket.
    fn percentile(&self, per_cent: u64) -> Option<f64> {
        let rank = (self.requests * per_cent).div_ceil(100);
        let mut below = 0;
        let mut places = self.buckets.iter().enumerate();
        let (place, _) = places.find(|(_, count)| {
            below += **count;
            below >= rank && rank > 0
        })?;
        Some(middle(place))
    }
}

/// Returns the place of a duration.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and is bounded"
)]
fn bucket(millis: f64) -> usize {
    let steps = (millis.max(SHORTEST) / SHORTEST).ln() / RATIO.ln();
    (steps as usize).min(BUCKETS - 1)
}

/// Returns the duration that stands for a bucket, with three digits.
#[expect(clippy::cast_precision_loss, reason = "below a hundred")]
fn middle(bucket: usize) -> f64 {
    let millis = SHORTEST * RATIO.powf(bucket as f64 + 0.5);
    (millis * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_true_to_the_width_of_a_bucket() {
        let mut sum = TrafficSum::default();
        assert_eq!((sum.percentile(50), sum.percentile(99)), (None, None));
        for millis in 1..=1000 {
            sum.requests += 1;
            sum.buckets[bucket(f64::from(millis))] += 1;
        }
        for (per_cent, expected) in [(50, 500.0), (99, 990.0), (1, 10.0)] {
            let found = sum.percentile(per_cent).unwrap();
            assert!((found / expected - 1.0).abs() < RATIO - 1.0, "{per_cent}: {found}");
        }
        assert_eq!(bucket(0.0), 0);
        assert_eq!(bucket(1e9), BUCKETS - 1);
    }

    #[test]
    fn a_sum_of_sums_is_the_sum_of_all() {
        let mut record = Record {
            outcome: "degraded",
            refused_by: Some("burst"),
            duration_ms: 7.0,
            cost_micro_usd: 1.5,
            work: Some(shared::telemetry::Work::of("any")),
            ..Record::default()
        };
        let work = record.work.as_mut().unwrap();
        (work.counts.shared_hits, work.counts.asked) = (3, 2);
        (work.models.calls, work.models.output_tokens) = (1, 40);
        let mut one = TrafficSum::default();
        one.count(&record);
        let mut both = one.clone();
        both.merge(&one);
        let view = serde_json::to_value(both.view()).unwrap();
        assert_eq!((&view["requests"], &view["degraded"]), (&2.into(), &2.into()));
        assert_eq!(
            (&view["refusals"]["burst"], &view["microUsd"]),
            (&2.into(), &3.0.into())
        );
        assert_eq!(
            (&view["answered"]["cache"], &view["answered"]["asked"]),
            (&6.into(), &4.into())
        );
        assert_eq!((&view["modelCalls"], &view["outputTokens"]), (&2.into(), &80.into()));
    }
}
