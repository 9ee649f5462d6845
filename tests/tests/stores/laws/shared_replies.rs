//! Replies that are shared, over random questions: forms of politeness alone may differ, and nobody is given a reply that
//! holds another's words unless the check has made its key.

use proptest::prelude::*;
use shared::chat::remembered::{WORKLOAD, own_key};
use shared::chat::shared_reply::SharedQuestion;
use shared::chat::{Role, Utterance};
use shared::config::assistants::Assistant;
use shared::ids::UserId;
use shared::models::dialogue::{Dialogue, Sampling};

const STARTS: [&str; 8] = [
    "what is", "which", "why do", "how do", "can", "explain", "list", "are all",
];

const WORDS: [&str; 24] = [
    "cats", "cat", "rain", "iron", "paris", "seven", "8", "40", "not", "no", "before", "after", "all", "some", "km",
    "kg", "red", "faster", "bees", "the", "of", "to", "from", "moon",
];

const OPENINGS: [&str; 7] = [
    "",
    "Please ",
    "please, ",
    "Hi! ",
    "Hello, ",
    "Good morning. ",
    "Hey, please ",
];

const CLOSINGS: [&str; 6] = ["", ", please", "? Thanks", ". Thank you!", ", thanks", "? Please."];

/// Words in which a person shows, wherever they stand.
const PERSONAL: [&str; 12] = [
    "my",
    "I",
    "our",
    "ann@example.com",
    "https://x.example",
    "0171-2345678",
    "1234567",
    "\"secret\"",
    "Maria Schmidt",
    "mr",
    "password",
    "x.example",
];

fn question() -> impl Strategy<Value = Vec<&'static str>> {
    let words = proptest::collection::vec(proptest::sample::select(&WORDS[..]), 1..8);
    (proptest::sample::select(&STARTS[..]), words).prop_map(|(start, words)| start.split(' ').chain(words).collect())
}

fn read(words: &[&str]) -> Option<SharedQuestion> {
    SharedQuestion::read(&words.join(" "))
}

fn dialogue(said: &str) -> Dialogue {
    Dialogue {
        system: "".into(),
        utterances: vec![Utterance {
            role: Role::User,
            text: said.to_owned(),
        }],
        max_output: 1_024,
        sampling: Sampling::default(),
        format: None,
        user: String::new(),
    }
}

proptest! {
    #[test]
    fn politeness_the_first_letter_and_the_last_mark_change_nothing(
        words in question(),
        opening in proptest::sample::select(&OPENINGS[..]),
        closing in proptest::sample::select(&CLOSINGS[..]),
        capital in any::<bool>(),
    ) {
        let plain = read(&words);
        prop_assume!(plain.is_some());
        let mut text = words.join(" ");
        if capital {
            text[..1].make_ascii_uppercase();
        }
        prop_assert_eq!(SharedQuestion::read(&format!("{opening}{text}{closing}")), plain);
    }

    #[test]
    fn any_other_change_of_a_word_makes_another_question(
        words in question(),
        place in any::<proptest::sample::Index>(),
        word in proptest::sample::select(&WORDS[..]),
        change in 0..4,
    ) {
        let plain = read(&words);
        prop_assume!(plain.is_some());
        let (mut changed, at) = (words.clone(), place.index(words.len()));
        match change {
            0 => changed[at] = word,
            1 => changed.insert(at, word),
            2 => drop(changed.remove(at)),
            _ => changed.swap(at, (at + 1) % words.len()),
        }
        prop_assume!(changed != words);
        prop_assert_ne!(read(&changed), plain);
    }

    #[test]
    fn a_person_anywhere_in_a_question_keeps_its_reply_to_its_user(
        words in question(),
        place in any::<proptest::sample::Index>(),
        sign in proptest::sample::select(&PERSONAL[..]),
    ) {
        // The first word may be a capital by itself, and "how do I" is anybody's.
        let at = 1 + place.index(words.len());
        let mut changed = words.clone();
        changed.insert(at, sign);
        prop_assume!(!changed.join(" ").contains("how do I"));
        prop_assert_eq!(read(&changed), None, "{}", changed.join(" "));
    }

    #[test]
    fn the_replies_of_two_users_meet_under_no_key_but_one_that_the_check_has_made(
        one in question(),
        other in question(),
    ) {
        let assistant = Assistant::parse("a", r#"{"providers":{"free":"openai:x"},"cache":"shared"}"#).unwrap();
        let (ann, bob) = (UserId::random().unwrap(), UserId::random().unwrap());
        let (one, other) = (dialogue(&one.join(" ")), dialogue(&other.join(" ")));
        let keys = |dialogue: &Dialogue, user: &UserId| {
            let shared = SharedQuestion::of(&assistant, dialogue).map(|question| question.key(WORKLOAD, &assistant));
            (own_key(&assistant, dialogue, user), shared)
        };
        let ((own, shared), (others, shared_too)) = (keys(&one, &ann), keys(&other, &bob));
        prop_assert_ne!(&own, &others);
        prop_assert!(shared.as_ref() != Some(&others) && shared_too.as_ref() != Some(&own));
        if shared.is_some() && shared == shared_too {
            prop_assert_eq!(&one.utterances[0].text, &other.utterances[0].text);
        }
    }
}
