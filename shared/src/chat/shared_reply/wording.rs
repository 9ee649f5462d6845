//! The wording of a question: its words in their order, without forms of politeness.

use unicode_normalization::UnicodeNormalization;

use super::languages::{ALL, LanguageWords};

/// Marks with which a question ends.
const ENDS: &[&str] = &["?", ".", "!", "…"];

/// Marks after which a form of politeness is none of the question's words.
const BREAKS: &[&str] = &[",", ".", "?", "!"];

/// Contractions that stand for one thing alone.
const CONTRACTIONS: &[(&str, &str)] = &[
    ("what's", "what is"),
    ("don't", "do not"),
    ("doesn't", "does not"),
    ("didn't", "did not"),
    ("isn't", "is not"),
    ("aren't", "are not"),
    ("wasn't", "was not"),
    ("weren't", "were not"),
    ("won't", "will not"),
    ("can't", "can not"),
    ("cannot", "can not"),
    ("couldn't", "could not"),
    ("shouldn't", "should not"),
    ("wouldn't", "would not"),
    ("haven't", "have not"),
    ("hasn't", "has not"),
    ("hadn't", "had not"),
    ("mustn't", "must not"),
    ("needn't", "need not"),
];

/// Cuts a text into words, numbers and single marks. Case stays; apostrophes have one form.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.nfc().map(apostrophe).collect();
    let mut tokens: Vec<String> = Vec::new();
    let mut open = false;
    for (n, c) in chars.iter().copied().enumerate() {
        let near = |at: Option<usize>| at.and_then(|at| chars.get(at)).copied();
        let (before, after) = (near(n.checked_sub(1)), near(Some(n + 1)));
        let within = |is: fn(char) -> bool| before.is_some_and(is) && after.is_some_and(is);
        let joins = match c {
            '\'' | '-' => within(char::is_alphanumeric),
            '.' | ',' | ':' | '/' => within(|c| c.is_ascii_digit()),
            _ => c.is_alphanumeric(),
        };
        match tokens.last_mut() {
            Some(word) if joins && open => word.push(c),
            _ if !c.is_whitespace() => tokens.push(c.to_string()),
            _ => {}
        }
        open = joins;
    }
    tokens
}

const fn apostrophe(c: char) -> char {
    match c {
        '’' | '‘' | 'ʼ' | '`' | '´' => '\'',
        _ => c,
    }
}

/// Returns the words by which questions are compared; `None` if the question begins as none does in a language that is known.
pub(super) fn question(tokens: &[String]) -> Option<String> {
    let mut words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    words.retain(|word| !["¿", "¡"].contains(word));
    without_end(&mut words);
    let polite = ALL.iter().find_map(|language| without_politeness(language, &words));
    let words = polite.unwrap_or(words);
    let begun = ALL.iter().any(|language| language.begins(&words));
    let first = words.first().filter(|_| begun && words.len() > 1)?.to_lowercase();
    let rest = words.iter().skip(1).map(|word| (*word).to_owned());
    let expanded = std::iter::once(first).chain(rest).map(|word| {
        let whole = CONTRACTIONS.iter().find(|(short, _)| *short == word);
        whole.map_or(word, |(_, whole)| (*whole).to_owned())
    });
    Some(expanded.collect::<Vec<_>>().join(" "))
}

/// Takes off the marks at the end, but for the one of a factorial.
fn without_end(words: &mut Vec<&str>) {
    while let [.., before, last] = words.as_slice() {
        let is_factorial =
            *last == "!" && (before.chars().count() == 1 || before.ends_with(|c: char| c.is_ascii_digit()));
        if is_factorial || !ENDS.contains(last) {
            return;
        }
        words.pop();
    }
}

/// Takes greetings, requests and thanks of a language from a question that begins in it. `None` if there are none, or if the
/// question may be about such words.
fn without_politeness<'a>(language: &LanguageWords, words: &[&'a str]) -> Option<Vec<&'a str>> {
    if language.mentions_words(words) {
        return None;
    }
    let mut rest = words;
    while let Some(shorter) = language.without_opening(rest) {
        rest = shorter;
    }
    let mut rest = rest.to_vec();
    while let Some(length) = language.closing(&rest) {
        let at = rest.len() - length;
        match at.checked_sub(1).and_then(|before| rest.get(before)) {
            Some(mark) if BREAKS.contains(mark) => rest.truncate(at - 1),
            _ => break,
        }
        without_end(&mut rest);
    }
    (rest.len() < words.len() && language.begins(&rest)).then_some(rest)
}
