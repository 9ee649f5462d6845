//! The client of `DynamoDB`: a deadline on every call, no retries by the SDK, and the keys of the tables.

mod outcome;
mod partition;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;

use self::outcome::of_call;
use crate::aws;
use crate::clock::{Clock, Deadline};
use crate::config::Config;
use crate::dependency_breaker::DependencyBreaker;
use crate::error::Outage;
use crate::ids::random_bytes;

/// How often a write that was certainly not done is attempted.
const ATTEMPTS: u32 = 6;

/// The longest wait before the second attempt, doubled for each further one: about as long as a transaction takes.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// The longest wait before any attempt.
const LONGEST_WAIT: Duration = Duration::from_millis(160);

/// A table as template.yaml defines it and as the local server creates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSchema {
    /// Its name without the prefix.
    pub name: &'static str,
    /// The partition key, a string.
    pub hash: &'static str,
    /// The sort key, a string, if it has one.
    pub range: Option<&'static str>,
}

/// The key that health reads.
const PROBE_KEY: &str = "health";

/// The attribute by which items expire, in seconds since the epoch.
pub const TTL: &str = "ttl";

/// Counters of use.
pub const QUOTA: TableSchema = TableSchema {
    name: "quota",
    hash: "user",
    range: Some("meter#day"),
};

/// Devices, users, sessions and the public keys.
pub const IDENTITY: TableSchema = TableSchema {
    name: "identity",
    hash: "owner",
    range: Some("item"),
};

/// Remembered answers of models.
pub const ANSWERS: TableSchema = TableSchema {
    name: "answers",
    hash: "key",
    range: None,
};

/// Plans, by the name of the setting.
pub const SETTINGS: TableSchema = TableSchema {
    name: "settings",
    hash: "name",
    range: None,
};

/// Use of closed days, by user and in total.
pub const USAGE: TableSchema = TableSchema {
    name: "usage",
    hash: "user",
    range: Some("day#meter"),
};

/// Every change of identity, plan and quota.
pub const AUDIT: TableSchema = TableSchema {
    name: "audit",
    hash: "day",
    range: Some("entry"),
};

/// Conversations of users with their messages.
pub const CONVERSATIONS: TableSchema = TableSchema {
    name: "conversations",
    hash: "user",
    range: Some("item"),
};

/// Results of work that was done later.
pub const JOBS: TableSchema = TableSchema {
    name: "jobs",
    hash: "user",
    range: Some("job"),
};

/// Comparisons that users keep.
pub const EXPERIMENTS: TableSchema = TableSchema {
    name: "experiments",
    hash: "user",
    range: Some("id"),
};

/// Counts of observations: slots, hours and days by user, and totals.
pub const STATISTICS: TableSchema = TableSchema {
    name: "statistics",
    hash: "owner",
    range: Some("item"),
};

/// All tables.
pub const ALL: [TableSchema; 10] = [
    QUOTA,
    IDENTITY,
    ANSWERS,
    SETTINGS,
    USAGE,
    AUDIT,
    JOBS,
    EXPERIMENTS,
    CONVERSATIONS,
    STATISTICS,
];

/// One table: its name, and its recent failures.
#[derive(Debug)]
pub struct Table {
    client: Client,
    schema: TableSchema,
    name: String,
    timeout: Duration,
    clock: Clock,
    breaker: DependencyBreaker,
}

/// The reason why a call to a table gave no result.
#[derive(Debug)]
pub enum Failure<E> {
    /// A condition did not hold. Nothing was done.
    Refused(E),
    /// Another write was at the same items. Nothing was done, and the table is well.
    Contended(Outage),
    /// The table does not accept this request, which is a defect of ours. Nothing was done.
    Rejected(Outage),
    /// The table is too busy. Nothing was done.
    Throttled(Outage),
    /// The table was not called: no connection could be made, or it has just failed. Nothing was done.
    Unasked(Outage),
    /// The table did not answer, or not sensibly. The request may have been carried out all the same.
    Down(Outage),
}

impl<E: fmt::Debug> Failure<E> {
    /// Returns the outage; a refusal that the caller did not expect counts as one.
    pub fn into_outage(self) -> Outage {
        match self {
            Self::Contended(outage)
            | Self::Rejected(outage)
            | Self::Throttled(outage)
            | Self::Unasked(outage)
            | Self::Down(outage) => outage,
            Self::Refused(error) => Outage(format!("unexpected refusal: {error:?}")),
        }
    }
}

impl Table {
    /// Returns the table of `schema` under the configured prefix.
    #[must_use]
    pub fn new(client: Client, schema: TableSchema, config: &Config, clock: Clock) -> Self {
        Self {
            client,
            schema,
            name: format!("{}{}", config.table_prefix, schema.name),
            timeout: config.table_timeout,
            clock,
            breaker: DependencyBreaker::default(),
        }
    }

    /// Returns the SDK's client, to build a call with.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the table's full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its keys.
    #[must_use]
    pub const fn schema(&self) -> &TableSchema {
        &self.schema
    }

    /// Checks that the table answers a read.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), Outage> {
        let mut call = self.client.get_item().table_name(&self.name);
        // No item has this key, and the role of health may read no other.
        for key in [Some(self.schema.hash), self.schema.range].into_iter().flatten() {
            call = call.key(key, text(PROBE_KEY));
        }
        self.call(call.send()).await.map_err(Failure::into_outage)?;
        Ok(())
    }

    /// Returns true if the table is known to be down: one failed call says little.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.breaker.is_down()
    }

    /// Makes one call within the deadline, unless the table has just failed. Use [`Table::write`] for writes.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn call<'a, T, E>(
        &'a self,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + 'a,
    ) -> impl Future<Output = Result<T, Failure<E>>> + 'a
    where
        T: 'a,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let call = Box::pin(call);
        async move {
            self.enter()?;
            self.leave(self.ask(call, self.timeout).await)
        }
    }

    /// Makes a write within the deadline, unless the table has just failed. A write that was certainly not done, because of
    /// another one or of load, is attempted again after a random wait.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn write<T, E, F>(&self, attempt: impl Fn() -> F) -> Result<T, Failure<E>>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.enter()?;
        self.leave(self.insist(&attempt).await)
    }

    /// Makes a write that changes nothing if it is made again: one whose answer was lost is sent once more. The rest is as with
    /// [`Table::write`].
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn write_repeatable<T, E, F>(&self, attempt: impl Fn() -> F) -> Result<T, Failure<E>>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.enter()?;
        let outcome = match self.insist(&attempt).await {
            Err(Failure::Down(_)) => self.insist(&attempt).await,
            known => known,
        };
        self.leave(outcome)
    }

    async fn insist<T, E, F>(&self, attempt: impl Fn() -> F) -> Result<T, Failure<E>>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let deadline = Deadline::after(self.timeout);
        let mut attempts = 1;
        loop {
            let outcome = self.ask(Box::pin(attempt()), deadline.left()).await;
            let undone = matches!(outcome, Err(Failure::Contended(_) | Failure::Throttled(_)));
            let wait = wait_after(attempts);
            // A wait that outlasts the deadline would make a certain answer look like a lost one.
            if !undone || attempts == ATTEMPTS || wait >= deadline.left() {
                return outcome;
            }
            tokio::time::sleep(wait).await;
            attempts += 1;
        }
    }

    fn enter<E>(&self) -> Result<(), Failure<E>> {
        if self.breaker.admits(self.clock.now()) {
            return Ok(());
        }
        Err(Failure::Unasked(Outage(format!(
            "{} is skipped after a failure",
            self.name
        ))))
    }

    /// Makes a call within `limit`. The SDK's future has some 20 KB: it is boxed, so that its callers need not hold it.
    async fn ask<T, E>(
        &self,
        call: Pin<Box<impl Future<Output = Result<T, SdkError<E, HttpResponse>>>>>,
        limit: Duration,
    ) -> Result<T, Failure<E>>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(|error| of_call(error, &self.name)),
            Err(_) => Err(Failure::Down(Outage(format!(
                "{}: no answer within {} ms",
                self.name,
                limit.as_millis()
            )))),
        }
    }

    /// Records an outcome in the table's breaker.
    fn leave<T, E>(&self, outcome: Result<T, Failure<E>>) -> Result<T, Failure<E>> {
        match outcome {
            Ok(_) | Err(Failure::Refused(_) | Failure::Contended(_) | Failure::Rejected(_)) => self.breaker.succeed(),
            Err(Failure::Throttled(_) | Failure::Unasked(_) | Failure::Down(_)) => self.breaker.fail(self.clock.now()),
        }
        outcome
    }
}

/// Returns a random wait, so that writes that collided do not collide again.
fn wait_after(attempts: u32) -> Duration {
    let longest = (FIRST_WAIT * 2_u32.pow(attempts - 1)).min(LONGEST_WAIT);
    let chance = random_bytes::<1>().map_or(u8::MAX, |[chance]| chance);
    longest * u32::from(chance) / u32::from(u8::MAX)
}

/// Returns the client for all tables.
#[must_use]
pub fn client(config: &Config) -> Client {
    Client::from_conf(settings(config).build())
}

/// Returns the settings of that client.
#[must_use]
pub fn settings(config: &Config) -> Builder {
    let settings = aws::settings(config, config.table_endpoint.as_deref());
    // An addition whose answer was lost would count twice.
    Builder::from(&settings).retry_config(RetryConfig::disabled())
}

/// Makes a string attribute.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// Makes a number attribute.
pub(crate) fn number(value: impl fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An item as the SDK gives it.
pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;

/// Reads the string `name` of an item.
pub(crate) fn read_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Reads the number `name` of an item.
pub(crate) fn read_number<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
