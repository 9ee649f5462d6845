//! OpenAI's protocol: `POST {base}/chat/completions`, for every server that speaks it.

use lambda_http::http::{Method, Request, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::form::{Bound, Form, Shape};
use super::prompt::Prompt;
use super::usage::Counts;
use crate::config::Secret;
use crate::config::providers::{KeyHeader, OpenAiSettings};

/// The request that asks `model`, in `form`, for an answer of at most `most_output` tokens.
///
/// # Errors
/// [`Failure::Unasked`] when address or key cannot be sent.
pub fn request(
    settings: &OpenAiSettings,
    key: Option<&Secret>,
    model: &str,
    prompt: &Prompt,
    (form, most_output): (Form, u32),
) -> Result<Request<String>, Failure> {
    let mut body = json!({
        "model": model,
        "messages": [
            {"role": "system", "content": prompt.system_in(form.shape)},
            {"role": "user", "content": prompt.user},
        ],
    });
    match form.shape {
        Shape::Strict => {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": {"name": "verdicts", "strict": true, "schema": prompt.schema()},
            });
        }
        Shape::Loose => body["response_format"] = json!({"type": "json_object"}),
        Shape::Prompted => {}
    }
    match form.bound {
        Bound::Completion => body["max_completion_tokens"] = Value::from(most_output),
        Bound::Plain => body["max_tokens"] = Value::from(most_output),
        Bound::Unsent => {}
    }
    if let Some(effort) = form.effort {
        body["reasoning_effort"] = Value::from(effort.name());
    }
    if let Some(temperature) = settings.temperature {
        body["temperature"] = Value::from(temperature);
    }
    let version = settings.api_version.as_ref();
    let version = version.map_or_else(String::new, |version| format!("?api-version={version}"));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/chat/completions{version}", settings.base_url))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json");
    if let Some(key) = key {
        request = match settings.key_header {
            KeyHeader::Bearer => request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose())),
            KeyHeader::ApiKey => request.header("api-key", key.expose()),
        };
    }
    request
        .body(body.to_string())
        .map_err(|_| Failure::Unasked("the address or the key cannot be sent"))
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Value,
}

/// The text of an answer, and the provider's counts. A refusal has no text.
///
/// # Errors
/// [`Failure::Schema`] when the body is not of this protocol.
pub fn read(body: &[u8]) -> Result<(Option<String>, Counts), Failure> {
    let completion: Completion =
        serde_json::from_slice(body).map_err(|_| Failure::Schema("the body is no chat completion"))?;
    let counts = Counts::read(
        &completion.usage,
        ["prompt_tokens", "completion_tokens", "total_tokens"],
    );
    let choice = completion.choices.into_iter().next();
    Ok((choice.and_then(|choice| text(choice.message.content)), counts))
}

/// Reads the text of a content: a string, or the text parts of an array. Other parts, such as reasoning, are left out.
fn text(content: Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text),
        Value::Array(parts) => {
            let texts = parts.iter().filter(|part| part["type"] == "text");
            let texts: Vec<&str> = texts.filter_map(|part| part["text"].as_str()).collect();
            (!texts.is_empty()).then(|| texts.concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_parts_are_joined_and_no_others() {
        for (content, expected) in [
            (json!("{}"), Some("{}")),
            (
                json!([
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "{\"verdicts\""},
                    {"type": "text", "text": ":[]}"},
                ]),
                Some("{\"verdicts\":[]}"),
            ),
            (json!([{"type": "image_url"}]), None),
            (json!(null), None),
            (json!({"verdicts": []}), None),
        ] {
            assert_eq!(text(content.clone()).as_deref(), expected, "{content}");
        }
    }

    #[test]
    fn usage_of_any_kind_leaves_the_answer_as_it_is() {
        for usage in [
            "null",
            "{}",
            "[]",
            "7",
            r#"{"prompt_tokens":1e30,"completion_tokens":"9"}"#,
        ] {
            let body = format!(r#"{{"choices":[{{"message":{{"content":"said"}}}}],"usage":{usage}}}"#);
            let (text, counts) = read(body.as_bytes()).unwrap();
            assert_eq!((text.as_deref(), counts), (Some("said"), Counts::default()), "{usage}");
        }
    }
}
