//! The events of a queue, as Lambda's event source mapping sends them, and the answer to one. Pure.
//!
//! The mapping deletes every message that the answer does not name. One that names an id that was not in the event, or that is
//! no answer at all, fails the whole event: so [`BatchAnswer`] takes ids from received messages alone.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A batch of messages. A member that this version does not know is ignored: AWS adds some.
#[derive(Debug, Deserialize)]
pub struct QueueEvent {
    /// The messages.
    #[serde(rename = "Records")]
    pub messages: Vec<ReceivedMessage>,
}

/// A message of a [`QueueEvent`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedMessage {
    message_id: String,
    /// Names this receipt of it, to hide it with.
    pub receipt_handle: String,
    /// Its text.
    pub body: String,
    /// The queue that it came from.
    #[serde(default, rename = "eventSourceARN")]
    pub source: String,
    #[serde(default)]
    attributes: ReceiptAttributes,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ReceiptAttributes {
    approximate_receive_count: String,
    sent_timestamp: String,
}

impl ReceivedMessage {
    /// Returns how often it was received, this time included. SQS counts approximately.
    #[must_use]
    pub fn receives(&self) -> u32 {
        self.attributes.approximate_receive_count.parse().unwrap_or(1)
    }

    /// Returns the time at which it was sent, if SQS says so.
    #[must_use]
    pub fn sent_at(&self) -> Option<Timestamp> {
        self.attributes.sent_timestamp.parse().ok().map(Timestamp::from_millis)
    }
}

/// The answer to an event: the messages that are to be received again.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

impl BatchAnswer {
    /// Leaves a message in the queue.
    pub fn leave(&mut self, message: &ReceivedMessage) {
        self.batch_item_failures.push(BatchItemFailure {
            item_identifier: message.message_id.clone(),
        });
    }

    /// Returns the number of messages that it leaves.
    #[must_use]
    pub fn left(&self) -> usize {
        self.batch_item_failures.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_read_and_its_answer_names_what_is_left() {
        let event = json!({"Records": [
            {
                "messageId": "m1", "receiptHandle": "r1", "body": "one", "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1500", "SenderId": "x"},
                "messageAttributes": {}, "md5OfBody": "…", "eventSourceARN": "arn:aws:sqs:us-east-1:1:jobs", "awsRegion": "us-east-1"
            },
            {"messageId": "m2", "receiptHandle": "r2", "body": ""},
        ]});
        let event: QueueEvent = serde_json::from_value(event).unwrap();
        let [first, second] = event.messages.as_slice() else {
            panic!("two messages")
        };
        assert_eq!((first.receives(), first.body.as_str()), (3, "one"));
        assert_eq!(first.sent_at(), Some(Timestamp::from_millis(1500)));
        assert_eq!((second.receives(), second.sent_at()), (1, None));
        let mut answer = BatchAnswer::default();
        assert_eq!(serde_json::to_value(&answer).unwrap(), json!({"batchItemFailures": []}));
        answer.leave(second);
        assert_eq!(answer.left(), 1);
        assert_eq!(
            serde_json::to_value(&answer).unwrap(),
            json!({"batchItemFailures": [{"itemIdentifier": "m2"}]})
        );
    }
}
