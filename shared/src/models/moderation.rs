//! OpenAI's `POST {base}/moderations`: scores of one image by category, without a prompt.

use lambda_http::http::Request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::counts::Counts;
use super::failure::Failure;
use super::openai;
use super::request::{ModelReply, ModelRequest};
use crate::config::Secret;
use crate::config::providers::OpenAiSettings;

/// Returns the request that asks `model` for its scores of the image of a question. The protocol takes one image a call.
///
/// # Errors
/// [`Failure::Unasked`] when there is not exactly one image, or address or key cannot be sent.
pub fn request(
    settings: &OpenAiSettings,
    key: Option<&Secret>,
    model: &str,
    request: &ModelRequest,
) -> Result<Request<String>, Failure> {
    let image = request
        .only_image()
        .ok_or(Failure::Unasked("a moderation takes exactly one image"))?;
    let body = json!({
        "model": model,
        "input": [{"type": "image_url", "image_url": {"url": image.data_url()}}],
    });
    openai::posted(settings, key, "moderations", &body)
}

#[derive(Deserialize)]
struct Moderations {
    results: Vec<Value>,
}

/// Reads an answer. Its text is the one result, as JSON.
///
/// # Errors
/// [`Failure::Schema`] when the body is not of this protocol.
pub fn read(body: &[u8]) -> Result<ModelReply, Failure> {
    let answer: Moderations = serde_json::from_slice(body).map_err(|_| Failure::Schema("the body is no moderation"))?;
    let [result] = answer.results.as_slice() else {
        return Err(Failure::Schema("a moderation has not exactly one result"));
    };
    Ok(ModelReply {
        text: Some(result.to_string()),
        counts: Counts::default(),
        refused: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_exactly_one_result() {
        let body = |results: Value| json!({"id": "modr-1", "model": "m", "results": results}).to_string();
        let one = body(json!([{"flagged": false}]));
        assert_eq!(
            read(one.as_bytes()).unwrap().text.as_deref(),
            Some(r#"{"flagged":false}"#)
        );
        for bad in [
            body(json!([])),
            body(json!([{}, {}])),
            body(json!({})),
            "{}".to_owned(),
            "no".to_owned(),
        ] {
            assert!(matches!(read(bad.as_bytes()), Err(Failure::Schema(_))), "{bad}");
        }
    }
}
