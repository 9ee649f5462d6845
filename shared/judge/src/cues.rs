//! The words by which a preference says what is to happen: hide, keep, not, only, except.
//!
//! Normalised (lower case, no accents, no apostrophes). The other languages' words count only in a preference that is
//! written in that language, for many of them mean something else in English (war, die, son, e).

mod english;
mod others;

use std::collections::{HashMap, HashSet};

use english::ENGLISH;
use others::{FRENCH, GERMAN, ITALIAN, PORTUGUESE, SPANISH};

/// What a cue does to the topics after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cue {
    /// hide, without, less, hate
    Hide,
    /// show, keep, want, like
    Keep,
    /// As Hide and Keep, but only right after a negation: stop showing
    HideIfNegated,
    KeepIfNegated,
    /// not, no, never: hides, and turns the verb after it round
    Not,
    /// nothing, nada, rien: hides, negated or not (negative concord: "no quiero nada")
    Nothing,
    /// except, unless, instead of: the opposite of what was said so far
    Except,
    /// only: what is kept is all that is kept
    Only,
    /// everything, all
    Universal,
    /// but: ends an item, and after `Universal` means except
    But,
    /// and, or: ends an item
    And,
    /// about, that: the verbs after it belong to the topic
    Relative,
    /// I, we: without a cue, the sentence tells about its writer
    Subject,
    /// is, are: says something about the item before it
    Copula,
    /// because, when: what follows is not part of the topic
    Aside,
    /// are fine: the item before it is to be kept
    TrailingKeep,
    /// nothing else: what was named is all that is kept
    NothingElse,
    /// just: only, where a preference starts so
    Just,
    /// politely passed over
    Filler,
}

/// The words of one language, as `cues/` lists them.
struct Words {
    /// Frequent words that tell the language.
    markers: &'static str,
    /// Phrases; words of a phrase joined by `_`.
    cues: &'static [(Cue, &'static str)],
    /// Words without content inside a topic.
    stop: &'static str,
}

/// A language that preferences are read in, ready for look-ups.
#[derive(Debug)]
pub(super) struct Language {
    markers: HashSet<&'static str>,
    /// By first word: the whole phrase, its number of words, its cue.
    cues: HashMap<&'static str, Vec<(&'static str, usize, Cue)>>,
    stop: HashSet<&'static str>,
    capitalises_nouns: bool,
}

/// All languages; the first is English, whose words count in every other one too.
#[derive(Debug)]
pub(super) struct Languages(Vec<Language>);

impl Languages {
    pub(super) fn load() -> Self {
        let load = |words: &&Words| {
            let mut cues: HashMap<_, Vec<_>> = HashMap::with_capacity(256);
            // A language's own words come first: of two phrases of one length, the first wins.
            let english = if std::ptr::eq(*words, &raw const ENGLISH) {
                &[]
            } else {
                ENGLISH.cues
            };
            for (cue, phrases) in words.cues.iter().chain(english) {
                for phrase in phrases.split_whitespace() {
                    let first = phrase.split('_').next().unwrap_or(phrase);
                    cues.entry(first)
                        .or_default()
                        .push((phrase, phrase.split('_').count(), *cue));
                }
            }
            let stop = words.stop.split_whitespace().chain(ENGLISH.stop.split_whitespace());
            Language {
                markers: words.markers.split_whitespace().collect(),
                cues,
                stop: stop.collect(),
                capitalises_nouns: std::ptr::eq(*words, &raw const GERMAN),
            }
        };
        Self(
            [&ENGLISH, &GERMAN, &SPANISH, &FRENCH, &ITALIAN, &PORTUGUESE]
                .iter()
                .map(load)
                .collect(),
        )
    }

    /// The language most of whose markers occur; the earlier one, so English first, when in doubt.
    pub(super) fn guess(&self, words: &[&str]) -> Option<&Language> {
        let score = |language: &Language| words.iter().filter(|word| language.markers.contains(*word)).count();
        self.0.iter().rev().max_by_key(|language| score(language))
    }
}

impl Language {
    /// The longest cue that `words` start with, and how many words it takes.
    pub(super) fn cue(&self, words: &[&str]) -> Option<(Cue, usize)> {
        let mut best: Option<(Cue, usize)> = None;
        for (phrase, length, cue) in self.cues.get(words.first()?)? {
            let longer = best.is_none_or(|(_, longest)| *length > longest);
            if longer && *length <= words.len() && phrase.split('_').zip(words).all(|(a, b)| a == *b) {
                best = Some((*cue, *length));
            }
        }
        best
    }

    /// Whether capitals do not tell names from other nouns.
    pub(super) fn capitalises_nouns(&self) -> bool {
        self.capitalises_nouns
    }

    /// Whether the word says nothing by itself.
    pub(super) fn is_stop(&self, word: &str) -> bool {
        self.stop.contains(word)
    }
}
