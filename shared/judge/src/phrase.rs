//! A topic as its writer put it, and the words of it that have content.

use super::cues::{Cue, Language};
use super::fold::{fold_lower, words};
use super::scan::Word;

/// One topic in the words of its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) text: String,
    /// To be found as it is written; folded, in lower case.
    pub(super) literal: Option<String>,
    /// Its content words.
    pub(super) words: Vec<PhraseWord>,
}

/// A content word of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PhraseWord {
    /// Folded, in lower case.
    pub(super) word: String,
    /// How else it is written: its umlauts written out or short, a German compound without a light end.
    pub(super) spelled: Vec<String>,
    /// A name by its syntax ("the show Dark", quotes): it must occur itself.
    pub(super) named: bool,
    /// True if a capital says that it is a name ("hide Apple").
    pub(super) proper: bool,
    /// Written in capitals alone.
    pub(super) acronym: bool,
}

/// The topics that the words of an item make: one for each literal, one for the other words if any has content.
pub(super) fn phrases(text: &str, language: &Language, item: &[&Word]) -> Vec<Phrase> {
    let (literals, others): (Vec<&Word>, Vec<&Word>) = item.iter().partition(|word| word.literal);
    let mut phrases: Vec<Phrase> = literals.iter().map(|word| literal(text, word)).collect();
    let introduces = |word: &&Word| language.is_stop(&word.key) || is_kind(&word.key) || is_form(&word.key);
    if literals.is_empty() || !others.iter().all(introduces) {
        phrases.extend(phrase(text, language, &others));
    }
    phrases
}

fn literal(text: &str, word: &Word) -> Phrase {
    let parts = words(&word.key).filter(|part| part.chars().any(|c| !c.is_ascii_punctuation()));
    Phrase {
        text: text.get(word.start..word.end).unwrap_or_default().to_owned(),
        literal: Some(word.key.clone()),
        words: parts
            .map(|part| PhraseWord {
                word: part.to_owned(),
                spelled: Vec::new(),
                named: true,
                proper: false,
                acronym: is_acronym(text, word),
            })
            .collect(),
    }
}

/// The topic that the words of an item make, if any of them has content.
fn phrase(text: &str, language: &Language, item: &[&Word]) -> Option<Phrase> {
    let is_of_name = |at: usize| at > 0 && goes_on(text, language, item[at - 1], item[at]);
    let rest = (1..item.len()).rfind(|at| !trails(language, item[*at]) || is_of_name(*at));
    let item = item.get(..=rest.unwrap_or_default())?;
    let (first, last) = (item.first()?, item.last()?);
    let mut content: Vec<PhraseWord> = Vec::new();
    let mut named = false;
    for (at, word) in item.iter().enumerate() {
        let introduced = at > 0 && item[at - 1].key == "the" && at + 1 < item.len() && is_kind(&word.key);
        let acronym = is_acronym(text, word);
        if introduced || matches!(word.key.as_str(), "called" | "named") && at + 1 < item.len() {
            named = true;
        } else if !language.is_stop(&word.key) || is_of_name(at) || acronym && AMBIGUOUS.contains(&word.key.as_str()) {
            let parts = words(&word.key).filter(|part| part.chars().any(|c| !c.is_ascii_punctuation()));
            content.extend(parts.map(|part| PhraseWord {
                word: part.to_owned(),
                spelled: spelled(text, word, language),
                named,
                proper: is_proper(text, language, word),
                acronym,
            }));
        }
    }
    if content.iter().all(|word| is_form(&word.word)) {
        return None;
    }
    let text = text.get(first.start..last.end)?.to_owned();
    (!content.is_empty()).then_some(Phrase {
        text,
        literal: None,
        words: content,
    })
}

/// AI, NFT, IPL: a word of few letters in capitals, in a preference that is not all in capitals.
fn is_acronym(text: &str, word: &Word) -> bool {
    let written = text.get(word.start..word.end).unwrap_or_default();
    let letters = written.chars().count();
    (2..=5).contains(&letters)
        && written.chars().all(|c| c.is_uppercase() || c.is_ascii_digit())
        && !is_loud(text)
        && written.contains(char::is_alphabetic)
}

/// Words without content that are names in capitals.
const AMBIGUOUS: [&str; 9] = ["us", "it", "ai", "who", "un", "eu", "ue", "nos", "rn"];

/// True if a preference shouts: then capitals say nothing.
fn is_loud(text: &str) -> bool {
    let shouted = |word: &&str| word.chars().filter(|c| c.is_uppercase()).count() > 3;
    !text.contains(char::is_lowercase) && text.split_whitespace().filter(shouted).count() > 0
}

/// Flüchtlinge is written Fluechtlinge by some, and the other way round; Kriegsnachrichten are about Krieg.
fn spelled(text: &str, word: &Word, language: &Language) -> Vec<String> {
    const UMLAUTS: [(char, &str); 3] = [('ä', "ae"), ('ö', "oe"), ('ü', "ue")];
    const LIGHT_ENDS: [&str; 12] = [
        "nachrichten",
        "news",
        "posts",
        "post",
        "bilder",
        "fotos",
        "videos",
        "themen",
        "inhalte",
        "kram",
        "gedons",
        "gelaber",
    ];
    let written = text.get(word.start..word.end).unwrap_or_default().to_lowercase();
    let long = UMLAUTS
        .iter()
        .fold(written, |word, (short, long)| word.replace(*short, long));
    let mut spelled = vec![fold_lower(&long)];
    if language.capitalises_nouns() {
        let key = word.key.clone();
        spelled.push(
            UMLAUTS
                .iter()
                .fold(key, |word, (_, long)| word.replace(long, &long[..1])),
        );
        let front = LIGHT_ENDS.iter().find_map(|end| word.key.strip_suffix(end));
        let front = front.map(|front| front.strip_suffix('s').unwrap_or(front));
        spelled.extend(front.filter(|front| front.len() > 3).map(str::to_owned));
    }
    spelled.retain(|other| *other != word.key);
    spelled
}

/// True if a word in the middle of a sentence is written with a capital: a name, but in German, where all nouns are.
fn is_proper(text: &str, language: &Language, word: &Word) -> bool {
    let (before, from) = text.split_at(word.start);
    let middle = before
        .trim_end()
        .ends_with(|c: char| c.is_alphanumeric() || matches!(c, ',' | '(' | '/' | '&'));
    middle && !language.capitalises_nouns() && from.starts_with(char::is_uppercase)
}

/// True if a word that says nothing by itself is part of a name: "Stranger Things".
fn goes_on(text: &str, language: &Language, before: &Word, word: &Word) -> bool {
    const SHORTEST: usize = 4;
    let is_name = |word: &Word| text[word.start..].starts_with(char::is_uppercase);
    word.key.len() >= SHORTEST && !is_loud(text) && is_name(before) && is_proper(text, language, word)
}

/// True if the word adds nothing at the end of a topic: "crypto stuff please", "Politik ausblenden".
fn trails(language: &Language, word: &Word) -> bool {
    let verb = matches!(
        language.cue(&[&word.key]),
        Some((Cue::Filler | Cue::Hide | Cue::Not, 1))
    );
    language.is_stop(&word.key) || verb
}

/// Words of somebody who speaks of themselves.
const PERSONAL: [&str; 66] = [
    "i",
    "im",
    "ive",
    "id",
    "we",
    "you",
    "it",
    "they",
    "he",
    "she",
    "my",
    "our",
    "me",
    "this",
    "his",
    "her",
    "ich",
    "wir",
    "mein",
    "meine",
    "meinem",
    "meiner",
    "bin",
    "habe",
    "hab",
    "muss",
    "wohne",
    "arbeite",
    "estoy",
    "soy",
    "tengo",
    "vivo",
    "trabajo",
    "mi",
    "mis",
    "nos",
    "somos",
    "je",
    "j",
    "c",
    "ca",
    "ai",
    "suis",
    "mon",
    "ma",
    "mes",
    "travaille",
    "sono",
    "sto",
    "ho",
    "faccio",
    "torno",
    "lavoro",
    "mio",
    "mia",
    "miei",
    "sou",
    "estou",
    "eu",
    "meu",
    "minha",
    "meus",
    "tenho",
    "moro",
    "to",
    "trabalho",
];

/// True if an item without a cue of its own talks about somebody: "..., my kids use this phone".
pub(super) fn is_remark(item: &[&Word]) -> bool {
    item.iter().any(|word| PERSONAL.contains(&word.key.as_str())) && !item.iter().any(|word| word.literal)
}

/// Words for a post's form, not its subject: "only in English", "long posts". Words and likeness cannot judge these, and
/// "not in English" would hide everything.
fn is_form(word: &str) -> bool {
    const FORMS: [&str; 32] = [
        "english",
        "german",
        "spanish",
        "french",
        "italian",
        "portuguese",
        "language",
        "languages",
        "deutsch",
        "espanol",
        "francais",
        "italiano",
        "portugues",
        "long",
        "short",
        "caps",
        "uppercase",
        "lowercase",
        "emoji",
        "emojis",
        "hashtag",
        "hashtags",
        "link",
        "links",
        "image",
        "images",
        "new",
        "old",
        "good",
        "nice",
        "interesting",
        "boring",
    ];
    FORMS.contains(&word)
}

/// Nouns that introduce a name: "the show Dark".
fn is_kind(word: &str) -> bool {
    const KINDS: [&str; 24] = [
        "show", "series", "movie", "film", "book", "novel", "game", "band", "singer", "rapper", "actor", "actress",
        "brand", "company", "team", "club", "player", "streamer", "youtuber", "channel", "podcast", "anime",
        "musician", "user",
    ];
    KINDS.contains(&word)
}
