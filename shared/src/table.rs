//! The way to DynamoDB: one client, a deadline on every call, no retries by the SDK, and what the tables look like.

mod partition;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::aws;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::Outage;
use crate::gate::Gate;

/// A table as template.yaml defines it and as the local server creates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
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
pub const QUOTA: Schema = Schema {
    name: "quota",
    hash: "user",
    range: Some("meter#day"),
};

/// Devices, users, sessions and the public keys.
pub const IDENTITY: Schema = Schema {
    name: "identity",
    hash: "owner",
    range: Some("item"),
};

/// Verdicts: the cache's last layer.
pub const VERDICTS: Schema = Schema {
    name: "verdicts",
    hash: "key",
    range: None,
};

/// Plans, by the name of the setting.
pub const SETTINGS: Schema = Schema {
    name: "settings",
    hash: "name",
    range: None,
};

/// Use of closed days, by user and in total.
pub const USAGE: Schema = Schema {
    name: "usage",
    hash: "user",
    range: Some("day#meter"),
};

/// Every change of identity, plan and quota.
pub const AUDIT: Schema = Schema {
    name: "audit",
    hash: "day",
    range: Some("entry"),
};

/// All tables.
pub const ALL: [Schema; 6] = [QUOTA, IDENTITY, VERDICTS, SETTINGS, USAGE, AUDIT];

/// One table: its name, and whether it has answered lately.
#[derive(Debug)]
pub struct Table {
    client: Client,
    schema: Schema,
    name: String,
    timeout: Duration,
    clock: Clock,
    gate: Gate,
}

/// Why a call to a table gave no result.
#[derive(Debug)]
pub enum Failure<E> {
    /// The table answered, and refused: a condition did not hold.
    Refused(E),
    /// The table did not answer, or not with sense. What was asked may have been done all the same.
    Down(Outage),
    /// The table was not asked: no connection could be made, or it has just failed. Nothing was done.
    Unasked(Outage),
}

impl<E: fmt::Debug> Failure<E> {
    /// The outage; a refusal that nobody expected counts as one.
    pub fn into_outage(self) -> Outage {
        match self {
            Self::Down(outage) | Self::Unasked(outage) => outage,
            Self::Refused(error) => Outage(format!("unexpected refusal: {error:?}")),
        }
    }
}

impl Table {
    /// The table of `schema` under the configured prefix.
    #[must_use]
    pub fn new(client: Client, schema: Schema, config: &Config, clock: Clock) -> Self {
        Self {
            client,
            schema,
            name: format!("{}{}", config.table_prefix, schema.name),
            timeout: config.table_timeout,
            clock,
            gate: Gate::default(),
        }
    }

    /// The SDK's client, to build a call with.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The table's full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the table answers a read.
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

    /// Makes a call within the deadline, unless the table has just failed.
    ///
    /// # Errors
    /// [`Failure::Refused`] when a condition did not hold, else the other two.
    pub async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>>>,
    ) -> Result<T, Failure<E>>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if !self.gate.admits(self.clock.now()) {
            return Err(Failure::Unasked(Outage(format!(
                "{} is skipped after a failure",
                self.name
            ))));
        }
        let (asked, outage) = match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(output)) => {
                self.gate.succeed();
                return Ok(output);
            }
            Ok(Err(SdkError::ServiceError(error))) if is_refusal(error.err()) => {
                self.gate.succeed();
                return Err(Failure::Refused(error.into_err()));
            }
            Ok(Err(error)) => (!never_connected(&error), describe(&error)),
            Err(_) => (true, format!("no answer within {} ms", self.timeout.as_millis())),
        };
        self.gate.fail(self.clock.now());
        let outage = Outage(format!("{}: {outage}", self.name));
        Err(if asked {
            Failure::Down(outage)
        } else {
            Failure::Unasked(outage)
        })
    }
}

/// Whether an error says for certain that no byte was sent.
fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
    causes(error).any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable
            )
        })
    })
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Errors that say "the table is well, and the answer is no".
fn is_refusal(error: &impl ProvideErrorMetadata) -> bool {
    matches!(
        error.code(),
        Some("ConditionalCheckFailedException" | "TransactionCanceledException" | "ValidationException")
    )
}

/// The whole chain of causes: the outermost of an SDK error says only "dispatch failure".
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}

/// The client for all tables.
#[must_use]
pub fn client(config: &Config) -> Client {
    Client::from_conf(settings(config).build())
}

/// What that client is made with.
#[must_use]
pub fn settings(config: &Config) -> Builder {
    let settings = aws::settings(config, config.table_endpoint.as_deref());
    // An addition whose answer was lost would count twice.
    Builder::from(&settings).retry_config(RetryConfig::disabled())
}

/// A string attribute.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub(crate) fn number(value: impl fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An item as the SDK gives it.
pub(crate) type Item = std::collections::HashMap<String, AttributeValue>;

/// The string `name` of an item.
pub(crate) fn read_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The number `name` of an item.
pub(crate) fn read_number<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
