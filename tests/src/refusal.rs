//! A proxy's answers in a table's place: the errors that DynamoDB has and the embedded table never gives.

use serde_json::{Value, json};

/// An answer that says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum No {
    /// Another transaction is at one of the items.
    Conflict,
    /// The table is too busy.
    Throttled,
    /// The connection is cut, and the write is not passed on: nobody can know that.
    Silence,
    /// The connection is cut when the table's answer comes: the write is done, and nobody can know that.
    LostReply,
    /// Nothing comes back, and the write is not passed on.
    Hang,
    /// The write is done, and the table's answer never comes.
    HungReply,
}

/// Writes that a proxy answers by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    /// The text that their bodies hold.
    pub(crate) holding: &'static str,
    /// The answer.
    pub(crate) no: No,
    /// The number of writes still to be answered so.
    pub(crate) left: u32,
}

impl Refusal {
    /// Returns the answer to a whole request, if it is one of these writes.
    pub(crate) fn answer(&mut self, request: &[u8]) -> Option<(No, Vec<u8>)> {
        let request = String::from_utf8_lossy(request);
        let (head, body) = request.split_once("\r\n\r\n")?;
        let operation = header(head, "x-amz-target")?.rsplit('.').next()?;
        let code = match (self.no, operation) {
            (_, "TransactWriteItems") => "TransactionCanceledException",
            (No::Throttled, "PutItem" | "UpdateItem" | "DeleteItem") => "ThrottlingException",
            (_, "PutItem" | "UpdateItem" | "DeleteItem") => "TransactionConflictException",
            _ => return None,
        };
        if self.left == 0 || !body.contains(self.holding) {
            return None;
        }
        self.left -= 1;
        let mut error = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "refused"});
        if operation == "TransactWriteItems" {
            error["CancellationReasons"] = reasons(self.no, &serde_json::from_str(body).unwrap_or_default());
        }
        let body = error.to_string();
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Some((self.no, answer.into_bytes()))
    }
}

/// Returns one for each write of a transaction, the last of which is refused.
fn reasons(no: No, asked: &Value) -> Value {
    let writes = asked["TransactItems"].as_array().map_or(1, Vec::len);
    let code = match no {
        No::Throttled => "ThrottlingError",
        No::Conflict | No::Silence | No::LostReply | No::Hang | No::HungReply => "TransactionConflict",
    };
    (1..=writes)
        .map(|n| json!({"Code": if n == writes { code } else { "None" }}))
        .collect()
}

/// Returns true if the bytes are a whole HTTP request.
pub(crate) fn is_whole(request: &[u8]) -> bool {
    let request = String::from_utf8_lossy(request);
    request.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let length = header(head, "content-length").and_then(|length| length.parse().ok());
        body.len() >= length.unwrap_or(0)
    })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(value.trim())
}
