//! The engine knows no workload: nothing below them says what they are called, or what they work on.

use crate::tree::scan::Code;

/// The names of workloads, and of the things that they work on.
const WORDS: [&str; 19] = [
    "chat",
    "chats",
    "classified",
    "classifies",
    "classify",
    "detect",
    "detected",
    "detection",
    "image",
    "images",
    "post",
    "posts",
    "preference",
    "preferences",
    "rank",
    "ranking",
    "rankings",
    "verdict",
    "verdicts",
];

/// The workloads themselves, and what stands above them.
const ABOVE: [&str; 8] = ["", "app", "chat", "classify", "detect", "http", "jobs", "rank"];

/// The modules that may say some of these words.
const ALLOWED: [(&str, &[&str]); 11] = [
    // The names of meters.
    ("plan", &["detect", "images", "posts", "rankings"]),
    ("error", &["image"]),
    // All that is kept of a user, whatever workload keeps it.
    ("account", &["chat"]),
    // Settings by endpoint and by workload.
    ("config::address", &["chat", "classify", "detect", "rank"]),
    ("config", &["detect", "image", "images"]),
    ("config::providers", &["rank"]),
    // A part of what models are asked; OpenAI's name of its protocol, and of some models.
    ("models", &["image"]),
    ("models::form", &["chat"]),
    ("models::openai", &["chat"]),
    // AWS's name of the operation.
    ("models::rekognition", &["detect"]),
    ("config::openai", &["chat"]),
];

fn is_in(module: &str, place: &str) -> bool {
    module == place || module.strip_prefix(place).is_some_and(|rest| rest.starts_with("::"))
}

/// The words of code in lower case: `MOST_POSTS` and `MostPosts` have `posts`. The method of HTTP is no post.
fn words(code: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last = ' ';
    for c in code.replace("POST", " ").chars() {
        if !c.is_ascii_alphabetic() || (c.is_ascii_uppercase() && last.is_ascii_lowercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphabetic()) {
            word.push(c.to_ascii_lowercase());
        }
        last = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn nothing_below_the_workloads_names_one() {
    let mut unused: Vec<(&str, &str)> = Vec::new();
    for (place, allowed) in ALLOWED {
        unused.extend(allowed.iter().map(|word| (place, *word)));
    }
    for (module, code) in Code::of("shared/src").0 {
        if ABOVE.iter().any(|above| is_in(&module, above)) {
            continue;
        }
        for word in words(&code).iter().filter(|word| WORDS.contains(&word.as_str())) {
            let allowed = ALLOWED
                .iter()
                .any(|(place, allowed)| is_in(&module, place) && allowed.contains(&word.as_str()));
            assert!(allowed, "{module} says {word}");
            unused.retain(|(place, unused)| !(is_in(&module, place) && unused == word));
        }
    }
    assert!(unused.is_empty(), "nobody says these any more: {unused:?}");
}

#[test]
fn words_are_found_in_every_form_in_which_they_are_written() {
    assert_eq!(
        words("MOST_IMAGES: MostPosts, \"a post\"; Method::POST"),
        ["most", "images", "most", "posts", "a", "post", "method"]
    );
}
