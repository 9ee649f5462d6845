//! Asks for verdicts on posts: the configured providers in order of preference, then the embedded judge that stands in for them.
//!
//! `calls` splits posts into calls and asks again in halves, [`batch_window`](super::batch_window) lets requests share a call,
//! [`prompt`](super::prompt) is the question, and [`answer`](super::answer) is what counts as an answer.

mod calls;

use std::sync::{Arc, OnceLock};

use futures_util::stream::{self, StreamExt};
use judge::Judge;

pub use super::question::{Answer, Judged, Post, Question};

use self::calls::ModelAnswers;
use super::batch_window::{BatchPlace, BatchWindow, Group};
use super::verdict::{CleanVerdict, Company, Explanation, Verdict};
use crate::config::providers::{ProviderName, ProviderSettings};
use crate::error::Outage;
use crate::models::Models;
use crate::models::breaker::store::Condition;
use crate::models::call::RunningUsage;
use crate::models::class::ModelClass;
use crate::models::failure::Failure;
use crate::models::spend::Budget;
use crate::plan::Tier;

/// The providers of verdicts: models, and the embedded judge.
#[derive(Debug)]
pub struct Providers {
    settings: ProviderSettings,
    models: Arc<Models>,
    window: BatchWindow,
    judge: OnceLock<Result<Judge, Outage>>,
}

impl Providers {
    /// Makes the configured chains over `models`.
    #[must_use]
    pub fn new(settings: ProviderSettings, models: Arc<Models>) -> Self {
        Self {
            settings,
            models,
            window: BatchWindow::default(),
            judge: OnceLock::new(),
        }
    }

    /// Returns the class of model that a tier is given: a verdict of a lesser one is not what it pays for.
    #[must_use]
    pub fn class_for(&self, tier: &Tier) -> ModelClass {
        self.settings.chains.class_for(tier)
    }

    /// Asks the providers of the tier in turn until every post has an answer.
    pub async fn judge(&self, question: Question<'_>) -> Judged {
        let budget = self.models.budget(question.payer).await;
        // A payer without money asks for nobody else: the others would go without a model too.
        if self.class_for(&question.payer.tier) == ModelClass::Embedded || budget != Budget::Whole {
            return self.walk(&question, budget).await;
        }
        let group = Group {
            preference: question.preference.to_owned(),
            explain: question.explain,
            tier: question.payer.tier.clone(),
        };
        match self.window.place(group, question.posts.clone()) {
            BatchPlace::Go(posts, _call) => self.walk(&Question { posts, ..question }, budget).await,
            BatchPlace::Gather(gathering) => {
                let own = question.posts.len();
                let (posts, _call) = gathering.wait(question.deadline.left()).await;
                let judged = Arc::new(self.walk(&Question { posts, ..question }, budget).await);
                gathering.answer(&judged);
                Judged {
                    usage: Arc::clone(&judged.usage),
                    ..judged.part(0..own)
                }
            }
            BatchPlace::Join(member) => match tokio::time::timeout(question.deadline.left(), member.wait()).await {
                Ok(Some(judged)) => judged,
                Ok(None) | Err(_) => self.walk(&question, budget).await,
            },
        }
    }

    /// Lets the embedded judge stand in, if that is wanted and it has not just failed as the configured provider.
    ///
    /// # Errors
    /// When there is no stand-in, or it cannot judge.
    pub async fn stand_in(&self, question: &Question<'_>) -> Result<Vec<Verdict>, Outage> {
        if !self.settings.stand_in || self.settings.chains.has_embedded(&question.payer.tier) {
            return Err(Outage("there is no stand-in".to_owned()));
        }
        let posts: Vec<&Post> = question.posts.iter().collect();
        self.judge_embedded(question, &posts).await
    }

    /// Returns the configured providers with the condition of each.
    pub async fn status(&self) -> Vec<(ProviderName, Condition)> {
        let mut status = Vec::new();
        for name in self.settings.all() {
            let condition = match name {
                // Compiled in: there is nothing to ask, and health need not link the judge.
                ProviderName::Local => Condition {
                    is_asked: true,
                    refusal: None,
                },
                name => self.models.condition(name).await,
            };
            status.push((name.clone(), condition));
        }
        status
    }

    /// Walks down the chain: each provider is asked for what is still open, unless as good a verdict is known.
    async fn walk(&self, question: &Question<'_>, budget: Budget) -> Judged {
        let chains = &self.settings.chains;
        let usage = Arc::new(RunningUsage::default());
        let mut answers = vec![Answer::Nobody; question.posts.len()];
        let mut open: Vec<usize> = (0..question.posts.len()).collect();
        let mut failures = Vec::new();
        for name in chains.of(&question.payer.tier, budget) {
            let class = chains.class_of(name);
            settle_known(&mut answers, &mut open, question, Some(class));
            if open.is_empty() {
                break;
            }
            let posts: Vec<&Post> = open.iter().map(|place| &question.posts[*place]).collect();
            let given = match name {
                ProviderName::Local => self.judge_as_configured(question, &posts).await,
                name => {
                    let given = self.ask_in_calls(name, question, &posts, &usage).await;
                    self.with_own_opinion(question, &posts, given).await
                }
            };
            failures.extend(given.failure.map(|failure| format!("{name}: {failure}")));
            for (place, verdict) in open.iter().zip(given.verdicts) {
                if let Some((verdict, company)) = verdict {
                    answers[*place] = Answer::Judged(CleanVerdict::new(verdict, class, company), name.clone());
                }
            }
            open.retain(|place| answers[*place] == Answer::Nobody);
        }
        settle_known(&mut answers, &mut open, question, None);
        Judged {
            answers,
            failure: (!failures.is_empty()).then(|| Outage(failures.join("; "))),
            spend_limited: self.models.is_limited(chains, &question.payer.tier, budget),
            usage,
        }
    }

    /// Asks a model in calls of bounded size, a few at a time.
    async fn ask_in_calls(
        &self,
        name: &ProviderName,
        question: &Question<'_>,
        posts: &[&Post],
        usage: &RunningUsage,
    ) -> ModelAnswers {
        let calls = calls::split(posts, self.settings.call_tokens);
        let asked = calls.into_iter().map(|places| async move {
            let posts: Vec<&Post> = places.iter().map(|place| posts[*place]).collect();
            let asker = calls::Asker {
                models: &self.models,
                name,
                question,
                usage,
            };
            (asker.ask(&posts).await, places)
        });
        let mut all = ModelAnswers {
            verdicts: vec![None; posts.len()],
            failure: None,
        };
        let mut asked = stream::iter(asked).buffer_unordered(self.settings.parallel_calls);
        while let Some((given, places)) = asked.next().await {
            for (place, verdict) in places.into_iter().zip(given.verdicts) {
                all.verdicts[place] = verdict;
            }
            all.failure = all.failure.or(given.failure);
        }
        all
    }

    /// Adds the embedded judge's score of each post that was judged beside others.
    async fn with_own_opinion(
        &self,
        question: &Question<'_>,
        posts: &[&Post],
        mut given: ModelAnswers,
    ) -> ModelAnswers {
        let beside = |place: &usize| matches!(given.verdicts[*place], Some((_, Company::Beside(_))));
        let places: Vec<usize> = (0..posts.len()).filter(beside).collect();
        if places.is_empty() {
            return given;
        }
        let asked: Vec<&Post> = places.iter().map(|place| posts[*place]).collect();
        // A judge that cannot be loaded has no opinion; a post that is hidden is confirmed all the same.
        let opinions = self.judge_embedded(question, &asked).await.unwrap_or_default();
        for (place, opinion) in places.into_iter().zip(opinions) {
            if let Some((_, company)) = &mut given.verdicts[place] {
                *company = Company::Beside(Some(opinion.score));
            }
        }
        given
    }

    async fn judge_as_configured(&self, question: &Question<'_>, posts: &[&Post]) -> ModelAnswers {
        match self.judge_embedded(question, posts).await {
            Ok(verdicts) => ModelAnswers {
                verdicts: verdicts
                    .into_iter()
                    .map(|verdict| Some((verdict, Company::Alone)))
                    .collect(),
                failure: None,
            },
            Err(_) => ModelAnswers::none(posts.len(), Failure::Unasked("the embedded model cannot be loaded")),
        }
    }

    async fn judge_embedded(&self, question: &Question<'_>, posts: &[&Post]) -> Result<Vec<Verdict>, Outage> {
        let judge = self.embedded()?;
        let preference = judge.read(question.preference);
        let mut verdicts = Vec::with_capacity(posts.len());
        for post in posts {
            let opinion = judge.opinion(&preference, &post.text);
            verdicts.push(Verdict {
                score: opinion.score,
                explanation: question.explain.then_some(Explanation {
                    reason: opinion.reason,
                    matched: opinion.matched,
                }),
            });
            // Fifty long posts take a tenth of a second: other requests of this process go on meanwhile.
            tokio::task::yield_now().await;
        }
        Ok(verdicts)
    }

    /// Returns the embedded judge, loaded at its first use.
    fn embedded(&self) -> Result<&Judge, Outage> {
        self.judge
            .get_or_init(|| Judge::load().map_err(|error| Outage(error.to_string())))
            .as_ref()
            .map_err(Clone::clone)
    }
}

/// Settles the open posts of which a verdict of at least `class` is known; of any class, where none is named.
fn settle_known(answers: &mut [Answer], open: &mut Vec<usize>, question: &Question<'_>, class: Option<ModelClass>) {
    open.retain(|place| {
        let known = question.posts[*place].known;
        let serves = known.is_some_and(|known| class.is_none_or(|class| known >= class));
        if serves {
            answers[*place] = Answer::Known;
        }
        !serves
    });
}
