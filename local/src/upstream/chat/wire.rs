//! The two wires of streamed replies: events of OpenAI's protocol, and frames of Bedrock's.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};

/// The way in which a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upstream) enum Wire {
    /// Server-sent events.
    Events,
    /// `application/vnd.amazon.eventstream`.
    Frames,
}

/// One thing that a stream says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Saying<'a> {
    /// The beginning.
    Role,
    /// Words.
    Words(&'a str),
    /// The reason for the end.
    Finish(&'a Value),
    /// The counts of tokens, by OpenAI's names.
    Usage(&'a Value),
    /// The end of the stream.
    Done,
    /// The provider gives up.
    Error,
    /// Nothing of the protocol.
    Nonsense,
}

impl Wire {
    /// Returns the wire by the path that was asked.
    pub(in crate::upstream) fn of(path: &str) -> Self {
        if path.ends_with("/converse-stream") {
            Self::Frames
        } else {
            Self::Events
        }
    }

    /// Returns the media type of a stream.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream; charset=utf-8",
            Self::Frames => "application/vnd.amazon.eventstream",
        }
    }

    /// Writes what the stream of a `model` says.
    pub(super) fn write(self, model: &Value, saying: Saying<'_>, crlf: bool) -> Vec<u8> {
        match self {
            Self::Events if crlf => format!(": scripted\r\ndata: {}\r\n\r\n", event(model, saying)).into_bytes(),
            Self::Events => format!("data: {}\n\n", event(model, saying)).into_bytes(),
            Self::Frames => frames(saying),
        }
    }
}

/// Returns the data of an event.
fn event(model: &Value, saying: Saying<'_>) -> String {
    let chunk = |delta: Value, finish: &Value| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let (choices, usage) = match saying {
        Saying::Role => (chunk(json!({"role": "assistant", "content": ""}), &Value::Null), None),
        Saying::Words(words) => (chunk(json!({"content": words}), &Value::Null), None),
        Saying::Finish(reason) => (chunk(json!({}), reason), None),
        Saying::Usage(usage) => (json!([]), Some(usage)),
        Saying::Done => return "[DONE]".to_owned(),
        Saying::Error => {
            return json!({"error": {"message": "scripted", "type": "server_error", "code": null}}).to_string();
        }
        Saying::Nonsense => return "{{{ no JSON".to_owned(),
    };
    let mut chunk = json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1_795_305_600,
        "model": model,
        "choices": choices,
    });
    if let Some(usage) = usage {
        chunk["usage"] = usage.clone();
    }
    chunk.to_string()
}

fn frames(saying: Saying<'_>) -> Vec<u8> {
    let event =
        |kind: &'static str, payload: &Value| frame([(":message-type", "event"), (":event-type", kind)], payload);
    match saying {
        Saying::Role => event("messageStart", &json!({"role": "assistant", "p": "abcdefgh"})),
        Saying::Words(words) => event(
            "contentBlockDelta",
            &json!({"contentBlockIndex": 0, "delta": {"text": words}, "p": "abcdefghijkl"}),
        ),
        Saying::Finish(reason) => {
            let reason = match reason.as_str().unwrap_or_default() {
                "stop" => "end_turn",
                "length" => "max_tokens",
                "content_filter" => "content_filtered",
                other => other,
            };
            [
                event("contentBlockStop", &json!({"contentBlockIndex": 0})),
                event("messageStop", &json!({"stopReason": reason})),
            ]
            .concat()
        }
        Saying::Usage(usage) => {
            let usage = json!({
                "inputTokens": usage["prompt_tokens"],
                "outputTokens": usage["completion_tokens"],
                "totalTokens": usage["total_tokens"],
            });
            event("metadata", &json!({"usage": usage, "metrics": {"latencyMs": 1}}))
        }
        // The last frame is the end.
        Saying::Done => Vec::new(),
        Saying::Error => frame(
            [
                (":message-type", "exception"),
                (":exception-type", "modelStreamErrorException"),
            ],
            &json!({"message": "scripted"}),
        ),
        Saying::Nonsense => {
            let mut frame = event("contentBlockDelta", &json!({"delta": {"text": "not this"}}));
            // Its checksum is wrong.
            if let Some(last) = frame.last_mut() {
                *last ^= 1;
            }
            frame
        }
    }
}

fn frame(headers: [(&'static str, &'static str); 2], payload: &Value) -> Vec<u8> {
    let headers = [headers.as_slice(), &[(":content-type", "application/json")]].concat();
    let headers = headers.into_iter();
    let headers = headers.map(|(name, value)| Header::new(name, HeaderValue::String(value.into())));
    let message = Message::new_from_parts(headers.collect(), payload.to_string().into_bytes());
    let mut bytes = Vec::new();
    // It refuses none that is as short as these.
    let _ = write_message_to(&message, &mut bytes);
    bytes
}
