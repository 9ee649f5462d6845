//! Dialogues in OpenAI's protocol: asked for as a stream of events, and read event by event.

use lambda_http::http::Request;
use lambda_http::http::header::{self, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{posted, text};
use crate::config::Secret;
use crate::config::providers::OpenAiSettings;
use crate::models::counts::Counts;
use crate::models::dialogue::{Dialogue, FinishReason};
use crate::models::failure::Failure;
use crate::models::form::{Bound, Form};
use crate::models::heard::Heard;

/// The names of the counts in `usage`.
const COUNTS: [&str; 3] = ["prompt_tokens", "completion_tokens", "total_tokens"];

/// The end of a stream.
const DONE: &str = "[DONE]";

/// Returns the request that asks `model` to continue a dialogue as a stream, with at most `most_output` tokens.
///
/// # Errors
/// [`Failure::Unasked`] when address or key cannot be sent.
pub fn request(
    settings: &OpenAiSettings,
    key: Option<&Secret>,
    model: &str,
    dialogue: &Dialogue,
    (form, most_output): (Form, u32),
) -> Result<Request<String>, Failure> {
    let system = (!dialogue.system.is_empty()).then(|| json!({"role": "system", "content": &*dialogue.system}));
    let said = dialogue.utterances.iter();
    let said = said.map(|one| json!({"role": one.role.name(), "content": one.text}));
    let mut body = json!({
        "model": model,
        "messages": system.into_iter().chain(said).collect::<Value>(),
        "stream": true,
        "stream_options": {"include_usage": true},
        "user": dialogue.user,
    });
    match form.bound {
        Bound::Completion => body["max_completion_tokens"] = Value::from(most_output),
        // Without any bound a reply could use more than is set aside for it.
        Bound::Plain | Bound::Unsent => body["max_tokens"] = Value::from(most_output),
    }
    if let Some(effort) = form.effort {
        body["reasoning_effort"] = Value::from(effort.name());
    }
    let sampling = &dialogue.sampling;
    if form.temperature {
        for (name, value) in [
            ("temperature", sampling.temperature.or(settings.temperature)),
            ("top_p", sampling.top_p),
        ] {
            if let Some(value) = value {
                body[name] = Value::from(value);
            }
        }
    }
    if !sampling.stop.is_empty() {
        body["stop"] = Value::from(sampling.stop.as_slice());
    }
    if let Some(seed) = sampling.seed {
        body["seed"] = Value::from(seed);
    }
    if let Some(format) = &dialogue.format {
        body["response_format"] = format.clone();
    }
    let mut request = posted(settings, key, "chat/completions", &body)?;
    let accepted = HeaderValue::from_static("text/event-stream");
    request.headers_mut().insert(header::ACCEPT, accepted);
    Ok(request)
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<ChunkChoice>,
    #[serde(default)]
    usage: Value,
    #[serde(default)]
    error: Value,
}

#[derive(Deserialize)]
struct ChunkChoice {
    #[serde(default)]
    delta: Delta,
    /// In answers that are no stream.
    #[serde(default)]
    message: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Value,
    /// A refusal, in the model's own words.
    #[serde(default)]
    refusal: Option<String>,
}

const FAILED: Failure = Failure::Server(500, None);
const SENSELESS: Failure = Failure::Schema("the stream is none of completions");

/// Reads the data of one event; a whole answer, of a server that does not stream, reads the same.
#[must_use]
pub fn heard(data: &str) -> Heard {
    let data = data.trim();
    if data.starts_with(DONE) {
        return Heard::Done;
    }
    let Ok(chunk) = serde_json::from_str::<Chunk>(data) else {
        return Heard::Failed(SENSELESS);
    };
    if !chunk.error.is_null() {
        return Heard::Failed(FAILED);
    }
    let (mut words, mut finish) = (String::new(), None);
    for choice in chunk.choices.into_iter().take(1) {
        for said in [choice.delta, choice.message] {
            words.push_str(&text(said.content).or(said.refusal).unwrap_or_default());
        }
        let reason = choice.finish_reason.filter(|reason| !reason.is_empty());
        finish = reason.map(|reason| FinishReason::read(&reason));
    }
    Heard::Part {
        text: words,
        finish,
        counts: Counts::read(&chunk.usage, COUNTS),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::config::providers::Effort;
    use crate::models::dialogue::{Role, Sampling, Utterance};
    use crate::models::form::Shape;

    fn dialogue() -> Dialogue {
        Dialogue {
            system: Arc::from("Be kind."),
            utterances: vec![
                Utterance {
                    role: Role::User,
                    text: "Hi".to_owned(),
                },
                Utterance {
                    role: Role::Assistant,
                    text: "Hello!".to_owned(),
                },
            ],
            max_output: 100,
            sampling: Sampling {
                temperature: Some(0.5),
                top_p: Some(0.25),
                stop: vec!["END".to_owned()],
                seed: Some(7),
            },
            format: Some(json!({"type": "json_object"})),
            user: "u1".to_owned(),
        }
    }

    fn body(form: Form) -> Value {
        let config = Config::read(|_| None).unwrap();
        let request = request(&config.providers.openai, None, "m", &dialogue(), (form, 100)).unwrap();
        assert!(request.uri().path().ends_with("/chat/completions"));
        serde_json::from_str(request.body()).unwrap()
    }

    #[test]
    fn a_dialogue_is_asked_for_as_a_stream_with_its_usage() {
        let form = Form {
            shape: Shape::Strict,
            effort: Some(Effort::Minimal),
            bound: Bound::Completion,
            temperature: true,
        };
        assert_eq!(
            body(form),
            json!({
                "model": "m",
                "messages": [
                    {"role": "system", "content": "Be kind."},
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Hello!"},
                ],
                "stream": true,
                "stream_options": {"include_usage": true},
                "user": "u1",
                "max_completion_tokens": 100,
                "reasoning_effort": "minimal",
                "temperature": 0.5,
                "top_p": 0.25,
                "stop": ["END"],
                "seed": 7,
                "response_format": {"type": "json_object"},
            })
        );
        let lesser = body(Form {
            effort: None,
            bound: Bound::Unsent,
            temperature: false,
            ..form
        });
        assert_eq!(lesser["max_tokens"], 100, "a reply is bounded in any case");
        for name in ["max_completion_tokens", "reasoning_effort", "temperature", "top_p"] {
            assert!(lesser[name].is_null(), "{name}");
        }
    }

    #[test]
    fn an_event_is_words_an_end_counts_or_a_failure() {
        let part = |text: &str, finish, counts: Option<(u64, u64)>| Heard::Part {
            text: text.to_owned(),
            finish,
            counts: Counts {
                input: counts.map(|(input, _)| input),
                output: counts.map(|(_, output)| output),
            },
        };
        for (data, expected) in [
            (
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
                part("", None, None),
            ),
            (
                r#"{"choices":[{"delta":{"content":"Hel"},"finish_reason":null}]}"#,
                part("Hel", None, None),
            ),
            (
                r#"{"choices":[{"delta":{"content":"Hel"},"finish_reason":""}]}"#,
                part("Hel", None, None),
            ),
            (
                r#"{"choices":[{"delta":{"reasoning_content":"hm"},"finish_reason":null}]}"#,
                part("", None, None),
            ),
            (
                r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#,
                part("", Some(FinishReason::Length), None),
            ),
            (
                r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
                part("", None, Some((9, 2))),
            ),
            (
                r#"{"choices":[{"message":{"role":"assistant","content":"All."},"finish_reason":"stop"}],
                    "usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
                part("All.", Some(FinishReason::Stop), Some((9, 2))),
            ),
            (
                r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#,
                part("a", None, None),
            ),
            ("[DONE]", Heard::Done),
            (" [DONE] ", Heard::Done),
            (
                r#"{"error":{"message":"overloaded","code":500}}"#,
                Heard::Failed(FAILED),
            ),
            (r#"{"error":"overloaded"}"#, Heard::Failed(FAILED)),
            ("{", Heard::Failed(SENSELESS)),
            (r#"{"choices":7}"#, Heard::Failed(SENSELESS)),
            ("", Heard::Failed(SENSELESS)),
        ] {
            assert_eq!(heard(data), expected, "{data}");
        }
    }
}
