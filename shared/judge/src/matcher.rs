//! The plain matcher: which of a preference's topics a post names, in the words of the preference or in forms of them.
//!
//! It knows inflection (`matcher/inflection.rs`), compounds, hashtags and spellings, and nothing of the world. What is
//! quoted, a hashtag, a domain or has signs in it (C++, 9/11) is searched as it is written.

mod inflection;
mod text;

pub(super) use inflection::Tongue;
pub(super) use text::Text;

use inflection::{Stemmed, is_deed};

/// Words between the words of a topic that still belong together.
const NEAR: usize = 8;
/// Letters of a word from which on it may begin a compound whatever follows.
const LONG: usize = 6;
/// Letters of a word from which on it may begin a compound with a known word.
const SHORT: usize = 4;

/// A word of a topic.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    /// Folded, in lower case, without apostrophes.
    pub(super) word: &'a str,
    /// The same with the umlauts written out, if it has some.
    pub(super) spelled: Option<&'a str>,
    /// Written in capitals alone.
    pub(super) acronym: bool,
    /// Written with a capital as only names are: not inflected but in English and German.
    pub(super) name: bool,
    /// Its share of the topic.
    pub(super) weight: f32,
}

/// How much of a topic a post names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Named {
    /// The share of the topic's words, by weight, 0..=1.
    pub(super) share: f32,
    /// How many of its words.
    pub(super) words: usize,
    /// How often the one that occurs most.
    pub(super) times: usize,
    /// By what forms of them.
    pub(super) form: Form,
    /// Whether in capitals, in a post that is not.
    pub(super) loud: bool,
}

/// How near a post's words are to those of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// The verb of a deed: bet for betting.
    Deed,
    /// An inflected form or a compound.
    #[default]
    Inflected,
    /// The word, but for its number.
    Exact,
}

impl Named {
    /// Whether the post names the topic, not just a part of it.
    pub(super) fn is_whole(self) -> bool {
        self.share >= WHOLE
    }
}

/// The share from which on the rest of a topic is an ornament.
const WHOLE: f32 = 0.7;

/// A topic, ready to be searched.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// As it is written, in lower case.
    Literal { text: String, capitals: bool },
    Words {
        words: Vec<PatternWord>,
        /// All of them as one.
        together: String,
    },
}

#[derive(Clone, Debug)]
struct PatternWord {
    spellings: Vec<Spelling>,
    acronym: bool,
    weight: f32,
}

#[derive(Clone, Debug)]
struct Spelling {
    word: String,
    stems: Vec<Stemmed>,
}

impl Pattern {
    /// What is searched as it is written. Case does not matter.
    pub(super) fn literal(text: &str, capitals: bool) -> Self {
        let text = text.to_owned();
        Self {
            kind: Kind::Literal { text, capitals },
        }
    }

    /// A topic's words, inflected as in `tongues`.
    pub(super) fn words(wanted: &[Wanted<'_>], tongues: &[Tongue]) -> Self {
        let word = |wanted: &Wanted<'_>| {
            let spellings = std::iter::once(wanted.word).chain(wanted.spelled);
            let spellings = spellings.map(|word| Spelling {
                word: word.to_owned(),
                stems: if wanted.acronym {
                    Vec::new()
                } else {
                    let inflects =
                        |tongue: &&Tongue| !wanted.name || matches!(tongue, Tongue::English | Tongue::German);
                    let tongues = tongues.iter().filter(inflects);
                    tongues.filter_map(|tongue| Stemmed::of(word, *tongue)).collect()
                },
            });
            PatternWord {
                spellings: spellings.collect(),
                acronym: wanted.acronym,
                weight: wanted.weight,
            }
        };
        Self {
            kind: Kind::Words {
                words: wanted.iter().map(word).collect(),
                together: wanted.iter().map(|wanted| wanted.word).collect(),
            },
        }
    }

    /// How much of the topic a post names. `is_word` says whether the rest of a compound is a word.
    pub(super) fn find(&self, text: &Text, context: &Context<'_>) -> Named {
        match &self.kind {
            Kind::Literal {
                text: literal,
                capitals,
            } => find_literal(literal, *capitals, text, context),
            Kind::Words { words, together } => find_words(words, together, text, context),
        }
    }
}

/// What the matcher asks about words.
pub(super) struct Context<'a> {
    /// Whether letters are a word of some language.
    pub(super) is_word: &'a dyn Fn(&str) -> bool,
    /// Whether a word in small letters says nothing in the post's language (ai in Italian).
    pub(super) is_filler: &'a dyn Fn(&str) -> bool,
}

fn find_literal(literal: &str, capitals: bool, text: &Text, context: &Context<'_>) -> Named {
    if capitals && (context.is_filler)(literal) {
        let times = text
            .words
            .iter()
            .filter(|word| word.capitals && text.word(word) == literal)
            .count();
        return whole(times);
    }
    let times = text.written.match_indices(literal).filter(|(at, _)| {
        let (before, after) = (&text.written[..*at], &text.written[at + literal.len()..]);
        let starts = literal.starts_with(char::is_alphanumeric) || literal.starts_with('.');
        let ends = literal.ends_with(char::is_alphanumeric);
        let sign_goes_on =
            literal.ends_with(|c: char| c.is_ascii_punctuation()) && after.starts_with(char::is_alphabetic);
        let inside =
            starts && before.ends_with(char::is_alphanumeric) || ends && after.starts_with(char::is_alphanumeric);
        !inside && !sign_goes_on
    });
    let times = times.count();
    // A hashtag names its word as well.
    match literal.strip_prefix('#') {
        Some(tag) if times == 0 => whole(text.words.iter().filter(|word| text.word(word) == tag).count()),
        _ => whole(times),
    }
}

fn whole(times: usize) -> Named {
    Named {
        share: if times > 0 { 1.0 } else { 0.0 },
        words: times.min(1),
        times,
        form: Form::Exact,
        loud: false,
    }
}

fn find_words(words: &[PatternWord], together: &str, text: &Text, context: &Context<'_>) -> Named {
    let places: Vec<(Vec<usize>, Form, bool)> = words.iter().map(|word| word.places(text, context)).collect();
    let all: f32 = words.iter().map(|word| word.weight).sum();
    let mut best = Named::default();
    for from in places.iter().flat_map(|(places, ..)| places) {
        let near = |place: &&usize| (*from..=from + NEAR).contains(*place);
        let found = || {
            words
                .iter()
                .zip(&places)
                .filter(|(_, (places, ..))| places.iter().any(|place| near(&place)))
        };
        let share = found().map(|(word, _)| word.weight).sum::<f32>() / all;
        if share > best.share {
            best = Named {
                share,
                words: found().count(),
                times: places.iter().map(|(places, ..)| places.len()).max().unwrap_or_default(),
                form: places
                    .iter()
                    .filter(|(places, ..)| !places.is_empty())
                    .map(|(_, form, _)| *form)
                    .min()
                    .unwrap_or_default(),
                loud: places.iter().any(|(.., loud)| *loud),
            };
        }
    }
    if words.len() > 1 && together.len() > SHORT || together.len() >= LONG {
        let times = times_together(together, text, words.len() > 1);
        if times > 0 && best.share < 1.0 {
            best = Named {
                share: 1.0,
                words: words.len(),
                times,
                form: Form::Exact,
                loud: false,
            };
        }
    }
    best
}

/// How often a topic of several words is written as one, or a word of it as two.
fn times_together(together: &str, text: &Text, several: bool) -> usize {
    if several {
        return text
            .words
            .iter()
            .filter(|word| text.word(word).starts_with(together))
            .count();
    }
    let pairs = text.words.windows(2).filter(|pair| {
        let [one, two] = [text.word(&pair[0]), text.word(&pair[1])];
        pair[1].glued && one.len() + two.len() == together.len() && together.starts_with(one) && together.ends_with(two)
    });
    pairs.count()
}

impl PatternWord {
    /// Where a post has the word or a form of it, the nearest of these forms, and whether one is in capitals.
    fn places(&self, text: &Text, context: &Context<'_>) -> (Vec<usize>, Form, bool) {
        let mut places = Vec::new();
        let mut nearest = Form::Deed;
        let mut loud = false;
        for word in &text.words {
            let letters = text.word(word);
            let forms = self
                .spellings
                .iter()
                .filter_map(|spelling| spelling.form(letters, word.tag, context));
            let form = if self.acronym {
                let says_nothing = !word.capitals && (context.is_filler)(letters);
                forms.max().filter(|form| *form == Form::Exact && !says_nothing)
            } else {
                forms.max()
            };
            if let Some(form) = form {
                nearest = nearest.max(form);
                loud |= word.capitals && !self.acronym;
                if places.last() != Some(&word.place) {
                    places.push(word.place);
                }
            }
        }
        (places, nearest, loud)
    }
}

impl Spelling {
    /// Whether a word is this one, but for an s that number or a genitive adds: NFT, NFTs, Trump's.
    fn is(&self, letters: &str) -> bool {
        let singular = self
            .word
            .strip_suffix('s')
            .filter(|one| one.len() >= SHORT - 1 && !one.ends_with('s'));
        let rest = letters.strip_prefix(singular.unwrap_or(&self.word));
        rest.is_some_and(|rest| matches!(rest, "" | "s"))
    }

    /// What form of this word another is, if any.
    fn form(&self, letters: &str, tag: bool, context: &Context<'_>) -> Option<Form> {
        if self.is(letters) {
            return Some(Form::Exact);
        }
        if self.stems.iter().any(|stem| stem.is_form(&self.word, letters)) {
            let deed = is_deed(&self.word, letters);
            return Some(if deed { Form::Deed } else { Form::Inflected });
        }
        let compound = self.begins(letters, context)
            || tag && self.ends(letters)
            || self.stems.iter().any(|stem| stem.ends(letters, context.is_word));
        compound.then_some(Form::Inflected)
    }

    /// Whether a word is a compound that begins with this one: cryptobros, Fußballspiel.
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
                        .any(|rest| rest.len() >= 3 && (context.is_word)(rest)))
    }

    /// Whether a hashtag ends with this word: #ilovegolf.
    fn ends(&self, letters: &str) -> bool {
        self.word.len() >= SHORT && letters.len() >= self.word.len() + 2 && letters.ends_with(self.word.as_str())
    }
}
