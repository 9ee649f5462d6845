//! Recognizes posts that look like instructions to a model. They are judged alone, so that a neighbour cannot be steered by
//! them. A post that is suspected wrongly costs a call of its own and nothing else.
//!
//! It is a heuristic. The guarantee lies in random ids, a strict schema, and calls of one post.

mod words;

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use self::words::{ADDRESSED, DEMANDS, MARKS, OBJECTS};
use crate::text::visible::visible;

/// The shortest run of base64 or hexadecimal that can hold an order.
const LONG_RUN: usize = 32;

/// Words by their first byte, so that a text is read once for all of them.
struct Words([Vec<&'static str>; 256]);

/// Words that are enough by themselves, demands, and the objects of demands.
static WORDS: LazyLock<[Words; 3]> = LazyLock::new(|| {
    [
        Words::of(&[&MARKS, &ADDRESSED]),
        Words::of(&[&DEMANDS]),
        Words::of(&[&OBJECTS]),
    ]
});

impl Words {
    fn of(lists: &[&[&'static str]]) -> Self {
        let mut words = Self(std::array::from_fn(|_| Vec::new()));
        for word in lists.iter().copied().flatten().copied() {
            if let Some(first) = word.bytes().next() {
                words.0[usize::from(first)].push(word);
            }
        }
        words
    }

    fn occur_in(&self, text: &str) -> bool {
        let text = text.as_bytes();
        (0..text.len()).any(|at| {
            let (first, rest) = (usize::from(text[at]), &text[at..]);
            self.0[first].iter().any(|word| rest.starts_with(word.as_bytes()))
        })
    }
}

/// Reports whether a post may be meant for the model rather than for readers.
#[must_use]
pub fn is_suspect(text: &str) -> bool {
    let seen = visible(text);
    // Hidden words are suspect by being hidden; one joiner in an emoji is not.
    let hidden = text.chars().count() - seen.chars().count();
    if hidden > 4 && hidden * 10 > text.chars().count() {
        return true;
    }
    let plain = fold(&seen);
    addresses_a_model(&plain)
        || has_long_run(&seen)
        || addresses_a_model(&unleet(&plain))
        || unspaced(&plain).is_some_and(|joined| demands_joined(&joined))
        || addresses_a_model(&plain.chars().rev().collect::<String>())
        || addresses_a_model(&rot13(&plain))
}

fn addresses_a_model(plain: &str) -> bool {
    let [enough, demands, objects] = &*WORDS;
    enough.occur_in(plain) || (demands.occur_in(plain) && objects.occur_in(plain))
}

/// Letters written apart have lost their borders: only whole stems of some length tell anything.
fn demands_joined(joined: &str) -> bool {
    let has = |words: &[&str]| {
        let stems = words.iter().map(|word| word.replace(' ', ""));
        stems
            .filter(|stem| stem.chars().count() >= 5)
            .any(|stem| joined.contains(&stem))
    };
    has(&DEMANDS) && has(&OBJECTS)
}

/// Lower case, compatibility forms and letters of other alphabets that look Latin made plain.
fn fold(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let latin = folded.chars().filter(char::is_ascii_alphabetic).count();
    let mixed = folded
        .split_whitespace()
        .any(|word| word.chars().any(|c| c.is_ascii_alphabetic()) && word.chars().any(|c| look_alike(c).is_some()));
    // A text in Cyrillic stays as it is; one that borrows letters does not.
    if mixed || latin > 0 && latin * 2 > folded.chars().filter(|c| c.is_alphabetic()).count() {
        folded.chars().map(|c| look_alike(c).unwrap_or(c)).collect()
    } else {
        folded
    }
}

const fn look_alike(c: char) -> Option<char> {
    Some(match c {
        'а' | 'α' => 'a',
        'с' | 'ϲ' => 'c',
        'е' | 'ε' => 'e',
        'і' | 'ι' | 'ı' => 'i',
        'ј' => 'j',
        'о' | 'ο' | 'օ' => 'o',
        'р' | 'ρ' => 'p',
        'ѕ' => 's',
        'у' | 'γ' => 'y',
        'х' | 'χ' => 'x',
        'ν' => 'v',
        'т' | 'τ' => 't',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'н' | 'һ' => 'h',
        'в' => 'b',
        _ => return None,
    })
}

fn unleet(plain: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c => c,
    };
    plain.chars().map(letter).collect()
}

fn rot13(plain: &str) -> String {
    let turn = |c: char| match c {
        'a'..='m' => char::from(c as u8 + 13),
        'n'..='z' => char::from(c as u8 - 13),
        c => c,
    };
    plain.chars().map(turn).collect()
}

/// A text that is mostly single letters set apart, joined.
fn unspaced(plain: &str) -> Option<String> {
    let pieces: Vec<&str> = plain
        .split(|c: char| c.is_whitespace() || ".-_*·,/".contains(c))
        .filter(|piece| !piece.is_empty())
        .collect();
    let single = pieces.iter().filter(|piece| piece.chars().count() == 1).count();
    (single >= 8 && single * 2 > pieces.len()).then(|| pieces.concat())
}

/// A long run without a space that is no address and no word repeated: base64 or hexadecimal.
fn has_long_run(text: &str) -> bool {
    let encoded = |word: &str| {
        let body = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let plain = body.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=-_".contains(&b));
        let upper = body.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        body.len() >= LONG_RUN && plain && (upper || !body.contains(['-', '_', '/']))
    };
    text.split_whitespace().any(encoded)
}
