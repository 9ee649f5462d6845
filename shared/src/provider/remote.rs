//! Calls to models beyond this process: permission, deadline, budget, the call, what it says and what it cost.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::Post;
use super::answer::{self, Expected};
use super::exchange::{Exchange, Said};
use super::failure::{Failure, LONGEST_BACKOFF};
use super::prompt::Prompt;
use super::usage::{Bounds, Counts};
use super::verdict::Verdict;
use crate::breaker::Outcome;
use crate::breaker::store::{Breakers, Permit, Report};
use crate::breaker::window::Blame;
use crate::clock::{Clock, Deadline, Stopwatch, Timestamp};
use crate::config::providers::{ProviderName, ProviderSettings};
use crate::config::{Config, Secret};
use crate::ids::{UserId, random_bytes};
use crate::money::{Money, Tokens};
use crate::plan::Tier;
use crate::secrets::Held;
use crate::spend::Budget;
use crate::spend::store::{SpendStore, Spent};

/// What a request needs after its last call: for the ladder and for writing.
const RESERVE: Duration = Duration::from_millis(200);

/// With less than this left, nobody is asked any more.
const SHORTEST_CALL: Duration = Duration::from_millis(50);

/// The part of a call's deadline from which on it was slow, in hundredths.
const SLOW_FROM_PERCENT: u32 = 60;

/// What is wrong with an answer that leaves posts out.
const INCOMPLETE: Failure = Failure::Schema("a verdict is missing");

/// What all calls for a question have in common.
#[derive(Debug)]
pub struct Errand<'a> {
    /// The user's words.
    pub preference: &'a str,
    /// Whether to say why.
    pub explain: bool,
    /// Under which plan.
    pub tier: &'a Tier,
    /// Until when.
    pub deadline: Deadline,
    /// `traceparent` of the calls.
    pub trace: Option<&'a str>,
    /// What it came to.
    pub bill: Mutex<Bill>,
}

/// What the calls for a question came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Bill {
    /// Calls made.
    pub calls: u32,
    /// Of those, retries.
    pub retries: u32,
    /// Of all calls, those that brought no verdict.
    pub failures: u32,
    /// Of those, those that took too long.
    pub timeouts: u32,
    /// Breakers that opened on a call.
    pub opened: u32,
    /// Tokens read and written.
    pub tokens: Tokens,
    /// What they cost.
    pub money: Money,
}

impl std::ops::AddAssign for Bill {
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

/// The way to all models beyond this process.
#[derive(Debug)]
pub struct Remote {
    settings: ProviderSettings,
    clock: Clock,
    exchange: Exchange,
    /// Who is being asked at all.
    pub breakers: Breakers,
    /// What may still be spent.
    pub spend: SpendStore,
}

/// A model's verdicts on some posts, in their order, and why some are missing.
#[derive(Debug, Default)]
pub struct Opinions {
    /// `None` where there is none.
    pub verdicts: Vec<Option<Verdict>>,
    /// The last thing that went wrong.
    pub failure: Option<Failure>,
}

impl Remote {
    /// As configured, with the key of `OpenAI`'s protocol, if calls carry one.
    #[must_use]
    pub fn new(
        config: &Config,
        clock: Clock,
        key: Option<Held<Secret>>,
        breakers: Breakers,
        spend: SpendStore,
    ) -> Self {
        Self {
            settings: config.providers.clone(),
            clock,
            exchange: Exchange::new(config, key),
            breakers,
            spend,
        }
    }

    /// The time by which budgets are judged.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Asks `name` about posts: once; once more for what its answer left out; and once more if the call failed, as far as the
    /// fleet's budget of retries allows it. A call that failed because of what some post says is tried again in halves: one
    /// post that upsets a model takes fewer with it.
    pub async fn ask(&self, name: &ProviderName, errand: &Errand<'_>, posts: &[&Post]) -> Opinions {
        let failure = match self.call(name, errand, posts).await {
            Ok(verdicts) => return self.complete(name, errand, posts, verdicts).await,
            Err(failure) => failure,
        };
        let (one, other) = if failure.is_about_posts() {
            posts.split_at(posts.len() / 2)
        } else {
            posts.split_at(posts.len())
        };
        let parts = [one, other];
        let mut granted = [false; 2];
        if failure.is_worth_a_retry(posts.len()) && may_wait(errand) {
            for (granted, part) in granted.iter_mut().zip(parts) {
                *granted = !part.is_empty() && self.breakers.retry(name, self.clock.now()).await;
            }
        }
        if granted.contains(&true) {
            back_off(&failure).await;
        }
        let failure = &failure;
        let asked = parts.into_iter().zip(granted).map(|(part, granted)| async move {
            match (granted, part) {
                (_, []) => Opinions::default(),
                (true, part) => self.ask_again(name, errand, part).await,
                (false, part) => Opinions::none(part.len(), failure.clone()),
            }
        });
        let all = join_all(asked).await.into_iter();
        all.fold(Opinions::default(), Opinions::and)
    }

    async fn ask_again(&self, name: &ProviderName, errand: &Errand<'_>, posts: &[&Post]) -> Opinions {
        bill(errand, |bill| bill.retries += 1);
        match self.call(name, errand, posts).await {
            Ok(verdicts) => Opinions {
                failure: verdicts.contains(&None).then_some(INCOMPLETE),
                verdicts,
            },
            Err(failure) => Opinions::none(posts.len(), failure),
        }
    }

    /// Asks once more for the posts that an answer left out, as the contract promises. It takes from the budget what that has,
    /// so that failures are tried again less, and is not refused: a model that forgets has answered, and is not failing.
    async fn complete(
        &self,
        name: &ProviderName,
        errand: &Errand<'_>,
        posts: &[&Post],
        mut verdicts: Vec<Option<Verdict>>,
    ) -> Opinions {
        let missing: Vec<usize> = (0..posts.len()).filter(|place| verdicts[*place].is_none()).collect();
        if missing.is_empty() {
            return Opinions {
                verdicts,
                failure: None,
            };
        }
        let left_out: Vec<&Post> = missing.iter().map(|place| posts[*place]).collect();
        self.breakers.retry(name, self.clock.now()).await;
        let again = self.ask_again(name, errand, &left_out).await;
        for (place, verdict) in missing.into_iter().zip(again.verdicts) {
            verdicts[place] = verdict;
        }
        Opinions {
            verdicts,
            failure: again.failure,
        }
    }

    /// One call, from the permission to the bill.
    async fn call(
        &self,
        name: &ProviderName,
        errand: &Errand<'_>,
        posts: &[&Post],
    ) -> Result<Vec<Option<Verdict>>, Failure> {
        let now = self.clock.now();
        let is_paid = !self.settings.price(name).is_free();
        if is_paid && self.spend.budget(now).await == Budget::Spent {
            return Err(Failure::Unasked("the day's limit on spending is reached"));
        }
        let limit = errand
            .deadline
            .left()
            .saturating_sub(RESERVE)
            .min(self.settings.call_timeout);
        if limit < SHORTEST_CALL {
            return Err(Failure::Unasked("no time is left"));
        }
        let texts: Vec<&str> = posts.iter().map(|post| post.text.as_str()).collect();
        let prompt = Prompt::of(errand.preference, &texts, errand.explain)
            .map_err(|_| Failure::Unasked("there are no random bytes"))?;
        let permit = self.breakers.admit(name, now).await.map_err(Failure::Unasked)?;
        let most_output = self.exchange.most_output(name, &prompt);
        let stopwatch = Stopwatch::start();
        let said = tokio::time::timeout(limit, self.exchange.ask(name, &prompt, errand.trace, now)).await;
        let (answer, counts, length) = match said.unwrap_or(Err(Failure::Timeout)) {
            Ok(Said { text, counts }) => {
                let expected = Expected {
                    ids: &prompt.ids,
                    explain: errand.explain,
                    preference: errand.preference,
                };
                let length = text.as_ref().map_or(0, String::len);
                let text = text.ok_or("the answer has no text");
                let verdicts = text.and_then(|text| answer::parse(&text, expected));
                (verdicts.map_err(Failure::Schema), counts, length)
            }
            Err(failure) => (Err(failure), Counts::default(), 0),
        };
        let slow = stopwatch.elapsed() * 100 >= self.settings.call_timeout * SLOW_FROM_PERCENT;
        let opened = self.report(name, permit, &answer, (posts, slow)).await;
        bill(errand, |bill| {
            bill.failures += u32::from(answer.is_err());
            bill.timeouts += u32::from(matches!(answer, Err(Failure::Timeout)));
            bill.opened += u32::from(opened);
        });
        let bounds = Bounds {
            question: prompt.bytes(),
            answer: length,
            told: most_output,
        };
        let cost = answer.as_ref().err().is_none_or(Failure::may_cost);
        let tokens = if cost { counts.within(bounds) } else { Tokens::default() };
        self.record(name, errand, tokens).await;
        answer
    }

    async fn report(
        &self,
        name: &ProviderName,
        permit: Permit,
        answer: &Result<Vec<Option<Verdict>>, Failure>,
        (posts, slow): (&[&Post], bool),
    ) -> bool {
        let now = self.clock.now();
        let failure = answer.as_ref().err();
        let provocable = failure.is_some_and(Failure::is_provocable);
        let users = posts.iter().filter_map(|post| post.user.as_ref().map(UserId::as_str));
        let texts = posts.iter().map(|post| post.text.as_str());
        let report = Report {
            outcome: failure.map_or(Outcome::Good { slow }, |failure| failure.outcome(slow)),
            blame: provocable.then(|| Blame::of(users.chain(texts))),
            hold: failure.and_then(Failure::retry_after).map(|wait| now.plus(wait)),
            refusal: failure.and_then(Failure::refusal),
        };
        self.breakers.report(name, permit, report, now).await
    }

    async fn record(&self, name: &ProviderName, errand: &Errand<'_>, tokens: Tokens) {
        let money = self.settings.price(name).of(tokens);
        bill(errand, |bill| {
            bill.calls += 1;
            bill.tokens += tokens;
            bill.money += money;
        });
        if tokens != Tokens::default() {
            let spent = Spent {
                calls: 1,
                tokens,
                money,
            };
            let purpose = (name.clone(), errand.tier.clone());
            self.spend.record(purpose, spent, self.clock.now()).await;
        }
    }
}

fn bill(errand: &Errand<'_>, change: impl FnOnce(&mut Bill)) {
    change(&mut errand.bill.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Whether there is time to wait before another call.
fn may_wait(errand: &Errand<'_>) -> bool {
    LONGEST_BACKOFF + RESERVE + SHORTEST_CALL < errand.deadline.left()
}

/// Waits before a retry, by chance and as the provider asked.
async fn back_off(failure: &Failure) {
    // Full jitter: clients that failed together do not come back together.
    let chance = random_bytes::<2>().map_or(0, u16::from_be_bytes);
    let jitter = LONGEST_BACKOFF * u32::from(chance) / u32::from(u16::MAX);
    tokio::time::sleep(failure.retry_after().unwrap_or_default().max(jitter)).await;
}

impl Opinions {
    fn none(count: usize, failure: Failure) -> Self {
        Self {
            verdicts: vec![None; count],
            failure: Some(failure),
        }
    }

    fn and(mut self, mut other: Self) -> Self {
        self.verdicts.append(&mut other.verdicts);
        self.failure = self.failure.or(other.failure);
        self
    }
}
