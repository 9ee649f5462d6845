//! What people ask to hide, and the words that give it away in a post: the judge's knowledge of the world.
//!
//! The files in `lexicon/` list, by subject, `=` how preferences call it, `&` names that are nobody else's, `+` words that speak for it, `-` words that count
//! only together, `!` phrases that speak against it, `@` subjects that it includes. Words are normalised (lower case, no
//! accents, no apostrophes); `two_words` is a phrase, `word*` any word that starts so, `word^` one that settles it by
//! itself, `word_` one that is often something else, `~caps` and the like are signs that `form.rs` reads.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::topic::Hashed;
use super::words::{Fnv, Stem};

/// Strength of a name that is nobody else's, of a word that settles a subject by itself, of one that nearly does, of one that is often something else, and of one that only adds up.
const SURE: f32 = 2.5;
const CERTAIN: f32 = 1.5;
const STRONG: f32 = 1.0;
const MEDIUM: f32 = 0.6;
const WEAK: f32 = 0.3;
/// What a phrase from another matter takes away.
const AGAINST: f32 = -1.2;

/// Words that a phrase of the lexicon may have.
pub(super) const PHRASE_WORDS: usize = 5;
/// Characters of `word*` entries.
pub(super) const PREFIXES: std::ops::RangeInclusive<usize> = 2..=13;

static FILES: [&str; 12] = [
    include_str!("lexicon/society.txt"),
    include_str!("lexicon/tone.txt"),
    include_str!("lexicon/sport.txt"),
    include_str!("lexicon/money.txt"),
    include_str!("lexicon/culture.txt"),
    include_str!("lexicon/life.txt"),
    include_str!("lexicon/more_en.txt"),
    include_str!("lexicon/more_en2.txt"),
    include_str!("lexicon/more_others.txt"),
    include_str!("lexicon/names.txt"),
    include_str!("lexicon/entities.txt"),
    include_str!("lexicon/more_topics.txt"),
];

/// A subject's number.
pub(super) type Subject = u16;

/// Where a key's hints lie.
type Places = (u32, u32);

/// One subject.
#[derive(Debug, Default)]
struct Entry {
    name: &'static str,
    includes: Vec<&'static str>,
    /// Counts only when it is said to somebody (insults).
    directed: bool,
}

/// The lexicon, ready to be looked up.
#[derive(Debug)]
pub(super) struct Lexicon {
    entries: Vec<Entry>,
    /// The subject that is being read.
    current: usize,
    /// By key of a name.
    names: HashMap<u64, Vec<Subject>, BuildHasherDefault<Hashed>>,
    /// By key of a word, phrase or prefix: a range of `hints`.
    places: HashMap<u64, Places, BuildHasherDefault<Hashed>>,
    hints: Vec<(Subject, f32)>,
}

impl Lexicon {
    pub(super) fn load() -> Self {
        let mut lexicon = Self {
            entries: Vec::with_capacity(512),
            current: 0,
            names: HashMap::with_capacity_and_hasher(8192, BuildHasherDefault::default()),
            places: HashMap::default(),
            hints: Vec::new(),
        };
        let mut hints: Vec<(u64, Subject, f32)> = Vec::with_capacity(65_536);
        for line in FILES.iter().flat_map(|file| file.lines()) {
            lexicon.read(line, &mut hints);
        }
        hints.extend(lexicon.inherited(&hints));
        lexicon.places.reserve(hints.len());
        lexicon.hints.reserve(hints.len());
        hints.sort_unstable_by_key(|(key, subject, _)| (*key, *subject));
        for group in hints.chunk_by(|a, b| a.0 == b.0) {
            let start = lexicon.hints.len();
            for same in group.chunk_by(|a, b| a.1 == b.1) {
                let strength = same.iter().map(|(.., strength)| *strength).fold(AGAINST, f32::max);
                lexicon.hints.push((same[0].1, strength));
            }
            let range = (place(start), place(lexicon.hints.len()));
            lexicon.places.insert(group[0].0, range);
        }
        lexicon
    }

    fn read(&mut self, line: &'static str, hints: &mut Vec<(u64, Subject, f32)>) {
        let Some((mark, rest)) = line.split_once(' ') else {
            return;
        };
        if mark == "#" {
            self.current = self
                .entries
                .iter()
                .position(|entry| entry.name == rest)
                .unwrap_or_else(|| {
                    self.entries.push(Entry {
                        name: rest,
                        ..Entry::default()
                    });
                    self.entries.len() - 1
                });
        }
        let Some(entry) = self.entries.get_mut(self.current) else {
            return;
        };
        let subject = Subject::try_from(self.current).unwrap_or(Subject::MAX);
        match mark {
            "=" => {
                for name in rest.split_whitespace() {
                    for key in keys(name) {
                        self.names.entry(key).or_default().push(subject);
                        hints.push((key, subject, strength(name, MEDIUM)));
                    }
                }
            }
            "@" if rest == "directed" => entry.directed = true,
            "@" => entry.includes.extend(rest.split_whitespace().skip(1)),
            "&" => add(hints, subject, rest, SURE),
            "+" => add(hints, subject, rest, STRONG),
            "-" => add(hints, subject, rest, WEAK),
            "!" => add(hints, subject, rest, AGAINST),
            _ => {}
        }
    }

    /// What gives a part away gives the whole away: football is sport.
    fn inherited(&self, hints: &[(u64, Subject, f32)]) -> Vec<(u64, Subject, f32)> {
        let mut wholes: Vec<Vec<Subject>> = vec![Vec::new(); self.entries.len()];
        for (whole, entry) in (0..).zip(&self.entries) {
            for part in entry.includes.iter().filter_map(|name| self.subject(name)) {
                wholes[usize::from(part)].push(whole);
            }
        }
        let of = |(key, part, strength): &(u64, Subject, f32)| {
            let (key, strength) = (*key, *strength);
            wholes[usize::from(*part)]
                .iter()
                .map(move |whole| (key, *whole, strength))
        };
        hints.iter().flat_map(of).collect()
    }

    fn subject(&self, name: &str) -> Option<Subject> {
        (0..)
            .zip(&self.entries)
            .find(|(_, entry)| entry.name == name)
            .map(|(subject, _)| subject)
    }

    /// How many subjects there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the subject's words count only when they are said to somebody.
    pub(super) fn is_directed(&self, subject: Subject) -> bool {
        self.entries
            .get(usize::from(subject))
            .is_some_and(|entry| entry.directed)
    }

    /// The subjects that a word or phrase of a preference names.
    pub(super) fn named(&self, key: u64) -> &[Subject] {
        self.names.get(&key).map_or(&[], Vec::as_slice)
    }

    /// What a word, phrase or prefix of a post gives away, and how strongly; and where that stands, as its number.
    pub(super) fn hints(&self, key: u64) -> Option<(u32, &[(Subject, f32)])> {
        let (start, end) = self.places.get(&key)?;
        Some((*start, self.hints.get(*start as usize..*end as usize)?))
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn add(hints: &mut Vec<(u64, Subject, f32)>, subject: Subject, words: &'static str, strength: f32) {
    for entry in words.split_whitespace() {
        hints.extend(keys(entry).map(|key| (key, subject, self::strength(entry, strength))));
    }
}

/// The strength of an entry on a line of this strength.
fn strength(entry: &str, line: f32) -> f32 {
    match entry.chars().next_back() {
        Some('^') => CERTAIN,
        Some('_') => MEDIUM.min(line),
        _ => line,
    }
}

/// The key of an entry, and that of a phrase written as one word (#blackfriday).
fn keys(entry: &'static str) -> impl Iterator<Item = u64> {
    let entry = entry.strip_suffix(['_', '^']).unwrap_or(entry);
    let (first, second) = if let Some(start) = entry.strip_suffix('*') {
        (prefix(start), None)
    } else if entry.contains('_') {
        let phrase = entry
            .split('_')
            .fold(Fnv::default(), |hash, word| joined(hash, Stem::of(word)));
        let together: String = entry.split('_').collect();
        let long = together.len() >= 8 && entry.split('_').count() < 4;
        (phrase.finish(), long.then(|| Stem::of(&together).exact))
    } else {
        (Stem::of(entry).exact, None)
    };
    std::iter::once(first).chain(second)
}

/// The hash of a phrase and one more word.
pub(super) fn joined(phrase: Fnv, word: Stem) -> Fnv {
    phrase.with(b"_").with(&word.exact.to_le_bytes())
}

/// The key of what a word starts with.
fn prefix(start: &str) -> u64 {
    start_of_word().with(start.as_bytes()).finish()
}

/// The hash of no prefix yet; with a word's bytes, one after the other, those of all its prefixes.
pub(super) fn start_of_word() -> Fnv {
    Fnv::default().with(b"^")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_belongs_to_a_subject_and_every_included_subject_exists() {
        for file in FILES {
            assert!(file.starts_with("# "));
            for line in file.lines() {
                assert!(
                    ["# ", "= ", "@ ", "& ", "+ ", "- ", "! "]
                        .iter()
                        .any(|mark| line.starts_with(mark)),
                    "{line}"
                );
            }
        }
        let lexicon = Lexicon::load();
        for name in lexicon.entries.iter().flat_map(|entry| &entry.includes) {
            assert!(lexicon.subject(name).is_some(), "{name}");
        }
    }

    #[test]
    fn words_phrases_and_prefixes_give_their_subject_away() {
        let lexicon = Lexicon::load();
        let crypto = lexicon.subject("crypto").unwrap();
        for entry in ["bitcoin", "seed_phrase", "altcoin*"] {
            let key = keys(entry).next().unwrap();
            assert!(
                lexicon
                    .hints(key)
                    .unwrap()
                    .1
                    .iter()
                    .any(|(subject, _)| *subject == crypto),
                "{entry}"
            );
        }
    }
}
