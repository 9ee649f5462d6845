//! OpenAI's protocol: `POST {base}/chat/completions`, for every server that speaks it.

pub mod dialogue;

use lambda_http::http::{Method, Request, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::counts::Counts;
use super::failure::Failure;
use super::form::{Bound, Form, Shape};
use super::request::{ModelReply, ModelRequest, Part};
use crate::config::Secret;
use crate::config::providers::{KeyHeader, OpenAiSettings};

/// Returns the request that asks `model`, in `form`, for an answer of at most `most_output` tokens.
///
/// # Errors
/// [`Failure::Unasked`] when address or key cannot be sent.
pub fn request(
    settings: &OpenAiSettings,
    key: Option<&Secret>,
    model: &str,
    request: &ModelRequest,
    (form, most_output): (Form, u32),
) -> Result<Request<String>, Failure> {
    let mut body = json!({
        "model": model,
        "messages": [
            {"role": "system", "content": request.system_in(form.shape)},
            {"role": "user", "content": content(&request.parts)},
        ],
    });
    match (form.shape, &request.schema) {
        (Shape::Strict, Some(schema)) => {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": {"name": schema.name, "strict": true, "schema": schema.json},
            });
        }
        (Shape::Loose, Some(_)) => body["response_format"] = json!({"type": "json_object"}),
        (Shape::Prompted, _) | (_, None) => {}
    }
    match form.bound {
        Bound::Completion => body["max_completion_tokens"] = Value::from(most_output),
        Bound::Plain => body["max_tokens"] = Value::from(most_output),
        Bound::Unsent => {}
    }
    if let Some(effort) = form.effort {
        body["reasoning_effort"] = Value::from(effort.name());
    }
    if let Some(temperature) = request
        .temperature
        .or(settings.temperature)
        .filter(|_| form.temperature)
    {
        body["temperature"] = Value::from(temperature);
    }
    posted(settings, key, "chat/completions", &body)
}

/// Returns the request that posts `body` to a route of this protocol.
pub(super) fn posted(
    settings: &OpenAiSettings,
    key: Option<&Secret>,
    route: &str,
    body: &Value,
) -> Result<Request<String>, Failure> {
    let version = settings.api_version.as_ref();
    let version = version.map_or_else(String::new, |version| format!("?api-version={version}"));
    let mut call = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/{route}{version}", settings.base_url))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json");
    if let Some(key) = key {
        call = match settings.key_header {
            KeyHeader::Bearer => call.header(header::AUTHORIZATION, format!("Bearer {}", key.expose())),
            KeyHeader::ApiKey => call.header("api-key", key.expose()),
        };
    }
    call.body(body.to_string())
        .map_err(|_| Failure::Unasked("the address or the key cannot be sent"))
}

/// Returns the content of the user message: one text as a string, which every server takes; else parts.
fn content(parts: &[Part]) -> Value {
    if let [Part::Text(text)] = parts {
        return Value::from(text.as_str());
    }
    let parts = parts.iter().map(|part| match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Image(image) => json!({"type": "image_url", "image_url": {"url": image.data_url()}}),
    });
    parts.collect()
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct Choice {
    message: ChatMessage,
    #[serde(default)]
    finish_reason: Value,
}

#[derive(Deserialize)]
struct ChatMessage {
    #[serde(default)]
    content: Value,
    #[serde(default)]
    refusal: Value,
}

impl Choice {
    /// True if the model, or a filter over it, would not answer.
    fn is_refusal(&self) -> bool {
        let refusal = self.message.refusal.as_str();
        refusal.is_some_and(|words| !words.is_empty()) || self.finish_reason == "content_filter"
    }
}

/// Reads an answer. A refusal has no text.
///
/// # Errors
/// [`Failure::Schema`] when the body is not of this protocol.
pub fn read(body: &[u8]) -> Result<ModelReply, Failure> {
    let completion: Completion =
        serde_json::from_slice(body).map_err(|_| Failure::Schema("the body is no chat completion"))?;
    let counts = Counts::read(
        &completion.usage,
        ["prompt_tokens", "completion_tokens", "total_tokens"],
    );
    let choice = completion.choices.into_iter().next();
    Ok(ModelReply {
        counts,
        refused: choice.as_ref().is_some_and(Choice::is_refusal),
        text: choice.and_then(|choice| text(choice.message.content)),
    })
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
    use crate::models::request::{Image, ImageFormat};

    #[test]
    fn an_image_is_a_data_url_between_the_texts() {
        let image = Image {
            format: ImageFormat::Png,
            bytes: vec![0, 0, 1],
        };
        let parts = [
            Part::Text("before".into()),
            Part::Image(image),
            Part::Text("after".into()),
        ];
        assert_eq!(
            content(&parts),
            json!([
                {"type": "text", "text": "before"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAB"}},
                {"type": "text", "text": "after"},
            ])
        );
        assert_eq!(content(&parts[..1]), json!("before"));
    }

    #[test]
    fn text_parts_are_joined_and_no_others() {
        for (content, expected) in [
            (json!("{}"), Some("{}")),
            (
                json!([
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "{\"rows\""},
                    {"type": "text", "text": ":[]}"},
                ]),
                Some("{\"rows\":[]}"),
            ),
            (json!([{"type": "image_url"}]), None),
            (json!(null), None),
            (json!({"rows": []}), None),
        ] {
            assert_eq!(text(content.clone()).as_deref(), expected, "{content}");
        }
    }

    #[test]
    fn a_refusal_is_told_from_an_answer() {
        for (choice, expected) in [
            (
                json!({"message": {"content": null, "refusal": "I cannot look at that."}, "finish_reason": "stop"}),
                true,
            ),
            (
                json!({"message": {"content": ""}, "finish_reason": "content_filter"}),
                true,
            ),
            (
                json!({"message": {"content": "{}", "refusal": null}, "finish_reason": "stop"}),
                false,
            ),
            (json!({"message": {"content": "{}"}}), false),
        ] {
            let body = json!({"choices": [choice]}).to_string();
            assert_eq!(read(body.as_bytes()).unwrap().refused, expected, "{body}");
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
            let ModelReply { text, counts, .. } = read(body.as_bytes()).unwrap();
            assert_eq!((text.as_deref(), counts), (Some("said"), Counts::default()), "{usage}");
        }
    }
}
