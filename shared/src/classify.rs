//! The use case classify: which posts does this user not want to see? Charge, cache, judge, refund.

pub mod answer;
pub mod ask;
pub mod batch_window;
pub mod injection;
pub mod prompt;
pub mod verdict;
mod work;

use std::sync::Arc;
use std::time::Duration;

use crate::admission::{self, Wish};
use crate::app::App;
use crate::cache::lease::Token;
use crate::cache::{ByKey, CanonicalPreference, Key, by_key, canonical};
use crate::clock::{Deadline, Stopwatch, Timestamp};
use crate::error::Error;
use crate::identity::Principal;
use crate::models::call::ModelUsage;
use crate::plan::{Meter, Usage};
use crate::quota::replay::IdempotencyKey;
use crate::quota::store::Certainty;
use crate::rate_limit::store::Admitted;
use crate::telemetry::Signal;

use self::verdict::{Explanation, ModelClass};
use self::work::Work;

/// What is asked: already within the contract's bounds.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The user's words.
    pub preference: &'a str,
    /// The posts' texts, in the order asked.
    pub posts: Vec<&'a str>,
    /// Whether to say why.
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
    /// A shared verdict past its time, as nobody could judge anew.
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

/// A part of the service that is down, and was done without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degraded {
    /// A layer of the cache.
    Cache,
    /// The quota table.
    Quota,
    /// Every configured provider.
    Model,
    /// The better model, or every paid one: the day's limit on spending is near or reached.
    Spend,
}

/// The answer to a batch.
#[derive(Debug)]
pub struct Classified {
    /// One per post, in the order asked.
    pub outcomes: Vec<Outcome>,
    /// Names the preference in its canonical form.
    pub preference_version: String,
    /// The quota after this batch.
    pub usage: Usage,
    /// What was done without.
    pub degraded: Vec<Degraded>,
    /// For the record of the request.
    pub figures: Figures,
}

/// What a request cost and saved.
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
    /// Of those judged, known and fresh: judged anew before they ran out.
    pub refreshed: usize,
    /// Verdicts that this process keeps, whosoever's.
    pub kept: usize,
    /// Verdicts that this request pushed out of this process.
    pub evicted: usize,
    /// Posts that were charged and kept: none for a replay.
    pub charged: u64,
    /// Posts whose charge was given back.
    pub refunded: u64,
    /// Posts whose charge was to be given back and was not, as far as is known.
    pub refund_lost: u64,
    /// Whether the charge's answer was lost.
    pub ambiguous: bool,
    /// What went wrong with providers, if anything did.
    pub model_failure: Option<String>,
    /// What was asked of models over the network.
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

/// Classifies a batch for `principal`, whom the limits have `admitted`.
///
/// # Errors
/// [`Error::QuotaExceeded`] or [`Error::ReducedCapacity`]; then nothing was charged or judged.
pub async fn run(
    app: &App,
    principal: &Principal,
    batch: &Batch<'_>,
    admitted: &Admitted,
    now: Timestamp,
) -> Result<Classified, Error> {
    let deadline = Deadline::after(app.config.request_timeout);
    let preference = CanonicalPreference::of(batch.preference);
    let contents: Vec<String> = batch.posts.iter().map(|post| canonical(post)).collect();
    let keys: Vec<Key> = contents.iter().map(|content| preference.key(content)).collect();
    let distinct = Distinct::of(&keys, &contents);

    let wish = Wish {
        meter: Meter::Posts,
        units: batch.posts.len() as u64,
        idempotency: batch.idempotency.as_ref(),
        reserved: admitted.reservation.as_ref(),
    };
    let looking_up = Stopwatch::start();
    let (charged, mut found) = tokio::join!(
        admission::charge(app, principal, wish, now),
        app.cache.read(&distinct.keys, now)
    );
    let mut charged = charged?;
    let lookup = looking_up.elapsed();
    let judging = Stopwatch::start();

    let ask = Ask {
        app,
        principal,
        preference: &preference,
        explain: batch.explain,
        trace: batch.trace.as_deref(),
        deadline,
        now,
        token: Token::draw(),
        class: app.providers.class_for(&principal.tier),
    };
    let news = std::mem::take(&mut found.news);
    let mut work = Work::start(found, &distinct, &ask);
    let (told, ()) = tokio::join!(app.cache.tell(&news, now), work.judge_misses(&ask));
    if !told {
        work.degraded.push(Degraded::Cache);
    }
    work.figures.kept = app.cache.kept();
    let (judging, settling) = (judging.elapsed(), Stopwatch::start());
    if work.figures.bill.opened > 0 {
        app.telemetry.raise(Signal::BreakerOpened, now);
    }

    let outcomes: Vec<Outcome> = keys.iter().map(|key| work.outcome(key, batch.explain)).collect();
    let unjudged = outcomes
        .iter()
        .filter(|outcome| outcome.source == Source::Default)
        .count();
    let units = charged.receipt.units();
    let refund = app.quota.finish(charged.receipt, unjudged as u64).await;
    charged.usage.used = charged.usage.used.saturating_sub(refund.given);
    work.figures.charged = units - refund.given;
    work.figures.refunded = refund.given;
    work.figures.refund_lost = refund.lost;
    work.figures.spans = Spans {
        lookup,
        judging,
        settling: settling.elapsed(),
    };
    if charged.certainty != Certainty::Sure || refund.lost > 0 {
        work.degraded.push(Degraded::Quota);
    }
    work.figures.ambiguous = charged.certainty == Certainty::Ambiguous;
    work.degraded.sort_unstable();
    work.degraded.dedup();
    Ok(Classified {
        outcomes,
        preference_version: preference.version,
        usage: charged.usage,
        degraded: work.degraded,
        figures: work.figures,
    })
}

/// What stays the same while a batch is answered.
struct Ask<'a> {
    app: &'a App,
    principal: &'a Principal,
    preference: &'a CanonicalPreference,
    explain: bool,
    trace: Option<&'a str>,
    deadline: Deadline,
    now: Timestamp,
    /// Names this request to other instances; without one it takes no lease.
    token: Option<Token>,
    /// The class of model that the principal's plan is given.
    class: ModelClass,
}

/// The different questions of a batch.
struct Distinct<'a> {
    keys: Vec<Key>,
    contents: ByKey<&'a str>,
}

impl<'a> Distinct<'a> {
    fn of(keys: &[Key], contents: &'a [String]) -> Self {
        let mut distinct = Self {
            keys: Vec::with_capacity(keys.len()),
            contents: by_key(keys.len()),
        };
        for (key, content) in keys.iter().zip(contents) {
            if distinct.contents.insert(key.clone(), content).is_none() {
                distinct.keys.push(key.clone());
            }
        }
        distinct
    }
}
