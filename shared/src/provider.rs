//! Who judges posts: the configured providers in order of preference, and the embedded model that stands in for them.
//!
//! [`remote`] asks a model beyond this process by an [`exchange`], in the wire form of [`openai`] or [`bedrock`]; [`prompt`] is
//! what it is asked, [`answer`] what counts as an answer. [`batch`] and [`company`] say who shares a call.

pub mod answer;
pub mod batch;
pub mod bedrock;
pub mod company;
pub mod exchange;
pub mod failure;
pub mod form;
pub mod openai;
pub mod prompt;
pub mod refusal;
pub mod remote;
pub mod sign;
pub mod suspect;
pub mod usage;
pub mod verdict;
pub mod visible;
pub mod wire;

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::stream::{self, StreamExt};

use crate::breaker::store::Condition;
use crate::clock::Deadline;
use crate::config::providers::{ProviderName, ProviderSettings};
use crate::error::Outage;
use crate::ids::UserId;
use crate::plan::Tier;
use crate::provider::company::{Company, Group, Place};
use crate::provider::failure::Failure;
use crate::provider::remote::{Bill, Errand, Opinions, Remote};
use crate::provider::verdict::{CleanVerdict, Explanation, ModelClass, Verdict};
use crate::spend::Budget;
use judge::Judge;

/// What is to be judged.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The user's words, canonical.
    pub preference: &'a str,
    /// The posts, distinct.
    pub posts: Vec<Post>,
    /// Whether to say why.
    pub explain: bool,
    /// Under which plan.
    pub tier: &'a Tier,
    /// Until when.
    pub deadline: Deadline,
    /// `traceparent` for the calls that are made for it.
    pub trace: Option<&'a str>,
}

/// A post to be judged.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its text, canonical.
    pub text: String,
    /// The class of a fresh verdict that is known, but is of a lesser class than the plan's best model.
    pub known: Option<ModelClass>,
    /// For whom.
    pub user: Option<UserId>,
}

/// What came of a question.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// One per post, in order.
    pub answers: Vec<Answer>,
    /// What went wrong, if anything did.
    pub failure: Option<Outage>,
    /// Whether the day's limit on spending decided who was asked.
    pub spend_limited: bool,
    /// What it came to.
    pub bill: Bill,
}

/// What came of a post.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A verdict of a configured provider, and its name.
    Judged(CleanVerdict, ProviderName),
    /// What is known already is as good as what could be had.
    Known,
    /// No configured provider judged it.
    Nobody,
}

impl Judged {
    /// The part of an answer that some of its posts got; the bill is another's.
    #[must_use]
    fn part(&self, places: Range<usize>) -> Self {
        Self {
            answers: self.answers.get(places).unwrap_or_default().to_vec(),
            bill: Bill::default(),
            ..self.clone()
        }
    }
}

/// The chains of providers.
#[derive(Debug)]
pub struct Providers {
    settings: ProviderSettings,
    remote: Remote,
    company: Company,
    judge: OnceLock<Result<Judge, Outage>>,
}

impl Providers {
    /// The configured chains.
    #[must_use]
    pub fn new(settings: ProviderSettings, remote: Remote) -> Self {
        Self {
            settings,
            remote,
            company: Company::default(),
            judge: OnceLock::new(),
        }
    }

    /// The class of model that a plan is given: a verdict of a lesser one is not what it pays for.
    #[must_use]
    pub fn class_for(&self, tier: &Tier) -> ModelClass {
        let first = self.chain(tier, Budget::Whole).first();
        first.map_or(ModelClass::Embedded, |name| self.class_of(name))
    }

    /// Asks the providers of the plan in turn until every post has an answer.
    pub async fn judge(&self, question: Question<'_>) -> Judged {
        if self.chain(question.tier, Budget::Whole).first() == Some(&ProviderName::Local) {
            return self.walk(&question).await;
        }
        let group = Group {
            preference: question.preference.to_owned(),
            explain: question.explain,
            tier: question.tier.clone(),
        };
        match self.company.place(group, question.posts.clone()) {
            Place::Go(posts, _trip) => self.walk(&Question { posts, ..question }).await,
            Place::Gather(gathering) => {
                let own = question.posts.len();
                let (posts, _trip) = gathering.wait(question.deadline.left()).await;
                let judged = Arc::new(self.walk(&Question { posts, ..question }).await);
                gathering.answer(&judged);
                Judged {
                    bill: judged.bill,
                    ..judged.part(0..own)
                }
            }
            Place::Join(joined) => match tokio::time::timeout(question.deadline.left(), joined.wait()).await {
                Ok(Some(judged)) => judged,
                Ok(None) | Err(_) => self.walk(&question).await,
            },
        }
    }

    /// Lets the embedded model stand in, if that is wanted and it has not just failed as the configured provider.
    ///
    /// # Errors
    /// When there is no stand-in, or it cannot judge.
    pub async fn stand_in(&self, question: &Question<'_>) -> Result<Vec<Verdict>, Outage> {
        if !self.settings.stand_in || self.chain(question.tier, Budget::Whole).contains(&ProviderName::Local) {
            return Err(Outage("there is no stand-in".to_owned()));
        }
        let posts: Vec<&Post> = question.posts.iter().collect();
        self.judge_embedded(question, &posts).await
    }

    /// The configured providers with the condition of each.
    pub async fn status(&self) -> Vec<(ProviderName, Condition)> {
        let mut status = Vec::new();
        for name in self.settings.all() {
            let condition = match name {
                // Compiled in: there is nothing to ask, and health need not link the judge.
                ProviderName::Local => Condition {
                    is_asked: true,
                    refusal: None,
                },
                name => self.remote.breakers.condition(name, self.remote.now()).await,
            };
            status.push((name.clone(), condition));
        }
        status
    }

    /// Who is asked for a plan. When money runs short, every plan has the chain that all share.
    fn chain(&self, tier: &Tier, budget: Budget) -> &[ProviderName] {
        match self.settings.by_tier.get(tier) {
            Some(chain) if budget == Budget::Whole => chain,
            _ => &self.settings.chain,
        }
    }

    fn class_of(&self, name: &ProviderName) -> ModelClass {
        match name {
            ProviderName::Local => ModelClass::Embedded,
            name if self.settings.chain.contains(name) => ModelClass::Standard,
            _ => ModelClass::Better,
        }
    }

    /// Down the chain: each provider is asked for what is still open, unless as good a verdict is known.
    async fn walk(&self, question: &Question<'_>) -> Judged {
        let budget = self.remote.spend.budget(self.remote.now()).await;
        let mut answers = vec![Answer::Nobody; question.posts.len()];
        let mut open: Vec<usize> = (0..question.posts.len()).collect();
        let mut failures = Vec::new();
        let errand = Errand {
            preference: question.preference,
            explain: question.explain,
            tier: question.tier,
            deadline: question.deadline,
            trace: question.trace,
            bill: Mutex::default(),
        };
        for name in self.chain(question.tier, budget) {
            let class = self.class_of(name);
            settle_known(&mut answers, &mut open, question, Some(class));
            if open.is_empty() {
                break;
            }
            let posts: Vec<&Post> = open.iter().map(|place| &question.posts[*place]).collect();
            let opinions = match name {
                ProviderName::Local => self.judge_embedded(question, &posts).await.map_or_else(
                    |_| Opinions {
                        verdicts: vec![None; posts.len()],
                        failure: Some(Failure::Unasked("the embedded model cannot be loaded")),
                    },
                    |verdicts| Opinions {
                        verdicts: verdicts.into_iter().map(Some).collect(),
                        failure: None,
                    },
                ),
                name => self.ask_in_calls(name, &errand, &posts).await,
            };
            failures.extend(opinions.failure.map(|failure| format!("{name}: {failure}")));
            for (place, verdict) in open.iter().zip(opinions.verdicts) {
                if let Some(verdict) = verdict {
                    answers[*place] = Answer::Judged(CleanVerdict::new(verdict, class), name.clone());
                }
            }
            open.retain(|place| answers[*place] == Answer::Nobody);
        }
        settle_known(&mut answers, &mut open, question, None);
        let bill = *errand.bill.lock().unwrap_or_else(PoisonError::into_inner);
        Judged {
            answers,
            failure: (!failures.is_empty()).then(|| Outage(failures.join("; "))),
            spend_limited: self.is_limited(question.tier, budget),
            bill,
        }
    }

    fn is_limited(&self, tier: &Tier, budget: Budget) -> bool {
        let is_paid = |name: &ProviderName| !self.settings.price(name).is_free();
        match budget {
            Budget::Whole => false,
            Budget::Reduced => self.settings.by_tier.contains_key(tier),
            Budget::Spent => self.chain(tier, Budget::Whole).iter().any(is_paid),
        }
    }

    /// In calls of bounded size, a few at a time.
    async fn ask_in_calls(&self, name: &ProviderName, errand: &Errand<'_>, posts: &[&Post]) -> Opinions {
        let texts: Vec<&str> = posts.iter().map(|post| post.text.as_str()).collect();
        let calls = batch::split(&texts, self.settings.call_tokens);
        let asked = calls.into_iter().map(|places| async move {
            let posts: Vec<&Post> = places.iter().map(|place| posts[*place]).collect();
            (self.remote.ask(name, errand, &posts).await, places)
        });
        let mut all = Opinions {
            verdicts: vec![None; posts.len()],
            failure: None,
        };
        let mut asked = stream::iter(asked).buffer_unordered(self.settings.parallel_calls);
        while let Some((opinions, places)) = asked.next().await {
            for (place, verdict) in places.into_iter().zip(opinions.verdicts) {
                all.verdicts[place] = verdict;
            }
            all.failure = all.failure.or(opinions.failure);
        }
        all
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

    /// The embedded model, loaded at its first use.
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
