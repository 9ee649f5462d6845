//! Names of several words that a post shortens: `GoT`, Man Utd, T. Swift, Kim K.

use super::text::{Text, Word};
use super::{Context, PatternWord};

/// Letters of initials that say enough.
pub(crate) const INITIALS: usize = 3;
/// Words of the longest name that is looked for by short forms of its words.
const WORDS: usize = 4;

/// How often the post has a topic's initials: in capitals, or in letters that are no word.
pub(super) fn count_initials(initials: &[String], text: &Text, context: &Context<'_>) -> usize {
    let is = |word: &&Word| {
        let letters = text.word(word);
        initials.iter().any(|initials| initials == letters)
            && (word.capitals || word.humps || is_no_word(letters) && !(context.word)(letters))
    };
    text.words.iter().filter(is).count()
}

/// Letters that nobody speaks as a word, or more than three.
fn is_no_word(letters: &str) -> bool {
    letters.len() > INITIALS || !letters.contains(['a', 'e', 'i', 'o', 'u', 'y'])
}

/// How often words with capitals have the letters of an acronym as their initials: Paris Saint-Germain.
pub(super) fn count_spelled_out(acronym: &str, text: &Text) -> usize {
    let letters = acronym.len();
    let digit = acronym.contains(|c: char| c.is_ascii_digit());
    let spells = |words: &&[Word]| {
        let firsts = words.iter().map(|word| text.word(word).as_bytes().first().copied());
        let is_name = |word: &Word| word.capital && text.word(word).len() > INITIALS;
        let is_digit = |word: &Word| digit && text.word(word).bytes().all(|byte| byte.is_ascii_digit());
        words.iter().all(|word| is_name(word) || is_digit(word)) && firsts.eq(acronym.bytes().map(Some))
    };
    if letters < INITIALS && !digit {
        return 0;
    }
    text.words.windows(letters).filter(spells).count()
}

/// The name of a site, by its domain.
pub(super) fn site(literal: &str) -> Option<&str> {
    const LETTERS: usize = 6;
    let host = literal.strip_prefix("www.").unwrap_or(literal);
    let (site, _) = host.split_once('.')?;
    (site.len() >= LETTERS && site.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(site)
}

/// How often a site is named without the end of its domain: nytimes, Daily Mail.
pub(super) fn count_site(site: &str, text: &Text) -> usize {
    let one = text.written.match_indices(site).filter(|(at, _)| {
        let (before, after) = (&text.written[..*at], &text.written[at + site.len()..]);
        let goes_on = after.strip_prefix('.').unwrap_or(after);
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '.') && !goes_on.starts_with(char::is_alphanumeric)
    });
    let apart = |pair: &&[Word]| {
        let rest = site.strip_prefix(text.word(&pair[0]));
        pair.iter().all(|word| word.capital) && rest == Some(text.word(&pair[1]))
    };
    one.count() + text.words.windows(2).filter(apart).count()
}

/// How often a word is written as two: Black Pink.
pub(super) fn count_apart(word: &str, text: &Text, context: &Context<'_>) -> usize {
    const LETTERS: usize = 6;
    if word.len() < LETTERS {
        return 0;
    }
    let mut words = text
        .words
        .iter()
        .filter(|other| other.whole)
        .map(|other| text.word(other))
        .peekable();
    let mut times = 0;
    while let Some(one) = words.next() {
        let says = |part: &str| part.len() > 1 && (part.len() > INITIALS || !(context.filler)(part));
        let rest = word
            .strip_prefix(one)
            .filter(|rest| words.peek() == Some(rest) && says(one) && says(rest));
        times += usize::from(rest.is_some());
    }
    times
}

/// Letters of a cut word from which on it is no other word by chance.
const CUT: usize = 5;

/// How a post's word stands for a name's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Short {
    /// Whole.
    Not,
    /// By some of its letters: Utd. `sure` if these are no word of their own.
    Some { sure: bool },
    /// By its first letter.
    Initial,
}

/// How often words that follow each other are a name's, some of them shortened.
pub(super) fn count_shortened(name: &[PatternWord], text: &Text, context: &Context<'_>) -> usize {
    if !(2..=WORDS).contains(&name.len()) {
        return 0;
    }
    let is = |words: &&[Word]| {
        let shorts = || {
            name.iter()
                .zip(*words)
                .map(|(wanted, word)| short(wanted, word, text, context))
        };
        if shorts().any(|short| short.is_none()) {
            return false;
        }
        let has = |wanted: fn(Short) -> bool| shorts().flatten().any(wanted);
        let sure = has(|short| short == Short::Some { sure: true });
        let whole = has(|short| short == Short::Not);
        sure || whole && has(|short| short == Short::Initial)
    };
    text.words.windows(name.len()).filter(is).count()
}

fn short(wanted: &PatternWord, word: &Word, text: &Text, context: &Context<'_>) -> Option<Short> {
    let letters = text.word(word);
    let full = wanted.spellings.first()?;
    if letters.as_bytes().first() != full.word.as_bytes().first() {
        return None;
    }
    if full.is(letters) {
        return Some(Short::Not);
    }
    if letters.len() == 1 {
        let vowel = matches!(letters, "a" | "e" | "i" | "o" | "u" | "y");
        return (!vowel || word.dotted).then_some(Short::Initial);
    }
    let cut = full.word.starts_with(letters) || is_skeleton(&full.word, letters);
    let enough = letters.len() >= INITIALS || word.capital;
    (cut && enough && full.word.len() >= letters.len() + 2).then(|| Short::Some {
        sure: word.capital || letters.len() >= CUT || !(context.word)(letters) && !(context.filler)(letters),
    })
}

/// True if letters are some of a word's in their order, with its first and last: Utd.
fn is_skeleton(word: &str, letters: &str) -> bool {
    let mut rest = word.bytes();
    letters.len() >= INITIALS
        && word.as_bytes().last() == letters.as_bytes().last()
        && letters.bytes().all(|letter| rest.any(|other| other == letter))
}
