//! A post as evidence: what its words give away.

use std::collections::HashSet;

use super::fold::words;
use super::form::{Address, signs};
use super::layout::Subject;
use super::lexicon::{Hint, Lexicon};
use super::words::{Fnv, PHRASE_WORDS, PREFIXES, Stem, joined, start_of_word};

/// Words of a post that is not long.
const SHORT_POST: usize = 40;

/// The most that the preference's own word counts for the subject that it names: posts use it for other things, too.
const OWN_WORD: f32 = 0.52;

/// The evidence of a post.
pub(super) struct Evidence {
    /// By subject of the lexicon: how much of it there is, per short post's worth of words.
    pub(super) subjects: Vec<f32>,
    /// The subjects that each word and phrase indicates, with their strengths.
    pub(super) given_away: Vec<Vec<(Subject, f32)>>,
    /// How many short posts' worth of words.
    pub(super) length: f32,
    pub(super) words: usize,
}

/// Reads a post once, in order: as it is written, and folded in lower case. `own` are the roots of the preference's words.
pub(super) fn read(text: &str, folded: &str, own: &HashSet<u64>, lexicon: &Lexicon) -> Evidence {
    let words: Vec<&str> = words(folded).collect();
    let count = words.iter().filter(|word| !is_mark(word)).count();
    let mut post = Reading {
        subjects: vec![0.0; lexicon.len()],
        ..Reading::default()
    };
    for key in signs(text) {
        post.hint(lexicon.whole(key), lexicon);
        post.count(f32::MAX);
    }
    let mut contraction = String::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        if is_mark(word) {
            post.end_sentence(word);
        } else if let Some(end) = contracted(&words[at..]) {
            at += 2;
            contraction.clear();
            contraction.push_str(word);
            contraction.push_str(end);
            post.take(&contraction, own, lexicon);
        } else {
            for part in parts(word) {
                post.take(part, own, lexicon);
            }
        }
    }
    let length = u16::try_from(count.div_ceil(SHORT_POST).max(1)).map_or(f32::MAX, f32::from);
    Evidence {
        subjects: post.subjects(length, lexicon),
        given_away: post.given_away,
        length,
        words: count,
    }
}

fn is_mark(word: &str) -> bool {
    word.chars().next().is_some_and(super::unicode::is_punctuation)
}

/// The end of a word such as "don't", whose apostrophe and end follow.
fn contracted<'a>(rest: &[&'a str]) -> Option<&'a str> {
    match rest {
        ["'", end @ ("t" | "s" | "re" | "ve" | "ll" | "m" | "d"), ..] => Some(end),
        _ => None,
    }
}

/// A word and the emoji that stick to it.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let is_symbol = |c: char| c >= '\u{2190}' && !c.is_alphanumeric();
    word.split_inclusive(is_symbol)
        .flat_map(
            move |run| match run.char_indices().next_back().filter(|(_, c)| is_symbol(*c)) {
                Some((at, _)) => [&run[..at], &run[at..]],
                None => [run, ""],
            },
        )
        // Joiners and variation selectors say nothing.
        .filter(|part| !part.is_empty() && !matches!(*part, "\u{200d}" | "\u{fe0f}"))
}

#[derive(Default)]
struct Reading {
    subjects: Vec<f32>,
    /// The hints counted so far.
    seen: Vec<Hint>,
    given_away: Vec<Vec<(Subject, f32)>>,
    /// The evidence of one word: a word and its beginnings are one piece.
    word: Vec<(Subject, f32)>,
    address: Address,
    /// The phrases of one word and more that end here.
    phrases: [Option<Fnv>; PHRASE_WORDS],
}

impl Reading {
    fn take(&mut self, word: &str, own: &HashSet<u64>, lexicon: &Lexicon) {
        let stem = Stem::of(word);
        self.address.note(word);
        self.hint(lexicon.whole(stem.exact), lexicon);
        self.hint_starts(word, lexicon);
        self.count(if own.contains(&stem.loose) { OWN_WORD } else { f32::MAX });
        for length in (1..PHRASE_WORDS).rev() {
            self.phrases[length] = self.phrases[length - 1].map(|phrase| joined(phrase, stem.exact));
            if let Some(phrase) = self.phrases[length] {
                self.hint(lexicon.whole(phrase.finish()), lexicon);
                self.count(f32::MAX);
            }
        }
        self.phrases[0] = Some(joined(Fnv::default(), stem.exact));
    }

    /// Notes what a key gives away, once a post.
    fn hint(&mut self, hint: Option<Hint>, lexicon: &Lexicon) {
        let Some(hint) = hint.filter(|hint| !self.seen.contains(hint)) else {
            return;
        };
        self.seen.push(hint);
        for (subject, strength) in lexicon.at(hint) {
            match self.word.iter_mut().find(|(other, _)| *other == subject) {
                Some((_, most)) => *most = most.max(strength),
                None => self.word.push((subject, strength)),
            }
        }
    }

    /// The start of a word.
    fn hint_starts(&mut self, word: &str, lexicon: &Lexicon) {
        let mut start = start_of_word();
        for (before, byte) in word.bytes().enumerate().take(*PREFIXES.end()) {
            start = start.with(&[byte]);
            if before + 1 >= *PREFIXES.start() {
                self.hint(lexicon.start(start.finish()), lexicon);
            }
        }
    }

    /// Counts what has been noted, each strength at `most`.
    fn count(&mut self, most: f32) {
        if !self.word.is_empty() {
            let word = std::mem::take(&mut self.word);
            for (subject, strength) in &word {
                self.subjects[usize::from(*subject)] += strength.min(most);
            }
            self.given_away.push(word);
        }
    }

    fn end_sentence(&mut self, mark: &str) {
        if matches!(mark, "." | "!" | "?" | "。" | "！" | "？") {
            self.phrases = [None; PHRASE_WORDS];
        }
    }

    /// Of a long post only what it keeps coming back to counts.
    fn subjects(&mut self, length: f32, lexicon: &Lexicon) -> Vec<f32> {
        let mut subjects = std::mem::take(&mut self.subjects);
        for (subject, strength) in (0..).zip(&mut subjects).filter(|(_, strength)| **strength != 0.0) {
            let share = if lexicon.is_directed(subject) {
                self.address.share()
            } else {
                1.0
            };
            *strength *= share / length;
        }
        subjects
    }
}
