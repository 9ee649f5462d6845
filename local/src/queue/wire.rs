//! The protocol of SQS, AWS JSON 1.0: requests, answers, errors.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html>

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

/// The prefix of an operation's name in a request.
pub(super) const TARGET: &str = "AmazonSQS.";

/// An answer: its status, its body, and the code of an error as older clients read it.
#[derive(Debug)]
pub(crate) struct WireAnswer {
    /// The status.
    pub(crate) status: u16,
    /// JSON.
    pub(crate) body: String,
    /// The content of `x-amzn-query-error`.
    pub(crate) query_error: Option<&'static str>,
}

impl WireAnswer {
    pub(super) fn ok(body: &Value) -> Self {
        Self {
            status: 200,
            body: body.to_string(),
            query_error: None,
        }
    }

    /// The answer to a request that is larger than any that is valid.
    pub(super) fn too_large() -> Self {
        WireError::Invalid("InvalidParameterValue", "the request is too large".to_owned()).into()
    }

    /// The answer of a server that fails: nobody knows what it has done.
    pub(super) fn lost() -> Self {
        Self {
            status: 500,
            body: json!({"__type": "com.amazonaws.sqs#InternalFailure", "message": "the answer is lost"}).to_string(),
            query_error: None,
        }
    }
}

/// The errors that clients meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WireError {
    NoSuchQueue,
    QueueExists,
    InvalidHandle,
    NotInFlight,
    EmptyBatch,
    TooManyEntries,
    EqualIds,
    Invalid(&'static str, String),
    Unsupported(String),
}

impl From<WireError> for WireAnswer {
    fn from(error: WireError) -> Self {
        let (code, query_error, message) = match error {
            WireError::NoSuchQueue => (
                "QueueDoesNotExist",
                Some("AWS.SimpleQueueService.NonExistentQueue;Sender"),
                "The specified queue does not exist.".to_owned(),
            ),
            WireError::QueueExists => (
                "QueueNameExists",
                Some("QueueAlreadyExists;Sender"),
                "A queue already exists with the same name and a different value for an attribute".to_owned(),
            ),
            WireError::InvalidHandle => (
                "ReceiptHandleIsInvalid",
                Some("ReceiptHandleIsInvalid;Sender"),
                "The input receipt handle is invalid.".to_owned(),
            ),
            WireError::NotInFlight => (
                "MessageNotInflight",
                Some("AWS.SimpleQueueService.MessageNotInflight;Sender"),
                "The message referred to isn't in flight.".to_owned(),
            ),
            WireError::EmptyBatch => (
                "EmptyBatchRequest",
                Some("AWS.SimpleQueueService.EmptyBatchRequest;Sender"),
                "There should be at least one entry in the request.".to_owned(),
            ),
            WireError::TooManyEntries => (
                "TooManyEntriesInBatchRequest",
                Some("AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender"),
                "Maximum number of entries per request are 10.".to_owned(),
            ),
            WireError::EqualIds => (
                "BatchEntryIdsNotDistinct",
                Some("AWS.SimpleQueueService.BatchEntryIdsNotDistinct;Sender"),
                "Two or more batch entries in the request have the same Id.".to_owned(),
            ),
            WireError::Invalid(code, message) => (code, None, message),
            WireError::Unsupported(message) => (
                "UnsupportedOperation",
                Some("AWS.SimpleQueueService.UnsupportedOperation;Sender"),
                message,
            ),
        };
        Self {
            status: 400,
            body: json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message}).to_string(),
            query_error,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    pub(super) queue_name: String,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfQueue {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamedQueue {
    pub(super) queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendOne {
    pub(super) queue_url: String,
    #[serde(flatten)]
    pub(super) message: MessageToSend,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MessageToSend {
    #[serde(default)]
    pub(super) id: String,
    pub(super) message_body: String,
    pub(super) delay_seconds: Option<i64>,
    pub(super) message_group_id: Option<String>,
    #[serde(default)]
    pub(super) message_attributes: HashMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchOf<T> {
    pub(super) queue_url: String,
    pub(super) entries: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receive {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_system_attribute_names: Vec<String>,
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) visibility_timeout: Option<i64>,
    pub(super) wait_time_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfReceipt {
    #[serde(default)]
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) id: String,
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: Option<i64>,
}
