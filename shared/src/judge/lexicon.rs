//! What people ask to hide, and the words that give it away in a post: the judge's knowledge of the world.
//!
//! The files in `lexicon/` list, by subject, `=` how preferences call it, `&` names that are nobody else's, `+` words that speak for it, `-` words that count
//! only together, `!` phrases that speak against it, `@` subjects that it includes. Words are normalised (lower case, no
//! accents, no apostrophes); `two_words` is a phrase, `word*` any word that starts so, `word^` one that settles it by
//! itself, `word_` one that is often something else, `~caps` and the like are signs that `form.rs` reads.

use super::index::{Index, sorted};
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
    /// By key of a name.
    names: Index<Subject>,
    /// By key of a word, phrase or prefix: what it gives away, and how strongly.
    hints: Index<Hint>,
}

/// A subject, and how strongly a key speaks for it.
type Hint = (Subject, f32);

/// What the files say, in their order.
#[derive(Default)]
struct Reader {
    entries: Vec<Entry>,
    /// The subject that is being read.
    current: usize,
    names: Vec<(u64, Subject)>,
    hints: Vec<(u64, Hint)>,
}

impl Lexicon {
    pub(super) fn load() -> Self {
        let mut reader = Reader {
            entries: Vec::with_capacity(512),
            names: Vec::with_capacity(8192),
            hints: Vec::with_capacity(65_536),
            ..Reader::default()
        };
        for line in FILES.iter().flat_map(|file| file.lines()) {
            reader.read(line);
        }
        reader.inherit();
        let mut hints = sorted(&reader.hints, |(subject, _)| *subject);
        hints.dedup_by(|next, kept| {
            let same = next.0 == kept.0 && next.1.0 == kept.1.0;
            if same {
                kept.1.1 = kept.1.1.max(next.1.1);
            }
            same
        });
        Self {
            entries: reader.entries,
            // One rank: in the order of the files.
            names: Index::of(&sorted(&reader.names, |_| ())),
            hints: Index::of(&hints),
        }
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
        self.names.get(key).map_or(&[], |(_, subjects)| subjects)
    }

    /// What a word, phrase or prefix of a post gives away, and how strongly; and where that stands, as its number.
    pub(super) fn hints(&self, key: u64) -> Option<(u32, &[Hint])> {
        self.hints.get(key)
    }
}

impl Reader {
    fn read(&mut self, line: &'static str) {
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
                for name in rest.split_ascii_whitespace() {
                    for key in keys(name) {
                        self.names.push((key, subject));
                        self.hints.push((key, (subject, strength(name, MEDIUM))));
                    }
                }
            }
            "@" if rest == "directed" => entry.directed = true,
            "@" => entry.includes.extend(rest.split_ascii_whitespace().skip(1)),
            "&" => self.add(subject, rest, SURE),
            "+" => self.add(subject, rest, STRONG),
            "-" => self.add(subject, rest, WEAK),
            "!" => self.add(subject, rest, AGAINST),
            _ => {}
        }
    }

    fn add(&mut self, subject: Subject, words: &'static str, strength: f32) {
        for entry in words.split_ascii_whitespace() {
            let strength = self::strength(entry, strength);
            self.hints.extend(keys(entry).map(|key| (key, (subject, strength))));
        }
    }

    /// What gives a part away gives the whole away: football is sport.
    fn inherit(&mut self) {
        let mut wholes: Vec<Vec<Subject>> = vec![Vec::new(); self.entries.len()];
        for (whole, entry) in (0..).zip(&self.entries) {
            for part in entry.includes.iter().filter_map(|name| subject(&self.entries, name)) {
                wholes[usize::from(part)].push(whole);
            }
        }
        for at in 0..self.hints.len() {
            let (key, (part, strength)) = self.hints[at];
            let wholes = wholes[usize::from(part)].iter();
            self.hints.extend(wholes.map(|whole| (key, (*whole, strength))));
        }
    }
}

fn subject(entries: &[Entry], name: &str) -> Option<Subject> {
    (0..)
        .zip(entries)
        .find(|(_, entry)| entry.name == name)
        .map(|(subject, _)| subject)
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
            .fold(Fnv::default(), |hash, word| joined(hash, Stem::exact_of(word)));
        // At least eight letters of at most three words.
        let gaps = entry.bytes().filter(|byte| *byte == b'_').count();
        let long = gaps < 3 && entry.len() - gaps >= 8;
        (phrase.finish(), long.then(|| Stem::exact_of(&entry.replace('_', ""))))
    } else {
        (Stem::exact_of(entry), None)
    };
    std::iter::once(first).chain(second)
}

/// The hash of a phrase and one more word, that one's `exact`.
pub(super) fn joined(phrase: Fnv, word: u64) -> Fnv {
    phrase.with(b"_").with(&word.to_le_bytes())
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
            assert!(subject(&lexicon.entries, name).is_some(), "{name}");
        }
    }

    #[test]
    fn words_phrases_and_prefixes_give_their_subject_away() {
        let lexicon = Lexicon::load();
        let crypto = subject(&lexicon.entries, "crypto").unwrap();
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
