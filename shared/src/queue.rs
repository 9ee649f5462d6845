//! The client of SQS: a deadline on every call, no retries by the SDK, and a breaker for each queue.
//!
//! A queue delivers each message at least once, in any order, and now and then after it was deleted. Every receiver must bear that.
//! [`event`] has the events of Lambda's event source mapping.

pub mod event;

use std::cell::LazyCell;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{Builder, SharedHttpClient, StalledStreamProtectionConfig};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;

use crate::aws::{self, describe, never_connected};
use crate::clock::Clock;
use crate::config::{Config, QueueSettings};
use crate::dependency_breaker::DependencyBreaker;
use crate::error::{Error, Outage};

/// The most bytes of a message: SQS takes 1 MiB.
pub const LARGEST_MESSAGE: usize = 1024 * 1024;

/// The longest that SQS hides a message, counted from its receipt.
pub const LONGEST_HIDDEN: Duration = Duration::from_hours(12);

/// The queues of a process: those that its settings name.
#[derive(Debug)]
pub struct Queues {
    /// Work that somebody waits for.
    pub normal: Queue,
    /// Work that nobody waits for.
    pub low: Queue,
    /// Events for the operator's endpoints.
    pub events: Queue,
}

impl Queues {
    /// Makes the clients, without connecting.
    #[must_use]
    pub fn new(config: &Config, clock: &Clock) -> Self {
        Self::through(|| client(config), config, clock)
    }

    /// Makes the same of a client; none is asked for where no queue is named, as that costs a cold start something.
    #[must_use]
    pub fn through(client: impl FnOnce() -> Client, config: &Config, clock: &Clock) -> Self {
        let QueueSettings {
            normal,
            low,
            events,
            timeout,
            ..
        } = &config.queues;
        let client = LazyCell::new(client);
        let open = |url: &Option<String>| Queue {
            place: url.clone().map(|url| ((*client).clone(), url)),
            timeout: *timeout,
            clock: clock.clone(),
            breaker: DependencyBreaker::default(),
        };
        Self {
            normal: open(normal),
            low: open(low),
            events: open(events),
        }
    }
}

/// Returns the client of the queues.
#[must_use]
pub fn client(config: &Config) -> Client {
    Client::from_conf(settings(config).build())
}

/// Returns a client whose requests `connector` carries out: for queues in this process, which check no signature.
#[must_use]
pub fn client_in_process(config: &Config, connector: SharedHttpClient) -> Client {
    let settings = settings(config).http_client(connector).allow_no_auth();
    Client::from_conf(settings.build())
}

/// Returns the settings of a client.
fn settings(config: &Config) -> Builder {
    let settings = aws::settings(config, config.queues.endpoint.as_deref());
    Builder::from(&settings)
        // A retry of ours knows the deadline and the message's id.
        .retry_config(RetryConfig::disabled())
        // A receive waits in silence for its first message, longer than the SDK thinks is well. Every call has a deadline of ours.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// One queue. Without a URL each call fails, as if the queue were down.
#[derive(Debug)]
pub struct Queue {
    /// The client, and the queue's URL.
    place: Option<(Client, String)>,
    timeout: Duration,
    clock: Clock,
    breaker: DependencyBreaker,
}

/// A message to be sent.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// Its text, of [`LARGEST_MESSAGE`] bytes at most, without control characters but for tab and line ends.
    pub body: String,
    /// Messages of one group do not delay those of others: SQS is fair by group.
    pub group: Option<String>,
    /// How long nobody receives it, 15 minutes at most.
    pub delay: Duration,
}

/// The reason why a call to a queue gave no result.
#[derive(Debug)]
pub enum Failure {
    /// Nothing was done: the queue was not called, refused, or is too busy.
    Undone(Outage),
    /// The answer is lost: it may have been done.
    Lost(Outage),
}

impl Failure {
    /// Returns the outage.
    #[must_use]
    pub fn into_outage(self) -> Outage {
        match self {
            Self::Undone(outage) | Self::Lost(outage) => outage,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.into_outage())
    }
}

/// The messages in a queue, as SQS estimates them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting to be received.
    pub waiting: u64,
    /// Received, and neither deleted nor visible again.
    pub in_flight: u64,
}

impl Queue {
    /// Reports whether the settings name this queue.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        self.place.is_some()
    }

    /// Reports whether messages of this queue name `arn` as their source: both end with its name.
    #[must_use]
    pub fn is_source(&self, arn: &str) -> bool {
        let name = self.place.as_ref().and_then(|(_, url)| url.rsplit('/').next());
        name.is_some() && name == arn.rsplit(':').next()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`Failure`]. One whose answer is lost may be sent again: who receives must tell equal messages apart in any case.
    pub async fn send(&self, message: &Outgoing) -> Result<(), Failure> {
        self.admit()?;
        self.send_anyway(message).await
    }

    /// Sends a message once more whose answer was lost, although the queue has just failed by that.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_again(&self, message: &Outgoing) -> Result<(), Failure> {
        self.send_anyway(message).await
    }

    async fn send_anyway(&self, message: &Outgoing) -> Result<(), Failure> {
        let (client, url) = self.place()?;
        let call = client
            .send_message()
            .queue_url(url)
            .message_body(&message.body)
            .set_message_group_id(message.group.clone())
            .set_delay_seconds(whole_seconds(message.delay).filter(|seconds| *seconds > 0));
        self.call(call.send()).await.map(|_| ())
    }

    /// Hides a message that was received for `span` from now on: then it is received again.
    ///
    /// # Errors
    /// [`Failure`]; the message is visible again when the queue's own time is over.
    pub async fn hide(&self, receipt_handle: &str, span: Duration) -> Result<(), Failure> {
        self.admit()?;
        let (client, url) = self.place()?;
        let call = client
            .change_message_visibility()
            .queue_url(url)
            .receipt_handle(receipt_handle)
            .set_visibility_timeout(whole_seconds(span.min(LONGEST_HIDDEN)));
        self.call(call.send()).await.map(|_| ())
    }

    /// Returns the number of messages.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn depth(&self) -> Result<Depth, Failure> {
        let (waiting, in_flight) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        );
        self.admit()?;
        let (client, url) = self.place()?;
        let call = client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(waiting.clone())
            .attribute_names(in_flight.clone());
        let output = self.call(call.send()).await?;
        let count = |name| {
            let count = output.attributes().and_then(|attributes| attributes.get(name));
            count.and_then(|count| count.parse().ok()).unwrap_or(0)
        };
        Ok(Depth {
            waiting: count(&waiting),
            in_flight: count(&in_flight),
        })
    }

    /// Lets a call be made unless the queue has just failed.
    fn admit(&self) -> Result<(), Failure> {
        if self.breaker.admits(self.clock.now()) {
            return Ok(());
        }
        let skipped = "the queue is skipped after a failure".to_owned();
        Err(Failure::Undone(Outage(skipped)))
    }

    fn place(&self) -> Result<(&Client, &str), Failure> {
        let (client, url) = self
            .place
            .as_ref()
            .ok_or_else(|| Failure::Undone(Outage("no setting names this queue".to_owned())))?;
        Ok((client, url))
    }

    /// Makes one call within the deadline.
    async fn call<T, E>(&self, call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let call: Pin<Box<_>> = Box::pin(call);
        let answer = tokio::time::timeout(self.timeout, call).await;
        let now = self.clock.now();
        match answer {
            Ok(Ok(answer)) => {
                self.breaker.succeed();
                Ok(answer)
            }
            Ok(Err(error)) => {
                // A queue that refuses a request is well.
                if is_refused(&error) && !is_throttled(&error) {
                    self.breaker.succeed();
                } else {
                    self.breaker.fail(now);
                }
                Err(of_call(&error))
            }
            Err(_) => {
                self.breaker.fail(now);
                let millis = self.timeout.as_millis();
                Err(Failure::Lost(Outage(format!(
                    "the queue: no answer within {millis} ms"
                ))))
            }
        }
    }
}

/// Sorts the error of a call: only a refusal by SQS itself, or a connection that was never made, is a certain no.
fn of_call<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let undone = match error {
        SdkError::ServiceError(_) => is_refused(error),
        SdkError::ConstructionFailure(_) => true,
        error => never_connected(error),
    };
    let outage = Outage(format!("the queue: {}", describe(error)));
    if undone {
        Failure::Undone(outage)
    } else {
        Failure::Lost(outage)
    }
}

fn is_refused<E>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error, SdkError::ServiceError(answer) if answer.raw().status().is_client_error())
}

fn is_throttled<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::ServiceError(answer) = error else {
        return false;
    };
    let code = answer.err().code().unwrap_or_default();
    code.contains("Throttl") || code == "OverLimit"
}

/// Returns a span in whole seconds, rounded up.
fn whole_seconds(span: Duration) -> Option<i32> {
    i32::try_from(span.as_millis().div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receive_may_wait_in_silence() {
        let config = Config::read(|_| None).unwrap();
        let client = client(&config);
        let protection = client.config().stalled_stream_protection().unwrap();
        assert!(!protection.is_enabled());
    }
}
