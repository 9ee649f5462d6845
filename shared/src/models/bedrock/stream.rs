//! Events of Bedrock's `ConverseStream`.

use aws_smithy_types::event_stream::Message;
use aws_smithy_types::str_bytes::StrBytes;
use serde::Deserialize;
use serde_json::Value;

use crate::models::counts::Counts;
use crate::models::dialogue::FinishReason;
use crate::models::failure::Failure;
use crate::models::heard::Heard;

/// The members of all events, of which each has some.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StreamEvent {
    delta: BlockDelta,
    stop_reason: Option<String>,
    usage: Value,
}

/// A part of a block of content. Of all kinds that there are, text alone is said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BlockDelta {
    text: String,
}

const SENSELESS: Failure = Failure::Schema("the stream is none of Converse");

/// Reads one frame.
#[must_use]
pub fn heard(frame: &Message) -> Heard {
    match header(frame, ":message-type") {
        Some("event") => event(header(frame, ":event-type").unwrap_or_default(), frame.payload()),
        Some("exception") => Heard::Failed(exception(header(frame, ":exception-type").unwrap_or_default())),
        Some("error") => Heard::Failed(Failure::Server(500, None)),
        _ => Heard::Failed(SENSELESS),
    }
}

fn event(kind: &str, payload: &[u8]) -> Heard {
    let read = match kind {
        "contentBlockDelta" | "messageStop" | "metadata" => serde_json::from_slice(payload),
        // The beginning of a message or of a block, the end of a block, and what there may be one day.
        _ => Ok(StreamEvent::default()),
    };
    let Ok(StreamEvent {
        delta,
        stop_reason,
        usage,
    }) = read
    else {
        return Heard::Failed(SENSELESS);
    };
    let stop = (kind == "messageStop").then(|| stop_reason.unwrap_or_default());
    Heard::Part {
        text: delta.text,
        finish: stop.map(|reason| FinishReason::read(&reason)),
        counts: Counts::read(&usage, ["inputTokens", "outputTokens", "totalTokens"]),
    }
}

/// Returns the failure that an exception would be as an answer, by its documented status.
fn exception(kind: &str) -> Failure {
    match kind.to_ascii_lowercase().as_str() {
        "throttlingexception" => Failure::RateLimited(None),
        "validationexception" => Failure::Refused(400),
        "modelstreamerrorexception" => Failure::Server(424, None),
        "serviceunavailableexception" => Failure::Server(503, None),
        _ => Failure::Server(500, None),
    }
}

fn header<'a>(frame: &'a Message, name: &str) -> Option<&'a str> {
    let header = frame.headers().iter().find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().map(StrBytes::as_str)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::event_stream::{Header, HeaderValue};
    use serde_json::json;

    use super::*;

    fn frame(headers: [(&'static str, &'static str); 2], payload: &Value) -> Message {
        let frame = Message::new(payload.to_string().into_bytes());
        let headers = headers.map(|(name, value)| Header::new(name, HeaderValue::String(value.into())));
        headers.into_iter().fold(frame, Message::add_header)
    }

    fn of_event(kind: &'static str, payload: &Value) -> Heard {
        heard(&frame([(":message-type", "event"), (":event-type", kind)], payload))
    }

    fn part(text: &str, finish: Option<FinishReason>, counts: Option<(u64, u64)>) -> Heard {
        Heard::Part {
            text: text.to_owned(),
            finish,
            counts: Counts {
                input: counts.map(|(input, _)| input),
                output: counts.map(|(_, output)| output),
            },
        }
    }

    #[test]
    fn an_event_is_words_an_end_or_counts_and_any_other_is_nothing() {
        for (kind, payload, expected) in [
            (
                "messageStart",
                json!({"role": "assistant", "p": "abc"}),
                part("", None, None),
            ),
            (
                "contentBlockStart",
                json!({"contentBlockIndex": 0, "start": {"toolUse": {}}}),
                part("", None, None),
            ),
            (
                "contentBlockDelta",
                json!({"contentBlockIndex": 0, "delta": {"text": "Hel"}, "p": "abcdef"}),
                part("Hel", None, None),
            ),
            (
                "contentBlockDelta",
                json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
                part("", None, None),
            ),
            (
                "contentBlockStop",
                json!({"contentBlockIndex": 0}),
                part("", None, None),
            ),
            (
                "messageStop",
                json!({"stopReason": "max_tokens"}),
                part("", Some(FinishReason::Length), None),
            ),
            (
                "messageStop",
                json!({"stopReason": "guardrail_intervened"}),
                part("", Some(FinishReason::ContentFilter), None),
            ),
            (
                "metadata",
                json!({"usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}, "metrics": {"latencyMs": 7}}),
                part("", None, Some((9, 2))),
            ),
            ("somethingNew", json!({"delta": 7}), part("", None, None)),
            ("contentBlockDelta", json!({"delta": 7}), Heard::Failed(SENSELESS)),
            ("messageStop", json!(7), Heard::Failed(SENSELESS)),
        ] {
            assert_eq!(of_event(kind, &payload), expected, "{kind} {payload}");
        }
    }

    #[test]
    fn an_exception_says_of_the_provider_what_its_status_would() {
        for (kind, failure) in [
            ("throttlingException", Failure::RateLimited(None)),
            ("ThrottlingException", Failure::RateLimited(None)),
            ("validationException", Failure::Refused(400)),
            ("modelStreamErrorException", Failure::Server(424, None)),
            ("internalServerException", Failure::Server(500, None)),
            ("serviceUnavailableException", Failure::Server(503, None)),
            ("somethingNew", Failure::Server(500, None)),
        ] {
            let headers = [(":message-type", "exception"), (":exception-type", kind)];
            let message = json!({"message": "no words of it are kept"});
            assert_eq!(heard(&frame(headers, &message)), Heard::Failed(failure), "{kind}");
        }
        for (headers, failure) in [
            (
                [(":message-type", "error"), (":error-code", "InternalError")],
                Failure::Server(500, None),
            ),
            ([(":message-type", "surprise"), (":event-type", "metadata")], SENSELESS),
            (
                [(":content-type", "application/json"), (":event-type", "metadata")],
                SENSELESS,
            ),
        ] {
            assert_eq!(
                heard(&frame(headers, &json!({}))),
                Heard::Failed(failure),
                "{headers:?}"
            );
        }
    }
}
