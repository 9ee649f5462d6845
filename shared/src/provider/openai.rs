//! OpenAI's protocol: `POST {base}/chat/completions` with a strict JSON schema, for whoever speaks it.

use lambda_http::http::{Method, Request, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::prompt::Prompt;
use crate::config::Secret;
use crate::money::Tokens;

/// What every call to one address has in common.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'a> {
    /// What `/chat/completions` is appended to.
    pub base_url: &'a str,
    /// The bearer key, where one is asked for.
    pub key: Option<&'a Secret>,
    /// Sent if set.
    pub temperature: Option<f32>,
}

/// The request that asks `model`.
///
/// # Errors
/// [`Failure::Unasked`] when address or key cannot be sent.
pub fn request(endpoint: Endpoint<'_>, model: &str, prompt: &Prompt) -> Result<Request<String>, Failure> {
    let mut body = json!({
        "model": model,
        "messages": [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdicts", "strict": true, "schema": prompt.schema()},
        },
    });
    if let Some(temperature) = endpoint.temperature {
        body["temperature"] = Value::from(temperature);
    }
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/chat/completions", endpoint.base_url))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json");
    if let Some(key) = endpoint.key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose()));
    }
    request
        .body(body.to_string())
        .map_err(|_| Failure::Unasked("the address or the key cannot be sent"))
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// The text of an answer, and what it took; `None` for tokens that the provider did not tell. A refusal has no text.
///
/// # Errors
/// [`Failure::Schema`] when the body is not of this protocol.
pub fn read(body: &[u8]) -> Result<(Option<String>, Option<Tokens>), Failure> {
    let completion: Completion =
        serde_json::from_slice(body).map_err(|_| Failure::Schema("the body is no chat completion"))?;
    let tokens = completion.usage.map(|usage| Tokens {
        input: usage.prompt_tokens,
        output: usage.completion_tokens,
    });
    let choice = completion.choices.into_iter().next();
    Ok((choice.and_then(|choice| choice.message.content), tokens))
}
