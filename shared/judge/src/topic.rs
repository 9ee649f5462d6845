//! Topics made ready for comparison: the words to look for and the subjects that they name.

use std::collections::HashSet;

use super::cues::Action;
use super::fold::fold_lower;
use super::layout::Subject;
use super::lexicon::Lexicon;
use super::matcher::{INITIALS, Pattern, Tongue, Wanted};
use super::phrase::{Phrase, PhraseWord};
use super::preference::Clause;
use super::words::{PHRASE_WORDS, Stem, phrase};

/// A topic of a clause.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    /// As its writer put it.
    pub(super) text: String,
    /// Index of its clause.
    pub(super) clause: usize,
    pub(super) action: Action,
    pub(super) except_of: Option<usize>,
    /// Its words, to be found in a post.
    pub(super) pattern: Pattern,
    pub(super) words: Vec<TopicWord>,
    /// True if it is a name of several words.
    pub(super) is_name: bool,
}

impl Topic {
    /// True if one of its words means something else as well.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.words.iter().any(|word| word.ambiguous)
    }

    /// True if the lexicon knows the subject of one of its words.
    pub(super) fn is_known(&self) -> bool {
        self.words.iter().any(|word| !word.senses.is_empty())
    }
}

/// One content word of a topic.
#[derive(Clone, Debug)]
pub(super) struct TopicWord {
    /// The lexicon's subjects that it names.
    pub(super) senses: Vec<Subject>,
    /// How much it counts among the topic's words.
    pub(super) weight: f32,
    /// Means something else as well, as the lexicon knows.
    ambiguous: bool,
    /// Tells the topic by itself.
    tells: bool,
}

/// The topics of all clauses, and the roots of their words.
pub(super) fn prepare(clauses: &[Clause], tongues: &[Tongue], lexicon: &Lexicon) -> (Vec<Topic>, HashSet<u64>) {
    let mut roots = HashSet::new();
    let mut topics = Vec::new();
    for (clause, of) in clauses.iter().enumerate() {
        for phrase in &of.topics {
            let mut words = prepare_words(phrase, lexicon);
            let of_compounds = if of.action == Action::Keep {
                fronts(phrase, clauses, tongues)
            } else {
                Vec::new()
            };
            if of.action == Action::Keep && words.len() > 1 {
                lessen_shared(&mut words, phrase, clauses);
            }
            roots.extend(phrase.words.iter().map(|word| Stem::of(&word.word).loose));
            topics.push(Topic {
                text: phrase.text.clone(),
                clause,
                action: of.action,
                except_of: of.except_of,
                pattern: pattern(phrase, &words, tongues, of.action, &of_compounds),
                is_name: is_name(phrase, lexicon),
                words,
            });
        }
    }
    (topics, roots)
}

/// True if a topic is a name of several words. Where all nouns have capitals, its last word must be one that the lexicon
/// does not know as an ordinary word.
fn is_name(phrase: &Phrase, lexicon: &Lexicon) -> bool {
    let Some(last) = phrase.words.last().filter(|_| phrase.words.len() > 1) else {
        return false;
    };
    let capitals = || phrase.text.split(' ').all(|word| word.starts_with(char::is_uppercase));
    last.proper || capitals() && !lexicon.is_common(Stem::of(&last.word).exact)
}

/// Of "keep women's football" under "hide football", what tells is "women's".
fn lessen_shared(words: &mut [TopicWord], phrase: &Phrase, clauses: &[Clause]) {
    let hidden = clauses.iter().filter(|clause| clause.action == Action::Hide);
    let topics = hidden.flat_map(|clause| &clause.topics);
    let roots: HashSet<u64> = topics
        .flat_map(|topic| &topic.words)
        .map(|word| Stem::of(&word.word).loose)
        .collect();
    let is_shared = |at: usize| roots.contains(&Stem::of(&phrase.words[at].word).loose);
    let shares = (0..words.len()).any(is_shared);
    for (at, word) in words.iter_mut().enumerate().filter(|_| shares) {
        if is_shared(at) {
            word.weight *= BESIDE;
        } else if word.weight > LIGHT {
            word.weight = 1.0;
        }
    }
}

/// Of "keep Frauenfußball" under "hide Fußball", what tells is "Frauen": the fronts of German compounds whose end is to be
/// hidden, or says little (Team, Tipps), each with the place of its word.
fn fronts(phrase: &Phrase, clauses: &[Clause], tongues: &[Tongue]) -> Vec<(usize, String)> {
    const LETTERS: usize = 4;
    const ENDS: [&str; 16] = [
        "team",
        "teams",
        "tipps",
        "rezept",
        "rezepte",
        "aktion",
        "aktionen",
        "aufruf",
        "aufrufe",
        "gruppe",
        "gruppen",
        "bericht",
        "berichte",
        "spiele",
        "geschichten",
        "bilder",
    ];
    if !tongues.contains(&Tongue::German) {
        return Vec::new();
    }
    let hidden = clauses.iter().filter(|clause| clause.action == Action::Hide);
    let hidden: Vec<&str> = hidden
        .flat_map(|clause| &clause.topics)
        .flat_map(|topic| &topic.words)
        .map(|word| word.word.as_str())
        .collect();
    let front = |word: &str| {
        let mut ends = hidden.iter().chain(&ENDS).filter(|end| end.len() >= LETTERS);
        let front = ends.find_map(|end| word.strip_suffix(end))?;
        (front.len() >= LETTERS).then(|| front.strip_suffix('s').unwrap_or(front).to_owned())
    };
    let words = phrase.words.iter().enumerate();
    words.filter_map(|(at, word)| Some((at, front(&word.word)?))).collect()
}

/// Returns the words that the plain matcher looks for.
fn pattern(
    phrase: &Phrase,
    words: &[TopicWord],
    tongues: &[Tongue],
    action: Action,
    fronts: &[(usize, String)],
) -> Pattern {
    if let Some(literal) = &phrase.literal {
        return Pattern::literal(literal, phrase.words.iter().any(|word| word.acronym));
    }
    let spelled: Vec<Vec<String>> = phrase
        .words
        .iter()
        .enumerate()
        .map(|(at, word)| {
            let fronts = fronts
                .iter()
                .filter(|(of, _)| *of == at)
                .map(|(_, front)| front.clone());
            word.spelled.iter().cloned().chain(fronts).collect()
        })
        .collect();
    let wanted = phrase
        .words
        .iter()
        .zip(words)
        .zip(&spelled)
        .map(|((word, prepared), spelled)| Wanted {
            word: &word.word,
            spelled,
            acronym: word.acronym,
            name: word.proper,
            weight: prepared.weight,
            tells: prepared.tells,
        });
    let wide = action == Action::Keep;
    Pattern::words(&wanted.collect::<Vec<_>>(), tongues, initials(phrase), wide)
}

/// The first letters of a topic of several words, with and without what says nothing: got and gt of "Game of Thrones".
fn initials(phrase: &Phrase) -> Vec<String> {
    let first = |word: &str| word.chars().next();
    let text = fold_lower(&phrase.text);
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !is_light(word));
    let content = || phrase.words.iter().filter(|word| !is_light(&word.word) || word.acronym);
    let whole = |word: &PhraseWord| {
        word.word
            .chars()
            .take(if word.acronym { INITIALS } else { 1 })
            .collect::<String>()
    };
    let mut initials: Vec<String> = vec![
        words.filter_map(first).collect(),
        content().filter_map(|word| first(&word.word)).collect(),
        content().map(whole).collect(),
    ];
    if phrase.words.len() < 2 {
        return Vec::new();
    }
    let with_article: Vec<String> = initials.iter().map(|letters| format!("t{letters}")).collect();
    initials.extend(with_article);
    initials.retain(|letters| {
        letters.len() >= INITIALS || letters.len() > 1 && letters.ends_with(|c: char| c.is_ascii_digit())
    });
    initials
}

fn prepare_words(phrase: &Phrase, lexicon: &Lexicon) -> Vec<TopicWord> {
    let stems: Vec<Stem> = phrase.words.iter().map(|word| Stem::of(&word.word)).collect();
    let senses: Vec<Vec<Subject>> = (0..stems.len()).map(|at| named_subjects(&stems, at, lexicon)).collect();
    let known = senses.iter().any(|senses| !senses.is_empty());
    let words = phrase.words.iter().zip(&stems).zip(senses);
    let prepared = words.map(|((word, stem), senses)| TopicWord {
        weight: if stems.len() > 1 && is_light(&word.word) {
            LIGHT
        } else if known && senses.is_empty() && !word.named && !word.proper {
            BESIDE
        } else {
            1.0
        },
        ambiguous: lexicon.is_ambiguous(stem.exact),
        tells: tells(stem.exact, &senses, lexicon, if word.proper { TELLING } else { SURE }),
        senses,
    });
    prepared.collect()
}

/// True if a word hardly means anything but what the topic names, as the lexicon has it.
fn tells(word: u64, senses: &[Subject], lexicon: &Lexicon, from: f32) -> bool {
    let hints = || lexicon.whole(word).into_iter().flat_map(|hint| lexicon.at(hint));
    let most = |own: bool| {
        let some = hints().filter(|(subject, _)| senses.contains(subject) == own);
        some.fold(0.0_f32, |most, (_, strength)| most.max(strength))
    };
    !lexicon.is_ambiguous(word) && most(true) >= from && most(true) >= most(false)
}

/// The strength from which on a word tells its subject by itself: one of a name, any other.
const TELLING: f32 = 1.5;
const SURE: f32 = 3.0;

const LIGHT: f32 = 0.15;

/// The weight of a word that names no subject, beside one that does: what names a subject carries the topic.
const BESIDE: f32 = 0.4;

/// Words that colour a topic but hardly occur in a post about it: "crypto news", "diet talk".
fn is_light(word: &str) -> bool {
    LIGHT_WORDS.split(' ').any(|light| light == word)
}

static LIGHT_WORDS: &str = "film films filme filmen movie movies pelicula peliculas peli pelis filmes serie series serien fc sc ac cf afc ano anos jahr jahre year years annee annees anno anni dia dias tag tage day days schlagzeilen headlines titulares titoli titres manchetes zeitung links link counting counter zahlen contar compter conteggio hetze bashing rage spoiler spoilers spoilern spoileurs espoilers news talk talks hype culture rant rants drama discourse debate debates advice tips trends obsession \
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
