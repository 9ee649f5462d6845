//! The use case classify: which posts does this user not want to see? Charge, remembered answers, judge, refund.

pub mod answer;
pub mod ask;
pub mod batch_window;
mod fallback;
pub mod injection;
mod payload;
pub mod preference;
pub mod prompt;
mod resolve;
mod run;
pub mod verdict;
mod version;

use std::sync::Arc;
use std::time::Duration;

use crate::answers::Life;
use crate::models::call::ModelUsage;
use crate::plan::Usage;
use crate::quota::idempotency::IdempotencyKey;

use self::verdict::Explanation;

pub use crate::telemetry::Degraded;

pub use self::run::run;

/// How long verdicts are good.
pub const LIFE: Life = Life::new(Duration::from_hours(6), Duration::from_hours(24));

/// The request, already within the contract's bounds.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The user's words.
    pub preference: &'a str,
    /// The posts' texts, in the order asked.
    pub posts: Vec<&'a str>,
    /// True if to say why.
    pub explain: bool,
    /// Under which name the client may send the same again.
    pub idempotency: Option<IdempotencyKey>,
    /// `traceparent` for the calls that are made for it.
    pub trace: Option<String>,
}

/// Where a result came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A configured model, now.
    Model,
    /// A shared verdict that is fresh.
    Cache,
    /// A shared verdict past its time, because nobody could judge again.
    Stale,
    /// The embedded model.
    Local,
    /// Nobody could judge: allowed.
    Default,
}

/// One post's result.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How strongly the post should be hidden, 0..=1.
    pub score: f32,
    /// Where that came from.
    pub source: Source,
    /// Why, where it was asked for and is known.
    pub explanation: Option<Arc<Explanation>>,
}

/// The answer to a batch.
#[derive(Debug)]
pub struct Classified {
    /// One per post, in the order asked.
    pub outcomes: Vec<Outcome>,
    /// Names the preference in its canonical form.
    pub preference_version: String,
    /// The quota after this batch; `None` if the plan has no figure by day.
    pub usage: Option<Usage>,
    /// The degraded modes.
    pub degraded: Vec<Degraded>,
    /// For the record of the request.
    pub figures: Figures,
}

/// The cost and the savings of a request.
#[derive(Debug, Default, Clone)]
pub struct Figures {
    /// Different texts among the posts.
    pub distinct: usize,
    /// Of those, known in this process.
    pub local_hits: usize,
    /// Of those, known in the shared cache.
    pub shared_hits: usize,
    /// Of those, known in the table.
    pub table_hits: usize,
    /// Of those, judged meanwhile for another request, here or elsewhere in the fleet.
    pub joined: usize,
    /// Of those, judged for this request.
    pub judged: usize,
    /// Of those judged, the ones that were known and fresh: judged again before they expired.
    pub refreshed: usize,
    /// Verdicts that this process keeps, for all users.
    pub kept: usize,
    /// Verdicts that this request pushed out of this process.
    pub evicted: usize,
    /// Posts that were charged and kept: none for a replay.
    pub charged: u64,
    /// Posts whose charge was given back.
    pub refunded: u64,
    /// Posts whose charge was to be given back and was not, as far as is known.
    pub refund_lost: u64,
    /// True if the charge's answer was lost.
    pub ambiguous: bool,
    /// The failures of providers, if there were any.
    pub model_failure: Option<String>,
    /// The use of models over the network.
    pub bill: ModelUsage,
    /// Where the time went.
    pub spans: Spans,
}

/// How long the parts of a request took, one after the other.
#[derive(Debug, Default, Clone, Copy)]
pub struct Spans {
    /// Charge and caches, which are asked at the same time.
    pub lookup: Duration,
    /// Judging, or waiting for who judges, and writing it down.
    pub judging: Duration,
    /// Giving back what nobody could judge, and keeping books.
    pub settling: Duration,
}
