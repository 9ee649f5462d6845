//! The use case classify: which posts does this user not want to see? Charge, remembered answers, judge, refund.

pub mod answer;
pub mod ask;
pub mod batch_window;
pub mod body;
mod fallback;
pub mod injection;
mod payload;
pub mod preference;
pub mod prompt;
pub mod question;
mod resolve;
mod run;
pub mod verdict;
mod version;

use std::sync::Arc;
use std::time::Duration;

use crate::answers::Life;
use crate::plan::Usage;
use crate::quota::idempotency::IdempotencyKey;

use crate::telemetry::{Degraded, Work};

use self::verdict::Explanation;

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
    pub work: Work,
}
