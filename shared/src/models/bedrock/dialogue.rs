//! Dialogues in Bedrock's `ConverseStream`: the messages of Converse, answered by a stream of frames.

use lambda_http::http::Request;
use lambda_http::http::header::{self, HeaderValue};
use serde_json::{Value, json};

use super::call;
use crate::models::dialogue::Dialogue;
use crate::models::failure::Failure;
use crate::models::form::Form;

/// Returns the request that asks `model` to continue a dialogue, with at most `most_output` tokens; to be signed.
///
/// # Errors
/// [`Failure::Unasked`] when the address cannot be sent.
pub fn request(
    endpoint: &str,
    model: &str,
    dialogue: &Dialogue,
    (form, most_output): (Form, u32),
) -> Result<Request<String>, Failure> {
    let said = dialogue.utterances.iter();
    let said = said.map(|one| json!({"role": one.role.name(), "content": [{"text": one.text}]}));
    let mut messages: Vec<Value> = said.collect();
    if let Some(format) = &dialogue.format
        && let Some(content) = messages.last_mut().and_then(|last| last["content"].as_array_mut())
    {
        content.push(json!({"text": in_words(format)}));
    }
    let mut body = json!({
        "messages": messages,
        // Without any bound a reply could use more than is set aside for it.
        "inferenceConfig": {"maxTokens": most_output},
    });
    if !dialogue.system.is_empty() {
        body["system"] = json!([{"text": &*dialogue.system}]);
    }
    let (sampling, config) = (&dialogue.sampling, &mut body["inferenceConfig"]);
    if form.temperature {
        for (name, value) in [("temperature", sampling.temperature), ("topP", sampling.top_p)] {
            if let Some(value) = value {
                config[name] = Value::from(value);
            }
        }
    }
    if !sampling.stop.is_empty() {
        config["stopSequences"] = Value::from(sampling.stop.as_slice());
    }
    let mut request = call(endpoint, model, "converse-stream", &body)?;
    let accepted = HeaderValue::from_static("application/vnd.amazon.eventstream");
    request.headers_mut().insert(header::ACCEPT, accepted);
    Ok(request)
}

/// Asks for the form of a reply, which Converse has no member for. A schema is its user's words: no part of the system prompt.
fn in_words(format: &Value) -> String {
    let schema = &format["json_schema"]["schema"];
    let of = if schema.is_null() {
        String::new()
    } else {
        format!(" of this JSON schema: {schema}")
    };
    format!("Answer with nothing but one JSON object{of}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::models::dialogue::{Role, Sampling, Utterance};
    use crate::models::form::{Bound, Shape};

    fn dialogue(format: Option<Value>) -> Dialogue {
        Dialogue {
            system: Arc::from("Be kind."),
            utterances: vec![Utterance {
                role: Role::User,
                text: "Hi".to_owned(),
            }],
            max_output: 100,
            sampling: Sampling {
                temperature: Some(0.5),
                top_p: None,
                stop: vec!["END".to_owned()],
                seed: Some(1),
            },
            format,
            user: String::new(),
        }
    }

    fn asked(dialogue: &Dialogue) -> Value {
        let form = Form {
            shape: Shape::Strict,
            effort: None,
            bound: Bound::Completion,
            temperature: true,
        };
        let request = request("http://h", "m", dialogue, (form, 100)).unwrap();
        assert_eq!(request.uri(), "http://h/model/m/converse-stream");
        assert_eq!(request.headers()[header::ACCEPT], "application/vnd.amazon.eventstream");
        serde_json::from_str(request.body()).unwrap()
    }

    #[test]
    fn a_dialogue_is_asked_for_message_by_message() {
        assert_eq!(
            asked(&dialogue(None)),
            json!({
                "system": [{"text": "Be kind."}],
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"]},
            })
        );
    }

    #[test]
    fn the_form_of_a_reply_is_asked_for_in_words_of_the_user_within_the_bound() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        for (format, words) in [
            (
                json!({"type": "json_object"}),
                "Answer with nothing but one JSON object".to_owned(),
            ),
            (
                json!({"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}),
                format!("Answer with nothing but one JSON object of this JSON schema: {schema}"),
            ),
        ] {
            let dialogue = dialogue(Some(format));
            let body = asked(&dialogue);
            assert_eq!(body["system"], json!([{"text": "Be kind."}]));
            assert_eq!(body["messages"][0]["content"], json!([{"text": "Hi"}, {"text": words}]));
            assert!("Be kind.Hi".len() + words.len() <= dialogue.most_input());
        }
    }
}
