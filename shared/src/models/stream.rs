//! A dialogue continued by the first provider of a chain that begins to, word by word. Permission, deadlines, retries and spending
//! are those of every call; a reply that has begun is finished or cut, and asked of nobody else.

mod hearing;

use std::time::Duration;

use self::hearing::Hearing;
use super::Models;
use super::breaker::store::Permit;
use super::call::{CallContext, NO_MONEY, report};
use super::class::ModelClass;
use super::counts::{Bounds, Counts};
use super::dialogue::{Dialogue, FinishReason};
use super::exchange::dialogue::Beginning;
use super::failure::Failure;
use crate::clock::{Deadline, Stopwatch};
use crate::config::providers::{Chains, ProviderName};
use crate::error::Outage;
use crate::money::Tokens;

/// The part of the wait for the first words from which on it was slow, in hundredths.
const SLOW_FROM_PERCENT: u32 = 60;

/// How long a reply may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    /// Before its first words.
    pub first: Duration,
    /// Between any two.
    pub between: Duration,
}

/// A reply that has begun.
#[derive(Debug)]
pub struct Told {
    /// Its words.
    pub text: String,
    /// The reason for its end; `None` if it was cut.
    pub finish: Option<FinishReason>,
    /// The provider's counts, as far as they can be true.
    pub counts: Counts,
    /// The provider.
    pub by: ProviderName,
    /// Its class.
    pub class: ModelClass,
    /// The time until its first words.
    pub first_words: Duration,
}

/// The result of a walk down a chain.
#[derive(Debug)]
pub struct Continued {
    /// The reply, if any provider began one.
    pub told: Option<Told>,
    /// The failures on the way, with the one that cut the reply.
    pub failure: Option<Outage>,
    /// True if the last failure was about the content.
    pub refused_content: bool,
    /// The day's limit on spending, or a slice of it, decided who was asked.
    pub spend_limited: bool,
}

/// Takes the words of a reply as they come.
pub type Listener<'a> = &'a mut (dyn FnMut(&str) + Send);

impl Models {
    /// Lets the tier's chain continue a dialogue: the first provider that begins to is the one. `listener` is told the words as they
    /// come, none of them empty.
    pub async fn continue_dialogue(
        &self,
        chains: &Chains,
        dialogue: &Dialogue,
        context: &CallContext<'_>,
        silence: Silence,
        listener: Listener<'_>,
    ) -> Continued {
        let budget = self.budget(context.payer).await;
        let (mut told, mut failures, mut refused_content) = (None, Vec::new(), false);
        for name in chains
            .of(&context.payer.tier, budget)
            .iter()
            .filter(|name| name.is_remote())
        {
            let hearing = self.hear_from(name, dialogue, context, silence, listener).await;
            refused_content = matches!(hearing.failure, Some(Failure::Content(_)));
            if let Some(failure) = &hearing.failure {
                failures.push(format!("{name}: {failure}"));
            }
            if hearing.has_begun() {
                told = Some(Told {
                    finish: hearing.finish,
                    counts: hearing.counts,
                    by: name.clone(),
                    class: chains.class_of(name),
                    first_words: hearing.first_words.unwrap_or_default(),
                    text: hearing.text,
                });
                break;
            }
        }
        Continued {
            told,
            failure: (!failures.is_empty()).then(|| Outage(failures.join("; "))),
            refused_content,
            spend_limited: self.is_limited(chains, &context.payer.tier, budget),
        }
    }

    /// Asks one provider, and once more if it failed before its first words and the fleet's budget of retries allows it.
    async fn hear_from(
        &self,
        name: &ProviderName,
        dialogue: &Dialogue,
        context: &CallContext<'_>,
        silence: Silence,
        listener: Listener<'_>,
    ) -> Hearing {
        let hearing = self.hear_once(name, dialogue, context, silence, listener).await;
        let Some(failure) = hearing.failure.as_ref().filter(|_| !hearing.has_begun()) else {
            return hearing;
        };
        if !failure.is_worth_a_retry(1) || self.retries(name, failure, context, 1).await == 0 {
            return hearing;
        }
        let again = CallContext {
            is_retry: true,
            ..*context
        };
        self.hear_once(name, dialogue, &again, silence, listener).await
    }

    async fn hear_once(
        &self,
        name: &ProviderName,
        dialogue: &Dialogue,
        context: &CallContext<'_>,
        silence: Silence,
        listener: Listener<'_>,
    ) -> Hearing {
        let now = self.now();
        let bounds = Bounds {
            question: dialogue.most_input(),
            answer: 0,
            told: self.exchange.most_reply(name, dialogue),
        };
        let worst = Tokens {
            input: bounds.question as u64,
            output: u64::from(bounds.told),
        };
        let worst = self.settings.price(name).of(worst);
        let Some(own) = self.slices.set_aside(context.payer, worst, now) else {
            return Hearing::failed(Failure::Unasked(NO_MONEY));
        };
        let Some(of_all) = self.spend.set_aside(worst, now).await else {
            return Hearing::failed(Failure::Unasked(NO_MONEY));
        };
        let permit = match self.breakers.admit(name, now).await {
            Ok(permit) => permit,
            Err(reason) => return Hearing::failed(Failure::Unasked(reason)),
        };
        let stopwatch = Stopwatch::start();
        let first = Deadline::after(silence.first.min(context.deadline.left()));
        let asking = self.exchange.begin(name, dialogue, context.trace, now);
        let mut hearing = match tokio::time::timeout(first.left(), asking).await {
            Err(_) => Hearing::failed(Failure::Timeout),
            Ok(Err(failure)) => Hearing::failed(failure),
            Ok(Ok(Beginning::Whole(text, finish, counts))) => Hearing::whole(text, finish, counts, stopwatch, listener),
            Ok(Ok(Beginning::Stream(body, reader))) => {
                let mut hearing = Hearing::default();
                let limits = (first, silence.between, context.deadline);
                let heard = hearing.listen((body, reader), limits, stopwatch, listener);
                hearing.failure = heard.await.err();
                hearing.conclude();
                hearing
            }
        };
        let bounds = Bounds {
            answer: hearing.text.len(),
            ..bounds
        };
        let waited = hearing.first_words.unwrap_or_else(|| stopwatch.elapsed());
        let slow = waited * 100 >= silence.first * SLOW_FROM_PERCENT;
        self.note(name, context, &hearing, bounds);
        drop((own, of_all));
        self.report(name, context, (permit, slow), hearing.failure.as_ref())
            .await;
        hearing.counts = hearing.counts.credible(bounds);
        hearing
    }

    /// Counts a call and its cost.
    fn note(&self, name: &ProviderName, context: &CallContext<'_>, hearing: &Hearing, bounds: Bounds) {
        let failure = hearing.failure.as_ref();
        let cost = hearing.has_begun() || failure.is_none_or(Failure::may_cost);
        let tokens = cost.then(|| hearing.counts.within(bounds));
        self.count(name, context, failure, tokens);
    }

    /// Tells the breaker how a call ended.
    async fn report(
        &self,
        name: &ProviderName,
        context: &CallContext<'_>,
        (permit, slow): (Permit, bool),
        failure: Option<&Failure>,
    ) {
        let now = self.now();
        let report = report(failure, slow, context.blamed, now);
        let settling = self.settling((name.clone(), permit, report), context.payer, now);
        if failure.is_none() {
            context.usage.settle_later(tokio::spawn(settling));
        } else {
            // The next call is to know of it.
            context.usage.add_opened(settling.await);
        }
    }
}
