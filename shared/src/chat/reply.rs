//! A whole reply, as it is remembered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::models::dialogue::FinishReason;
use crate::money::Tokens;

/// A reply that came to its end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatReply {
    /// Its words.
    #[serde(rename = "t")]
    pub text: String,
    /// The reason for its end.
    #[serde(rename = "f")]
    pub finish: FinishReason,
    /// Tokens read.
    #[serde(rename = "i")]
    pub input: u64,
    /// Tokens written.
    #[serde(rename = "o")]
    pub output: u64,
}

impl std::fmt::Debug for ChatReply {
    /// Leaves out the words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChatReply({} bytes, {:?})", self.text.len(), self.finish)
    }
}

impl ChatReply {
    /// Returns its tokens.
    #[must_use]
    pub const fn tokens(&self) -> Tokens {
        Tokens {
            input: self.input,
            output: self.output,
        }
    }

    /// Returns the form in which it is stored.
    #[must_use]
    pub fn encode(&self) -> Arc<[u8]> {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads what [`Self::encode`] wrote.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    /// Reports whether a payload can be read.
    #[must_use]
    pub fn is_readable(payload: &[u8]) -> bool {
        Self::decode(payload).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_as_it_was_written_and_shows_no_words() {
        let reply = ChatReply {
            text: "Grüße, 世界".to_owned(),
            finish: FinishReason::Length,
            input: 12,
            output: 5,
        };
        assert_eq!(ChatReply::decode(&reply.encode()), Some(reply.clone()));
        assert!(ChatReply::is_readable(&reply.encode()) && !ChatReply::is_readable(b"x"));
        assert!(!format!("{reply:?}").contains("世界"));
    }
}
