//! Replies of a scripted provider to chat: whole or in a stream, with the pauses and faults that the script names.

mod wire;

use std::time::Duration;

use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::{self, HeaderValue};
use serde_json::{Value, json};

use self::wire::Saying;
pub(super) use self::wire::Wire;
use super::json_response;
use super::reply::{Lapse, ScriptedReply};
use super::script::Act;

/// The body of any answer of a scripted provider. An error ends its connection.
pub(super) type ScriptedBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// The bytes of a frame that ends anywhere, also within a character.
const ODD_FRAME: usize = 5;

/// How long a connection outlives the last frame before it is cut.
const CUT: Duration = Duration::from_millis(20);

/// A reply as it will be written.
struct WrittenReply<'a> {
    reply: &'a ScriptedReply,
    wire: Wire,
    text: String,
    finish: Value,
    usage: Value,
    model: Value,
}

/// A part of a stream.
#[derive(Debug, PartialEq)]
enum Portion {
    Bytes(Vec<u8>),
    Wait(Duration),
    Cut,
    Hang,
}

/// Returns the reply to a call of chat: one that streams, or asks for no schema. `None` for any other call.
pub(super) fn answer(act: &Act, wire: Wire, body: &Value) -> Option<Response<ScriptedBody>> {
    let streams = wire == Wire::Frames || body["stream"] == true;
    if !streams && body.get("response_format").is_some() {
        return None;
    }
    let last = body["messages"]
        .as_array()?
        .last()
        .filter(|last| last["role"] == "user")?;
    let said = texts(&last["content"]).concat();
    if said.is_empty() {
        return None;
    }
    let reply = match act {
        Act::Chat(reply) => ScriptedReply::clone(reply),
        Act::Usage { usage } => ScriptedReply {
            usage: Some(usage.clone()),
            ..ScriptedReply::default()
        },
        _ => ScriptedReply::default(),
    };
    let written = written(&reply, wire, &said, body);
    if streams {
        let asks_for_usage = wire == Wire::Frames || body["stream_options"]["include_usage"] == true;
        return Some(respond(portions(&written, asks_for_usage), wire.media_type()));
    }
    let first = Duration::from_millis(reply.first_ms);
    let whole = whole(&written).to_string();
    let portions = vec![Portion::Wait(first), Portion::Bytes(whole.into_bytes())];
    Some(respond(portions, "application/json"))
}

/// Returns the texts of a content: one, or those of its parts.
fn texts(content: &Value) -> Vec<&str> {
    let parts = content.as_array().into_iter().flatten();
    let parts = parts.filter_map(|part| part["text"].as_str());
    content.as_str().into_iter().chain(parts).collect()
}

fn written<'a>(reply: &'a ScriptedReply, wire: Wire, said: &str, body: &Value) -> WrittenReply<'a> {
    let mut text = reply.text.clone().unwrap_or_else(|| format!("You said: {said}"));
    let bounds = [
        &body["max_completion_tokens"],
        &body["max_tokens"],
        &body["inferenceConfig"]["maxTokens"],
    ];
    let bound = bounds.into_iter().find_map(Value::as_u64);
    let bound = bound.and_then(|tokens| usize::try_from(tokens).ok());
    let mut finish = "stop";
    if let Some(bytes) = bound
        .map(|tokens| tokens.saturating_mul(4))
        .filter(|_| !reply.has(Lapse::TooLong))
        && text.len() > bytes
    {
        text.truncate(text.floor_char_boundary(bytes));
        finish = "length";
    }
    let messages = body["messages"].as_array().into_iter().flatten();
    let contents = messages.map(|message| &message["content"]).chain([&body["system"]]);
    let asked: usize = contents.flat_map(texts).map(str::len).sum();
    let (read, wrote) = (asked.div_ceil(4), text.len().div_ceil(4));
    let usage = json!({"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote});
    WrittenReply {
        reply,
        wire,
        text,
        finish: match &reply.finish {
            _ if reply.has(Lapse::NoFinish) => Value::Null,
            Some(finish) => json!(finish),
            None => json!(finish),
        },
        usage: match &reply.usage {
            _ if reply.has(Lapse::NoUsage) => Value::Null,
            Some(other) => other.clone(),
            None => usage,
        },
        model: if reply.has(Lapse::WrongModel) {
            json!("another-model")
        } else {
            body["model"].clone()
        },
    }
}

fn whole(written: &WrittenReply<'_>) -> Value {
    json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_795_305_600,
        "model": written.model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": written.text, "refusal": null},
            "finish_reason": written.finish,
        }],
        "usage": written.usage,
    })
}

/// Returns the parts of a stream, in order.
fn portions(written: &WrittenReply<'_>, asks_for_usage: bool) -> Vec<Portion> {
    let reply = written.reply;
    let mut portions = Vec::new();
    for (n, piece) in pieces(&written.text, reply.chunks).into_iter().enumerate() {
        if let Some(end) = broken(written, n) {
            portions.extend(end);
            return portions;
        }
        let wait = if n == 0 { reply.first_ms } else { reply.pause_ms };
        portions.push(Portion::Wait(Duration::from_millis(wait)));
        if n == 0 {
            portions.extend(says(written, Saying::Role));
        }
        portions.extend(says(written, Saying::Words(&piece)));
    }
    if let Some(end) = broken(written, usize::MAX) {
        portions.extend(end);
        return portions;
    }
    if !reply.has(Lapse::NoFinish) {
        portions.extend(says(written, Saying::Finish(&written.finish)));
    }
    if asks_for_usage && !written.usage.is_null() {
        portions.extend(says(written, Saying::Usage(&written.usage)));
    }
    if !reply.has(Lapse::NoDone) {
        portions.extend(says(written, Saying::Done));
    }
    portions
}

/// Returns the end of a stream that breaks after `n` chunks, if it does.
fn broken(written: &WrittenReply<'_>, n: usize) -> Option<Vec<Portion>> {
    let reply = written.reply;
    let after = |end: Option<usize>| end.is_some_and(|end| end <= n);
    if after(reply.cut_after) {
        return Some(vec![Portion::Cut]);
    }
    if after(reply.hang_after) {
        return Some(vec![Portion::Hang]);
    }
    if after(reply.nonsense_after) {
        return Some(says(written, Saying::Nonsense));
    }
    after(reply.error_after).then(|| says(written, Saying::Error))
}

/// Returns what is said in frames of HTTP.
fn says(written: &WrittenReply<'_>, saying: Saying<'_>) -> Vec<Portion> {
    let reply = written.reply;
    let bytes = written.wire.write(&written.model, saying, reply.has(Lapse::Crlf));
    let length = if reply.has(Lapse::SplitUtf8) {
        ODD_FRAME
    } else {
        bytes.len().max(1)
    };
    let frames = bytes.chunks(length);
    frames.map(|frame| Portion::Bytes(frame.to_vec())).collect()
}

/// Cuts a text into `number` pieces, or into its words.
fn pieces(text: &str, number: Option<usize>) -> Vec<String> {
    let Some(number) = number else {
        return text.split_inclusive(' ').map(str::to_owned).collect();
    };
    let chars: Vec<char> = text.chars().collect();
    let length = chars.len().div_ceil(number.max(1)).max(1);
    chars.chunks(length).map(|piece| piece.iter().collect()).collect()
}

fn respond(portions: Vec<Portion>, content_type: &'static str) -> Response<ScriptedBody> {
    let frames = stream::unfold(portions.into_iter(), |mut portions| async move {
        loop {
            let frame = match portions.next()? {
                Portion::Wait(time) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
                Portion::Bytes(bytes) => Ok(Frame::data(Bytes::from(bytes))),
                Portion::Cut => {
                    // The frames before it are on their way then; an error drops those that are not.
                    tokio::time::sleep(CUT).await;
                    Err(std::io::Error::other("cut"))
                }
                Portion::Hang => std::future::pending().await,
            };
            return Some((frame, portions));
        }
    });
    let (mut parts, _) = json_response(&Value::Null).into_parts();
    let content_type = HeaderValue::from_static(content_type);
    parts.headers.insert(header::CONTENT_TYPE, content_type);
    Response::from_parts(parts, StreamBody::new(frames).boxed_unsync())
}

/// Returns an answer that is known whole.
pub(super) fn unbroken(response: Response<Full<Bytes>>) -> Response<ScriptedBody> {
    response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(reply: &ScriptedReply, include_usage: bool) -> String {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "Grüß dich, 世界"}]});
        let written = written(reply, Wire::Events, "Grüß dich, 世界", &body);
        let bytes: Vec<u8> = portions(&written, include_usage)
            .into_iter()
            .flat_map(|portion| match portion {
                Portion::Bytes(bytes) => bytes,
                _ => Vec::new(),
            })
            .collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_stream_has_a_role_words_a_reason_usage_if_asked_for_and_an_end() {
        let stream = text_of(&ScriptedReply::default(), true);
        let events: Vec<&str> = stream.split_terminator("\n\n").collect();
        assert_eq!(events.len(), 1 + 5 + 1 + 1 + 1, "{stream}");
        assert!(events[0].contains(r#""role":"assistant""#));
        assert!(events[6].contains(r#""finish_reason":"stop""#));
        assert!(events[7].contains(r#""completion_tokens":"#));
        assert_eq!(events[8], "data: [DONE]");
        assert!(!text_of(&ScriptedReply::default(), false).contains("usage"));
    }

    #[test]
    fn a_script_says_where_a_stream_breaks() {
        let script = r#"{"then":{"do":"chat","chunks":4,"cutAfter":2,"lapses":["crlf","splitUtf8"]}}"#;
        let script = crate::upstream::script::Script::parse(script).unwrap();
        let Act::Chat(reply) = script.then else {
            panic!("{script:?}")
        };
        let stream = text_of(&reply, true);
        assert_eq!(stream.matches("data: ").count(), 3, "{stream}");
        assert!(stream.ends_with("\r\n\r\n") && !stream.contains("finish_reason\":\"stop"));
        let error = ScriptedReply {
            error_after: Some(1),
            ..ScriptedReply::default()
        };
        let stream = text_of(&error, true);
        assert!(stream.trim_end().ends_with("\"type\":\"server_error\"}}"), "{stream}");
    }
}
