//! Puts a question to the models of the chain, sample by sample, and then to the embedded ranker if that is one of them.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt};

use super::answer::{self, Sample};
use super::prompt::{PROMPT_VERSION, Prompt};
use super::question::Question;
use super::ranking::Ranking;
use crate::answers::{Answer, Class, Given, Open, Reader, Reply};
use crate::app::App;
use crate::clock::Deadline;
use crate::config::providers::{Chains, ProviderName, ProviderSettings};
use crate::error::Outage;
use crate::identity::Principal;
use crate::models::call::{CallContext, ModelUsage, RunningUsage};
use crate::models::chain::{Answered, ChainAnswer};
use crate::models::class::ModelClass;
use crate::plan::Tier;

/// A question that is being asked for somebody.
pub(super) struct Asking<'a> {
    pub(super) app: &'a App,
    pub(super) principal: &'a Principal,
    pub(super) question: &'a Question,
    pub(super) trace: Option<&'a str>,
    pub(super) deadline: Deadline,
    costs: Mutex<Costs>,
}

/// The costs of asking.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Costs {
    /// The usage of models.
    pub(super) bill: ModelUsage,
    /// True if the day's limit on spending decided who was asked.
    pub(super) spend_limited: bool,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        app: &'a App,
        principal: &'a Principal,
        question: &'a Question,
        trace: Option<&'a str>,
        deadline: Deadline,
    ) -> Self {
        Self {
            app,
            principal,
            question,
            trace,
            deadline,
            costs: Mutex::default(),
        }
    }

    /// Asks the one question there is. Samples are asked side by side; those without an answer are left out, never made up.
    pub(super) async fn ask(&self, open: Vec<Open>) -> Reply {
        let usage = RunningUsage::default();
        let settings = &self.app.config.providers;
        let samples = (0..self.question.samples).map(|sample| self.ask_for_sample(sample, &usage));
        let replies: Vec<ChainAnswer<Sample>> = stream::iter(samples).buffered(settings.parallel_calls).collect().await;
        let spend_limited = replies.iter().any(|reply| reply.spend_limited);
        let failures: Vec<String> = replies
            .iter()
            .filter_map(|reply| reply.failure.as_ref())
            .map(ToString::to_string)
            .collect();
        let answered: Vec<Answered<Sample>> = replies.into_iter().filter_map(|reply| reply.answer).collect();
        self.note(Costs {
            bill: usage.settled().await,
            spend_limited,
        });
        let known = open.into_iter().next().and_then(|open| open.known);
        let answer = match (combined(answered), known) {
            (Some(given), _) => Answer::Given(given),
            (None, Some(_)) => Answer::Known,
            (None, None) if settings.rank.has_embedded(&self.principal.tier) => Answer::Given(Given {
                payload: Ranking::by_likeness(self.question).encode(),
                class: class(ModelClass::Embedded),
                by: author(&ProviderName::Local),
            }),
            (None, None) => Answer::Nobody,
        };
        Reply {
            answers: vec![answer],
            failure: (!failures.is_empty()).then(|| Outage(failures.join("; "))),
        }
    }

    /// Returns what asking has cost so far.
    pub(super) fn costs(&self) -> Costs {
        *self.costs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_for_sample(&self, sample: usize, usage: &RunningUsage) -> ChainAnswer<Sample> {
        let prompt = match Prompt::of(self.question, sample) {
            Ok(prompt) => prompt,
            Err(error) => {
                return ChainAnswer {
                    answer: None,
                    failure: Some(Outage(error.to_string())),
                    spend_limited: false,
                };
            }
        };
        let items = self.question.items.iter().map(String::as_str);
        let blamed: Vec<&str> = [
            self.principal.user.as_str(),
            &self.question.query,
            &self.question.criteria,
        ]
        .into_iter()
        .chain(items)
        .collect();
        let context = CallContext {
            payer: self.principal,
            deadline: self.deadline,
            trace: self.trace,
            blamed: &blamed,
            is_retry: false,
            usage,
        };
        let parse = |_: &ProviderName, text: &str| answer::parse(text, &prompt.ids, self.question.explain);
        let chains = &self.app.config.providers.rank;
        self.app
            .models
            .first_answer(chains, &prompt.request, &context, parse)
            .await
    }

    fn note(&self, more: Costs) {
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        costs.bill += more.bill;
        costs.spend_limited |= more.spend_limited;
    }
}

/// Combines samples. The whole is as good as the least of its authors, and counts as that one's.
fn combined(answered: Vec<Answered<Sample>>) -> Option<Given> {
    let least = answered.iter().min_by_key(|one| one.class)?;
    let (class, by) = (class(least.class), author(&least.by));
    let samples: Vec<Sample> = answered.into_iter().map(|one| one.value).collect();
    let ranking = Ranking::of(&samples)?;
    Some(Given {
        payload: ranking.encode(),
        class,
        by,
    })
}

const fn class(model: ModelClass) -> Class {
    Class(model as u8)
}

/// Names a provider with the version of the embedded ranker, or of the prompt.
fn author(name: &ProviderName) -> Arc<str> {
    match name {
        ProviderName::Local => format!("{name}/{}", judge::LIKENESS_VERSION).into(),
        name => format!("{name}/rank-{PROMPT_VERSION}").into(),
    }
}

/// Describes a request of `tier`: rankings of every configured provider count.
pub(super) fn reader(settings: &ProviderSettings, tier: &Tier) -> Reader {
    let Chains { base, by_tier } = &settings.rank;
    let chain = by_tier.get(tier).unwrap_or(base);
    let names: Vec<String> = chain.iter().map(ToString::to_string).collect();
    Reader {
        class: class(settings.rank.class_for(tier)),
        current: base.iter().chain(by_tier.values().flatten()).map(author).collect(),
        chain: names.join(",").into(),
        reads: Ranking::is_readable,
    }
}
