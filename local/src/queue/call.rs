//! Carries out the operations of the protocol.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use shared::clock::Stopwatch;
use shared::ids::new_correlation_id;
use shared::queue::LARGEST_MESSAGE;

use super::rule::{QueueRules, QueueState, Receipt, Redrive, Sent, falls_due};
use super::wire::{
    BatchOf, CreateQueue, MessageToSend, NamedQueue, OfQueue, OfReceipt, Receive, SendOne, TARGET, WireAnswer,
    WireError,
};
use super::{ACCOUNT, LOOK_EVERY, LocalQueues, REGION, url};

/// The most messages of one call.
const MOST_AT_ONCE: usize = 10;

/// The longest that a message can be hidden, in seconds.
const LONGEST_HIDDEN: i64 = 12 * 60 * 60;

type Outcome = Result<Value, WireError>;

impl LocalQueues {
    /// Answers a request to the operation in `target`; `base` is the URL at which the client found this server.
    pub(crate) async fn answer(&self, target: &str, body: &[u8], base: &str) -> WireAnswer {
        let operation = target.strip_prefix(TARGET).unwrap_or(target);
        let outcome = match operation {
            "CreateQueue" => read(body).and_then(|asked| self.create(asked, base)),
            "GetQueueUrl" => read(body).and_then(|asked| self.find(&asked, base)),
            "GetQueueAttributes" => read(body).and_then(|asked| self.attributes(&asked)),
            "SetQueueAttributes" => read(body).and_then(|asked| self.set_attributes(&asked)),
            "SendMessage" => read(body).and_then(|asked| self.send(asked)),
            "SendMessageBatch" => read(body).and_then(|asked| self.send_batch(asked)),
            "ReceiveMessage" => match read(body) {
                Ok(asked) => self.receive(asked).await,
                Err(error) => Err(error),
            },
            "DeleteMessage" => read(body).and_then(|asked| self.delete(&asked)),
            "DeleteMessageBatch" => read(body).and_then(|asked| self.delete_batch(&asked)),
            "ChangeMessageVisibility" => read(body).and_then(|asked| self.hide(&asked)),
            "PurgeQueue" => read(body).and_then(|asked| self.purge(&asked)),
            other => Err(WireError::Unsupported(format!(
                "{other} is not one of the operations here"
            ))),
        };
        match outcome {
            // It was carried out, and nobody learns of it.
            Ok(_) if operation == "SendMessage" && self.loses_answer() => WireAnswer::lost(),
            Ok(answer) => WireAnswer::ok(&answer),
            Err(error) => error.into(),
        }
    }

    fn loses_answer(&self) -> bool {
        let every = self.faults().lost;
        let sent = self.0.sends.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        falls_due(sent, every)
    }

    fn create(&self, asked: CreateQueue, base: &str) -> Outcome {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name = asked.queue_name;
        if name.is_empty() || name.len() > 80 || !name.chars().all(fits) {
            let message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
            return Err(invalid(message));
        }
        let mut queues = self.queues();
        let mut rules = queues.get(&name).map(|queue| queue.rules.clone()).unwrap_or_default();
        let before = rules.clone();
        apply(&mut rules, &asked.attributes)?;
        match queues.get(&name) {
            Some(_) if rules != before => return Err(WireError::QueueExists),
            Some(_) => {}
            None => {
                queues.insert(name.clone(), QueueState::new(rules));
            }
        }
        Ok(json!({"QueueUrl": url(base, &name)}))
    }

    fn find(&self, asked: &NamedQueue, base: &str) -> Outcome {
        let known = self.queues().contains_key(&asked.queue_name);
        known
            .then(|| json!({"QueueUrl": url(base, &asked.queue_name)}))
            .ok_or(WireError::NoSuchQueue)
    }

    fn attributes(&self, asked: &OfQueue) -> Outcome {
        let name = name_of(&asked.queue_url);
        let (depth, delayed, rules) = {
            let mut queues = self.queues();
            let queue = queues.get_mut(name).ok_or(WireError::NoSuchQueue)?;
            let (depth, delayed) = queue.count(self.0.clock.now());
            (depth, delayed, queue.rules.clone())
        };
        let seconds = |span: Duration| span.as_secs().to_string();
        let mut all = BTreeMap::from([
            ("ApproximateNumberOfMessages", depth.waiting.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", depth.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
            ("VisibilityTimeout", seconds(rules.visibility)),
            ("MessageRetentionPeriod", seconds(rules.retention)),
            ("DelaySeconds", seconds(rules.delay)),
            ("ReceiveMessageWaitTimeSeconds", seconds(rules.wait)),
            ("QueueArn", arn(name)),
        ]);
        if let Some(redrive) = &rules.redrive {
            let policy = json!({
                "deadLetterTargetArn": arn(&redrive.queue),
                "maxReceiveCount": redrive.most_receives,
            });
            all.insert("RedrivePolicy", policy.to_string());
        }
        let everything = asked.attribute_names.iter().any(|name| name == "All");
        all.retain(|name, _| everything || asked.attribute_names.iter().any(|wanted| wanted == name));
        Ok(if all.is_empty() {
            json!({})
        } else {
            json!({"Attributes": all})
        })
    }

    fn set_attributes(&self, asked: &OfQueue) -> Outcome {
        let mut queues = self.queues();
        let queue = queues
            .get_mut(name_of(&asked.queue_url))
            .ok_or(WireError::NoSuchQueue)?;
        apply(&mut queue.rules, &asked.attributes)?;
        Ok(json!({}))
    }

    fn send(&self, asked: SendOne) -> Outcome {
        let (id, md5) = self.keep(name_of(&asked.queue_url), asked.message)?;
        Ok(json!({"MessageId": id, "MD5OfMessageBody": md5}))
    }

    fn send_batch(&self, asked: BatchOf<MessageToSend>) -> Outcome {
        let name = name_of(&asked.queue_url);
        check_batch(asked.entries.iter().map(|entry| entry.id.as_str()))?;
        let bytes: usize = asked.entries.iter().map(|entry| entry.message_body.len()).sum();
        if bytes > LARGEST_MESSAGE {
            let message = "Batch requests cannot be longer than 1048576 bytes.".to_owned();
            return Err(WireError::Invalid("BatchRequestTooLong", message));
        }
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in asked.entries {
            let entry_id = entry.id.clone();
            match self.keep(name, entry) {
                Ok((id, md5)) => {
                    successful.push(json!({"Id": entry_id, "MessageId": id, "MD5OfMessageBody": md5}));
                }
                Err(WireError::NoSuchQueue) => return Err(WireError::NoSuchQueue),
                Err(error) => failed.push(failed_entry(&entry_id, error)),
            }
        }
        Ok(json!({"Successful": successful, "Failed": failed}))
    }

    /// Keeps a message; returns its id and the MD5 of its text.
    fn keep(&self, name: &str, message: MessageToSend) -> Result<(String, String), WireError> {
        check(&message)?;
        let md5 = format!("{:x}", md5::compute(&message.message_body));
        let now = self.0.clock.now();
        let sent = Sent {
            id: new_id(),
            body: message.message_body,
            group: message.message_group_id,
            at: now,
            receives: 0,
            first_received: None,
        };
        let delay = message.delay_seconds.map(seconds).transpose()?;
        let mut queues = self.queues();
        let queue = queues.get_mut(name).ok_or(WireError::NoSuchQueue)?;
        let visible_at = now.plus(delay.unwrap_or(queue.rules.delay));
        for number in queue.send(&sent, delay, self.faults()) {
            let kept = self.0.shelf.put(name, number, &sent, visible_at);
            kept.map_err(|error| WireError::Invalid("InternalFailure", error.to_string()))?;
        }
        drop(queues);
        self.0.arrived.notify_waiters();
        Ok((sent.id, md5))
    }

    async fn receive(&self, asked: Receive) -> Outcome {
        let most = usize::try_from(asked.max_number_of_messages.unwrap_or(1)).unwrap_or(0);
        if !(1..=MOST_AT_ONCE).contains(&most) {
            return Err(invalid("MaxNumberOfMessages must be between 1 and 10."));
        }
        let visibility = asked.visibility_timeout.map(seconds).transpose()?;
        let name = name_of(&asked.queue_url);
        let stopwatch = Stopwatch::start();
        let patience = match asked.wait_time_seconds {
            Some(wait) if (0..=20).contains(&wait) => seconds(wait)?,
            Some(_) => return Err(invalid("WaitTimeSeconds must be between 0 and 20.")),
            None => self.queues().get(name).ok_or(WireError::NoSuchQueue)?.rules.wait,
        };
        loop {
            // Before the look, so that no arrival is missed.
            let arrived = self.0.arrived.notified();
            let receipts = self.take(name, most, visibility)?;
            let left = patience.saturating_sub(stopwatch.elapsed());
            if !receipts.is_empty() || left.is_zero() {
                let wanted: HashSet<&str> = asked
                    .attribute_names
                    .iter()
                    .chain(&asked.message_system_attribute_names)
                    .map(String::as_str)
                    .collect();
                let shown: Vec<Value> = receipts.iter().map(|receipt| show(receipt, &wanted)).collect();
                return Ok(if shown.is_empty() {
                    json!({})
                } else {
                    json!({"Messages": shown})
                });
            }
            let _ = tokio::time::timeout(left.min(LOOK_EVERY), arrived).await;
        }
    }

    /// Receives what is visible; what was received too often goes to the dead letters.
    fn take(&self, name: &str, most: usize, visibility: Option<Duration>) -> Result<Vec<Receipt>, WireError> {
        let now = self.0.clock.now();
        let mut queues = self.queues();
        let queue = queues.get_mut(name).ok_or(WireError::NoSuchQueue)?;
        let batch = queue.receive(most, visibility, now);
        let redrive = queue.rules.redrive.clone();
        for (number, sent) in batch.dead {
            let target = redrive.as_ref().map(|redrive| redrive.queue.as_str());
            let dead = target.and_then(|target| Some((target, queues.get_mut(target)?)));
            if let Some((target, dead)) = dead {
                let sent = Sent {
                    receives: 0,
                    first_received: None,
                    ..sent
                };
                let kept = dead.keep(sent.clone(), now);
                let _ = self.0.shelf.put(target, kept, &sent, now);
            }
            self.0.shelf.remove(name, number);
        }
        Ok(batch.receipts)
    }

    fn delete(&self, asked: &OfReceipt) -> Outcome {
        let name = name_of(&asked.queue_url);
        self.delete_one(name, &asked.receipt_handle)?;
        Ok(json!({}))
    }

    fn delete_one(&self, name: &str, handle: &str) -> Result<(), WireError> {
        let mut queues = self.queues();
        let queue = queues.get_mut(name).ok_or(WireError::NoSuchQueue)?;
        if !is_handle(handle) {
            return Err(WireError::InvalidHandle);
        }
        if let Some(number) = queue.delete(handle, self.faults()) {
            self.0.shelf.remove(name, number);
        }
        Ok(())
    }

    fn delete_batch(&self, asked: &BatchOf<OfReceipt>) -> Outcome {
        let name = name_of(&asked.queue_url);
        check_batch(asked.entries.iter().map(|entry| entry.id.as_str()))?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in &asked.entries {
            match self.delete_one(name, &entry.receipt_handle) {
                Ok(()) => successful.push(json!({"Id": entry.id})),
                Err(WireError::NoSuchQueue) => return Err(WireError::NoSuchQueue),
                Err(error) => failed.push(failed_entry(&entry.id, error)),
            }
        }
        Ok(json!({"Successful": successful, "Failed": failed}))
    }

    fn hide(&self, asked: &OfReceipt) -> Outcome {
        let span = seconds(asked.visibility_timeout.unwrap_or(-1))?;
        let mut queues = self.queues();
        let queue = queues
            .get_mut(name_of(&asked.queue_url))
            .ok_or(WireError::NoSuchQueue)?;
        if !is_handle(&asked.receipt_handle) {
            return Err(WireError::InvalidHandle);
        }
        if queue.hide(&asked.receipt_handle, span, self.0.clock.now()) {
            drop(queues);
            self.0.arrived.notify_waiters();
            Ok(json!({}))
        } else {
            Err(WireError::NotInFlight)
        }
    }

    fn purge(&self, asked: &OfQueue) -> Outcome {
        let name = name_of(&asked.queue_url);
        let mut queues = self.queues();
        let queue = queues.get_mut(name).ok_or(WireError::NoSuchQueue)?;
        for number in queue.purge() {
            self.0.shelf.remove(name, number);
        }
        Ok(json!({}))
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(body).map_err(|error| WireError::Invalid("InvalidParameterValue", error.to_string()))
}

fn invalid(message: &str) -> WireError {
    WireError::Invalid("InvalidParameterValue", message.to_owned())
}

/// Returns the name of a queue: the last part of its URL.
fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

fn seconds(seconds: i64) -> Result<Duration, WireError> {
    match u64::try_from(seconds) {
        Ok(span) if seconds <= LONGEST_HIDDEN => Ok(Duration::from_secs(span)),
        _ => Err(invalid("a time must be between 0 and 43200 seconds")),
    }
}

fn check(message: &MessageToSend) -> Result<(), WireError> {
    let body = &message.message_body;
    // Those that XML 1.0 takes.
    let fits = |c: char| !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    if body.is_empty() {
        return Err(WireError::Invalid(
            "MissingParameter",
            "The request must contain a message body.".to_owned(),
        ));
    }
    if body.len() > LARGEST_MESSAGE {
        return Err(invalid(
            "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
        ));
    }
    if !body.chars().all(fits) {
        let message = "Invalid characters found.".to_owned();
        return Err(WireError::Invalid("InvalidMessageContents", message));
    }
    if !message.message_attributes.is_empty() {
        return Err(WireError::Unsupported(
            "message attributes are not kept here".to_owned(),
        ));
    }
    Ok(())
}

fn check_batch<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), WireError> {
    let ids: Vec<&str> = ids.collect();
    let distinct: HashSet<&&str> = ids.iter().collect();
    match ids.len() {
        0 => Err(WireError::EmptyBatch),
        count if count > MOST_AT_ONCE => Err(WireError::TooManyEntries),
        count if distinct.len() < count => Err(WireError::EqualIds),
        _ => Ok(()),
    }
}

fn failed_entry(id: &str, error: WireError) -> Value {
    let code = match &error {
        WireError::InvalidHandle => "ReceiptHandleIsInvalid",
        WireError::Invalid(code, _) => code,
        _ => "InternalFailure",
    };
    json!({"Id": id, "Code": code, "SenderFault": true})
}

fn is_handle(handle: &str) -> bool {
    handle.split_once('.').is_some_and(|(number, receipt)| {
        [number, receipt]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn show(receipt: &Receipt, wanted: &HashSet<&str>) -> Value {
    let sent = &receipt.sent;
    let mut attributes: Map<String, Value> = Map::new();
    let first = sent.first_received.map_or(0, shared::clock::Timestamp::millis);
    for (name, value) in [
        ("ApproximateReceiveCount", Some(sent.receives.to_string())),
        ("SentTimestamp", Some(sent.at.millis().to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(first.to_string())),
        ("SenderId", Some("local".to_owned())),
        ("MessageGroupId", sent.group.clone()),
    ] {
        if (wanted.contains("All") || wanted.contains(name))
            && let Some(value) = value
        {
            attributes.insert(name.to_owned(), value.into());
        }
    }
    let mut shown = json!({
        "MessageId": sent.id,
        "ReceiptHandle": receipt.handle,
        "Body": sent.body,
        "MD5OfBody": format!("{:x}", md5::compute(&sent.body)),
    });
    if !attributes.is_empty() {
        shown["Attributes"] = attributes.into();
    }
    shown
}

/// Changes the rules of a queue by its attributes.
fn apply(rules: &mut QueueRules, attributes: &BTreeMap<String, String>) -> Result<(), WireError> {
    for (name, value) in attributes {
        let span = |most: u64| {
            let seconds = value.parse().ok().filter(|seconds| *seconds <= most);
            seconds.map(Duration::from_secs).ok_or_else(|| {
                WireError::Invalid(
                    "InvalidAttributeValue",
                    format!("Invalid value for the parameter {name}."),
                )
            })
        };
        match name.as_str() {
            "VisibilityTimeout" => rules.visibility = span(43_200)?,
            "MessageRetentionPeriod" => rules.retention = span(1_209_600)?,
            "DelaySeconds" => rules.delay = span(900)?,
            "ReceiveMessageWaitTimeSeconds" => rules.wait = span(20)?,
            "RedrivePolicy" => rules.redrive = read_redrive(value)?,
            // Policies and encryption have no effect here.
            "Policy" | "SqsManagedSseEnabled" | "KmsMasterKeyId" | "MaximumMessageSize" | "RedriveAllowPolicy" => {}
            other => {
                let message = format!("Unknown Attribute {other}.");
                return Err(WireError::Invalid("InvalidAttributeName", message));
            }
        }
    }
    Ok(())
}

fn read_redrive(text: &str) -> Result<Option<Redrive>, WireError> {
    if text.is_empty() {
        return Ok(None);
    }
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let count = &policy["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    let queue = policy["deadLetterTargetArn"]
        .as_str()
        .and_then(|arn| arn.rsplit(':').next());
    match (queue, count.and_then(|count| u32::try_from(count).ok())) {
        (Some(queue), Some(most_receives)) if most_receives > 0 => Ok(Some(Redrive {
            queue: queue.to_owned(),
            most_receives,
        })),
        _ => Err(WireError::Invalid(
            "InvalidParameterValue",
            "Value for parameter RedrivePolicy is invalid.".to_owned(),
        )),
    }
}

/// Returns an id of SQS's form.
fn new_id() -> String {
    let digits = new_correlation_id();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
