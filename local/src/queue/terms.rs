//! The terms of the protocol: bounds of messages and batches, attributes, receipts as they are shown.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use shared::ids::new_correlation_id;
use shared::queue::LARGEST_MESSAGE;

use super::rule::{QueueRules, Receipt, Redrive};
use super::wire::{MessageToSend, WireError};

/// The most messages of one call.
pub(super) const MOST_AT_ONCE: usize = 10;

/// The longest that a message can be hidden, in seconds.
const LONGEST_HIDDEN: i64 = 12 * 60 * 60;

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(body).map_err(|error| WireError::Invalid("InvalidParameterValue", error.to_string()))
}

pub(super) fn invalid(message: &str) -> WireError {
    WireError::Invalid("InvalidParameterValue", message.to_owned())
}

/// Returns the name of a queue: the last part of its URL.
pub(super) fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

pub(super) fn seconds(seconds: i64) -> Result<Duration, WireError> {
    match u64::try_from(seconds) {
        Ok(span) if seconds <= LONGEST_HIDDEN => Ok(Duration::from_secs(span)),
        _ => Err(invalid("a time must be between 0 and 43200 seconds")),
    }
}

pub(super) fn check(message: &MessageToSend) -> Result<(), WireError> {
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

pub(super) fn check_batch<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), WireError> {
    let ids: Vec<&str> = ids.collect();
    let distinct: HashSet<&&str> = ids.iter().collect();
    match ids.len() {
        0 => Err(WireError::EmptyBatch),
        count if count > MOST_AT_ONCE => Err(WireError::TooManyEntries),
        count if distinct.len() < count => Err(WireError::EqualIds),
        _ => Ok(()),
    }
}

pub(super) fn failed_entry(id: &str, error: &WireError) -> Value {
    let code = match error {
        WireError::InvalidHandle => "ReceiptHandleIsInvalid",
        WireError::Invalid(code, _) => code,
        _ => "InternalFailure",
    };
    json!({"Id": id, "Code": code, "SenderFault": true})
}

pub(super) fn is_handle(handle: &str) -> bool {
    handle.split_once('.').is_some_and(|(number, receipt)| {
        [number, receipt]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

pub(super) fn show(receipt: &Receipt, wanted: &HashSet<&str>) -> Value {
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
pub(super) fn apply(rules: &mut QueueRules, attributes: &BTreeMap<String, String>) -> Result<(), WireError> {
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
pub(super) fn new_id() -> String {
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
