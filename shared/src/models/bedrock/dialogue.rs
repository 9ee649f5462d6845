//! Dialogues in Bedrock's Converse, as one whole answer: its stream is in a binary form of its own.

use lambda_http::http::Request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ConverseOutput, call};
use crate::models::counts::Counts;
use crate::models::dialogue::{Dialogue, FinishReason};
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
    call(endpoint, model, &body)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConverseReply {
    output: ConverseOutput,
    #[serde(default)]
    stop_reason: String,
    #[serde(default)]
    usage: Value,
}

/// Returns the words of an answer, the reason for their end, and the provider's counts.
///
/// # Errors
/// [`Failure::Schema`] when the body is not of this protocol, or has no words.
pub fn read(body: &[u8]) -> Result<(String, FinishReason, Counts), Failure> {
    let answer: ConverseReply =
        serde_json::from_slice(body).map_err(|_| Failure::Schema("the body is no Converse answer"))?;
    let blocks = answer.output.message.content.into_iter();
    let words: String = blocks.filter_map(|block| block.text).collect();
    if words.is_empty() {
        return Err(Failure::Schema("the answer has no text"));
    }
    let counts = Counts::read(&answer.usage, ["inputTokens", "outputTokens", "totalTokens"]);
    Ok((words, FinishReason::read(&answer.stop_reason), counts))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::models::dialogue::{Role, Sampling, Utterance};
    use crate::models::form::{Bound, Shape};

    #[test]
    fn a_dialogue_is_asked_for_message_by_message_and_its_words_are_joined() {
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
        let body: Value = serde_json::from_str(request.body()).unwrap();
        assert_eq!(
            body,
            json!({
                "system": [{"text": "Be kind."}],
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"]},
            })
        );
        let answer = json!({
            "output": {"message": {"role": "assistant", "content": [{"text": "Hel"}, {"reasoningContent": {}}, {"text": "lo"}]}},
            "stopReason": "max_tokens",
            "usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11},
        });
        let (words, finish, counts) = read(answer.to_string().as_bytes()).unwrap();
        assert_eq!((words.as_str(), finish), ("Hello", FinishReason::Length));
        assert_eq!((counts.input, counts.output), (Some(9), Some(2)));
        assert!(read(b"{}").is_err());
    }
}
