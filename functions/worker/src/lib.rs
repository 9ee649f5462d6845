//! Works on the messages of the queues of jobs, and ends the jobs of their dead letters. Each message stands for itself: its
//! deadline, its panic, its record.

use std::sync::Arc;

use serde_json::Value;
use shared::app::App;
use shared::clock::Stopwatch;
use shared::invocation;
use shared::jobs::work::{self, Fate};
use shared::jobs::{Priority, submit};
use shared::queue::event::{BatchAnswer, QueueEvent, ReceivedMessage};

/// The name of this function.
pub const NAME: &str = work::WORKER;

/// The reason why no message of an event was worked on.
#[derive(Debug, thiserror::Error)]
#[error("the event is not of a queue")]
pub struct NoQueueEvent;

impl invocation::Failure for NoQueueEvent {
    fn code(&self) -> &'static str {
        "InvalidEvent"
    }

    fn retryable(&self) -> bool {
        false
    }
}

/// Works on an event, and answers with the messages that are to be received again.
///
/// # Errors
/// When it is no event of a queue: then all of it is received again.
pub async fn handle(app: &Arc<App>, event: Value) -> Result<BatchAnswer, NoQueueEvent> {
    let event: QueueEvent = serde_json::from_value(event).map_err(|_| NoQueueEvent)?;
    let stopwatch = Stopwatch::start();
    let priority = priority(app, &event);
    let tasks: Vec<_> = event
        .messages
        .iter()
        .map(|message| {
            let (app, message) = (Arc::clone(app), message.clone());
            tokio::spawn(async move { one(&app, &message, priority).await })
        })
        .collect();
    let mut answer = BatchAnswer::default();
    for (message, task) in event.messages.iter().zip(tasks) {
        // A panic is the fault of its message alone.
        if task.await.unwrap_or(false) {
            continue;
        }
        answer.leave(message);
    }
    // Dead letters are not run, which says nothing of how long a job takes.
    if !event.messages.iter().any(work::is_dead_letter) {
        let done = event.messages.len() - answer.left();
        app.backlog
            .note(priority, done, stopwatch.elapsed(), app.clock.now())
            .await;
    }
    Ok(answer)
}

/// Works on a message; returns whether it can be deleted.
async fn one(app: &Arc<App>, message: &ReceivedMessage, priority: Priority) -> bool {
    match work::work(app, message).await {
        Fate::Delete => true,
        Fate::Leave(wait) => {
            if message.receives() < work::LAST_RECEIPT {
                // If this fails, the message is hidden for the queue's own time.
                let _ = submit::queue_of(app, priority)
                    .hide(&message.receipt_handle, wait)
                    .await;
            }
            false
        }
    }
}

/// All messages of an event come from one queue. It does not matter for dead letters: those are not hidden.
fn priority(app: &App, event: &QueueEvent) -> Priority {
    let is_low = |message: &ReceivedMessage| app.queues.low.is_source(&message.source);
    if event.messages.first().is_some_and(is_low) {
        Priority::Low
    } else {
        Priority::Normal
    }
}
