//! A dialogue that a model continues, and its reply, in no provider's words.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The tokens that a provider's template adds to each message, and once to all: the most of any known one.
const MOST_PER_MESSAGE: usize = 8;
const MOST_FOR_ALL: usize = 16;

/// The bytes of our own words for a form of the reply, where a provider has to be asked for it in words.
const MOST_FOR_FORM: usize = 64;

/// The author of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The user.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// Returns its name in every protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a dialogue.
#[derive(Clone, PartialEq, Eq)]
pub struct Utterance {
    /// Its author.
    pub role: Role,
    /// Its words.
    pub text: String,
}

impl std::fmt::Debug for Utterance {
    /// Leaves out the words: they are a user's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Utterance({}, {} bytes)", self.role.name(), self.text.len())
    }
}

/// A dialogue to be continued.
#[derive(Clone)]
pub struct Dialogue {
    /// Our own words; empty for none.
    pub system: Arc<str>,
    /// The messages, the oldest first.
    pub utterances: Vec<Utterance>,
    /// The most tokens of the reply, with those of reasoning.
    pub max_output: u32,
    /// The settings of sampling.
    pub sampling: Sampling,
    /// The form of the reply, as `OpenAI`'s `response_format`, if one is wished for.
    pub format: Option<Value>,
    /// Names the user to the provider: a digest.
    pub user: String,
}

impl std::fmt::Debug for Dialogue {
    /// Leaves out all words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialogue({:?})", self.utterances)
    }
}

/// The settings of sampling, where they are set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sampling {
    /// `temperature`.
    pub temperature: Option<f32>,
    /// `top_p`.
    pub top_p: Option<f32>,
    /// `stop`.
    pub stop: Vec<String>,
    /// `seed`.
    pub seed: Option<i64>,
}

impl Dialogue {
    /// Bounds the tokens of all that a model is given to read: no tokenizer makes more tokens of a text than it has bytes.
    #[must_use]
    pub fn most_input(&self) -> usize {
        let words: usize = self.utterances.iter().map(|one| one.text.len()).sum();
        let format = self.format.as_ref();
        let format = format.map_or(0, |format| format.to_string().len() + MOST_FOR_FORM);
        let messages = self.utterances.len() + usize::from(!self.system.is_empty());
        self.system.len() + words + format + messages * MOST_PER_MESSAGE + MOST_FOR_ALL
    }
}

/// The reason why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// The bound on its length.
    Length,
    /// The provider's filter of contents.
    ContentFilter,
}

impl FinishReason {
    /// Returns its name in `OpenAI`'s protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
        }
    }

    /// Reads the name that a provider gives it; any other end counts as the model's own.
    #[must_use]
    pub fn read(name: &str) -> Self {
        match name {
            "length" | "max_tokens" | "model_context_window_exceeded" => Self::Length,
            "content_filter" | "content_filtered" | "guardrail_intervened" => Self::ContentFilter,
            _ => Self::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_on_tokens_counts_bytes_and_the_template() {
        let utterance = |text: &str| Utterance {
            role: Role::User,
            text: text.to_owned(),
        };
        let mut dialogue = Dialogue {
            system: Arc::from(""),
            utterances: vec![utterance("é")],
            max_output: 10,
            sampling: Sampling::default(),
            format: None,
            user: String::new(),
        };
        assert_eq!(dialogue.most_input(), 2 + 8 + 16);
        dialogue.system = Arc::from("abc");
        dialogue.utterances.push(utterance("xyz"));
        assert_eq!(dialogue.most_input(), 3 + 2 + 3 + 3 * 8 + 16);
        assert!(!format!("{dialogue:?}").contains("xyz"));
    }

    #[test]
    fn the_end_of_a_reply_is_read_in_every_provider_s_words() {
        for (name, finish) in [
            ("stop", FinishReason::Stop),
            ("end_turn", FinishReason::Stop),
            ("length", FinishReason::Length),
            ("max_tokens", FinishReason::Length),
            ("content_filter", FinishReason::ContentFilter),
            ("guardrail_intervened", FinishReason::ContentFilter),
        ] {
            assert_eq!(FinishReason::read(name), finish, "{name}");
        }
    }
}
