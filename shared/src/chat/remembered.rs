//! Remembered replies: the question that a reply answers, for whom it is good, and how it is served again.

use std::sync::Arc;
use std::time::Duration;

use super::ChatReply;
use crate::answers::{Class, Key, Life, Reader, Scope};
use crate::config::assistants::{Assistant, Sharing};
use crate::config::providers::{Chains, ProviderName};
use crate::ids::UserId;
use crate::models::class::ModelClass;
use crate::models::dialogue::Dialogue;
use crate::plan::Tier;

/// The name in keys.
pub const WORKLOAD: &str = "chat";

/// The version of the form in which a model is asked.
const VERSION: &str = "1";

/// The life of a reply: fresh for six hours, kept for a day in case no model answers.
pub const LIFE: Life = Life::new(Duration::from_hours(6), Duration::from_hours(24));

/// The characters of a piece in which a remembered reply is sent.
const PIECE: usize = 40;

/// Names the question that a dialogue asks an assistant for a user: all that the reply depends on.
#[must_use]
pub fn own_key(assistant: &Assistant, dialogue: &Dialogue, user: &UserId) -> Key {
    let sampling = &dialogue.sampling;
    let settings = format!(
        "{:?} {:?} {:?} {:?} {} {:?}",
        sampling.temperature,
        sampling.top_p,
        sampling.stop,
        sampling.seed,
        dialogue.max_output,
        dialogue.format.as_ref().map(ToString::to_string)
    );
    let mut parts = vec![VERSION, &*assistant.name, &*dialogue.system, settings.as_str()];
    for utterance in &dialogue.utterances {
        parts.extend([utterance.role.name(), utterance.text.as_str()]);
    }
    Key::of(WORKLOAD, Scope::User(user), &parts)
}

/// Reports whether replies of an assistant are remembered at all.
#[must_use]
pub fn is_remembered(assistant: &Assistant) -> bool {
    assistant.sharing != Sharing::Off
}

/// Returns a class of models as a class of answers.
#[must_use]
pub const fn class(model: ModelClass) -> Class {
    Class(model as u8)
}

/// Names a provider with the version of the form.
#[must_use]
pub fn author(name: &ProviderName) -> Arc<str> {
    format!("{name}/{WORKLOAD}-{VERSION}").into()
}

/// Describes a request of `tier`: replies of every provider of the assistant count.
#[must_use]
pub fn reader(chains: &Chains, tier: &Tier) -> Reader {
    let chain = chains.by_tier.get(tier).unwrap_or(&chains.base);
    let names: Vec<String> = chain.iter().map(ToString::to_string).collect();
    let all = chains.base.iter().chain(chains.by_tier.values().flatten());
    Reader {
        class: class(chains.class_for(tier)),
        current: all.map(author).collect(),
        chain: names.join(",").into(),
        reads: ChatReply::is_readable,
    }
}

/// Returns a text in pieces, as a model might have said it.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(PIECE).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::dialogue::{Role, Sampling, Utterance};

    fn assistant(system: &str) -> Assistant {
        let json = format!(r#"{{"system":"{system}","providers":{{"free":"openai:a"}}}}"#);
        Assistant::parse("coach", &json).unwrap()
    }

    fn dialogue(assistant: &Assistant, said: &[(Role, &str)]) -> Dialogue {
        Dialogue {
            system: Arc::clone(&assistant.system),
            utterances: said
                .iter()
                .map(|(role, text)| Utterance {
                    role: *role,
                    text: (*text).to_owned(),
                })
                .collect(),
            max_output: 100,
            sampling: Sampling::default(),
            format: None,
            user: String::new(),
        }
    }

    #[test]
    fn another_user_prompt_setting_or_border_between_messages_is_another_question() {
        let (user, other) = (UserId::random().unwrap(), UserId::random().unwrap());
        let plain = assistant("Be kind.");
        let said = dialogue(&plain, &[(Role::User, "ab"), (Role::Assistant, "c")]);
        let key = |assistant: &Assistant, dialogue: &Dialogue, user: &UserId| own_key(assistant, dialogue, user);
        let one = key(&plain, &said, &user);
        assert_eq!(one, key(&plain, &said.clone(), &user));
        let strict = assistant("Be strict.");
        let mut warm = said.clone();
        warm.sampling.temperature = Some(0.5);
        let mut short = said.clone();
        short.max_output = 50;
        for (what, another) in [
            ("user", key(&plain, &said, &other)),
            (
                "prompt",
                key(
                    &strict,
                    &dialogue(&strict, &[(Role::User, "ab"), (Role::Assistant, "c")]),
                    &user,
                ),
            ),
            (
                "border",
                key(
                    &plain,
                    &dialogue(&plain, &[(Role::User, "a"), (Role::Assistant, "bc")]),
                    &user,
                ),
            ),
            (
                "role",
                key(
                    &plain,
                    &dialogue(&plain, &[(Role::User, "ab"), (Role::User, "c")]),
                    &user,
                ),
            ),
            ("temperature", key(&plain, &warm, &user)),
            ("length", key(&plain, &short, &user)),
        ] {
            assert_ne!(one, another, "{what}");
        }
    }

    #[test]
    fn pieces_are_whole_characters_and_together_the_text() {
        for text in ["", "a", &"é".repeat(40), &"世界🎉".repeat(50), &"x".repeat(81)] {
            let all: Vec<&str> = pieces(text).collect();
            assert_eq!(all.concat(), text);
            assert!(all.iter().all(|piece| (1..=PIECE).contains(&piece.chars().count())));
        }
    }
}
