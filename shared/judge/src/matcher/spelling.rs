//! One way in which a word of a topic is written, and what counts as it: forms, compounds, slips.

use super::inflection::{Stemmed, is_deed};
use super::text::Word;
use super::{Context, Form, disguise};

/// Letters of a word from which on it may begin a compound whatever follows.
const LONG: usize = 6;
/// Letters of a word from which on it may begin a compound with a known word.
pub(super) const SHORT: usize = 4;

/// Prefixes of many languages that do not change the matter of a word.
const FRONTS: [&str; 16] = [
    "geo", "micro", "macro", "mini", "super", "mega", "anti", "pro", "pseudo", "ultra", "neo", "post", "ex", "bio",
    "eco", "euro",
];

#[derive(Clone, Debug)]
pub(super) struct Spelling {
    pub(super) word: String,
    pub(super) stems: Vec<Stemmed>,
    /// A word of its family, to be found as it is.
    pub(super) relative: bool,
    /// Of a name: what only sounds like it has a capital as well.
    pub(super) name: bool,
}

impl Spelling {
    /// True if a word is this one, but for an s that number or a genitive adds: NFT, NFTs, Trump's.
    pub(super) fn is(&self, letters: &str) -> bool {
        let singular = self
            .word
            .strip_suffix('s')
            .or_else(|| self.word.strip_suffix('x').filter(|one| one.ends_with('u')))
            .filter(|one| one.len() >= SHORT - 1 && !one.ends_with('s'));
        let rest = letters.strip_prefix(singular.unwrap_or(&self.word));
        rest.is_some_and(|rest| matches!(rest, "" | "s") || rest == "x" && self.word.ends_with('x'))
    }

    /// Returns the form of this word that another is, if any; with `wide`, related words count too.
    pub(super) fn form(&self, letters: &str, word: &Word, context: &Context<'_>, wide: bool) -> Option<Form> {
        if word.starred {
            return disguise::is_starred(&self.word, letters).then_some(Form::Exact);
        }
        if self.relative {
            return (self.word == letters).then_some(Form::Deed);
        }
        if self.is(letters) {
            return Some(Form::Exact);
        }
        // Most words begin with another letter: only what may add something before the word is left to be asked.
        let alike = disguise::begin_alike(&self.word, letters);
        let may_be_form = alike || letters.starts_with("ge");
        if may_be_form && self.stems.iter().any(|stem| stem.is_form(&self.word, letters)) {
            let deed = is_deed(&self.word, letters);
            return Some(if deed { Form::Deed } else { Form::Inflected });
        }
        let slip = || {
            (word.capital || !self.name)
                && disguise::is_slip(&self.word, letters)
                && !((context.word)(letters) && (context.word)(&self.word))
        };
        let misspelt =
            || disguise::is_drawn_out(&self.word, letters) || disguise::is_doubled(&self.word, letters) || slip();
        if alike && misspelt() || wide && is_related(&self.word, letters) {
            return Some(Form::Inflected);
        }
        let front = letters.strip_suffix(self.word.as_str());
        let begins = || self.begins(letters, context) || self.stems.iter().any(|stem| stem.begins(letters, LONG));
        let compound = alike && begins()
            || self.word.len() >= SHORT && front.is_some_and(|front| FRONTS.contains(&front))
            || word.tag && self.ends(letters)
            || self.stems.iter().any(|stem| stem.ends(letters, context.word));
        compound.then_some(Form::Inflected)
    }

    /// True if a word is a compound that begins with this one: cryptobros, Fußballspiel.
    fn begins(&self, letters: &str, context: &Context<'_>) -> bool {
        let singular = self.word.strip_suffix('s').filter(|word| word.len() >= LONG);
        let Some(rest) = letters.strip_prefix(singular.unwrap_or(&self.word)) else {
            return false;
        };
        let joints = ["", "s", "n", "en", "er", "es", "e"];
        rest.len() >= 3
            && (self.word.len() >= LONG
                || self.word.len() >= SHORT
                    && joints
                        .iter()
                        .filter_map(|joint| rest.strip_prefix(joint))
                        .any(|rest| rest.len() >= 3 && (context.word)(rest)))
    }

    /// True if a hashtag ends with this word: #ilovegolf.
    fn ends(&self, letters: &str) -> bool {
        self.word.len() >= SHORT && letters.len() >= self.word.len() + 2 && letters.ends_with(self.word.as_str())
    }
}

/// True if two words are about one matter as far as their letters tell: prohibición and prohíbe, Arzt and Oberarzt. Too
/// little to hide a post for, enough to believe that it is what an exception means.
fn is_related(word: &str, letters: &str) -> bool {
    let shared = word.bytes().zip(letters.bytes()).take_while(|(a, b)| a == b).count();
    let ends = || word.len() >= SHORT && letters.len() >= word.len() + 3 && letters.ends_with(word);
    shared >= LONG - 1 && shared * 2 >= word.len().max(letters.len()) || ends()
}
