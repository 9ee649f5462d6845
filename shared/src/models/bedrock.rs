//! Amazon Bedrock's Converse: the same messages as one signed request. The answer's form is a tool that the model must use.

pub mod dialogue;
pub mod stream;

use lambda_http::http::{Method, Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::counts::Counts;
use super::failure::Failure;
use super::form::{Bound, Form, Shape};
use super::request::{ModelReply, ModelRequest, Part, Schema};

/// Returns the request that asks `model`, in `form`, for an answer of at most `most_output` tokens; to be signed.
///
/// # Errors
/// [`Failure::Unasked`] when the address cannot be sent.
pub fn request(
    endpoint: &str,
    model: &str,
    request: &ModelRequest,
    (form, most_output): (Form, u32),
) -> Result<Request<String>, Failure> {
    let mut body = json!({
        "system": [{"text": request.system_in(form.shape)}],
        "messages": [{"role": "user", "content": request.parts.iter().map(block).collect::<Value>()}],
    });
    if form.bound != Bound::Unsent {
        body["inferenceConfig"]["maxTokens"] = Value::from(most_output);
    }
    if let Some(temperature) = request.temperature.filter(|_| form.temperature) {
        body["inferenceConfig"]["temperature"] = Value::from(temperature);
    }
    let choice = match form.shape {
        // There is one tool, so that any of them is this one; some models take no choice by name.
        Shape::Strict => Some("any"),
        Shape::Loose => Some("auto"),
        Shape::Prompted => None,
    };
    if let (Some(choice), Some(schema)) = (choice, &request.schema) {
        body["toolConfig"] = json!({
            "tools": [{"toolSpec": {
                "name": schema.name,
                "description": "Takes the whole answer.",
                "inputSchema": {"json": tool_schema(schema)},
            }}],
            "toolChoice": {choice: {}},
        });
    }
    call(endpoint, model, "converse", &body)
}

/// Returns the request for an action with this body, to be signed.
fn call(endpoint: &str, model: &str, action: &str, body: &Value) -> Result<Request<String>, Failure> {
    Request::builder()
        .method(Method::POST)
        .uri(format!(
            "{}/model/{}/{action}",
            endpoint.trim_end_matches('/'),
            utf8_percent_encode(model, PLAIN)
        ))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(body.to_string())
        .map_err(|_| Failure::Unasked("the address cannot be sent"))
}

/// Returns a part as a block of content.
fn block(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"text": text}),
        Part::Image(image) => json!({"image": {
            "format": image.format.name(),
            "source": {"bytes": image.base64()},
        }}),
    }
}

/// Returns the schema with no more than three members at its top: Nova refuses others.
fn tool_schema(schema: &Schema) -> Value {
    let mut schema = schema.json.clone();
    if let Value::Object(members) = &mut schema {
        members.retain(|name, _| ["type", "properties", "required"].contains(&name.as_str()));
    }
    schema
}

/// The characters that stay as they are in one segment of a path; a model's name may be an ARN, with colons and slashes.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[derive(Deserialize)]
struct Conversed {
    output: ConverseOutput,
    #[serde(default, rename = "stopReason")]
    stop_reason: String,
    #[serde(default)]
    usage: Value,
}

#[derive(Deserialize)]
struct ConverseOutput {
    message: ConverseMessage,
}

#[derive(Deserialize)]
struct ConverseMessage {
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

/// The reasons for which an answer is the provider's refusal of the content.
const REFUSED: [&str; 2] = ["content_filtered", "guardrail_intervened"];

/// Reads an answer. Its text is the input of the tool for `schema`, else the words.
///
/// # Errors
/// [`Failure::Schema`] when the body is not of this protocol.
pub fn read(body: &[u8], schema: Option<&Schema>) -> Result<ModelReply, Failure> {
    let answer: Conversed =
        serde_json::from_slice(body).map_err(|_| Failure::Schema("the body is no Converse answer"))?;
    Ok(ModelReply {
        counts: Counts::read(&answer.usage, ["inputTokens", "outputTokens", "totalTokens"]),
        refused: REFUSED.contains(&answer.stop_reason.as_str()),
        text: said(answer.output.message.content, schema),
    })
}

fn said(content: Vec<Block>, schema: Option<&Schema>) -> Option<String> {
    let mut said: Option<String> = None;
    for block in content {
        match block.tool_use {
            Some(ToolUse { name, input }) => {
                if let Some(schema) = schema.filter(|schema| schema.name == name) {
                    return Some(whole(input, schema).to_string());
                }
            }
            None => said = said.or(block.text),
        }
    }
    said
}

/// Reads a tool's input once more where some models write a string: for all of it, or for an array or object in it.
fn whole(given: Value, schema: &Schema) -> Value {
    let read = |value: Value| match &value {
        Value::String(text) => serde_json::from_str(text).unwrap_or(value),
        _ => value,
    };
    let mut input = read(given);
    if let Value::Object(members) = &mut input {
        for (name, member) in members {
            let kind = &schema.json["properties"][name]["type"];
            if kind == "array" || kind == "object" {
                *member = read(member.take());
            }
        }
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::request::{Image, ImageFormat};

    fn form(shape: Shape) -> (Form, u32) {
        let form = Form {
            shape,
            effort: None,
            bound: Bound::Completion,
            temperature: true,
        };
        (form, 104)
    }

    fn body(shape: Shape) -> Value {
        let asked = ModelRequest::sample(vec![Part::Text("a".into())]);
        let request = request("http://h/", "m", &asked, form(shape)).unwrap();
        serde_json::from_str(request.body()).unwrap()
    }

    #[test]
    fn a_models_name_is_one_segment_of_the_path() {
        let asked = ModelRequest::sample(Vec::new());
        let request = request("http://h/", "anthropic.claude-v1:0", &asked, form(Shape::Strict)).unwrap();
        assert_eq!(request.uri(), "http://h/model/anthropic.claude-v1%3A0/converse");
        assert_eq!(
            utf8_percent_encode("arn:aws:x/y", PLAIN).to_string(),
            "arn%3Aaws%3Ax%2Fy"
        );
    }

    #[test]
    fn an_image_is_a_block_with_its_format() {
        let image = Image {
            format: ImageFormat::Jpeg,
            bytes: vec![0, 0, 1],
        };
        let asked = ModelRequest {
            temperature: Some(0.5),
            ..ModelRequest::sample(vec![Part::Text("see".into()), Part::Image(image)])
        };
        let request = request("http://h/", "m", &asked, form(Shape::Strict)).unwrap();
        let body: Value = serde_json::from_str(request.body()).unwrap();
        assert_eq!(
            body["messages"][0]["content"],
            json!([{"text": "see"}, {"image": {"format": "jpeg", "source": {"bytes": "AAAB"}}}])
        );
        assert_eq!(body["inferenceConfig"], json!({"maxTokens": 104, "temperature": 0.5}));
    }

    #[test]
    fn the_tool_is_forced_offered_or_left_out_by_the_form() {
        let strict = body(Shape::Strict);
        assert_eq!(strict["toolConfig"]["toolChoice"], json!({"any": {}}));
        assert_eq!(strict["inferenceConfig"]["maxTokens"], 104);
        let schema = &strict["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"];
        let members: Vec<&String> = schema.as_object().unwrap().keys().collect();
        assert_eq!(members, ["properties", "required", "type"]);
        let loose = body(Shape::Loose);
        assert_eq!(loose["toolConfig"]["toolChoice"], json!({"auto": {}}));
        let prompted = body(Shape::Prompted);
        assert!(prompted["toolConfig"].is_null());
        for (body, in_words) in [(strict, false), (loose, true), (prompted, true)] {
            let system = body["system"][0]["text"].as_str().unwrap();
            assert_eq!(system.contains("\"rows\""), in_words, "{system}");
        }
    }

    #[test]
    fn the_tools_input_counts_before_what_was_said_and_is_read_where_it_is_a_string() {
        for input in [
            json!({"rows": [], "note": "[]"}),
            json!({"rows": "[]", "note": "[]"}),
            json!("{\"rows\": [], \"note\": \"[]\"}"),
            json!("{\"rows\": \"[]\", \"note\": \"[]\"}"),
        ] {
            let body = json!({
                "output": {"message": {"role": "assistant", "content": [
                    {"text": "Let me see."},
                    {"toolUse": {"toolUseId": "t1", "name": "table", "input": input}},
                ]}},
                "stopReason": "tool_use",
                "usage": {"inputTokens": 30, "outputTokens": 5, "totalTokens": 35},
            });
            let schema = ModelRequest::sample(Vec::new()).schema;
            let ModelReply { text, counts, .. } = read(body.to_string().as_bytes(), schema.as_ref()).unwrap();
            assert_eq!(text.as_deref(), Some(r#"{"note":"[]","rows":[]}"#), "{input}");
            assert_eq!((counts.input, counts.output), (Some(30), Some(5)));
        }
    }
}
