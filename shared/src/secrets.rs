//! Secrets that change while a process lives: from the environment, or from Secrets Manager, re-read every few minutes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::error::DisplayErrorContext;

use crate::aws;
use crate::clock::Timestamp;
use crate::config::{Config, Secret};
use crate::error::Outage;
use crate::refreshed::{Refreshed, Rule, WhileUnreadable};

/// The age at which a secret is re-read: a withdrawn one counts for five minutes at most.
const GOOD_FOR: Duration = Duration::from_mins(4);

/// How long nobody tries again after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest that one reading may take: the first includes the connection.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The source of a secret.
#[derive(Debug)]
pub enum Source {
    /// There is none.
    Nowhere,
    /// From Secrets Manager, under this name or ARN.
    Named(Box<Client>, String),
}

/// A secret as a `T`, as it was last read.
pub struct Held<T> {
    source: Source,
    parse: fn(&Secret) -> Result<T, String>,
    /// Comes from the settings, and never changes.
    fixed: Option<Arc<T>>,
    read: Refreshed<T>,
}

/// Makes the client for the secrets of a deployment, without connecting.
#[must_use]
pub fn client(config: &Config) -> Client {
    let settings = aws::settings(config, config.secrets_endpoint.as_deref());
    let settings = aws_sdk_secretsmanager::config::Builder::from(&settings).retry_config(RetryConfig::disabled());
    Client::from_conf(settings.build())
}

/// Reads the text of a secret's version in force.
///
/// # Errors
/// When it cannot be read in time.
pub async fn read(client: &Client, name: &str) -> Result<Secret, Outage> {
    let output = in_time(
        client
            .get_secret_value()
            .secret_id(name)
            .version_stage("AWSCURRENT")
            .send(),
    )
    .await?
    .map_err(|error| outage(&error))?;
    let text = output
        .secret_string
        .ok_or_else(|| Outage("a secret is no text".to_owned()))?;
    Ok(Secret::new(text))
}

/// Makes a call to Secrets Manager within the deadline.
///
/// # Errors
/// When it takes longer.
pub async fn in_time<T>(call: impl Future<Output = T>) -> Result<T, Outage> {
    let late = |_| Outage(format!("Secrets Manager: no answer within {} ms", TIMEOUT.as_millis()));
    tokio::time::timeout(TIMEOUT, call).await.map_err(late)
}

/// Turns the error of a call into an outage.
pub fn outage(error: &(impl std::error::Error + Sync)) -> Outage {
    Outage(format!("Secrets Manager: {}", DisplayErrorContext(error)))
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held(…)")
    }
}

impl<T> Held<T> {
    /// Holds the secret of `source`; `parse` reports a fault without anything of its content.
    #[must_use]
    pub fn new(source: Source, parse: fn(&Secret) -> Result<T, String>, while_unreadable: WhileUnreadable) -> Self {
        Self {
            source,
            parse,
            fixed: None,
            read: Refreshed::new(Rule {
                every: GOOD_FOR,
                good_for: GOOD_FOR,
                retry_after: RETRY_AFTER,
                while_unreadable,
            }),
        }
    }

    /// Holds `value` for good instead, if there is one.
    #[must_use]
    pub fn or_fixed(self, value: Option<T>) -> Self {
        Self {
            fixed: value.map(Arc::new),
            ..self
        }
    }

    /// Returns the known secret, without a call.
    #[must_use]
    pub fn known(&self) -> Option<Arc<T>> {
        self.fixed.clone().or_else(|| self.read.known())
    }

    /// Returns the secret in force at `now`, as it was read at most a few minutes ago.
    ///
    /// # Errors
    /// When there is none, or it cannot be read and must not be older.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<T>, Outage> {
        match &self.fixed {
            Some(value) => Ok(Arc::clone(value)),
            None => self.read.current(now, || self.read()).await,
        }
    }

    /// Returns the secret as it is now, however lately it was read.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn refresh(&self, now: Timestamp) -> Result<Arc<T>, Outage> {
        match &self.fixed {
            Some(value) => Ok(Arc::clone(value)),
            None => self.read.renew(Duration::ZERO, now, || self.read()).await,
        }
    }

    async fn read(&self) -> Result<T, Outage> {
        match &self.source {
            Source::Nowhere => Err(Outage("this process has no such secret".to_owned())),
            Source::Named(client, name) => (self.parse)(&read(client, name).await?).map_err(Outage),
        }
    }
}
