//! Amazon Bedrock's Converse: the same messages as one signed request. The answer's form is a tool that the model must use.

use lambda_http::http::{Method, Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::prompt::Prompt;
use crate::money::Tokens;

/// The most tokens of an answer: 50 explained verdicts take some 5,000.
const MOST_OUTPUT: u32 = 8_192;

/// The request that asks `model`, to be signed.
///
/// # Errors
/// [`Failure::Unasked`] when the address cannot be sent.
pub fn request(endpoint: &str, model: &str, prompt: &Prompt) -> Result<Request<String>, Failure> {
    let body = json!({
        "system": [{"text": prompt.system}],
        "messages": [{"role": "user", "content": [{"text": prompt.user}]}],
        "inferenceConfig": {"maxTokens": MOST_OUTPUT},
        "toolConfig": {
            "tools": [{"toolSpec": {
                "name": "verdicts",
                "description": "Takes the verdicts on all posts.",
                "inputSchema": {"json": prompt.schema()},
            }}],
            "toolChoice": {"tool": {"name": "verdicts"}},
        },
    });
    Request::builder()
        .method(Method::POST)
        .uri(format!(
            "{}/model/{}/converse",
            endpoint.trim_end_matches('/'),
            utf8_percent_encode(model, PLAIN)
        ))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(body.to_string())
        .map_err(|_| Failure::Unasked("the address cannot be sent"))
}

/// Where Bedrock answers in a region.
#[must_use]
pub fn endpoint(region: &str) -> String {
    format!("https://bedrock-runtime.{region}.amazonaws.com")
}

/// What stays as it is in one segment of a path; a model's name may be an ARN, with colons and slashes.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[derive(Deserialize)]
struct Conversed {
    output: Output,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Output {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Vec<Block>,
}

/// A block of content: of all kinds that there are, these two say something here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    tool_use: Option<ToolUse>,
}

#[derive(Deserialize)]
struct ToolUse {
    name: String,
    input: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
}

/// The text of an answer, and what it took: what the tool was given, else what was said.
///
/// # Errors
/// [`Failure::Schema`] when the body is not of this protocol.
pub fn read(body: &[u8]) -> Result<(Option<String>, Option<Tokens>), Failure> {
    let answer: Conversed =
        serde_json::from_slice(body).map_err(|_| Failure::Schema("the body is no Converse answer"))?;
    let tokens = answer.usage.map(|usage| Tokens {
        input: usage.input_tokens,
        output: usage.output_tokens,
    });
    let mut said = None;
    for block in answer.output.message.content {
        match block.tool_use {
            Some(tool) if tool.name == "verdicts" => return Ok((Some(tool.input.to_string()), tokens)),
            _ => said = said.or(block.text),
        }
    }
    Ok((said, tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_is_one_segment_of_the_path() {
        let prompt = Prompt::of("x", &["a"], false).unwrap();
        let request = request("http://h/", "anthropic.claude-v1:0", &prompt).unwrap();
        assert_eq!(request.uri(), "http://h/model/anthropic.claude-v1%3A0/converse");
        assert_eq!(
            utf8_percent_encode("arn:aws:x/y", PLAIN).to_string(),
            "arn%3Aaws%3Ax%2Fy"
        );
    }

    #[test]
    fn the_tools_input_counts_before_what_was_said() {
        let body = json!({
            "output": {"message": {"role": "assistant", "content": [
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "t1", "name": "verdicts", "input": {"verdicts": []}}},
            ]}},
            "stopReason": "tool_use",
            "usage": {"inputTokens": 30, "outputTokens": 5, "totalTokens": 35},
        });
        let (text, tokens) = read(body.to_string().as_bytes()).unwrap();
        assert_eq!(text.as_deref(), Some(r#"{"verdicts":[]}"#));
        assert_eq!(tokens, Some(Tokens { input: 30, output: 5 }));
    }
}
