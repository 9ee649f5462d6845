//! Replies that may serve everybody: the check that alone can name a question for that.
//!
//! A reply is shared if the question stands alone, shows nobody's person, and leaves the assistant's settings as they are.
//! Two questions share one if their words are equal, in their order: numbers, names, negations, units and quantifiers are
//! among them. Only forms of politeness, the case of a known first word and punctuation at the end may differ (`wording`).
//! Words are not stemmed: "the tallest building" is another question than "the tallest buildings".
//! A shared reply is given only after others have asked the same ([`askers`]).

pub mod askers;
mod languages;
mod personal;
mod wording;

use crate::answers::key::{Key, Scope};
use crate::config::assistants::{Assistant, Sharing};
use crate::models::dialogue::{Dialogue, Role};

/// The lengths in characters of a question whose reply is shared.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=200;

/// The version of the check and of the form in which a model is asked.
const VERSION: &str = "1";

/// A question in which no person shows. Only [`SharedQuestion::of`] makes one, and only one names a reply for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedQuestion {
    wording: String,
}

impl SharedQuestion {
    /// Checks a dialogue of one question to `assistant`. `None` if its reply serves the user alone.
    #[must_use]
    pub fn of(assistant: &Assistant, dialogue: &Dialogue) -> Option<Self> {
        let [only] = dialogue.utterances.as_slice() else {
            return None;
        };
        let plain = dialogue.sampling == crate::models::dialogue::Sampling::default()
            && dialogue.format.is_none()
            && dialogue.max_output == assistant.max_output;
        let shares = assistant.sharing == Sharing::Shared && only.role == Role::User && plain;
        shares.then(|| Self::read(&only.text)).flatten()
    }

    /// Checks the words of a question.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if !LENGTHS.contains(&text.chars().count()) || personal::is_suspect(text) {
            return None;
        }
        let tokens = wording::tokens(text);
        let question = wording::question(&tokens)?;
        (!personal::shows(&tokens)).then_some(Self { wording: question })
    }

    /// Names the reply that an assistant gives to everybody.
    #[must_use]
    pub fn key(&self, workload: &str, assistant: &Assistant) -> Key {
        let parts = [VERSION, &*assistant.name, &*assistant.system, &*self.wording];
        Key::of(workload, Scope::Everybody, &parts)
    }
}

#[cfg(test)]
mod tests;
