//! The use case classify: which posts does this user not want to see? Charge, cache, judge, refund.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::admission::{self, Wish};
use crate::app::App;
use crate::cache::flight::{Claim, Follow, Lead};
use crate::cache::tiers::{Claimed, Found};
use crate::cache::{CanonicalPreference, Entry, Freshness, Key, canonical};
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Error;
use crate::identity::Principal;
use crate::plan::{Meter, Usage};
use crate::provider::verdict::{Explanation, Verdict};
use crate::provider::{Answered, Question};
use crate::quota::replay::IdempotencyKey;
use crate::quota::store::Certainty;

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
}

/// Where a result came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
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
    /// Of those, known in the table.
    pub table_hits: usize,
    /// Of those, judged for this request.
    pub judged: usize,
    /// Of those, judged meanwhile for another request.
    pub shared: usize,
    /// Posts whose charge was given back.
    pub refunded: usize,
    /// Whether the charge's answer was lost.
    pub ambiguous: bool,
    /// Why no provider judged, if none did.
    pub model_failure: Option<String>,
}

/// Classifies a batch for `principal`.
///
/// # Errors
/// [`Error::QuotaExceeded`] or [`Error::ReducedCapacity`]; then nothing was charged or judged.
pub async fn run(app: &App, principal: &Principal, batch: &Batch<'_>, now: Timestamp) -> Result<Classified, Error> {
    let deadline = Deadline::after(app.config.request_timeout);
    let preference = CanonicalPreference::of(batch.preference);
    let contents: Vec<String> = batch.posts.iter().map(|post| canonical(post)).collect();
    let keys: Vec<Key> = contents.iter().map(|content| preference.key(content)).collect();
    let distinct = Distinct::of(&keys, &contents);

    let wish = Wish {
        meter: Meter::Posts,
        units: batch.posts.len() as u64,
        idempotency: batch.idempotency.as_ref(),
    };
    let (charged, found) = tokio::join!(
        admission::charge(app, principal, wish, now),
        app.cache.read(&distinct.keys, now)
    );
    let mut charged = charged?;

    let mut work = Work::start(found, &distinct, now);
    work.judge_misses(app, &preference, batch.explain, deadline, now).await;

    let outcomes: Vec<Outcome> = keys.iter().map(|key| work.outcome(key, batch.explain)).collect();
    let unjudged = outcomes
        .iter()
        .filter(|outcome| outcome.source == Source::Default)
        .count();
    let refunded = app.quota.finish(charged.receipt, unjudged as u64).await;
    charged.usage.used = charged.usage.used.saturating_sub(refunded);
    work.figures.refunded = unjudged;
    if charged.certainty != Certainty::Sure {
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

/// How long a request may still wait.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    started: Stopwatch,
    limit: Duration,
}

impl Deadline {
    fn after(limit: Duration) -> Self {
        let started = Stopwatch::start();
        Self { started, limit }
    }

    fn left(self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }
}

/// The different questions of a batch.
struct Distinct<'a> {
    keys: Vec<Key>,
    contents: HashMap<Key, &'a str>,
}

impl<'a> Distinct<'a> {
    fn of(keys: &[Key], contents: &'a [String]) -> Self {
        let mut distinct = Self {
            keys: Vec::with_capacity(keys.len()),
            contents: HashMap::with_capacity(keys.len()),
        };
        for (key, content) in keys.iter().zip(contents) {
            if distinct.contents.insert(key.clone(), content).is_none() {
                distinct.keys.push(key.clone());
            }
        }
        distinct
    }
}

/// A batch being answered.
struct Work<'a> {
    contents: &'a HashMap<Key, &'a str>,
    settled: HashMap<Key, Outcome>,
    stale: HashMap<Key, Entry>,
    open: Vec<Key>,
    degraded: Vec<Degraded>,
    figures: Figures,
}

impl<'a> Work<'a> {
    /// Settles what the cache knows fresh.
    fn start(found: Found, distinct: &'a Distinct<'_>, now: Timestamp) -> Self {
        let mut work = Self {
            contents: &distinct.contents,
            settled: HashMap::with_capacity(distinct.keys.len()),
            stale: HashMap::new(),
            open: Vec::new(),
            degraded: Vec::new(),
            figures: Figures {
                distinct: distinct.keys.len(),
                local_hits: found.local,
                table_hits: found.table,
                ..Figures::default()
            },
        };
        if found.degraded {
            work.degraded.push(Degraded::Cache);
        }
        let mut entries = found.entries;
        for key in &distinct.keys {
            match entries.remove(key) {
                Some(entry) if entry.freshness(now) == Freshness::Fresh => work.settle(key, &entry, Source::Cache),
                stale => {
                    work.open.push(key.clone());
                    work.stale.extend(stale.map(|entry| (key.clone(), entry)));
                }
            }
        }
        work
    }

    /// Settles the rest: judges what nobody is judging, waits for what somebody is.
    async fn judge_misses(
        &mut self,
        app: &App,
        preference: &CanonicalPreference,
        explain: bool,
        deadline: Deadline,
        now: Timestamp,
    ) {
        let mut leads = Vec::new();
        let mut follows = Vec::new();
        for key in std::mem::take(&mut self.open) {
            match app.cache.claim(&key, now) {
                Claimed::Known(entry) => {
                    self.figures.shared += 1;
                    self.settle(&key, &entry, Source::Cache);
                }
                Claimed::Unknown(Claim::Lead(lead)) => leads.push((key, lead)),
                Claimed::Unknown(Claim::Follow(follow)) => follows.push((key, follow)),
            }
        }
        self.judge(app, preference, explain, leads, now).await;
        // Only after judging its own: two requests that lead one key each and follow the other's would wait for ever.
        let abandoned = self.follow(follows, deadline).await;
        self.judge(app, preference, explain, abandoned, now).await;
    }

    /// Waits for those who judge. What they give up comes back, to be judged here, though nobody is told of it then.
    async fn follow(&mut self, follows: Vec<(Key, Follow)>, deadline: Deadline) -> Vec<(Key, Option<Lead>)> {
        let mut abandoned = Vec::new();
        for (key, follow) in follows {
            match tokio::time::timeout(deadline.left(), follow.wait()).await {
                Ok(Some(entry)) => {
                    self.figures.shared += 1;
                    self.settle(&key, &entry, Source::Cache);
                }
                Ok(None) | Err(_) => abandoned.push((key, None)),
            }
        }
        abandoned
    }

    /// Judges questions and tells everybody; where no provider answers, goes down the ladder.
    async fn judge<L: Into<Option<Lead>>>(
        &mut self,
        app: &App,
        preference: &CanonicalPreference,
        explain: bool,
        leads: Vec<(Key, L)>,
        now: Timestamp,
    ) {
        if leads.is_empty() {
            return;
        }
        let posts: Vec<&str> = leads.iter().map(|(key, _)| self.contents[key]).collect();
        let question = Question {
            preference: &preference.text,
            posts: &posts,
            explain,
        };
        match app.providers.judge(question).await {
            Answered::Provider(_, verdicts) => {
                self.figures.judged += verdicts.len();
                let mut entries = Vec::with_capacity(verdicts.len());
                for ((key, lead), verdict) in leads.into_iter().zip(verdicts) {
                    let entry = Entry::of(verdict, now);
                    self.settle(&key, &entry, Source::Local);
                    entries.push((key, entry, lead.into()));
                }
                self.share(app, entries).await;
            }
            Answered::Nobody(outage) => {
                self.degraded.push(Degraded::Model);
                self.figures.model_failure = Some(outage.to_string());
                let keys: Vec<Key> = leads.into_iter().map(|(key, _)| key).collect();
                self.go_down_the_ladder(app, question, keys).await;
            }
        }
    }

    /// Tells those who wait, then writes to every layer.
    async fn share(&mut self, app: &App, judged: Vec<(Key, Entry, Option<Lead>)>) {
        let mut entries = Vec::with_capacity(judged.len());
        let mut leads = Vec::with_capacity(judged.len());
        for (key, entry, lead) in judged {
            leads.extend(lead.map(|lead| (lead, entry.clone())));
            entries.push((key, entry));
        }
        let written = app.cache.write(&entries);
        for (lead, entry) in leads {
            lead.answer(entry);
        }
        if !written.await {
            self.degraded.push(Degraded::Cache);
        }
    }

    /// Nobody who is configured answered: a stale verdict, else the stand-in's, else none (which allows the post).
    async fn go_down_the_ladder(&mut self, app: &App, question: Question<'_>, keys: Vec<Key>) {
        let (with_stale, without): (Vec<Key>, Vec<Key>) =
            keys.into_iter().partition(|key| self.stale.contains_key(key));
        for key in with_stale {
            if let Some(entry) = self.stale.remove(&key) {
                self.settle(&key, &entry, Source::Stale);
            }
        }
        let posts: Vec<&str> = without.iter().map(|key| self.contents[key]).collect();
        let question = Question {
            posts: &posts,
            ..question
        };
        if let Ok(verdicts) = app.providers.stand_in(question).await {
            for (key, verdict) in without.into_iter().zip(verdicts) {
                self.settled.insert(key, standing_in(verdict));
            }
        }
    }

    fn settle(&mut self, key: &Key, entry: &Entry, source: Source) {
        let outcome = Outcome {
            score: entry.score,
            source,
            explanation: entry.explanation.clone(),
        };
        self.settled.insert(key.clone(), outcome);
    }

    fn outcome(&self, key: &Key, explain: bool) -> Outcome {
        let mut outcome = self.settled.get(key).cloned().unwrap_or(Outcome {
            score: 0.0,
            source: Source::Default,
            explanation: None,
        });
        if !explain {
            outcome.explanation = None;
        }
        outcome
    }
}

fn standing_in(verdict: Verdict) -> Outcome {
    Outcome {
        score: verdict.score,
        source: Source::Local,
        explanation: verdict.explanation.map(Arc::new),
    }
}
