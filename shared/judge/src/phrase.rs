//! A topic as its writer put it, and the words of it that have content.

use super::cues::{Cue, Language};
use super::scan::Word;
use super::tokenizer::words;

/// One topic in the words of its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) text: String,
    /// Its content words, normalised.
    pub(super) words: Vec<PhraseWord>,
}

/// A content word of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PhraseWord {
    pub(super) word: String,
    /// A name by its syntax ("the show Dark", quotes): it must occur itself.
    pub(super) named: bool,
    /// As it was written, if a capital says that it is a name ("hide Apple").
    pub(super) proper: Option<String>,
}

/// The topic that the words of an item make, if any of them has content.
pub(super) fn phrase(text: &str, language: &Language, item: &[&Word]) -> Option<Phrase> {
    let rest = item.get(1..)?.iter().rposition(|word| !trails(language, word));
    let item = &item[..=rest.map_or(0, |last| last + 1)];
    let (first, last) = (item.first()?, item.last()?);
    let mut content: Vec<PhraseWord> = Vec::new();
    let mut named = false;
    // A longer quotation is what posts say, hardly word for word.
    let title = item.iter().filter(|word| word.quoted).count() <= TITLE_WORDS;
    for (at, word) in item.iter().enumerate() {
        let introduced = at > 0 && item[at - 1].key == "the" && at + 1 < item.len() && is_kind(&word.key);
        if introduced || matches!(word.key.as_str(), "called" | "named") && at + 1 < item.len() {
            named = true;
        } else if !language.is_stop(&word.key) {
            let parts = words(&word.key).filter(|part| part.chars().any(|c| !c.is_ascii_punctuation()));
            content.extend(parts.map(|part| PhraseWord {
                word: part.to_owned(),
                named: named || word.quoted && title,
                proper: is_proper(text, language, word).then(|| text[word.start..word.end].to_owned()),
            }));
        }
    }
    if content.iter().all(|word| is_form(&word.word)) {
        return None;
    }
    let text = text.get(first.start..last.end)?.to_owned();
    (!content.is_empty()).then_some(Phrase { text, words: content })
}

/// Quoted words that are still a name.
const TITLE_WORDS: usize = 4;

/// Whether a word in the middle of a sentence is written with a capital: a name, but in German, where all nouns are.
fn is_proper(text: &str, language: &Language, word: &Word) -> bool {
    let (before, from) = text.split_at(word.start);
    let middle = before.trim_end().ends_with(|c: char| c.is_alphanumeric() || c == ',');
    middle && !language.capitalises_nouns() && from.starts_with(char::is_uppercase)
}

/// Whether the word adds nothing at the end of a topic: "crypto stuff please", "Politik ausblenden".
fn trails(language: &Language, word: &Word) -> bool {
    let verb = matches!(
        language.cue(&[&word.key]),
        Some((Cue::Filler | Cue::Hide | Cue::Not, 1))
    );
    language.is_stop(&word.key) || verb
}

/// Whether an item without a cue of its own talks about somebody: "..., my kids use this phone".
pub(super) fn is_remark(item: &[&Word]) -> bool {
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
    item.iter().any(|word| PERSONAL.contains(&word.key.as_str())) && !item.iter().any(|word| word.quoted)
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
