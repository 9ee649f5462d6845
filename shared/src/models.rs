//! Models beyond this process: who may be asked, by which call, in which form, at what price. It knows no question of any
//! workload.
//!
//! # How to use it
//! 1. Write a [`ModelRequest`](request::ModelRequest): our words in `system`, everything from outside in `parts`, a strict
//!    [`Schema`](request::Schema), the tokens that an answer needs.
//! 2. Describe the circumstances in a [`CallContext`](call::CallContext): payer, deadline, trace, whom to blame, and one
//!    [`RunningUsage`](call::RunningUsage) for the whole request.
//! 3. Write `parse`: it takes the wrapping off by [`unwrapped`](request::unwrapped), then accepts the answer or names in a fixed
//!    text what is wrong with it. A refused answer is a failed call.
//! 4. Call [`Models::first_answer`] with the workload's chains from the settings: its answer names its author.
//!    [`Models::call`] asks one provider once, for those who split, repeat or combine calls themselves.
//! 5. Await [`settled`](call::RunningUsage::settled) before the request is answered, beside other work: it gives the usage.
//! 6. If there is no answer, serve a stale one or the workload's embedded model: `local` in a chain is never asked here.
//!
//! Permission ([`breaker`]), deadline, retries, spending ([`spend`]) and reading are the same for all, and happen here alone.
//! [`exchange`] speaks [`openai`], [`bedrock`], [`moderation`] and [`rekognition`] over [`transport`].

pub mod bedrock;
pub mod breaker;
pub mod call;
pub mod chain;
pub mod class;
pub mod counts;
pub mod dialogue;
pub mod endpoints;
pub mod exchange;
pub mod failure;
pub mod form;
pub mod frames;
pub mod heard;
pub mod moderation;
pub mod openai;
pub mod reader;
pub mod refusal;
pub mod rekognition;
pub mod request;
pub mod sign;
pub mod spend;
pub mod sse;
pub mod stream;
pub mod transport;

use std::sync::Arc;

use self::breaker::store::{Breakers, Condition};
use self::exchange::Exchange;
use self::spend::Budget;
use self::spend::slice_store::SliceStore;
use self::spend::store::SpendStore;
use crate::clock::{Clock, Timestamp};
use crate::config::providers::{ProviderName, ProviderSettings};
use crate::config::{Config, Secret};
use crate::identity::Principal;
use crate::secrets::Held;

/// The way to all models beyond this process.
#[derive(Debug)]
pub struct Models {
    settings: ProviderSettings,
    clock: Clock,
    exchange: Exchange,
    breakers: Arc<Breakers>,
    spend: Arc<SpendStore>,
    slices: Arc<SliceStore>,
}

impl Models {
    /// Makes it as configured, with the key of `OpenAI`'s protocol, if calls carry one.
    #[must_use]
    pub fn new(
        config: &Config,
        clock: Clock,
        key: Option<Held<Secret>>,
        breakers: Breakers,
        (spend, slices): (SpendStore, SliceStore),
    ) -> Self {
        Self {
            settings: config.providers.clone(),
            clock,
            exchange: Exchange::new(config, key),
            breakers: Arc::new(breakers),
            spend: Arc::new(spend),
            slices: Arc::new(slices),
        }
    }

    /// Returns what the day's spending, and that of `payer` and its source, still allows. The slices are read beside the day's
    /// counters alone, and are told with each call: no call waits for them.
    pub async fn budget(&self, payer: &Principal) -> Budget {
        let now = self.now();
        let looks = self.spend.looks(now);
        let (of_all, own) = tokio::join!(self.spend.budget(now), self.slices.budget(payer, now, looks));
        of_all.max(own)
    }

    /// Returns the condition of a provider, for operators.
    pub async fn condition(&self, name: &ProviderName) -> Condition {
        self.breakers.condition(name, self.now()).await
    }

    fn is_paid(&self, name: &ProviderName) -> bool {
        !self.settings.price(name).is_free()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
