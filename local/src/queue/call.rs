//! Carries out the operations of the protocol.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Stopwatch;
use shared::queue::LARGEST_MESSAGE;

use super::rule::{QueueState, Receipt, Sent, falls_due};
use super::terms::{
    MOST_AT_ONCE, apply, check, check_batch, failed_entry, invalid, is_handle, name_of, new_id, read, seconds, show,
};
use super::wire::{
    BatchOf, CreateQueue, MessageToSend, NamedQueue, OfQueue, OfReceipt, Receive, SendOne, TARGET, WireAnswer,
    WireError,
};
use super::{ACCOUNT, LOOK_EVERY, LocalQueues, REGION, url};

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
                Err(error) => failed.push(failed_entry(&entry_id, &error)),
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
                Err(error) => failed.push(failed_entry(&entry.id, &error)),
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
