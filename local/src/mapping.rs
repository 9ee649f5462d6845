//! Lambda's event source mapping: receives batches from a queue, invokes a function with each, and deletes what it has done.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use serde_json::{Map, Value, json};
use shared::app::App;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// The most messages of an event: `BatchSize` of template.yaml.
const BATCH: i32 = 10;

/// How long one receive waits for a first message.
const LONG_POLL: Duration = Duration::from_secs(20);

/// How long a receive may take: its wait, and the call itself.
const LONGEST_RECEIVE: Duration = Duration::from_secs(30);

/// How long nothing is received after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// How long events under way may take at the end.
const LONGEST_GOODBYE: Duration = Duration::from_secs(10);

/// Handles an event, as the Lambda runtime would call the function: the answer, or `None` for an error.
pub type EventHandle = fn(Arc<App>, Value) -> Pin<Box<dyn Future<Output = Option<Value>> + Send>>;

/// A function and the queue whose messages it handles.
#[derive(Clone)]
pub struct Source {
    /// The queue's URL.
    pub url: String,
    /// The queue's name for the function.
    pub arn: String,
    /// Events that are handled at a time: `MaximumConcurrency`.
    pub concurrency: u32,
    /// How long an event may take: the function's timeout.
    pub timeout: Duration,
    /// The function.
    pub handle: EventHandle,
}

/// A mapping at work.
pub struct Mapping {
    stop: watch::Sender<bool>,
    polling: JoinHandle<()>,
}

impl Mapping {
    /// Starts to receive.
    #[must_use]
    pub fn start(client: Client, source: Source, app: Arc<App>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let polling = tokio::spawn(poll(client, source, app, stopped));
        Self { stop, polling }
    }

    /// Receives nothing more, and lets the events under way end.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let abort = self.polling.abort_handle();
        if tokio::time::timeout(LONGEST_GOODBYE, self.polling).await.is_err() {
            abort.abort();
        }
    }
}

async fn poll(client: Client, source: Source, app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(source.concurrency as usize));
    let mut events = JoinSet::new();
    loop {
        while events.try_join_next().is_some() {}
        let received = tokio::select! {
            _ = stopped.changed() => break,
            received = next_batch(&client, &source, &places) => received,
        };
        let Some((place, messages)) = received else {
            tokio::select! {
                _ = stopped.changed() => break,
                () = tokio::time::sleep(PAUSE) => continue,
            }
        };
        if messages.is_empty() {
            continue;
        }
        let (client, source, app) = (client.clone(), source.clone(), Arc::clone(&app));
        events.spawn(async move {
            handle(&client, &source, app, messages).await;
            drop(place);
        });
    }
    while events.join_next().await.is_some() {}
}

/// Receives a batch once an event may be handled; `None` if the queue does not answer.
async fn next_batch(
    client: &Client,
    source: &Source,
    places: &Arc<Semaphore>,
) -> Option<(tokio::sync::OwnedSemaphorePermit, Vec<Message>)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    let receive = client
        .receive_message()
        .queue_url(&source.url)
        .max_number_of_messages(BATCH)
        .wait_time_seconds(i32::try_from(LONG_POLL.as_secs()).unwrap_or(0))
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send();
    match tokio::time::timeout(LONGEST_RECEIVE, receive).await {
        Ok(Ok(output)) => Some((place, output.messages.unwrap_or_default())),
        Ok(Err(error)) => {
            tracing::warn!(error = %aws_sdk_sqs::error::DisplayErrorContext(&error), "a queue does not answer");
            None
        }
        Err(_) => {
            tracing::warn!("a queue does not answer: nothing came in time");
            None
        }
    }
}

/// Invokes the function, and deletes the messages that it has done. Those that it has not are visible again later.
async fn handle(client: &Client, source: &Source, app: Arc<App>, messages: Vec<Message>) {
    let records: Vec<Value> = messages.iter().map(|message| record(message, &source.arn)).collect();
    let event = json!({"Records": records});
    // A task of its own: its panic fails the event, and nothing else.
    let invocation = tokio::spawn((source.handle)(app, event));
    let abort = invocation.abort_handle();
    let answer = match tokio::time::timeout(source.timeout, invocation).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => None,
        Err(_) => {
            abort.abort();
            None
        }
    };
    let ids: BTreeSet<&str> = messages.iter().filter_map(Message::message_id).collect();
    let failed = failures(answer.as_ref(), &ids);
    let done = messages.iter().filter(|message| {
        let id = message.message_id().unwrap_or_default();
        failed.as_ref().is_some_and(|failed| !failed.contains(id))
    });
    let entries: Vec<_> = done
        .enumerate()
        .filter_map(|(n, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(message.receipt_handle()?)
                .build()
                .ok()
        })
        .collect();
    if entries.is_empty() {
        return;
    }
    let deletion = client.delete_message_batch().queue_url(&source.url);
    // If this fails, the messages come again.
    let _ = deletion.set_entries(Some(entries)).send().await;
}

/// Returns the ids that an answer leaves in the queue; `None` for all: of an error, and of an answer that AWS cannot read.
#[must_use]
pub fn failures(answer: Option<&Value>, ids: &BTreeSet<&str>) -> Option<BTreeSet<String>> {
    let items = match answer? {
        Value::Null => return Some(BTreeSet::new()),
        Value::Object(answer) => match answer.get("batchItemFailures") {
            None | Some(Value::Null) => return Some(BTreeSet::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return None,
        },
        _ => return None,
    };
    let named = items.iter().map(|item| {
        let id = item.get("itemIdentifier")?.as_str()?;
        ids.contains(id).then(|| id.to_owned())
    });
    named.collect()
}

/// Returns a message as the function reads it.
fn record(message: &Message, arn: &str) -> Value {
    let attributes = message.attributes().into_iter().flatten();
    let attributes: Map<String, Value> = attributes
        .map(|(name, value)| (name.as_str().to_owned(), value.as_str().into()))
        .collect();
    json!({
        "messageId": message.message_id(),
        "receiptHandle": message.receipt_handle(),
        "body": message.body().unwrap_or_default(),
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": message.md5_of_body(),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "local",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_aws_reads_it() {
        let ids = BTreeSet::from(["a", "b"]);
        let of = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect());
        let failed = |items: Value| json!({"batchItemFailures": items});
        for (answer, expected) in [
            (Value::Null, of(&[])),
            (json!({}), of(&[])),
            (failed(Value::Null), of(&[])),
            (failed(json!([])), of(&[])),
            (
                json!({"statusCode": 200, "body": "{\"batchItemFailures\":[]}"}),
                of(&[]),
            ),
            (failed(json!([{"itemIdentifier": "a"}])), of(&["a"])),
            (
                failed(json!([{"itemIdentifier": "a"}, {"itemIdentifier": "b"}])),
                of(&["a", "b"]),
            ),
            (failed(json!([{"itemIdentifier": "c"}])), None),
            (failed(json!([{"itemIdentifier": "a"}, {"itemIdentifier": ""}])), None),
            (failed(json!([{"itemIdentifier": null}])), None),
            (failed(json!([{"itemIdentifer": "a"}])), None),
            (failed(json!(["a"])), None),
            (failed(json!("a")), None),
            (json!("done"), None),
        ] {
            assert_eq!(failures(Some(&answer), &ids), expected, "{answer}");
        }
        assert_eq!(failures(None, &ids), None);
    }
}
