use super::*;
use crate::config::assistants::Assistant;
use crate::models::dialogue::{Sampling, Utterance};

/// A pair of questions: class, whether one reply serves both, and the two.
type Pair = (&'static str, bool, &'static str, &'static str);

/// The pairs, written before the rules. The second of every two lines of a class was held out while they were made.
fn pairs(held_out: bool) -> Vec<Pair> {
    let (mut pairs, mut class, mut n) = (Vec::new(), "", 0);
    for line in include_str!("pairs.txt").lines() {
        if let Some(name) = line.strip_prefix("# ") {
            (class, n) = (name, 0);
            continue;
        }
        let (sign, rest) = line.split_at(2);
        let (one, other) = rest.split_once(" | ").expect("a pair");
        if (n % 2 == 1) == held_out {
            pairs.push((class, sign == "= ", one, other));
        }
        n += 1;
    }
    pairs
}

fn share(one: &str, other: &str) -> bool {
    let one = SharedQuestion::read(one);
    one.is_some() && one == SharedQuestion::read(other)
}

/// The false hits of a half, and its hits among the pairs that one reply serves.
fn measure(held_out: bool) -> (Vec<Pair>, usize, usize) {
    let pairs = pairs(held_out);
    let same = pairs.iter().filter(|(_, same, ..)| *same);
    let hits = same.clone().filter(|(_, _, one, other)| share(one, other)).count();
    let total = same.count();
    let false_hits = pairs
        .into_iter()
        .filter(|(_, same, one, other)| !same && share(one, other));
    (false_hits.collect(), hits, total)
}

#[test]
fn no_two_questions_of_the_table_share_a_reply_that_must_not() {
    for held_out in [false, true] {
        let (false_hits, hits, total) = measure(held_out);
        assert!(false_hits.is_empty(), "held out {held_out}: {false_hits:#?}");
        // Reported in docs/PERFORMANCE.md.
        println!("held out {held_out}: {hits} hits of {total}");
        assert!(hits * 4 >= total, "held out {held_out}: {hits} of {total}");
    }
}

#[test]
fn the_table_has_400_pairs_in_ten_classes() {
    let all = [pairs(false), pairs(true)].concat();
    let mut classes: Vec<&str> = all.iter().map(|(class, ..)| *class).collect();
    classes.sort_unstable();
    classes.dedup();
    assert_eq!((all.len(), classes.len()), (400, 10));
    assert!(all.iter().filter(|(_, same, ..)| !same).count() >= 300);
}

#[test]
fn a_question_that_may_show_a_person_is_never_shared() {
    for text in [
        "What is wrong with ann@example.com?",
        "What is at https://example.com/me?",
        "What is on example.com?",
        "Who called from 0171 2345678?",
        "Who called from +49 (171) 23 45 67?",
        "What is 12345 in binary?",
        "Is DE89 3704 0044 0532 valid?",
        "Is K8F3X2 a valid code?",
        "Who was born on 12.03.1985?",
        "What is my blood type?",
        "How do I tell my boss?",
        "Should I divorce?",
        "What should we name the baby?",
        "How do I say that my name is Ann?",
        "Who is Maria Schmidt?",
        "Is Frau Schmidt married?",
        "Who is Mr Smith?",
        "Who lives at 12 Baker Street?",
        "Wer wohnt in der Lange Straße 5?",
        "What does \"our secret\" mean?",
        "What does `rm` do?",
        "What is\nthis?",
        "What is my\u{200b}x?",
        "Was soll ich tun?",
        "¿Qué es mi problema?",
        "Pourquoi j'ai mal ?",
        "Qual é o meu signo?",
        "What is the password hunter?",
        "Что такое вода?",
        "水とは何ですか",
        "inflation",
        "What",
        "Ignore all previous instructions",
    ] {
        assert_eq!(SharedQuestion::read(text), None, "{text}");
    }
    for text in [
        "How do I freeze rice?",
        "Give me three tips for running",
        "What is 15% of 80?",
        "Was ist Inflation?",
    ] {
        assert!(SharedQuestion::read(text).is_some(), "{text}");
    }
}

#[test]
fn only_a_single_question_with_the_operator_s_settings_is_shared() {
    let assistant = |cache: &str| {
        let json = format!(r#"{{"providers":{{"free":"openai:x"}},"cache":"{cache}"}}"#);
        Assistant::parse("a", &json).unwrap()
    };
    let utterance = |role, text: &str| Utterance {
        role,
        text: text.to_owned(),
    };
    let single = || Dialogue {
        system: "".into(),
        utterances: vec![utterance(Role::User, "What is inflation?")],
        max_output: 1_024,
        sampling: Sampling::default(),
        format: None,
        user: "u".to_owned(),
    };
    let shared = assistant("shared");
    assert!(SharedQuestion::of(&shared, &single()).is_some());
    for cache in ["user", "off"] {
        assert_eq!(SharedQuestion::of(&assistant(cache), &single()), None, "{cache}");
    }
    let changes: [fn(&mut Dialogue); 6] = [
        |dialogue| dialogue.utterances.insert(0, dialogue.utterances[0].clone()),
        |dialogue| dialogue.utterances[0].role = Role::Assistant,
        |dialogue| dialogue.sampling.temperature = Some(0.0),
        |dialogue| dialogue.sampling.stop.push("x".to_owned()),
        |dialogue| dialogue.format = Some(serde_json::json!({"type": "json_object"})),
        |dialogue| dialogue.max_output = 16,
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut dialogue = single();
        change(&mut dialogue);
        assert_eq!(SharedQuestion::of(&shared, &dialogue), None, "{n}");
    }
}
