//! The body of a request for a reply: members that are used, members that change nothing here, and all others, which are refused.

use serde_json::{Map, Value};
use shared::chat::Utterance;
use shared::chat::conversation::ConversationId;
use shared::error::{Error, Violation};
use shared::models::dialogue::Sampling;

use crate::messages;

/// Members without an effect here, which clients send by themselves.
const IGNORED: [&str; 11] = [
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "parallel_tool_calls",
    "verbosity",
    "reasoning_effort",
    "store",
];

/// Members that OpenAI has and chat has not.
const REFUSED: [&str; 18] = [
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "audio",
    "modalities",
    "prediction",
    "web_search_options",
    "frequency_penalty",
    "presence_penalty",
    "system",
    "instructions",
    "max_tool_calls",
    "previous_response_id",
    "input",
];

/// The most sequences that end a reply, and the longest.
const MOST_STOPS: usize = 4;
const LONGEST_STOP: usize = 64;

/// The largest `response_format`.
const LARGEST_FORMAT: usize = 16 * 1024;

/// A request for a reply, within the bounds that are the same for all assistants.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CompletionBody {
    pub(crate) model: String,
    pub(crate) utterances: Vec<Utterance>,
    pub(crate) streams: bool,
    pub(crate) includes_usage: bool,
    pub(crate) most_output: Option<u32>,
    pub(crate) sampling: Sampling,
    pub(crate) format: Option<Value>,
    /// Ours: the conversation that the last message belongs to.
    pub(crate) conversation: Option<ConversationId>,
}

/// Reads a body. Its first violation is the one that clients of OpenAI are told.
///
/// # Errors
/// [`Error::Invalid`] with every member at fault.
pub(crate) fn read(body: &Map<String, Value>) -> Result<CompletionBody, Error> {
    let mut reader = MemberReader {
        read: CompletionBody::default(),
        violations: Vec::new(),
    };
    for name in ["model", "messages"] {
        if !body.contains_key(name) {
            reader.refuse(name, "is required");
        }
    }
    for (name, value) in body {
        // Clients send null for a member that is not set.
        if !value.is_null() || ["model", "messages"].contains(&name.as_str()) {
            reader.member(name, value);
        }
    }
    if reader.violations.is_empty() {
        Ok(reader.read)
    } else {
        Err(Error::Invalid(reader.violations))
    }
}

struct MemberReader {
    read: CompletionBody,
    violations: Vec<Violation>,
}

impl MemberReader {
    fn refuse(&mut self, name: &str, detail: impl Into<String>) {
        self.violations.push(Violation::at(format!("/{name}"), detail));
    }

    fn member(&mut self, name: &str, value: &Value) {
        match name {
            "model" => match value.as_str().filter(|model| !model.is_empty()) {
                Some(model) => model.clone_into(&mut self.read.model),
                None => self.refuse(name, "must be the name of an assistant"),
            },
            "messages" => match messages::read(value) {
                Ok(utterances) => self.read.utterances = utterances,
                Err(violations) => self.violations.extend(violations),
            },
            "stream" => self.read.streams = self.switch(name, value),
            "stream_options" => self.stream_options(value),
            "max_completion_tokens" | "max_tokens" => self.most_output(name, value),
            "temperature" => self.read.sampling.temperature = self.number(name, value, 2.0),
            "top_p" => self.read.sampling.top_p = self.number(name, value, 1.0),
            "seed" => match value.as_i64() {
                Some(seed) => self.read.sampling.seed = Some(seed),
                None => self.refuse(name, "must be a whole number"),
            },
            "stop" => self.stop(value),
            "response_format" => self.format(value),
            // OpenAI names one by its id, or by an object that has it.
            "conversation" => match value.as_str().or(value["id"].as_str()).and_then(ConversationId::parse) {
                Some(id) => self.read.conversation = Some(id),
                None => self.refuse(name, "must be the id of a conversation"),
            },
            "n" if value != 1 => self.refuse(name, "must be 1"),
            "store" if *value != false => self.refuse(name, "must be false: replies are kept in conversations alone"),
            "n" => {}
            name if IGNORED.contains(&name) => {}
            name if REFUSED.contains(&name) => self.refuse(name, "is not supported"),
            // The name may be anything, a secret in the wrong place too.
            _ => self.refuse("", "has a member that is not known"),
        }
    }

    fn switch(&mut self, name: &str, value: &Value) -> bool {
        value.as_bool().unwrap_or_else(|| {
            self.refuse(name, "must be true or false");
            false
        })
    }

    fn stream_options(&mut self, value: &Value) {
        let Some(options) = value.as_object() else {
            return self.refuse("stream_options", "must be an object");
        };
        for (name, value) in options {
            match name.as_str() {
                "include_usage" => self.read.includes_usage = self.switch("stream_options/include_usage", value),
                "include_obfuscation" => {}
                _ => self.refuse("stream_options", "has a member that is not known"),
            }
        }
    }

    fn most_output(&mut self, name: &str, value: &Value) {
        let tokens = value.as_u64().and_then(|tokens| u32::try_from(tokens).ok());
        match tokens.filter(|tokens| *tokens > 0) {
            // The older name does not raise the newer one's bound.
            Some(tokens) => {
                let before = self.read.most_output.unwrap_or(tokens);
                self.read.most_output = Some(before.min(tokens));
            }
            None => self.refuse(name, "must be a whole number above 0"),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "models take no more digits")]
    fn number(&mut self, name: &str, value: &Value, most: f64) -> Option<f32> {
        let number = value.as_f64().filter(|number| (0.0..=most).contains(number));
        if number.is_none() {
            self.refuse(name, format!("must be a number from 0 to {most}"));
        }
        number.map(|number| number as f32)
    }

    fn stop(&mut self, value: &Value) {
        let one = std::slice::from_ref(value);
        let texts = value.as_array().map_or(one, Vec::as_slice);
        let read: Option<Vec<String>> = texts.iter().map(|text| text.as_str().map(str::to_owned)).collect();
        let fits = |text: &String| (1..=LONGEST_STOP).contains(&text.len());
        match read.filter(|read| read.len() <= MOST_STOPS && read.iter().all(fits)) {
            Some(stop) => self.read.sampling.stop = stop,
            None => self.refuse(
                "stop",
                format!("must be a text, or up to {MOST_STOPS}, of 1 to {LONGEST_STOP} bytes each"),
            ),
        }
    }

    fn format(&mut self, value: &Value) {
        match value["type"].as_str() {
            Some("text") => {}
            Some("json_object") => self.read.format = Some(serde_json::json!({"type": "json_object"})),
            Some("json_schema") if value["json_schema"]["schema"].is_object() => {
                if value.to_string().len() > LARGEST_FORMAT {
                    return self.refuse("response_format", format!("must have at most {LARGEST_FORMAT} bytes"));
                }
                self.read.format = Some(value.clone());
            }
            _ => self.refuse(
                "response_format",
                "must be text, json_object or json_schema with a schema",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(more: &Value) -> Result<CompletionBody, Vec<String>> {
        let mut body = json!({"model": "coach", "messages": [{"role": "user", "content": "Hi"}]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        read(body.as_object().unwrap()).map_err(|error| match error {
            Error::Invalid(violations) => violations.into_iter().map(|one| one.pointer).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn members_that_are_used_are_read() {
        let read = with(&json!({
            "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
            "max_tokens": 90, "max_completion_tokens": 80, "temperature": 0.5, "top_p": 1, "stop": "END", "seed": -3,
            "response_format": {"type": "json_object"}, "n": 1,
        }));
        let read = read.unwrap();
        assert_eq!(read.model, "coach");
        assert!(read.streams && read.includes_usage);
        assert_eq!(read.most_output, Some(80));
        let sampling = Sampling {
            temperature: Some(0.5),
            top_p: Some(1.0),
            stop: vec!["END".to_owned()],
            seed: Some(-3),
        };
        assert_eq!(read.sampling, sampling);
        assert_eq!(read.format, Some(json!({"type": "json_object"})));
        let schema = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}});
        assert_eq!(with(&json!({"response_format": schema})).unwrap().format, Some(schema));
        assert_eq!(
            with(&json!({"response_format": {"type": "text"}})).unwrap().format,
            None
        );
        assert_eq!(with(&json!({"stop": ["a", "b"]})).unwrap().sampling.stop, ["a", "b"]);
    }

    #[test]
    fn members_without_an_effect_change_nothing() {
        let plain = with(&json!({})).unwrap();
        for (name, value) in [
            ("user", json!("u1")),
            ("metadata", json!({"a": "b"})),
            ("store", json!(false)),
            ("safety_identifier", json!("s")),
            ("prompt_cache_key", json!("k")),
            ("service_tier", json!("flex")),
            ("parallel_tool_calls", json!(false)),
            ("reasoning_effort", json!("low")),
            ("tools", json!(null)),
            ("temperature", json!(null)),
            ("n", json!(1)),
        ] {
            assert_eq!(with(&json!({name: value})).as_ref(), Ok(&plain), "{name}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_its_name() {
        for (name, value) in [
            ("model", json!("")),
            ("model", json!(null)),
            ("messages", json!(null)),
            ("messages", json!([])),
            ("stream", json!("yes")),
            ("stream_options", json!(1)),
            ("max_tokens", json!(0)),
            ("max_completion_tokens", json!(1.5)),
            ("max_tokens", json!(-1)),
            ("temperature", json!(2.1)),
            ("temperature", json!("hot")),
            ("top_p", json!(1.1)),
            ("seed", json!(0.5)),
            ("stop", json!(["a", "b", "c", "d", "e"])),
            ("stop", json!([""])),
            ("stop", json!([1])),
            ("response_format", json!({"type": "grammar"})),
            ("response_format", json!({"type": "json_schema"})),
            ("n", json!(2)),
            ("store", json!(true)),
            ("tools", json!([])),
            ("tool_choice", json!("auto")),
            ("functions", json!([])),
            ("logprobs", json!(true)),
            ("logit_bias", json!({})),
            ("audio", json!({})),
            ("modalities", json!(["audio"])),
            ("presence_penalty", json!(0.5)),
        ] {
            assert_eq!(
                with(&json!({name: value})),
                Err(vec![format!("/{name}")]),
                "{name} {value}"
            );
        }
        assert_eq!(with(&json!({"sk-secret": 1})), Err(vec!["/".to_owned()]));
        assert_eq!(
            with(&json!({"stream_options": {"x": 1}})),
            Err(vec!["/stream_options".to_owned()])
        );
        let both = read(&Map::new()).unwrap_err();
        assert!(matches!(both, Error::Invalid(violations) if violations.len() == 2));
    }
}
