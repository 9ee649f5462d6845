//! One call to a model, from the permission to the bill.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Models;
use super::breaker::CallOutcome;
use super::breaker::store::{Breakers, CallReport, Permit};
use super::breaker::window::Blame;
use super::counts::{Bounds, Counts};
use super::failure::{Failure, LONGEST_BACKOFF};
use super::request::{ModelReply, ModelRequest};
use super::spend::Budget;
use super::spend::slice_store::SliceStore;
use super::spend::store::{SpendStore, Spent};
use crate::clock::{Deadline, Stopwatch, Timestamp};
use crate::config::providers::ProviderName;
use crate::identity::Principal;
use crate::ids::random_bytes;
use crate::money::{Money, Tokens};
use crate::telemetry::ModelCounts;

/// The time that a request needs after its last call: for its fallback and for writing.
const RESERVE: Duration = Duration::from_millis(200);

/// With less than this left, no model is asked any more.
const SHORTEST_CALL: Duration = Duration::from_millis(50);

/// The part of a call's deadline from which on it was slow, in hundredths.
const SLOW_FROM_PERCENT: u32 = 60;

/// Why a call that costs money is not made.
pub(super) const NO_MONEY: &str = "the day's limit on spending, or the slice of its user or source, is reached";

/// The circumstances of a call.
#[derive(Debug, Clone, Copy)]
pub struct CallContext<'a> {
    /// The one who pays: its tier has a chain, and its user and source have slices of the day's money.
    pub payer: &'a Principal,
    /// The end of the request that needs the answer.
    pub deadline: Deadline,
    /// `traceparent` of the call.
    pub trace: Option<&'a str>,
    /// The users and contents that can have provoked a failure.
    pub blamed: &'a [&'a str],
    /// A call about the same has failed or was incomplete.
    pub is_retry: bool,
    /// The usage that it is added to.
    pub usage: &'a RunningUsage,
}

/// The usage of models by one request, over calls that may be under way together.
#[derive(Debug, Default)]
pub struct RunningUsage {
    total: Mutex<ModelUsage>,
    /// Successful calls whose end and cost are being written down. Each says whether its breaker opened.
    settling: Mutex<Vec<JoinHandle<bool>>>,
}

/// The usage of models: calls, tokens, money.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ModelUsage {
    /// Calls made.
    pub calls: u32,
    /// Of those, retries.
    pub retries: u32,
    /// Of all calls, those that brought no answer.
    pub failures: u32,
    /// Of those, those that took too long.
    pub timeouts: u32,
    /// Breakers that opened on a call.
    pub opened: u32,
    /// Tokens read and written.
    pub tokens: Tokens,
    /// Their cost.
    pub money: Money,
}

impl ModelUsage {
    /// Returns it as it is counted in a record.
    #[must_use]
    pub fn counts(&self) -> ModelCounts {
        ModelCounts {
            calls: self.calls,
            failures: self.failures,
            timeouts: self.timeouts,
            retries: self.retries,
            input_tokens: self.tokens.input,
            output_tokens: self.tokens.output,
            nano_dollars: self.money.nanos(),
        }
    }
}

impl RunningUsage {
    /// Waits until the ends and the costs of all calls are written down, which other work need not wait for. Returns the usage.
    ///
    /// To be awaited before a request is answered: a process may be frozen after that.
    pub async fn settled(&self) -> ModelUsage {
        let settling = std::mem::take(&mut *self.settling.lock().unwrap_or_else(PoisonError::into_inner));
        for settled in settling {
            self.add_opened(settled.await.unwrap_or(false));
        }
        *self.total.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, more: ModelUsage) {
        *self.total.lock().unwrap_or_else(PoisonError::into_inner) += more;
    }

    pub(super) fn settle_later(&self, settling: JoinHandle<bool>) {
        self.settling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(settling);
    }

    pub(super) fn add_opened(&self, opened: bool) {
        self.add(ModelUsage {
            opened: u32::from(opened),
            ..ModelUsage::default()
        });
    }
}

impl std::ops::AddAssign for ModelUsage {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.retries += other.retries;
        self.failures += other.failures;
        self.timeouts += other.timeouts;
        self.opened += other.opened;
        self.tokens += other.tokens;
        self.money += other.money;
    }
}

impl Models {
    /// Makes one call and reads its answer. An answer that `parse` refuses counts against the provider as any failure does.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call<T>(
        &self,
        name: &ProviderName,
        request: &ModelRequest,
        context: &CallContext<'_>,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Result<T, Failure> {
        let now = self.now();
        if self.is_paid(name) && self.budget(context.payer).await == Budget::Spent {
            return Err(Failure::Unasked(NO_MONEY));
        }
        let limit = context.deadline.left().saturating_sub(RESERVE);
        let limit = limit.min(self.settings.call_timeout);
        if limit < SHORTEST_CALL {
            return Err(Failure::Unasked("no time is left"));
        }
        let permit = self.breakers.admit(name, now).await.map_err(Failure::Unasked)?;
        let most_output = self.exchange.most_output(name, request);
        let stopwatch = Stopwatch::start();
        let asked = tokio::time::timeout(limit, self.exchange.ask(name, request, context.trace, now)).await;
        let slow = stopwatch.elapsed() * 100 >= self.settings.call_timeout * SLOW_FROM_PERCENT;
        let (answer, counts, length) = read(asked.unwrap_or(Err(Failure::Timeout)), request, parse);
        let failure = answer.as_ref().err();
        let bounds = Bounds {
            question: request.most_input(),
            answer: length,
            told: most_output,
        };
        let cost = failure.is_none_or(Failure::may_cost).then(|| {
            let tokens = (!name.is_moderator()).then(|| counts.within(bounds));
            tokens.unwrap_or_default()
        });
        self.count(name, context, failure, cost);
        let now = self.now();
        let report = report(failure, slow, context.blamed, now);
        let settling = self.settling((name.clone(), permit, report), context.payer, now);
        if answer.is_ok() {
            context.usage.settle_later(tokio::spawn(settling));
        } else {
            // The next call is to know of it.
            context.usage.add_opened(settling.await);
        }
        answer
    }

    /// Counts a call in this process, with the tokens of one that may cost something.
    pub(super) fn count(
        &self,
        name: &ProviderName,
        context: &CallContext<'_>,
        failure: Option<&Failure>,
        cost: Option<Tokens>,
    ) {
        let money = cost.map_or_else(Money::default, |tokens| self.settings.price(name).of(tokens));
        let tokens = cost.unwrap_or_default();
        context.usage.add(ModelUsage {
            calls: 1,
            retries: u32::from(context.is_retry),
            failures: u32::from(failure.is_some()),
            timeouts: u32::from(matches!(failure, Some(Failure::Timeout))),
            tokens,
            money,
            opened: 0,
        });
        if tokens != Tokens::default() || money != Money::default() {
            let purpose = (name.clone(), context.payer.tier.clone());
            let spent = Spent {
                calls: 1,
                tokens,
                money,
            };
            self.spend.note(purpose, spent, self.now());
            self.slices.note(context.payer, money, self.now());
        }
    }

    /// Returns the work that is left when a call has ended. It needs nothing of the request.
    pub(super) fn settling(
        &self,
        ended: (ProviderName, Permit, CallReport),
        payer: &Principal,
        now: Timestamp,
    ) -> impl Future<Output = bool> + Send + use<> {
        let stores = (
            Arc::clone(&self.breakers),
            Arc::clone(&self.spend),
            Arc::clone(&self.slices),
        );
        settle(stores, ended, payer.clone(), now)
    }

    /// Takes up to `wanted` retries after a failure out of the fleet's budget, and waits as long as a retry should. Returns how
    /// many may be made: none if there is no time for them.
    pub async fn retries(&self, name: &ProviderName, failure: &Failure, context: &CallContext<'_>, wanted: u32) -> u32 {
        if context.deadline.left() <= LONGEST_BACKOFF + RESERVE + SHORTEST_CALL {
            return 0;
        }
        let granted = self.breakers.retries(name, wanted, self.now()).await;
        if granted > 0 {
            back_off(failure).await;
        }
        granted
    }

    /// Takes a call that asks for the rest of an incomplete answer out of the budget of retries, as far as that has any. It is not
    /// refused: a model that forgets has answered, and is not failing.
    pub async fn note_retry(&self, name: &ProviderName, context: &CallContext<'_>) {
        // The call that it goes with earns a part of it.
        context.usage.settled().await;
        self.breakers.retries(name, 1, self.now()).await;
    }
}

pub(super) fn report(failure: Option<&Failure>, slow: bool, blamed: &[&str], now: Timestamp) -> CallReport {
    let is_provocable = failure.is_some_and(Failure::is_provocable);
    CallReport {
        outcome: failure.map_or(CallOutcome::Good { slow }, |failure| failure.outcome(slow)),
        blame: is_provocable.then(|| Blame::of(blamed.iter().copied())),
        hold: failure.and_then(Failure::retry_after).map(|wait| now.plus(wait)),
        refusal: failure.and_then(Failure::refusal),
    }
}

/// Tells the breaker how a call ended, and writes down what was spent by all, by its user and from its source, at the same time.
/// Returns whether the breaker opened.
async fn settle(
    (breakers, spend, slices): (Arc<Breakers>, Arc<SpendStore>, Arc<SliceStore>),
    (name, permit, report): (ProviderName, Permit, CallReport),
    payer: Principal,
    now: Timestamp,
) -> bool {
    let (opened, (), ()) = tokio::join!(
        breakers.report(&name, permit, report, now),
        spend.write_noted(now),
        slices.write_noted(&payer, now)
    );
    opened
}

/// Reads a reply; with it the provider's counts, and the bytes of the answer.
fn read<T>(
    reply: Result<ModelReply, Failure>,
    request: &ModelRequest,
    parse: impl FnOnce(&str) -> Result<T, &'static str>,
) -> (Result<T, Failure>, Counts, usize) {
    match reply {
        Ok(ModelReply { text, counts, refused }) => {
            let length = text.as_ref().map_or(0, String::len);
            if refused && request.has_image() {
                return (Err(Failure::Image(200)), counts, length);
            }
            let text = text.ok_or("the answer has no text");
            let answer = text.and_then(|text| parse(&text)).map_err(Failure::Schema);
            (answer, counts, length)
        }
        Err(failure) => (Err(failure), Counts::default(), 0),
    }
}

/// Waits before a retry, by chance and as the provider asked.
async fn back_off(failure: &Failure) {
    // Full jitter: clients that failed together do not come back together.
    let chance = random_bytes::<2>().map_or(0, u16::from_be_bytes);
    let jitter = LONGEST_BACKOFF * u32::from(chance) / u32::from(u16::MAX);
    tokio::time::sleep(failure.retry_after().unwrap_or_default().max(jitter)).await;
}
