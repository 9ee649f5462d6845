//! The distinct questions of a batch: how they are put to the providers, and what their answers mean.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::ask::{Answer, Post, Question};
use super::preference::{CanonicalPreference, WORKLOAD};
use super::verdict::ModelClass;
use super::version::{author, class, is_unconfirmed, unconfirmed};
use super::{Batch, Outcome, Source, payload};
use crate::answers::{self, Coalesced, Entry, Given, Key, Open, Reply};
use crate::app::App;
use crate::clock::Deadline;
use crate::identity::Principal;
use crate::models::call::{ModelUsage, RunningUsage};
use crate::telemetry::{Degraded, Work};

/// The different questions of a batch.
pub(super) struct Distinct<'a> {
    pub(super) keys: Vec<Key>,
    contents: Vec<&'a str>,
    /// For each post, the place of its question.
    pub(super) places: Vec<usize>,
}

impl<'a> Distinct<'a> {
    pub(super) fn of(preference: &CanonicalPreference, contents: &'a [String]) -> Self {
        let mut distinct = Self {
            keys: Vec::with_capacity(contents.len()),
            contents: Vec::with_capacity(contents.len()),
            places: Vec::with_capacity(contents.len()),
        };
        let mut known = HashMap::with_capacity(contents.len());
        for content in contents {
            let key = preference.key(content);
            let next = distinct.keys.len();
            let place = *known.entry(key.clone()).or_insert(next);
            if place == next {
                distinct.keys.push(key);
                distinct.contents.push(content);
            }
            distinct.places.push(place);
        }
        distinct
    }
}

/// A batch whose questions are being asked.
pub(super) struct Asking<'a> {
    app: &'a App,
    principal: &'a Principal,
    batch: &'a Batch<'a>,
    preference: &'a CanonicalPreference,
    distinct: &'a Distinct<'a>,
    deadline: Deadline,
    costs: Mutex<ResolveCosts>,
}

/// The result of asking.
#[derive(Default)]
struct ResolveCosts {
    /// Being written down beside all that follows.
    usages: Vec<Arc<RunningUsage>>,
    spend_limited: bool,
}

/// The outcome of a batch.
pub(super) struct Resolved {
    /// One per question.
    pub(super) outcomes: Vec<Outcome>,
    pub(super) degraded: BTreeSet<Degraded>,
    pub(super) work: Work,
    pub(super) breaker_opened: bool,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        app: &'a App,
        principal: &'a Principal,
        batch: &'a Batch<'a>,
        (preference, distinct, deadline): (&'a CanonicalPreference, &'a Distinct<'a>, Deadline),
    ) -> Self {
        Self {
            app,
            principal,
            batch,
            preference,
            distinct,
            deadline,
            costs: Mutex::default(),
        }
    }

    /// Puts open questions to the providers.
    pub(super) async fn ask(&self, open: Vec<Open>) -> Reply {
        let posts = open.iter().map(|open| Post {
            known: open.known.as_ref().and_then(model),
            alone: open.last.as_ref().is_some_and(|last| self.is_alone(last)),
            ..self.post(open.place)
        });
        let judged = self.app.providers.judge(self.question(posts.collect())).await;
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        costs.usages.push(judged.usage);
        costs.spend_limited |= judged.spend_limited;
        drop(costs);
        Reply {
            answers: judged.answers.into_iter().map(|one| self.answer(one)).collect(),
            failure: judged.failure,
        }
    }

    /// Returns the post at a place, of which nothing is known.
    pub(super) fn post(&self, place: usize) -> Post {
        Post {
            text: self.distinct.contents[place].to_owned(),
            known: None,
            alone: false,
            user: Some(self.principal.user.clone()),
        }
    }

    /// Words the question about some posts.
    pub(super) fn question(&self, posts: Vec<Post>) -> Question<'_> {
        Question {
            preference: &self.preference.text,
            posts,
            explain: self.batch.explain,
            payer: self.principal,
            deadline: self.deadline,
            trace: self.batch.trace.as_deref(),
        }
    }

    /// Reads the answers, and lets the stand-in judge where there is none.
    pub(super) async fn conclude(self, coalesced: Coalesced) -> Resolved {
        let explain = self.batch.explain;
        let mut degraded = BTreeSet::new();
        let served = coalesced.outcomes.iter().map(|outcome| read(outcome, explain));
        let mut outcomes: Vec<Option<Outcome>> = served.collect();
        let is_stale = |outcome: &Option<Outcome>| outcome.as_ref().is_none_or(|one| one.source == Source::Stale);
        if outcomes.iter().any(is_stale) {
            degraded.insert(Degraded::Model);
        }
        self.stand_in(&mut outcomes).await;
        let costs = self.costs.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut usage = ModelUsage::default();
        for running in costs.usages {
            usage += running.settled().await;
        }
        if coalesced.degraded {
            degraded.insert(Degraded::Cache);
        }
        if costs.spend_limited {
            degraded.insert(Degraded::Spend);
        }
        let tally = coalesced.tally;
        let mut work = Work::of(WORKLOAD);
        work.counts = tally.counts(self.distinct.keys.len());
        work.models = usage.counts();
        work.kept = tally.kept;
        work.model_failure = coalesced.failure;
        Resolved {
            outcomes: outcomes.into_iter().map(Option::unwrap_or_default).collect(),
            degraded,
            work,
            breaker_opened: usage.opened > 0,
        }
    }

    pub(super) const fn app(&self) -> &App {
        self.app
    }

    /// Reports whether a post is judged in a call of its own, by the last verdict on it: one that waits for confirmation, or
    /// one that hides it, which would wait again.
    fn is_alone(&self, last: &Entry) -> bool {
        let verdict = payload::decode(&last.payload, false);
        let hides = verdict.is_some_and(|verdict| verdict.hides(self.app.config.hide_threshold));
        hides || is_unconfirmed(&last.by)
    }

    /// Only a clean verdict, which a configured provider gave, is remembered.
    fn answer(&self, answer: Answer) -> answers::Answer {
        match answer {
            Answer::Judged(verdict, name) => {
                let by = if verdict.needs_confirmation(self.app.config.hide_threshold) {
                    unconfirmed(&name)
                } else {
                    author(&name)
                };
                let (verdict, model) = verdict.into_parts();
                answers::Answer::Given(Given {
                    payload: payload::encode(&verdict),
                    class: class(model),
                    by,
                })
            }
            Answer::Known => answers::Answer::Known,
            Answer::Nobody => answers::Answer::Nobody,
        }
    }
}

fn model(entry: &Entry) -> Option<ModelClass> {
    ModelClass::stored(entry.class.0)
}

fn read(outcome: &answers::Outcome, explain: bool) -> Option<Outcome> {
    let (entry, source) = match outcome {
        answers::Outcome::Cached(entry) => (entry, Source::Cache),
        answers::Outcome::Asked(entry) if model(entry) == Some(ModelClass::Embedded) => (entry, Source::Local),
        answers::Outcome::Asked(entry) => (entry, Source::Model),
        answers::Outcome::Stale(entry) => (entry, Source::Stale),
        answers::Outcome::Nobody => return None,
    };
    let verdict = payload::decode(&entry.payload, explain)?;
    Some(Outcome {
        score: verdict.score,
        source,
        explanation: verdict.explanation.map(Arc::new),
    })
}
