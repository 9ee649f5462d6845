//! The embedded judge: answers "should this post be hidden?" in process, when no model can be asked.
//!
//! A preference is split into clauses (`preference.rs`), its topics are compared with a post by words, by what
//! those words give away (`lexicon.rs`) and by likeness of static embeddings, and both are weighed
//! (`weigh.rs`). It knows little of the world and little grammar: an honest stand-in, whose threshold is set for
//! few false hides. docs/JUDGE.md has its figures.

mod common;
mod cues;
mod embedding;
mod form;
mod index;
mod layout;
mod lexicon;
mod phrase;
mod post;
mod preference;
mod scan;
mod tokenizer;
mod topic;
mod unicode;
mod weigh;
mod words;

use common::Common;
use cues::Languages;
use embedding::Embedding;
use lexicon::Lexicon;
use preference::{Action, Clause};
use tokenizer::Tokenizer;
use topic::{Keys, Sources, Topic};
use weigh::{Decider, Weighed};

/// Names the judge in cache keys. To be changed with every change of verdicts; a test holds the two together.
pub const JUDGE_VERSION: &str = "lexicon-minilm-256/5";

/// The score from which a post counts as hidden when nothing else is configured.
pub const HIDE_FROM: f32 = 0.5;

static TABLE: &[u8] = include_bytes!("../models/minilm-static-256/model.safetensors");
static COMMON: &[u8] = include_bytes!("../models/minilm-static-256/common.safetensors");
static VOCABULARY: &[u8] = include_bytes!("../models/minilm-static-256/vocab.txt");

/// Why the embedded files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The table's header is not the JSON that was expected.
    #[error("the embedding table's header cannot be read")]
    Header(#[source] serde_json::Error),
    /// The table is damaged.
    #[error("the embedding table is damaged: {0}")]
    Table(&'static str),
    /// The vocabulary is damaged.
    #[error("the vocabulary is damaged: {0}")]
    Vocabulary(&'static str),
}

/// The embedded model. Immutable; one per process is enough.
#[derive(Debug)]
pub struct Judge {
    tokenizer: Tokenizer,
    embedding: Embedding,
    common: Common,
    lexicon: Lexicon,
    languages: Languages,
}

/// A preference that has been read, for any number of posts.
#[derive(Clone, Debug)]
pub struct Preference {
    topics: Vec<Topic>,
    keys: Keys,
    /// Everything is hidden that no topic to keep applies to.
    only: bool,
}

/// What the judge thinks of a post.
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
    /// Reads the embedded table, vocabulary and lexicon: a few milliseconds.
    ///
    /// # Errors
    /// If the embedded files are damaged.
    pub fn load() -> Result<Self, LoadError> {
        let embedding = Embedding::parse(TABLE)?;
        let tokenizer = Tokenizer::parse(VOCABULARY)?;
        if tokenizer.len() != embedding.len() {
            return Err(LoadError::Vocabulary("pieces and rows differ in number"));
        }
        Ok(Self {
            tokenizer,
            embedding,
            common: Common::parse(COMMON)?,
            lexicon: Lexicon::load(),
            languages: Languages::load(),
        })
    }

    /// Reads a preference: what to hide, what to keep, what is excepted. Case does not matter.
    #[must_use]
    pub fn read(&self, preference: &str) -> Preference {
        let clauses = preference::parse(preference, &self.languages);
        let (topics, keys) = topic::prepare(&clauses, self.sources());
        let keeps = topics.iter().any(|topic| topic.action == Action::Keep);
        let only = clauses.iter().any(|clause| hides_the_rest(clause, keeps));
        Preference { topics, keys, only }
    }

    /// Judges one post. Deterministic, and linear in the length of the text.
    #[must_use]
    pub fn opinion(&self, preference: &Preference, text: &str) -> Opinion {
        let Preference { topics, keys, only } = preference;
        if topics.is_empty() && !only {
            return Opinion {
                score: 0.0,
                matched: None,
                reason: "the preference names nothing to hide".into(),
            };
        }
        let post = post::read(text, keys, self.sources());
        let Weighed { score, decider } = weigh::weigh(topics, *only, &post);
        Opinion {
            score,
            matched: matched(&decider, score),
            reason: reason(&decider, score),
        }
    }

    /// The ids of a text's word pieces, without special tokens; for comparison with other tokenizers.
    #[doc(hidden)]
    #[must_use]
    pub fn token_ids(&self, text: &str) -> Vec<u32> {
        self.tokenizer.ids(text)
    }

    /// What is compiled into whoever can judge: table, vocabulary, lexicon. For measuring.
    #[doc(hidden)]
    #[must_use]
    pub fn embedded() -> [&'static [u8]; 8] {
        let [directed, names, pieces, words, prefixes] = lexicon::FILES;
        [TABLE, COMMON, VOCABULARY, directed, names, pieces, words, prefixes]
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            tokenizer: &self.tokenizer,
            embedding: &self.embedding,
            common: &self.common,
            lexicon: &self.lexicon,
        }
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
        Decider::Hides(topic) => format!("looks like \"{}\", which is to be hidden", topic.text),
        Decider::Keeps(topic) => format!("looks like \"{}\", which is to be kept", topic.text),
        Decider::NotWanted(Some(topic)) if score >= HIDE_FROM => {
            format!("does not look like \"{}\", and nothing else is wanted", topic.text)
        }
        Decider::NotWanted(None) => "everything is to be hidden".into(),
        Decider::NotWanted(_) => "may be among what is wanted".into(),
        Decider::Nothing => "looks like nothing that is to be hidden".into(),
    }
}
