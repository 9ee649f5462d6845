//! Secrets that change while a process lives: from the environment, or from Secrets Manager, read anew every few minutes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::error::DisplayErrorContext;

use crate::aws;
use crate::clock::Timestamp;
use crate::config::{Config, Secret};
use crate::dependency_breaker::DependencyBreaker;
use crate::error::Outage;

/// How old what is known may be before it is read anew: what is withdrawn counts no more within five minutes.
const GOOD_FOR: Duration = Duration::from_mins(4);

/// The longest that one reading may take: the first includes the connection.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What to do with what is known while it cannot be read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileUnreadable {
    /// Go on with it: others decide what it is worth.
    Keep,
    /// Do without: it may have been withdrawn.
    FailClosed,
}

/// Where a secret comes from.
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
    otherwise: WhileUnreadable,
    known: Mutex<Option<Known<T>>>,
    breaker: DependencyBreaker,
}

struct Known<T> {
    value: Arc<T>,
    /// `None`: it never changes.
    read_at: Option<Timestamp>,
}

impl<T> Clone for Known<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            read_at: self.read_at,
        }
    }
}

/// A client for the secrets of a deployment. Making one connects to nothing.
#[must_use]
pub fn client(config: &Config) -> Client {
    let settings = aws::settings(config, config.secrets_endpoint.as_deref());
    let settings = aws_sdk_secretsmanager::config::Builder::from(&settings).retry_config(RetryConfig::disabled());
    Client::from_conf(settings.build())
}

/// The text of the version of a secret that is in force.
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

/// A call to Secrets Manager within the deadline.
///
/// # Errors
/// When it takes longer.
pub async fn in_time<T>(call: impl Future<Output = T>) -> Result<T, Outage> {
    let late = |_| Outage(format!("Secrets Manager: no answer within {} ms", TIMEOUT.as_millis()));
    tokio::time::timeout(TIMEOUT, call).await.map_err(late)
}

/// What an error of a call means for whoever asked.
pub fn outage(error: &(impl std::error::Error + Sync)) -> Outage {
    Outage(format!("Secrets Manager: {}", DisplayErrorContext(error)))
}

impl<T> fmt::Debug for Held<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held(…)")
    }
}

impl<T> Held<T> {
    /// From `source`; `parse` says what is wrong with a secret without anything of its content.
    #[must_use]
    pub fn new(source: Source, parse: fn(&Secret) -> Result<T, String>, otherwise: WhileUnreadable) -> Self {
        Self {
            source,
            parse,
            otherwise,
            known: Mutex::new(None),
            breaker: DependencyBreaker::default(),
        }
    }

    /// The same, which never changes, if there is a value.
    #[must_use]
    pub fn or_fixed(self, value: Option<T>) -> Self {
        if let Some(value) = value {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known {
                value: Arc::new(value),
                read_at: None,
            });
        }
        self
    }

    /// What is known, without asking.
    #[must_use]
    pub fn known(&self) -> Option<Arc<T>> {
        self.peek().map(|known| known.value)
    }

    fn peek(&self) -> Option<Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The secret in force at `now`: as it was read at most a few minutes ago, else read anew.
    ///
    /// # Errors
    /// When there is none, or it cannot be read and must not be older.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<T>, Outage> {
        let known = self.peek();
        if let Some(known) = &known
            && known.read_at.is_none_or(|at| at <= now && now.since(at) < GOOD_FOR)
        {
            return Ok(Arc::clone(&known.value));
        }
        match (self.refresh(now).await, known) {
            (Ok(value), _) => Ok(value),
            (Err(error), Some(known)) if self.otherwise == WhileUnreadable::Keep => {
                tracing::warn!(%error, "going on with the secret as it was");
                Ok(known.value)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The secret as it is now, however lately it was read.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn refresh(&self, now: Timestamp) -> Result<Arc<T>, Outage> {
        let Source::Named(client, name) = &self.source else {
            return self
                .known()
                .ok_or_else(|| Outage("this process has no such secret".to_owned()));
        };
        if !self.breaker.admits(now) {
            return Err(Outage("a secret is not asked for after a failure".to_owned()));
        }
        let read = match read(client, name).await {
            Ok(secret) => (self.parse)(&secret).map_err(Outage),
            Err(error) => Err(error),
        };
        match read {
            Ok(value) => {
                self.breaker.succeed();
                let value = Arc::new(value);
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known {
                    value: Arc::clone(&value),
                    read_at: Some(now),
                });
                Ok(value)
            }
            Err(error) => {
                self.breaker.fail(now);
                Err(error)
            }
        }
    }
}
