//! Topics made ready for comparison: their words as keys, the subjects they name, their direction.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use super::common::{Common, Direction};
use super::embedding::{Embedding, Sum};
use super::layout::Subject;
use super::lexicon::Lexicon;
use super::phrase::Phrase;
use super::preference::{Action, Clause};
use super::tokenizer::Tokenizer;
use super::words::{PHRASE_WORDS, Stem, phrase};

/// What the judge looks up while it reads a preference.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) embedding: &'a Embedding,
    pub(super) common: &'a Common,
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
    /// Place in `Keys` of its words written as one (`#TaylorSwift`).
    pub(super) together: Option<usize>,
    pub(super) direction: Option<Direction>,
    /// Where the words of each subject point that its words name.
    pub(super) subjects: Vec<Direction>,
    /// Whether likeness to the direction may stand in for the words. Not for names.
    pub(super) comparable: bool,
}

impl Topic {
    /// Whether the lexicon knows what a word of it names.
    pub(super) fn is_known(&self) -> bool {
        self.words.iter().any(|word| !word.senses.is_empty())
    }
}

/// One content word of a topic.
#[derive(Clone, Debug)]
pub(super) struct TopicWord {
    /// Places in `Keys`.
    pub(super) exact: usize,
    pub(super) loose: usize,
    /// The lexicon's subjects that it names.
    pub(super) senses: Vec<Subject>,
    /// How much it counts among the topic's words.
    pub(super) weight: f32,
    /// A name or a word so rare that nothing else stands for it.
    pub(super) required: bool,
    /// As written, if a capital says that it is a name.
    pub(super) proper: Option<String>,
    /// So rare that it hardly ever means something else.
    pub(super) rare: bool,
}

/// Everything that a post's words are looked up for, each with a number.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    numbers: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    /// The roots of the topics' own words.
    topic_words: HashSet<u64, BuildHasherDefault<Hashed>>,
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
            let senses: BTreeSet<Subject> = words.iter().flat_map(|word| word.senses.iter().copied()).collect();
            topics.push(Topic {
                text: phrase.text.clone(),
                clause,
                action: *action,
                except_of: *except_of,
                words,
                together: together(phrase).map(|key| keys.add(key)),
                direction: sources.common.direction(&sum),
                subjects: senses
                    .iter()
                    .filter_map(|subject| subject_direction(*subject, sources))
                    .collect(),
                comparable,
            });
        }
    }
    (topics, keys)
}

fn subject_direction(subject: Subject, sources: Sources<'_>) -> Option<Direction> {
    let mut sum = Sum::default();
    for piece in sources.lexicon.pieces(subject) {
        sources.embedding.add(piece, &mut sum);
    }
    sources.common.direction(&sum)
}

/// The key of a name's words written as one; of few words, for nobody writes a sentence so.
fn together(phrase: &Phrase) -> Option<u64> {
    let word: String = phrase.words.iter().map(|word| word.word.as_str()).collect();
    let short = (2..=4).contains(&phrase.words.len()) && word.len() >= 6;
    short.then(|| Stem::of(&word).exact)
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
        comparable &= !word.named;
        words.push(TopicWord {
            exact: keys.add(stems[at].exact),
            loose: keys.add(stems[at].loose),
            senses: subjects,
            weight: if required {
                RARE
            } else if stems.len() > 1 && is_light(&word.word) {
                LIGHT
            } else {
                own.length().clamp(COMMON, RARE)
            },
            required,
            proper: word.proper.clone(),
            rare: own.length() >= RARE && pieces.len() == 1 && word.word.len() > 3,
        });
        keys.topic_words.insert(stems[at].loose);
        sum.add(&own);
    }
    // What names a subject carries the topic; what says how or where, less.
    if words.iter().any(|word| !word.senses.is_empty()) {
        let names = |at: usize| phrase.words[at].named || phrase.words[at].proper.is_some();
        for (at, word) in words.iter_mut().enumerate() {
            if word.senses.is_empty() && !names(at) {
                word.required = false;
                word.weight *= BESIDE;
            }
        }
    }
    (words, sum, comparable)
}

/// The range of a word's weight, in units of the table's lengths ("the" .7, "politics" 1.6, "tomato" 4.5).
const COMMON: f32 = 1.2;
const RARE: f32 = 4.0;

const LIGHT: f32 = 0.15;

/// The share of its weight that a word keeps that names nothing, beside one that does.
const BESIDE: f32 = 0.4;

/// Words that colour a topic but hardly occur in a post about it: "crypto news", "diet talk".
fn is_light(word: &str) -> bool {
    LIGHT_WORDS.split(' ').any(|light| light == word)
}

static LIGHT_WORDS: &str = "news talk talks hype culture rant rants drama discourse debate debates advice tips trends obsession \
     fans nonsense noticias notizie nachrichten meldungen actualites nouvelles infos info industry people \
     leute gente gens announcements reviews coverage issues related focused heavy themed bashing opinions \
     takes reports bros bro gurus guru crap garbage updates update content haul personalities figures \
     players matches scores highlights recaps photos world scene community shows stuff things stories \
     pictures hot scary crazy random online modern daily constant endless stupid silly annoying boring \
     dumb all-time kram zeug sachen themen cosas rollo choses trucs cose roba coisas papo assuntos storie \
     histoires historias geschichten \
     pitches pitch shilling shills spam noise chatter bs bullshit general us uk allgemein gerede gelaber \
     diskussionen debatten streit debats polemiques polemique polemiche polemica polemicas blabla rollos movidas \
     chismes bromas general generale geral generell en_general kommentare comentarios commentaires commenti \
     mensajes discours meldung berichte angebote ofertas pitchs messages mensagens conversas memes jokes \
     complaints complaining beschwerden gejammer quejas plaintes lamentele reclamacoes odds deals ads werbung publicidad \
     publicite pubs pub pubblicita propaganda publicidade";

/// The subjects that a word names together with its neighbours, or else alone.
fn named_subjects(stems: &[Stem], at: usize, lexicon: &Lexicon) -> Vec<Subject> {
    for length in (2..=PHRASE_WORDS.min(stems.len())).rev() {
        let phrases = stems.windows(length).enumerate();
        for (_, stems) in phrases.filter(|(start, _)| (*start..start + length).contains(&at)) {
            let named = lexicon.named(phrase(stems.iter().map(|stem| stem.exact)));
            if !named.is_empty() {
                return named;
            }
        }
    }
    lexicon.named(stems[at].exact)
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
