//! The chain of providers of a tier, the class of each, and the walk down a chain for one answer.

use super::Models;
use super::call::CallContext;
use super::class::ModelClass;
use super::failure::Failure;
use super::request::ModelRequest;
use super::spend::Budget;
use crate::config::providers::{Chains, ProviderName};
use crate::error::Outage;
use crate::plan::Tier;

impl Chains {
    /// Returns the chain of a tier. When money runs short, every tier has the chain that all share.
    #[must_use]
    pub fn of(&self, tier: &Tier, budget: Budget) -> &[ProviderName] {
        match self.by_tier.get(tier) {
            Some(chain) if budget == Budget::Whole => chain,
            _ => &self.base,
        }
    }

    /// Returns the class of a provider of these chains.
    #[must_use]
    pub fn class_of(&self, name: &ProviderName) -> ModelClass {
        match name {
            ProviderName::Local => ModelClass::Embedded,
            name if self.base.contains(name) => ModelClass::Standard,
            _ => ModelClass::Better,
        }
    }

    /// Returns the class of model that a tier is given: an answer of a lesser one is not what it pays for.
    #[must_use]
    pub fn class_for(&self, tier: &Tier) -> ModelClass {
        let first = self.of(tier, Budget::Whole).first();
        first.map_or(ModelClass::Embedded, |name| self.class_of(name))
    }

    /// Reports whether a tier's chain has the embedded model as a provider of its own.
    #[must_use]
    pub fn has_embedded(&self, tier: &Tier) -> bool {
        self.of(tier, Budget::Whole).contains(&ProviderName::Local)
    }
}

/// The result of a walk down a chain.
#[derive(Debug)]
pub struct ChainAnswer<T> {
    /// The first answer, if any model gave one.
    pub answer: Option<Answered<T>>,
    /// The failures on the way.
    pub failure: Option<Outage>,
    /// The day's limit on spending, or a slice of it, decided who was asked.
    pub spend_limited: bool,
}

/// An answer and its author.
#[derive(Debug)]
pub struct Answered<T> {
    /// The answer, as it was read.
    pub value: T,
    /// The provider that gave it.
    pub by: ProviderName,
    /// The class of that provider.
    pub class: ModelClass,
}

impl Models {
    /// Asks the models of the tier's chain in turn until one answers: each once, and once more if its call failed and the fleet's
    /// budget of retries allows it. `parse` is told who answered. The embedded model is none of them: it is the caller's last rung.
    pub async fn first_answer<T>(
        &self,
        chains: &Chains,
        request: &ModelRequest,
        context: &CallContext<'_>,
        parse: impl Fn(&ProviderName, &str) -> Result<T, &'static str>,
    ) -> ChainAnswer<T> {
        let budget = self.budget(context.payer).await;
        let (mut answer, mut failures) = (None, Vec::new());
        for name in chains
            .of(&context.payer.tier, budget)
            .iter()
            .filter(|name| name.is_remote())
        {
            match self.answer_of(name, request, context, |text| parse(name, text)).await {
                Ok(value) => {
                    answer = Some(Answered {
                        value,
                        by: name.clone(),
                        class: chains.class_of(name),
                    });
                    break;
                }
                Err(failure) => failures.push(format!("{name}: {failure}")),
            }
        }
        ChainAnswer {
            answer,
            failure: (!failures.is_empty()).then(|| Outage(failures.join("; "))),
            spend_limited: self.is_limited(chains, &context.payer.tier, budget),
        }
    }

    /// Reports whether such a budget keeps a tier from a provider that it would be given.
    #[must_use]
    pub fn is_limited(&self, chains: &Chains, tier: &Tier, budget: Budget) -> bool {
        match budget {
            Budget::Whole => false,
            Budget::Reduced => chains.by_tier.contains_key(tier),
            Budget::Spent => chains.of(tier, Budget::Whole).iter().any(|name| self.is_paid(name)),
        }
    }

    async fn answer_of<T>(
        &self,
        name: &ProviderName,
        request: &ModelRequest,
        context: &CallContext<'_>,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<T, Failure> {
        let failure = match self.call(name, request, context, &parse).await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        if !failure.is_worth_a_retry(1) || self.retries(name, &failure, context, 1).await == 0 {
            return Err(failure);
        }
        let again = CallContext {
            is_retry: true,
            ..*context
        };
        self.call(name, request, &again, parse).await
    }
}
