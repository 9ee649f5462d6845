//! The words by which a preference says what is to happen: hide, keep, not, only, except.
//!
//! Normalised (lower case, no accents, no apostrophes). The other languages' words count only in a preference that is
//! written in that language, for many of them mean something else in English (war, die, son, e).

mod english;
mod others;

use std::collections::{HashMap, HashSet};

use super::matcher::Tongue;
use english::ENGLISH;
use others::{FRENCH, GERMAN, ITALIAN, PORTUGUESE, SPANISH};

/// The order of a clause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Action {
    #[default]
    Hide,
    Keep,
}

impl Action {
    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Hide => Self::Keep,
            Self::Keep => Self::Hide,
        }
    }

    pub(super) fn unless(self, negated: bool) -> Self {
        if negated { self.opposite() } else { self }
    }
}

/// The effect of a cue on the topics after it.
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
    /// can go: the item before it is to be hidden
    TrailingHide,
    /// I like, which I like: keeps the item before it where nothing follows, else what follows
    Like,
    /// good, interesting: keeps the item before it where nothing follows
    Good,
    /// only if, only when: after things to hide the exception from them
    OnlyIf,
    /// nothing else: what was named is all that is kept
    NothingElse,
    /// just: only, where a preference starts so
    Just,
    /// less, more: as Hide and Keep, and ends the item before it
    Less,
    More,
    /// politely passed over
    Filler,
}

/// Returns the meaning of a word for the item that it ends.
pub(super) fn answer(word: &str) -> Option<Action> {
    match word {
        "no" | "nope" | "nein" | "non" | "nao" | "nada" | "nicht" | "pas" | "off" | "out" | "mai" | "never" | "nie"
        | "nunca" | "jamais" | "stop" | "basta" | "weg" | "raus" | "fuera" | "fora" | "via" => Some(Action::Hide),
        "yes" | "yep" | "ja" | "si" | "oui" | "sim" | "ok" | "okay" | "pode" | "podem" | "vale" | "sempre"
        | "welcome" => Some(Action::Keep),
        _ => None,
    }
}

/// True if a word only strengthens what is said of an item: "are always fine".
pub(super) fn is_adverb(word: &str) -> bool {
    const ADVERBS: &str = "always still totally also too perfectly completely absolutely very pretty usually generally mostly \
                           immer auch noch weiterhin trotzdem total aber siempre tambien muy toujours aussi tres \
                           sempre anche molto tambem muito";
    ADVERBS.split_ascii_whitespace().any(|adverb| adverb == word)
}

/// True if a word after such an answer is only polite.
pub(super) fn is_polite(word: &str) -> bool {
    const POLITE: &str = "please pls plz thanks bitte danke gern gerne por favor gracias svp stp merci per favore grazie obrigado \
                          obrigada pfv lol tho though";
    POLITE.split_ascii_whitespace().any(|polite| polite == word)
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
    /// The first words of its own cues.
    orders: HashSet<&'static str>,
    /// Of `markers` and `stop` what is not English alone: words that tell a post's language.
    own: HashSet<&'static str>,
    tongue: Tongue,
}

/// All languages; the first is English, whose words count in every other one too.
#[derive(Debug)]
pub(super) struct Languages(Vec<Language>);

impl Languages {
    pub(super) fn load() -> Self {
        let load = |(words, tongue): (&&'static Words, Tongue)| {
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
            let own = words.cues.iter().flat_map(|(_, phrases)| phrases.split_whitespace());
            let orders = own.filter_map(|phrase| phrase.split('_').next()).collect();
            let stop = words.stop.split_whitespace().chain(ENGLISH.stop.split_whitespace());
            Language {
                markers: words.markers.split_whitespace().collect(),
                cues,
                stop: stop.collect(),
                orders,
                own: words
                    .markers
                    .split_whitespace()
                    .chain(words.stop.split_whitespace())
                    .collect(),
                tongue,
            }
        };
        let words = [&ENGLISH, &GERMAN, &SPANISH, &FRENCH, &ITALIAN, &PORTUGUESE];
        Self(words.iter().zip(Tongue::ALL).map(load).collect())
    }

    /// The language most of whose markers and orders occur, of equal ones that with more other words that say nothing;
    /// the earlier one, so English first, when in doubt.
    pub(super) fn guess(&self, words: &[&str]) -> Option<&Language> {
        let told = |language: &&Language| {
            let share = language.share(words);
            let others = words.iter().filter(|word| share > 0 && language.own.contains(*word));
            (share, others.count())
        };
        self.0.iter().rev().max_by_key(told)
    }

    /// The tongues that a preference's words may be of: its languages and English, or all where nothing tells.
    pub(super) fn tongues(&self, words: &[&str]) -> Vec<Tongue> {
        let most = self
            .0
            .iter()
            .map(|language| language.share(words))
            .max()
            .unwrap_or_default();
        let likely =
            |language: &&Language| most == 0 || language.tongue == Tongue::English || language.share(words) == most;
        self.0.iter().filter(likely).map(|language| language.tongue).collect()
    }

    /// True if a word says nothing in the language that most words of a post are of.
    pub(super) fn is_filler<'a>(&self, word: &str, post: &(impl Iterator<Item = &'a str> + Clone)) -> bool {
        let score = |language: &&Language| post.clone().filter(|word| language.own.contains(word)).count();
        let language = self.0.iter().rev().max_by_key(score);
        language.is_some_and(|language| language.own.contains(word))
    }
}

impl Language {
    /// How much of a preference's words tell this language.
    fn share(&self, words: &[&str]) -> usize {
        let markers = words.iter().filter(|word| self.markers.contains(*word)).count();
        let orders = words.iter().filter(|word| self.orders.contains(*word)).count();
        markers + orders
    }

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

    /// True if capitals do not tell names from other nouns.
    pub(super) fn capitalises_nouns(&self) -> bool {
        self.tongue == Tongue::German
    }

    /// True if the word says nothing by itself.
    pub(super) fn is_stop(&self, word: &str) -> bool {
        self.stop.contains(word)
    }
}
