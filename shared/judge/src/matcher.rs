//! The plain matcher: finds the topics of a preference that a post names, in the words of the preference or in forms of
//! them.
//!
//! It knows inflection (`matcher/inflection.rs`), compounds, hashtags and spellings, and nothing of the world. Quoted
//! words, hashtags, domains and words with signs (C++, 9/11) match as they are written.

mod disguise;
mod families;
mod inflection;
mod names;
mod spelling;
mod text;

pub(super) use inflection::Tongue;
pub(super) use names::INITIALS;
pub(super) use text::Text;

use inflection::Stemmed;
use spelling::{SHORT, Spelling};

/// Words between the words of a topic that still belong together.
const NEAR: usize = 8;
/// Places of a word that are looked at.
const PLACES: usize = 50;
/// A word of a topic.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    /// Folded, in lower case, without apostrophes.
    pub(super) word: &'a str,
    /// How else it is written.
    pub(super) spelled: &'a [String],
    /// Written in capitals alone.
    pub(super) acronym: bool,
    /// Written with a capital as only names are: not inflected but in English and German.
    pub(super) name: bool,
    /// Its share of the topic.
    pub(super) weight: f32,
    /// True if it tells the topic by itself: Potter.
    pub(super) tells: bool,
}

/// How much of a topic a post names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a way in which it is named, in any combination"
)]
pub(super) struct Named {
    /// The share of the topic's words, by weight, 0..=1.
    pub(super) share: f32,
    /// How often the one that occurs most.
    pub(super) times: usize,
    /// By what forms of them.
    pub(super) form: Form,
    /// True if it is in capitals, in a post that is not.
    pub(super) loud: bool,
    /// True if it has a capital.
    pub(super) capital: bool,
    /// True if it is named by a word that is enough by itself.
    pub(super) telling: bool,
    /// True if it is named by its last word, with a capital in the middle of a sentence and no other name beside it.
    pub(super) surname: bool,
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
    /// True if the post names the topic, not just a part of it.
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
        /// Their first letters, with and without what says nothing (of, the).
        initials: Vec<String>,
        /// True if what is only related is meant as well.
        wide: bool,
    },
}

#[derive(Clone, Debug)]
struct PatternWord {
    spellings: Vec<Spelling>,
    acronym: bool,
    /// Written with a capital as only names are.
    name: bool,
    weight: f32,
    tells: bool,
}

impl Pattern {
    /// Makes a word that matches as it is written, in any case.
    pub(super) fn literal(text: &str, capitals: bool) -> Self {
        let text = text.to_owned();
        Self {
            kind: Kind::Literal { text, capitals },
        }
    }

    /// A topic's words, inflected as in `tongues`; `wide`: what is only related to them is meant as well.
    pub(super) fn words(wanted: &[Wanted<'_>], tongues: &[Tongue], initials: Vec<String>, wide: bool) -> Self {
        Self {
            kind: Kind::Words {
                words: wanted.iter().map(|wanted| PatternWord::of(wanted, tongues)).collect(),
                together: wanted.iter().map(|wanted| wanted.word).collect(),
                initials,
                wide,
            },
        }
    }

    /// How much of the topic a post names. `context` knows words.
    pub(super) fn find(&self, text: &Text, context: &Context<'_>) -> Named {
        match &self.kind {
            Kind::Literal {
                text: literal,
                capitals,
            } => find_literal(literal, *capitals, text, context),
            Kind::Words {
                words,
                together,
                initials,
                wide,
            } => {
                let named = find_words(words, text, context, *wide);
                if named.is_whole() {
                    return named;
                }
                let times = count_short_forms(words, together, initials, text, context);
                if times > 0 { whole(times) } else { named }
            }
        }
    }
}

/// The matcher's questions about words.
pub(super) struct Context<'a> {
    /// True if letters are a word of some language.
    pub(super) word: &'a dyn Fn(&str) -> bool,
    /// True if that is a word that many subjects have.
    pub(super) common: &'a dyn Fn(&str) -> bool,
    /// True if a word in small letters says nothing in the post's language (ai in Italian).
    pub(super) filler: &'a dyn Fn(&str) -> bool,
}

fn find_literal(literal: &str, capitals: bool, text: &Text, context: &Context<'_>) -> Named {
    if capitals && (context.filler)(literal) {
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
    // A hashtag names its word as well, and a word is named by a part of a hashtag.
    let word = literal.strip_prefix('#').unwrap_or(literal);
    let is = |other: &&text::Word| text.word(other) == word || disguise::is_doubled(word, text.word(other));
    let site = names::site(literal).map_or(0, |site| names::count_site(site, text));
    whole(times.max(text.words.iter().filter(is).count()).max(site))
}

fn whole(times: usize) -> Named {
    Named {
        share: if times > 0 { 1.0 } else { 0.0 },
        times,
        form: Form::Exact,
        ..Named::default()
    }
}

/// How often all of a topic's words occur as one, by their initials or shortened.
fn count_short_forms(
    words: &[PatternWord],
    together: &str,
    initials: &[String],
    text: &Text,
    context: &Context<'_>,
) -> usize {
    if let [word] = words {
        let digit = together.contains(|c: char| c.is_ascii_digit());
        let spelled_out = if word.acronym || digit {
            names::count_spelled_out(together, text)
        } else {
            0
        };
        return spelled_out + names::count_apart(together, text, context);
    }
    let together = together.strip_suffix('s').unwrap_or(together);
    let one = |word: &&text::Word| together.len() >= SHORT && text.word(word).starts_with(together);
    let times = text.words.iter().filter(one).count();
    times + names::count_initials(initials, text, context) + names::count_shortened(words, text, context)
}

fn find_words(words: &[PatternWord], text: &Text, context: &Context<'_>, wide: bool) -> Named {
    let found: Vec<Found> = words.iter().map(|word| word.found(text, context, wide)).collect();
    let all: f32 = words.iter().map(|word| word.weight).sum();
    let mut best = Named::default();
    for from in found.iter().flat_map(|found| &found.places) {
        let near = |found: &Found| found.places.iter().any(|place| (*from..=from + NEAR).contains(place));
        let here = || words.iter().zip(&found).filter(|(_, found)| near(found));
        let share = here().map(|(word, _)| word.weight).sum::<f32>() / all;
        if share > best.share {
            let any = || found.iter().filter(|found| !found.places.is_empty());
            best = Named {
                share,
                times: any().map(|found| found.places.len()).max().unwrap_or_default(),
                form: any().map(|found| found.form).min().unwrap_or_default(),
                loud: any().any(|found| found.loud),
                capital: any().any(|found| found.capital),
                telling: words.iter().zip(&found).any(|(word, found)| {
                    words.len() > 1 && word.tells && !found.places.is_empty() && (found.capital || !word.name)
                }),
                surname: found.last().is_some_and(|found| found.alone),
            };
        }
        if share >= 1.0 {
            break;
        }
    }
    best
}

/// Where a post has a word or a form of it.
#[derive(Debug, Default)]
struct Found {
    /// The first of its places.
    places: Vec<usize>,
    /// The nearest of its forms.
    form: Form,
    loud: bool,
    capital: bool,
    /// With a capital in the middle of a sentence, beside no other name.
    alone: bool,
}

impl PatternWord {
    fn of(wanted: &Wanted<'_>, tongues: &[Tongue]) -> Self {
        let inflects = |tongue: &&Tongue| !wanted.name || matches!(tongue, Tongue::English | Tongue::German);
        let stems = |word: &str| {
            let tongues = tongues.iter().filter(|_| !wanted.acronym).filter(inflects);
            tongues.filter_map(|tongue| Stemmed::of(word, *tongue)).collect()
        };
        let written = std::iter::once(wanted.word).chain(wanted.spelled.iter().map(String::as_str));
        let written = written.map(|word| Spelling {
            word: word.to_owned(),
            stems: stems(word),
            relative: false,
            name: wanted.name,
        });
        let alone = wanted.acronym || wanted.name;
        let relatives = families::relatives(wanted.word, tongues).filter(|_| !alone);
        let relatives = relatives.map(|word| Spelling {
            word: word.to_owned(),
            stems: Vec::new(),
            relative: true,
            name: false,
        });
        Self {
            spellings: written.chain(relatives).collect(),
            acronym: wanted.acronym,
            name: wanted.name,
            weight: wanted.weight,
            tells: wanted.tells,
        }
    }

    fn found(&self, text: &Text, context: &Context<'_>, wide: bool) -> Found {
        let mut found = Found {
            form: Form::Deed,
            ..Found::default()
        };
        for (at, word) in text.words.iter().enumerate() {
            let letters = text.word(word);
            let forms = self.spellings.iter();
            let form = forms
                .filter_map(|spelling| spelling.form(letters, word, context, wide))
                .max();
            let says_nothing = || !word.capitals && (context.filler)(letters);
            let Some(form) = form.filter(|form| !self.acronym || *form == Form::Exact && !says_nothing()) else {
                continue;
            };
            found.form = found.form.max(form);
            found.loud |= word.capitals && !self.acronym;
            found.capital |= word.capital;
            found.alone |= text.is_alone(at, |word| (context.common)(word) || (context.filler)(word));
            if found.places.last() != Some(&word.place) && found.places.len() < PLACES {
                found.places.push(word.place);
            }
        }
        found
    }
}
