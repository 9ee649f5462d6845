//! The embedded judge: answers "should this post be hidden?" in process, when no model can be asked.
//!
//! A preference is read as clauses (`preference.rs`). A post is hidden that names one of its topics (`matcher.rs`) or gives
//! its subject away by other words (`lexicon.rs`); what is to be kept is set against that (`weigh.rs`). It understands
//! no irony and no plot: an honest stand-in. docs/JUDGE.md has its figures.

mod applies;
mod cues;
mod fold;
mod form;
mod index;
mod layout;
mod lexicon;
mod likeness;
mod matcher;
mod phrase;
mod post;
mod preference;
mod scan;
mod topic;
mod unicode;
mod weigh;
mod words;

pub use applies::Part;
pub use likeness::{LIKENESS_VERSION, likeness};
use std::collections::HashSet;

use cues::{Action, Languages};
use lexicon::Lexicon;
use matcher::{Context, Named, Text};
use preference::Clause;
use topic::Topic;
use weigh::{Decider, Weighed};
use words::Stem;

/// Names the judge in cache keys. To be changed with every change of verdicts; a test holds the two together.
pub const JUDGE_VERSION: &str = "lexicon/8";

/// The score from which a post counts as hidden when nothing else is configured.
pub const HIDE_FROM: f32 = 0.5;

/// Why the embedded lexicon could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the embedded lexicon is damaged: {0}")]
pub struct LoadError(&'static str);

/// The embedded judge. Immutable; one per process is enough.
#[derive(Debug)]
pub struct Judge {
    lexicon: Lexicon,
    languages: Languages,
}

/// A preference that has been read, for any number of posts.
#[derive(Clone, Debug)]
pub struct Preference {
    topics: Vec<Topic>,
    /// The roots of their words.
    roots: HashSet<u64>,
    /// Everything is hidden that no topic to keep applies to.
    only: bool,
}

/// The judge's verdict on a post.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// How strongly the post should be hidden, 0..=1; hidden from [`HIDE_FROM`] on.
    pub score: f32,
    /// The words of the preference that apply, as they were written.
    pub matched: Option<String>,
    /// One sentence for the user.
    pub reason: String,
}

impl Judge {
    /// Reads the embedded lexicon: a few milliseconds.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn load() -> Result<Self, LoadError> {
        Ok(Self {
            lexicon: Lexicon::load()?,
            languages: Languages::load(),
        })
    }

    /// Reads a preference: what to hide, what to keep, what is excepted. Case does not matter.
    #[must_use]
    pub fn read(&self, preference: &str) -> Preference {
        let (clauses, tongues) = preference::parse(preference, &self.languages);
        let (topics, roots) = topic::prepare(&clauses, &tongues, &self.lexicon);
        let keeps = topics.iter().any(|topic| topic.action == Action::Keep);
        let only = clauses.iter().any(|clause| hides_the_rest(clause, keeps));
        Preference { topics, roots, only }
    }

    /// Judges one post. Deterministic, and linear in the length of the text.
    #[must_use]
    pub fn opinion(&self, preference: &Preference, text: &str) -> Opinion {
        self.opinion_by(Part::Whole, preference, text)
    }

    /// The same by a part of the evidence; for measuring.
    #[doc(hidden)]
    #[must_use]
    pub fn opinion_by(&self, part: Part, preference: &Preference, text: &str) -> Opinion {
        let Preference { topics, roots, only } = preference;
        if topics.is_empty() && !only {
            return Opinion {
                score: 0.0,
                matched: None,
                reason: "the preference names nothing to hide".into(),
            };
        }
        let folded = fold::fold(text);
        let lower = folded.to_lowercase();
        let post = post::read(text, &lower, roots, &self.lexicon);
        let named = self.named(topics, &folded, &lower);
        let Weighed { score, decider } = weigh::weigh(topics, *only, &post, &named, part);
        Opinion {
            score,
            matched: matched(&decider, score),
            reason: reason(&decider, score),
        }
    }

    /// Returns the compiled-in lexicon, for measuring.
    #[doc(hidden)]
    #[must_use]
    pub fn embedded() -> [&'static [u8]; 4] {
        lexicon::FILES
    }

    /// How much of each topic a folded post names.
    fn named(&self, topics: &[Topic], folded: &str, lower: &str) -> Vec<Named> {
        let text = Text::of(folded, lower);
        let context = Context {
            word: &|word| self.lexicon.whole(Stem::of(word).exact).is_some(),
            common: &|word| self.lexicon.is_common(Stem::of(word).exact),
            filler: &|word| self.languages.is_filler(word, &text.words()),
        };
        topics.iter().map(|topic| topic.pattern.find(&text, &context)).collect()
    }
}

/// "only ..." or "hide everything": what no topic to keep applies to is hidden. An "only" whose topic was not
/// understood hides nothing, rather than everything.
fn hides_the_rest(clause: &Clause, keeps: bool) -> bool {
    let everything = clause.universal && clause.action == Action::Hide && clause.topics.is_empty();
    if clause.only { keeps } else { everything }
}

fn matched(decider: &Decider<'_>, score: f32) -> Option<String> {
    match decider {
        Decider::Hides(topic) | Decider::Keeps(topic) => Some(topic.text.clone()),
        Decider::NotWanted(topic) if score >= HIDE_FROM => topic.map(|topic| topic.text.clone()),
        Decider::NotWanted(_) | Decider::Nothing => None,
    }
}

fn reason(decider: &Decider<'_>, score: f32) -> String {
    match decider {
        Decider::Hides(topic) => format!("matches \"{}\", which you asked to hide", topic.text),
        Decider::Keeps(topic) => format!("matches \"{}\", which you asked to keep", topic.text),
        Decider::NotWanted(Some(topic)) if score >= HIDE_FROM => {
            format!("does not match \"{}\", the only posts you asked for", topic.text)
        }
        Decider::NotWanted(None) => "you asked to hide everything".into(),
        Decider::NotWanted(_) => "might match what you asked to keep".into(),
        Decider::Nothing => "matches nothing you asked to hide".into(),
    }
}
