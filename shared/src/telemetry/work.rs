//! The figures of a workload's work for one request: stated once, and used from here by the record, the metrics and the
//! process's counters.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::metric::{Metric, MetricShape, Unit};
use super::millis;

/// Declares counts of a [`Work`]: each is a member of the record and a counter of the process, and by its shape a metric.
macro_rules! counts {
    ($(#[doc = $of:literal])+ $counts:ident
     $($(#[doc = $doc:literal])+ $field:ident: $kind:ty => $name:literal, $unit:ident, $shape:ident;)+) => {
        $(#[doc = $of])+
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
        pub struct $counts {
            $($(#[doc = $doc])+ #[serde(rename = $name)] pub $field: $kind,)+
        }

        impl $counts {
            const METRICS: &[Metric] = &[$(Metric { name: $name, unit: Unit::$unit, shape: MetricShape::$shape },)+];

            /// Returns what each comes to, in the order of the metrics.
            fn values(&self) -> [u64; Self::METRICS.len()] {
                [$(u64::try_from(self.$field).unwrap_or(u64::MAX),)+]
            }
        }

        impl std::ops::AddAssign for $counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$field += other.$field;)+
            }
        }
    };
}

counts! {
    /// How many questions there were, and who answered them.
    Counts
    /// Units asked for.
    units: usize => "units", Count, Work;
    /// Different questions among them.
    distinct: usize => "distinct", Count, Work;
    /// Of those, answered by this process's cache.
    local_hits: usize => "localHits", Count, Work;
    /// Of those, answered by the shared cache.
    shared_hits: usize => "sharedHits", Count, Work;
    /// Of those, answered by the table.
    table_hits: usize => "tableHits", Count, Work;
    /// Of those, answered by what was asked for another request meanwhile, here or elsewhere in the fleet.
    joined: usize => "joined", Count, Work;
    /// Of those, asked for this request.
    asked: usize => "asked", Count, Work;
    /// Of those asked, known and fresh: asked again before they ran out.
    refreshed: usize => "refreshed", Count, Logged;
    /// Answers that this request pushed out of this process.
    evicted: usize => "evicted", Count, Work;
    /// Units charged and kept: none for a replay.
    charged: u64 => "charged", Count, Logged;
    /// Units given back.
    refunded: u64 => "refunded", Count, Work;
    /// Units whose refund failed, as far as is known.
    refund_lost: u64 => "refundLost", Count, Work;
}

counts! {
    /// The use of models over the network.
    ModelCounts
    /// Calls made to models over the network.
    calls: u32 => "modelCalls", Count, Models;
    /// Of those, the ones that brought no answer.
    failures: u32 => "modelFailures", Count, Models;
    /// Of those, the ones that took too long.
    timeouts: u32 => "modelTimeouts", Count, Models;
    /// Of all calls, retries.
    retries: u32 => "modelRetries", Count, Logged;
    /// Tokens that models read.
    input_tokens: u64 => "inputTokens", Count, Logged;
    /// Tokens that models wrote.
    output_tokens: u64 => "outputTokens", Count, Logged;
    /// The cost of models in billionths of a dollar.
    nano_dollars: u64 => "spentNanoDollars", None, Models;
}

counts! {
    /// Counts of a request or an event in statistics.
    StatisticsCounts
    /// Observations of level 0.
    level0: u64 => "level0", Count, Statistics;
    /// Of level 1.
    level1: u64 => "level1", Count, Statistics;
    /// Of level 2.
    level2: u64 => "level2", Count, Statistics;
    /// Of level 3.
    level3: u64 => "level3", Count, Statistics;
    /// Slots written to the table.
    slot_writes: u64 => "slotWrites", Count, Statistics;
    /// Observations that are lost, because neither cache nor table has answered for long.
    uncounted: u64 => "uncounted", Count, Statistics;
}

/// How many counts of statistics there are.
pub(super) const STATISTICS_COUNTS: usize = StatisticsCounts::METRICS.len();

impl StatisticsCounts {
    /// Returns each as a metric.
    pub fn metrics() -> impl Iterator<Item = Metric> {
        Self::METRICS.iter().copied()
    }

    /// Counts an observation of a level.
    pub const fn observe(&mut self, level: u8) {
        match level {
            0 => self.level0 += 1,
            1 => self.level1 += 1,
            2 => self.level2 += 1,
            _ => self.level3 += 1,
        }
    }

    /// Returns what each comes to, in the order of the metrics.
    pub(super) fn numbers(&self) -> [u64; STATISTICS_COUNTS] {
        self.values()
    }
}

/// How long the parts of a request took, one after the other.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Spans {
    /// Time for charge and caches, which run at the same time.
    #[serde(rename = "lookupMs", serialize_with = "in_millis")]
    pub lookup: Duration,
    /// Asking what no cache knew, or waiting for who was asking it, and writing it down.
    #[serde(rename = "askingMs", serialize_with = "in_millis")]
    pub asking: Duration,
    /// Giving back what nobody could answer, and keeping books.
    #[serde(rename = "settlingMs", serialize_with = "in_millis")]
    pub settling: Duration,
}

/// A workload's part of a [`Record`](super::Record).
#[derive(Debug, Default, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// Which.
    pub workload: &'static str,
    /// How many questions there were.
    #[serde(flatten)]
    pub counts: Counts,
    /// The use of models.
    #[serde(flatten)]
    pub models: ModelCounts,
    /// Where the time went.
    #[serde(flatten)]
    pub spans: Spans,
    /// Answers that this process keeps, whosoever's.
    pub kept: usize,
    /// True if its answers are kept in caches alone.
    #[serde(skip)]
    pub untabled: bool,
    /// True if the charge's answer was lost: the table may count it twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous_charge: bool,
    /// The failures of providers, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_failure: Option<String>,
    #[serde(flatten)]
    derived: Derived,
}

/// Figures that follow from the others.
#[derive(Debug, Default, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Derived {
    /// The part of the distinct questions that nobody was asked, 0..=1.
    hit_rate: f64,
    /// All but the asking: what is slow here is ours.
    own_ms: f64,
    /// `notAsked`, `ok`, `partial` (some provider failed, and something was answered) or `failed`.
    model_status: &'static str,
}

/// The metric of [`Derived`].
pub(super) const OWN: Metric = Metric {
    name: "ownMs",
    unit: Unit::Milliseconds,
    shape: MetricShape::Work,
};

/// How many counts there are.
pub(super) const COUNTS: usize = Counts::METRICS.len() + ModelCounts::METRICS.len();

impl Work {
    /// Returns each count as a metric.
    pub fn metrics() -> impl Iterator<Item = Metric> {
        Counts::METRICS.iter().chain(ModelCounts::METRICS).copied()
    }

    /// Returns what each comes to, in the order of the metrics.
    pub(super) fn values(&self) -> impl Iterator<Item = u64> {
        self.counts.values().into_iter().chain(self.models.values())
    }

    /// Starts the figures of a workload.
    #[must_use]
    pub fn of(workload: &'static str) -> Self {
        Self {
            workload,
            ..Self::default()
        }
    }

    /// Works out what follows from the figures.
    #[expect(clippy::cast_precision_loss, reason = "at most a batch")]
    pub(super) fn sum_up(&mut self) {
        let counts = &self.counts;
        let hits = counts.local_hits + counts.shared_hits + counts.table_hits + counts.joined;
        self.derived = Derived {
            hit_rate: hits as f64 / counts.distinct.max(1) as f64,
            own_ms: millis(self.spans.lookup + self.spans.settling),
            model_status: match (&self.model_failure, counts.asked) {
                (Some(_), 0) => "failed",
                (Some(_), _) => "partial",
                (None, 0) => "notAsked",
                (None, _) => "ok",
            },
        };
    }

    /// Returns the table writes and reads of a batch: the charge, the refund, each new verdict; and the reads of keys
    /// that no nearer layer knew, each half a unit (eventually consistent).
    pub(super) fn table_units(&self) -> (usize, usize) {
        let counts = &self.counts;
        if self.untabled {
            let charges = usize::try_from(counts.charged + counts.refunded).unwrap_or(usize::MAX);
            return (charges + usize::from(counts.refunded + counts.refund_lost > 0), 0);
        }
        let writes = 1 + usize::from(counts.refunded + counts.refund_lost > 0) + counts.asked;
        let asked_of_table = counts.distinct.saturating_sub(counts.local_hits + counts.shared_hits);
        (writes, asked_of_table.div_ceil(2))
    }
}

fn in_millis<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(millis(*span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_figures_is_in_the_record() {
        let mut work = Work::of("any");
        work.counts.distinct = 4;
        (work.counts.local_hits, work.counts.joined) = (2, 1);
        work.spans.asking = Duration::from_millis(30);
        (work.spans.lookup, work.spans.settling) = (Duration::from_millis(5), Duration::from_micros(250));
        for (asked, failure, status) in [
            (0, None, "notAsked"),
            (1, None, "ok"),
            (1, Some("x"), "partial"),
            (0, Some("x"), "failed"),
        ] {
            work.counts.asked = asked;
            work.model_failure = failure.map(str::to_owned);
            work.sum_up();
            let record = serde_json::to_value(&work).unwrap();
            assert_eq!(record["modelStatus"], status);
            assert_eq!((&record["hitRate"], &record["ownMs"]), (&0.75.into(), &5.25.into()));
            assert_eq!(record["askingMs"], 30.0);
        }
    }

    #[test]
    fn each_count_is_in_the_record_under_the_name_of_its_metric() {
        let mut work = Work::of("any");
        work.counts.units = 7;
        let record = serde_json::to_value(&work).unwrap();
        for (metric, value) in Work::metrics().zip(work.values()) {
            assert_eq!(record[metric.name], value, "{}", metric.name);
        }
        assert_eq!(work.values().next(), Some(7));
        assert_eq!(work.values().count(), COUNTS);
    }
}
