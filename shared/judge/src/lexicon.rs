//! The judge's knowledge of the world: subjects that people ask to hide, and the words that indicate them in a post.
//!
//! The files in `lexicon/` are written by hand, and the build script turns them into indexes (`build/source.rs` says
//! what their marks mean).

use super::LoadError;
use super::index::{Index, Place};
use super::layout::Subject;

static DIRECTED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/subjects.bin"));
static NAMES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/names.bin"));
static WORDS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/words.bin"));
static PREFIXES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/prefixes.bin"));

/// All of them.
pub(super) static FILES: [&[u8]; 4] = [DIRECTED, NAMES, WORDS, PREFIXES];

/// The lexicon, ready to be looked up.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// By subject: not 0 for one whose words count only when they are said to somebody.
    directed: &'static [u8],
    /// By key of a name.
    names: Index,
    /// By key of a word or phrase.
    words: Index,
    /// By key of what a word starts with.
    prefixes: Index,
}

/// The strength of a name that hardly means anything else.
const NAME: f32 = 0.6;

/// A key that a post's words can be looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A word or phrase.
    Whole(Place),
    /// The start of a word.
    Start(Place),
}

impl Lexicon {
    pub(super) fn load() -> Result<Self, LoadError> {
        Ok(Self {
            directed: DIRECTED,
            names: Index::of(NAMES)?,
            words: Index::of(WORDS)?,
            prefixes: Index::of(PREFIXES)?,
        })
    }

    /// How many subjects there are.
    pub(super) fn len(&self) -> usize {
        self.directed.len()
    }

    /// True if the subject's words count only when they are said to somebody.
    pub(super) fn is_directed(&self, subject: Subject) -> bool {
        self.directed
            .get(usize::from(subject))
            .is_some_and(|directed| *directed != 0)
    }

    /// The subjects that a word or phrase of a preference names.
    pub(super) fn named(&self, key: u64) -> Vec<Subject> {
        let place = self.names.find(key);
        let entries = place.into_iter().flat_map(|place| self.names.at(place));
        entries.map(|(subject, _)| subject).collect()
    }

    /// True if a word of a preference names a subject by a word that means something else as well.
    pub(super) fn is_ambiguous(&self, key: u64) -> bool {
        let place = self.names.find(key);
        let mut entries = place.into_iter().flat_map(|place| self.names.at(place));
        entries.any(|(_, strength)| strength < NAME)
    }

    /// True if a word is known, and gives nothing away by itself.
    pub(super) fn is_common(&self, key: u64) -> bool {
        let hint = self.whole(key);
        hint.is_some_and(|hint| self.at(hint).all(|(_, strength)| strength <= NAME))
    }

    /// Where it stands what a word or phrase of a post gives away.
    pub(super) fn whole(&self, key: u64) -> Option<Hint> {
        self.words.find(key).map(Hint::Whole)
    }

    /// Where it stands what a beginning of a word gives away.
    pub(super) fn start(&self, key: u64) -> Option<Hint> {
        self.prefixes.find(key).map(Hint::Start)
    }

    /// Returns the subjects of a hint, with their strengths.
    pub(super) fn at(&self, hint: Hint) -> impl Iterator<Item = (Subject, f32)> {
        match hint {
            Hint::Whole(place) => self.words.at(place),
            Hint::Start(place) => self.prefixes.at(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{Stem, phrase, start_of_word};
    use super::*;

    fn start(word: &str) -> u64 {
        start_of_word().with(word.as_bytes()).finish()
    }

    #[test]
    fn words_phrases_and_beginnings_give_the_subject_away_that_their_name_names() {
        let lexicon = Lexicon::load().unwrap();
        let named = lexicon.named(Stem::of("crypto").exact);
        let [crypto] = named[..] else { panic!("{named:?}") };
        let seed_phrase = phrase(["seed", "phrase"].map(|word| Stem::of(word).exact));
        for hint in [
            lexicon.whole(Stem::of("bitcoin").exact),
            lexicon.whole(seed_phrase),
            lexicon.whole(Stem::of("seedphrase").exact),
            lexicon.start(start("altcoin")),
        ] {
            assert!(
                lexicon
                    .at(hint.unwrap())
                    .any(|(subject, strength)| subject == crypto && strength > 0.0)
            );
        }
        assert_eq!(lexicon.whole(Stem::of("qwertzuiop").exact), None);
        assert_eq!(lexicon.start(start("qwertz")), None);
    }

    #[test]
    fn a_part_gives_its_whole_away_and_a_phrase_from_another_matter_takes_away() {
        let lexicon = Lexicon::load().unwrap();
        let football = lexicon.named(Stem::of("football").exact);
        let sport = lexicon.named(Stem::of("sport").exact);
        let offside = lexicon.whole(Stem::of("offside").exact).unwrap();
        for subject in [football[0], sport[0]] {
            assert!(
                lexicon
                    .at(offside)
                    .any(|(of, strength)| of == subject && strength > 0.0)
            );
        }
        let bank = lexicon
            .whole(phrase(["food", "bank"].map(|word| Stem::of(word).exact)))
            .unwrap();
        assert!(lexicon.at(bank).any(|(_, strength)| strength < 0.0));
    }
}
