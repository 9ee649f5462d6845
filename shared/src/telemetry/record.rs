//! The record of one request.

use serde::Serialize;

use super::cost::Measured;
use super::trace::Trace;
use crate::ids::UserId;
use crate::plan::Tier;

/// The record of one request. It never holds a token, an address, or a user's text.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The time of arrival, RFC 3339.
    pub time: String,
    /// The same in milliseconds since 1970, for the metrics.
    #[serde(skip)]
    pub time_millis: i64,
    /// `info`, or `error` for a defect, or `warn` where a dependency was missed.
    pub level: &'static str,
    /// The request's correlation id, which the client has too.
    pub correlation_id: String,
    /// The trace that it is part of.
    #[serde(flatten)]
    pub trace: Trace,
    /// The function.
    pub endpoint: &'static str,
    /// The request's method, if it is one that exists.
    pub method: String,
    /// The route's path as in the contract.
    pub route: String,
    /// The answer's status code.
    pub status: u16,
    /// From the request's arrival to its answer.
    pub duration_ms: f64,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Keyed hash of the block of addresses that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_block: Option<String>,
    /// The tier of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The work of classify.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub classified: Option<ClassifiedRecord>,
    /// The work of rank.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub ranked: Option<RankedRecord>,
    /// The degraded modes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<&'static str>,
    /// `ok`, `degraded`, `refused` (the client's fault) or `failed` (ours).
    pub outcome: &'static str,
    /// 1 for an answer of 500 or above, else 0.
    pub failed: u8,
    /// 1 for a defect of ours (500), else 0.
    pub defects: u8,
    /// The rest of the day's quota in per cent, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_left_percent: Option<f64>,
    /// The limit that refused it: `ip`, `burst` or `daily`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<&'static str>,
    /// 1 if a limit refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusals: Option<u8>,
    /// The cost of the request, models included, in millionths of a US dollar at list prices.
    pub cost_micro_usd: f64,
    /// The error, if it was not answered as asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// The version that answered.
    pub version: &'static str,
}

/// Classify's part of a [`Record`].
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassifiedRecord {
    /// Posts asked for.
    pub posts: usize,
    /// Different questions among them.
    pub distinct: usize,
    /// Of those, answered by this process's cache.
    pub local_hits: usize,
    /// Of those, answered by the shared cache.
    pub shared_hits: usize,
    /// Of those, answered by the table.
    pub table_hits: usize,
    /// Of those, answered by a judgement made for another request meanwhile, here or elsewhere in the fleet.
    pub joined: usize,
    /// Of those, judged for this request.
    pub judged: usize,
    /// Of those judged, the ones that were known and fresh: judged again before they expired.
    pub refreshed: usize,
    /// Verdicts that this process keeps.
    pub kept: usize,
    /// Verdicts that this request pushed out of this process.
    pub evicted: usize,
    /// The share of the distinct questions that cost no judgement, 0..=1.
    pub hit_rate: f64,
    /// Units charged and kept: none for a replay.
    pub charged: u64,
    /// Units given back.
    pub refunded: u64,
    /// Units whose refund failed, as far as is known.
    pub refund_lost: u64,
    /// The charge's answer was lost: the table may count it twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous_charge: bool,
    /// Time for charge and caches, which run at the same time.
    pub lookup_ms: f64,
    /// Time for judging the misses, or waiting for another request's judgement, and for storing the verdicts.
    pub judging_ms: f64,
    /// Time for refunds and for writing down costs.
    pub settling_ms: f64,
    /// All but the judging: our own time.
    pub own_ms: f64,
    /// `notAsked`, `ok`, `partial` (some provider failed, and some post was judged) or `failed`.
    pub model_status: &'static str,
    /// Calls made to models over the network.
    pub model_calls: u32,
    /// Of those, the ones without a verdict.
    pub model_failures: u32,
    /// Of those, the ones that took too long.
    pub model_timeouts: u32,
    /// Of all calls, retries.
    pub model_retries: u32,
    /// Tokens that they read.
    pub input_tokens: u64,
    /// Tokens that they wrote.
    pub output_tokens: u64,
    /// Their cost in billionths of a dollar.
    pub spent_nano_dollars: u64,
    /// The failures of providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_failure: Option<String>,
}

/// Rank's part of a [`Record`].
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RankedRecord {
    /// Items to be ranked.
    pub items: usize,
    /// Rankings asked for, which are combined into one.
    pub samples: usize,
    /// `model`, `cache`, `stale` or `local`; `none` if nobody answered.
    pub ranking_source: &'static str,
    /// The layer that knew the ranking: `memory`, `shared`, `table`, `joined` or `none`.
    pub layer: &'static str,
    /// The agreement of the samples, -1..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Samples that models were asked for.
    pub asked: usize,
    /// Of those, samples without a valid answer.
    pub unanswered: usize,
    /// Units charged and kept: none for a replay.
    pub charged: u64,
    /// Units given back.
    pub refunded: u64,
    /// Units whose refund failed, as far as is known.
    pub refund_lost: u64,
    /// Time for charge and caches, which run at the same time.
    pub lookup_ms: f64,
    /// Time for asking models, or waiting for another request that asks.
    pub asking_ms: f64,
    /// Calls made to models over the network.
    pub model_calls: u32,
    /// Of those, the ones without a ranking: down, or an answer that was refused.
    pub model_failures: u32,
    /// Of those, the ones that took too long.
    pub model_timeouts: u32,
    /// Of all calls, retries.
    pub model_retries: u32,
    /// Tokens that they read.
    pub input_tokens: u64,
    /// Tokens that they wrote.
    pub output_tokens: u64,
    /// Their cost in billionths of a dollar.
    pub spent_nano_dollars: u64,
    /// The failures of providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_failure: Option<String>,
}

/// An error in a [`Record`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorRecord {
    /// The code that the client got.
    pub code: &'static str,
    /// True if the same request can succeed later.
    pub retryable: bool,
    /// The impact on the user: `none` (the app's mistake), `mustWait`, `signedOut`, `failed`.
    pub user_impact: &'static str,
    /// The cause, which the client does not get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Signals: events that belong to no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A provider's circuit breaker has opened.
    BreakerOpened,
    /// The audit log does not hold together.
    AuditChainBroken,
    /// A day was closed.
    DayClosed,
}

impl Signal {
    /// All signals.
    pub const ALL: [Self; 3] = [Self::BreakerOpened, Self::AuditChainBroken, Self::DayClosed];

    /// Returns its name in the log, which is its metric's name too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BreakerOpened => "breakerOpened",
            Self::AuditChainBroken => "auditChainBroken",
            Self::DayClosed => "dayClosed",
        }
    }
}

impl Record {
    /// Returns the resources that its cost is computed from.
    #[must_use]
    pub fn measured(&self) -> Measured {
        let (classified, ranked) = (self.classified.as_ref(), self.ranked.as_ref());
        let units = classified.map(ClassifiedRecord::table_units);
        let (writes, reads) = units.or(ranked.map(RankedRecord::table_units)).unwrap_or_default();
        let spent = classified.map(|classified| classified.spent_nano_dollars);
        let spent = spent.or(ranked.map(|ranked| ranked.spent_nano_dollars));
        Measured {
            millis: self.duration_ms,
            writes,
            reads,
            model_nano_usd: spent.unwrap_or_default(),
        }
    }
}

impl RankedRecord {
    /// Returns the table writes and reads: the charge, the refund, a new ranking; and the read of a key that no nearer
    /// layer knew.
    fn table_units(&self) -> (usize, usize) {
        let is_new = matches!(self.ranking_source, "model" | "local");
        let writes = 1 + usize::from(self.refunded + self.refund_lost > 0) + usize::from(is_new);
        (writes, usize::from(!matches!(self.layer, "memory" | "shared")))
    }
}

impl ClassifiedRecord {
    /// Returns the table writes and reads of a batch: the charge, the refund, each new verdict; and the reads of keys
    /// that no nearer layer knew, each half a unit (eventually consistent).
    fn table_units(&self) -> (usize, usize) {
        let writes = 1 + usize::from(self.refunded + self.refund_lost > 0) + self.judged;
        let asked_of_table = self.distinct.saturating_sub(self.local_hits + self.shared_hits);
        (writes, asked_of_table.div_ceil(2))
    }
}
