//! Topics made ready for comparison: their words as keys, the subjects they name, their direction.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::embedding::{Direction, Embedding, Sum};
use super::lexicon::{Lexicon, hints};
use super::phrase::Phrase;
use super::preference::{Action, Clause};
use super::tokenizer::Tokenizer;
use super::words::Stem;

/// What the judge looks up while it reads a preference.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) embedding: &'a Embedding,
    pub(super) lexicon: &'a Lexicon,
}

/// A topic of a clause.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    /// As its writer put it.
    pub(super) text: String,
    /// Index of its clause.
    pub(super) clause: usize,
    pub(super) action: Action,
    pub(super) except_of: Option<usize>,
    pub(super) words: Vec<TopicWord>,
    pub(super) direction: Option<Direction>,
    /// Whether likeness to the direction may stand in for the words. Not for names and for what the table cannot read.
    pub(super) comparable: bool,
}

/// One content word of a topic.
#[derive(Clone, Debug)]
pub(super) struct TopicWord {
    /// Places in `Keys`.
    pub(super) exact: usize,
    pub(super) loose: usize,
    /// Places in `Keys::senses`.
    pub(super) senses: Vec<usize>,
    /// How much it counts among the topic's words.
    pub(super) weight: f32,
    /// A name or a word so rare that nothing else stands for it.
    pub(super) required: bool,
}

/// Everything that a post's words are looked up for, each with a number.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    numbers: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    /// The roots of the topics' own words.
    topic_words: HashSet<u64, BuildHasherDefault<Hashed>>,
    /// The hints of each subject that the preference names: number of the key, strength.
    pub(super) senses: Vec<Vec<(usize, f32)>>,
    /// The lexicon's number of each of `senses`.
    subjects: Vec<usize>,
}

impl Keys {
    pub(super) fn number(&self, key: u64) -> Option<usize> {
        self.numbers.get(&key).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether a topic has this word or a form of it.
    pub(super) fn is_topic_word(&self, stem: Stem) -> bool {
        self.topic_words.contains(&stem.loose)
    }

    fn add(&mut self, key: u64) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(key).or_insert(next)
    }

    fn add_sense(&mut self, subject: usize) -> usize {
        if let Some(at) = self.subjects.iter().position(|known| *known == subject) {
            return at;
        }
        let hints = hints(subject)
            .iter()
            .map(|(key, strength)| (self.add(*key), *strength))
            .collect();
        self.subjects.push(subject);
        self.senses.push(hints);
        self.senses.len() - 1
    }
}

/// The topics of all clauses.
pub(super) fn prepare(clauses: &[Clause], sources: Sources<'_>) -> (Vec<Topic>, Keys) {
    let mut keys = Keys::default();
    let mut topics = Vec::new();
    for (
        clause,
        Clause {
            action,
            except_of,
            topics: phrases,
            ..
        },
    ) in clauses.iter().enumerate()
    {
        for phrase in phrases {
            let (words, sum, comparable) = prepare_words(phrase, sources, &mut keys);
            topics.push(Topic {
                text: phrase.text.clone(),
                clause,
                action: *action,
                except_of: *except_of,
                words,
                direction: sum.direction(),
                comparable,
            });
        }
    }
    (topics, keys)
}

fn prepare_words(phrase: &Phrase, sources: Sources<'_>, keys: &mut Keys) -> (Vec<TopicWord>, Sum, bool) {
    let stems: Vec<Stem> = phrase.words.iter().map(|word| Stem::of(&word.word)).collect();
    let mut sum = Sum::default();
    let mut comparable = true;
    let mut words = Vec::with_capacity(stems.len());
    for (at, word) in phrase.words.iter().enumerate() {
        let mut pieces = Vec::new();
        let mut own = Sum::default();
        let known = sources.tokenizer.split(&word.word, &mut pieces);
        for id in &pieces {
            sources.embedding.add(*id, &mut own);
        }
        let subjects = named_subjects(&stems, at, sources.lexicon);
        let whole = known && pieces.len() == 1 && word.word.is_ascii() || sources.tokenizer.knows_form(&word.word);
        let required = word.named || (!whole && subjects.is_empty());
        comparable &= !required;
        words.push(TopicWord {
            exact: keys.add(stems[at].exact),
            loose: keys.add(stems[at].loose),
            senses: subjects.iter().map(|subject| keys.add_sense(*subject)).collect(),
            weight: if required {
                RARE
            } else {
                own.length().clamp(COMMON, RARE)
            },
            required,
        });
        keys.topic_words.insert(stems[at].loose);
        sum.add(&own);
    }
    (words, sum, comparable)
}

/// The range of a word's weight, in units of the table's lengths ("the" .7, "politics" 1.6, "tomato" 4.5).
const COMMON: f32 = 1.2;
const RARE: f32 = 4.0;

/// The subjects that a word names alone, or together with a neighbour.
fn named_subjects(stems: &[Stem], at: usize, lexicon: &Lexicon) -> Vec<usize> {
    let mut subjects = lexicon.named(stems[at].exact).to_vec();
    let before = at.checked_sub(1).map(|before| Stem::pair(stems[before], stems[at]));
    let after = stems.get(at + 1).map(|after| Stem::pair(stems[at], *after));
    for pair in [before, after].into_iter().flatten() {
        subjects.extend(lexicon.named(pair));
    }
    subjects
}

/// Passes keys through that are hashes already.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
