//! Sends the announcements of the queue to the operator's endpoints. Each message stands for itself: its attempt, its wait, its
//! record.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Stopwatch;
use shared::error::Outage;
use shared::ids::new_correlation_id;
use shared::invocation;
use shared::jobs::webhook::delivery::Attempt;
use shared::jobs::webhook::{self, ATTEMPTS, Announcement};
use shared::queue::event::{BatchAnswer, QueueEvent, ReceivedMessage};
use shared::telemetry::{ErrorRecord, Record};

/// The name of this function.
pub const NAME: &str = "webhooks";

/// The reason why nothing of an event was sent.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksFailure {
    /// It is no event of a queue.
    #[error("the event is not of a queue")]
    Invalid,
    /// The endpoints cannot be read.
    #[error(transparent)]
    Unavailable(#[from] Outage),
}

impl invocation::Failure for WebhooksFailure {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "InvalidEvent",
            Self::Unavailable(_) => "Unavailable",
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// The fate of a message.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It was delivered, or nobody wants it.
    Delete,
    /// It is received again after this time.
    Again(Duration),
    /// It goes to the dead letters.
    GiveUp,
}

/// Sends the announcements of an event, and answers with those that are to be received again.
///
/// # Errors
/// [`WebhooksFailure`]: all of it is received again.
pub async fn handle(app: &App, event: Value) -> Result<BatchAnswer, WebhooksFailure> {
    let event: QueueEvent = serde_json::from_value(event).map_err(|_| WebhooksFailure::Invalid)?;
    // With a secret that cannot be read none is sent, and no attempt is spent.
    if event.messages.iter().any(|message| parse(message).is_some()) {
        app.webhooks.current(app.clock.now()).await?;
    }
    let fates = join_all(event.messages.iter().map(|message| deliver(app, message))).await;
    let mut answer = BatchAnswer::default();
    for (message, fate) in event.messages.iter().zip(fates) {
        match fate {
            Fate::Delete => {}
            Fate::Again(wait) => {
                // If this fails, the message is hidden for the queue's own time.
                let _ = app.queues.events.hide(&message.receipt_handle, wait).await;
                answer.leave(message);
            }
            Fate::GiveUp => answer.leave(message),
        }
    }
    Ok(answer)
}

fn parse(message: &ReceivedMessage) -> Option<Announcement> {
    serde_json::from_str(&message.body).ok()
}

/// Makes one attempt, and writes its record.
async fn deliver(app: &App, message: &ReceivedMessage) -> Fate {
    let (stopwatch, now) = (Stopwatch::start(), app.clock.now());
    let mut record = Record::of(NAME, new_correlation_id(), now);
    let attempt = usize::try_from(message.receives()).unwrap_or(usize::MAX);
    let fate = match parse(message) {
        Some(announcement) => {
            let outcome = send(app, &announcement, attempt >= ATTEMPTS).await;
            record.summary = Some(json!({
                "jobId": announcement.job_id,
                "event": announcement.event,
                "endpoint": announcement.endpoint,
                "attempt": attempt,
                "outcome": outcome.as_ref().map_or("unnamed", |outcome| outcome.name()),
                "status": outcome.as_ref().and_then(Attempt::status),
            }));
            fate(outcome.as_ref(), attempt, &announcement.id())
        }
        // Of a newer version, or of nobody: an operator finds it among the dead letters.
        None => Fate::GiveUp,
    };
    (record.outcome, record.level) = match fate {
        Fate::Delete => ("ok", "info"),
        Fate::Again(_) => ("refused", "warn"),
        Fate::GiveUp => {
            record.failed = 1;
            record.error = Some(ErrorRecord {
                code: "NotDelivered",
                retryable: true,
                user_impact: "none",
                cause: None,
            });
            ("failed", "error")
        }
    };
    record.took(stopwatch);
    app.telemetry.emit(&mut record);
    fate
}

/// Sends an announcement to its endpoint, if it wants such; `None` if there is no such endpoint.
async fn send(app: &App, announcement: &Announcement, is_last: bool) -> Option<Attempt> {
    let now = app.clock.now();
    let endpoints = app.webhooks.current(now).await.ok()?;
    let endpoint = endpoints.named(&announcement.endpoint)?;
    if !endpoint.events.contains(&announcement.event) {
        return Some(Attempt::Unwanted);
    }
    let attempt = app.courier.attempt(announcement, endpoint, is_last, &app.clock);
    Some(attempt.await)
}

/// Decides on the attempt number `attempt`. An endpoint that is not there may come back with the next version of the secret.
fn fate(outcome: Option<&Attempt>, attempt: usize, id: &str) -> Fate {
    let asked = match outcome {
        Some(Attempt::Delivered | Attempt::Gone | Attempt::Unwanted) => return Fate::Delete,
        Some(Attempt::Refused(_, asked)) => *asked,
        Some(Attempt::Unreached | Attempt::NotPublic | Attempt::Skipped) | None => None,
    };
    webhook::wait_after(attempt, asked, id).map_or(Fate::GiveUp, Fate::Again)
}
