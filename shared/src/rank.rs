//! The use case rank: which of these is best for that query, as models see it?
//!
//! [`question`] is the canonical form, [`prompt`] what a model is asked, [`answer`] what counts as an answer, [`aggregate`] how
//! several are combined, [`ranking`] what is remembered, [`run`](self::run()) the way from the charge to the refund.

pub mod aggregate;
pub mod answer;
mod ask;
pub mod body;
pub mod experiment;
mod orders;
pub mod prompt;
pub mod question;
pub mod ranking;
mod run;

use std::time::Duration;

use crate::answers::{Life, Tally};
use crate::clock::Timestamp;
use crate::models::call::ModelUsage;
use crate::plan::Usage;
use crate::quota::idempotency::IdempotencyKey;
use crate::telemetry::{Counts, Degraded, Spans, Work};

pub use self::question::{Item, Question};
pub use self::ranking::Ranking;
pub use self::run::run;

/// The life of a ranking: fresh for a week, kept for four.
pub const LIFE: Life = Life::new(Duration::from_hours(7 * 24), Duration::from_hours(28 * 24));

/// A request for a ranking, within the contract's bounds.
#[derive(Debug)]
pub struct Request {
    /// The question.
    pub question: Question,
    /// True if the embedded ranker may stand in for models. It knows texts, not brands.
    pub may_stand_in: bool,
    /// The name under which the client may send the same request again.
    pub idempotency: Option<IdempotencyKey>,
    /// `traceparent` for the calls that are made for it.
    pub trace: Option<String>,
    /// The time of the request.
    pub now: Timestamp,
}

/// The origin of a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Models, now.
    Model,
    /// Models, in the last week.
    Cache,
    /// Models, longer ago, as nobody could answer now.
    Stale,
    /// The embedded ranker.
    Local,
}

impl Source {
    /// Returns its name in answers and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Cache => "cache",
            Self::Stale => "stale",
            Self::Local => "local",
        }
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Ranked {
    /// The ranking, of the sorted items.
    pub ranking: Ranking,
    /// Where it came from.
    pub source: Source,
    /// The ranking's name: the same as long as the same ranking is served.
    pub version: String,
    /// The quota after this request, where the plan counts by day.
    pub usage: Option<Usage>,
    /// The parts of the service that were down.
    pub degraded: Vec<Degraded>,
}

/// The costs of a request, for its record; also of one that failed.
#[derive(Debug, Default)]
pub struct Figures {
    /// Which layers knew the ranking, and whether it was asked for.
    pub tally: Tally,
    /// Rankings charged and kept.
    pub charged: u64,
    /// Rankings given back.
    pub refunded: u64,
    /// Rankings whose refund failed, as far as is known.
    pub refund_lost: u64,
    /// True if the charge's answer was lost: the table may count it twice.
    pub ambiguous: bool,
    /// The failures of providers.
    pub model_failure: Option<String>,
    /// The usage of models.
    pub bill: ModelUsage,
    /// Time for charge and caches, which run at the same time.
    pub lookup: Duration,
    /// Time for asking, or for waiting for another request that asks.
    pub asking: Duration,
    /// Time for the refund.
    pub settling: Duration,
}

impl Figures {
    /// Returns them for the record of a request for so many rankings.
    #[must_use]
    pub fn work(&self, units: usize) -> Work {
        let mut work = Work::of(question::WORKLOAD);
        work.counts = Counts {
            units,
            charged: self.charged,
            refunded: self.refunded,
            refund_lost: self.refund_lost,
            ..self.tally.counts(1)
        };
        work.models = self.bill.counts();
        work.spans = Spans {
            lookup: self.lookup,
            asking: self.asking,
            settling: self.settling,
        };
        work.kept = self.tally.kept;
        work.ambiguous_charge = self.ambiguous;
        work.model_failure.clone_from(&self.model_failure);
        work
    }
}
