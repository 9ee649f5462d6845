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
    let mut body = json!({
        "messages": said.collect::<Value>(),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::models::dialogue::{Role, Sampling, Utterance};
    use crate::models::form::{Bound, Shape};

    #[test]
    fn a_dialogue_is_asked_for_message_by_message() {
        let dialogue = Dialogue {
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
            format: None,
            user: String::new(),
        };
        let form = Form {
            shape: Shape::Strict,
            effort: None,
            bound: Bound::Completion,
            temperature: true,
        };
        let request = request("http://h", "m", &dialogue, (form, 100)).unwrap();
        assert_eq!(request.uri(), "http://h/model/m/converse-stream");
        assert_eq!(request.headers()[header::ACCEPT], "application/vnd.amazon.eventstream");
        let body: Value = serde_json::from_str(request.body()).unwrap();
        assert_eq!(
            body,
            json!({
                "system": [{"text": "Be kind."}],
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"]},
            })
        );
    }
}
