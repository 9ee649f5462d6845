//! Who judges posts: the configured providers in order of preference, and the embedded model that stands in for them.

pub mod verdict;

use std::sync::OnceLock;

use crate::config::ProviderName;
use crate::error::Outage;
use crate::judge::Judge;
use crate::provider::verdict::{CleanVerdict, Explanation, ModelClass, Verdict};

/// What is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The user's words, canonical.
    pub preference: &'a str,
    /// The posts' texts, canonical and distinct.
    pub posts: &'a [&'a str],
    /// Whether to say why.
    pub explain: bool,
}

/// The chain of providers.
#[derive(Debug)]
pub struct Providers {
    chain: Vec<ProviderName>,
    stand_in: bool,
    judge: OnceLock<Result<Judge, Outage>>,
}

/// Who gave the verdicts of a chain.
#[derive(Debug)]
pub enum Answered {
    /// A configured provider.
    Provider(ProviderName, Vec<CleanVerdict>),
    /// Nobody; each one's failure.
    Nobody(Outage),
}

impl Providers {
    /// The configured chain; `stand_in` says whether the embedded model may take its place when it fails.
    #[must_use]
    pub const fn new(chain: Vec<ProviderName>, stand_in: bool) -> Self {
        Self {
            chain,
            stand_in,
            judge: OnceLock::new(),
        }
    }

    /// Asks the configured providers in turn until one answers.
    pub async fn judge(&self, question: Question<'_>) -> Answered {
        let mut failures = Vec::new();
        for provider in &self.chain {
            let answer = match provider {
                ProviderName::Local => self.judge_embedded(question).await,
            };
            match answer {
                Ok(verdicts) => {
                    let class = ModelClass::Embedded;
                    let clean = verdicts
                        .into_iter()
                        .map(|verdict| CleanVerdict::new(verdict, class))
                        .collect();
                    return Answered::Provider(*provider, clean);
                }
                Err(outage) => failures.push(outage.to_string()),
            }
        }
        Answered::Nobody(Outage(failures.join("; ")))
    }

    /// Lets the embedded model stand in, if that is wanted and it has not just failed as the configured provider.
    ///
    /// # Errors
    /// When there is no stand-in, or it cannot judge.
    pub async fn stand_in(&self, question: Question<'_>) -> Result<Vec<Verdict>, Outage> {
        if !self.stand_in || self.chain.contains(&ProviderName::Local) {
            return Err(Outage("there is no stand-in".to_owned()));
        }
        self.judge_embedded(question).await
    }

    /// The configured providers with whether each could judge now.
    #[must_use]
    pub fn status(&self) -> Vec<(ProviderName, Result<(), Outage>)> {
        self.chain
            .iter()
            .map(|provider| match provider {
                ProviderName::Local => (*provider, self.embedded().map(|_| ())),
            })
            .collect()
    }

    async fn judge_embedded(&self, question: Question<'_>) -> Result<Vec<Verdict>, Outage> {
        let judge = self.embedded()?;
        let preference = judge.read(question.preference);
        let mut verdicts = Vec::with_capacity(question.posts.len());
        for text in question.posts {
            let opinion = judge.opinion(&preference, text);
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

impl std::fmt::Display for ProviderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
        }
    }
}
