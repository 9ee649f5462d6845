//! How questions begin in the languages that are known, and what is only polite in them.

/// The words of a language by which a question is recognised. All are in lower case.
pub(super) struct LanguageWords {
    /// First words of questions.
    asks: &'static [&'static str],
    /// First words of requests.
    orders: &'static [&'static str],
    /// Openings that say nothing; a mark may follow.
    openings: &'static [&'static [&'static str]],
    /// Openings that say nothing before a word of `orders`.
    before_orders: &'static [&'static [&'static str]],
    /// Openings that say nothing before a word of `asks`.
    before_asks: &'static [&'static [&'static str]],
    /// Endings that say nothing after a mark.
    closings: &'static [&'static [&'static str]],
    /// Words of questions about words: there, "please" may be what is asked about.
    about_words: &'static [&'static str],
}

const MARKS: [&str; 4] = [",", "!", ".", ":"];

const ENGLISH: LanguageWords = LanguageWords {
    asks: &[
        "what", "what's", "which", "who", "whom", "whose", "when", "where", "why", "how", "is", "isn't", "are",
        "aren't", "was", "wasn't", "were", "do", "does", "did", "don't", "doesn't", "can", "can't", "could", "should",
        "would",
    ],
    orders: &[
        "explain", "write", "list", "name", "give", "describe", "convert", "show", "compare", "tell",
    ],
    openings: &[
        &["hi"],
        &["hello"],
        &["hey"],
        &["good", "morning"],
        &["good", "afternoon"],
        &["good", "evening"],
        &["please"],
        &["quick", "question"],
    ],
    before_orders: &[
        &["can", "you"],
        &["could", "you"],
        &["would", "you"],
        &["can", "you", "please"],
        &["could", "you", "please"],
        &["would", "you", "please"],
    ],
    before_asks: &[&["tell", "me"], &["tell", "me", ","]],
    closings: &[&["please"], &["thanks"], &["thank", "you"], &["many", "thanks"]],
    about_words: &[
        "say",
        "says",
        "said",
        "mean",
        "means",
        "meaning",
        "translate",
        "translation",
        "word",
        "words",
        "phrase",
        "spell",
        "pronounce",
        "called",
        "note",
        "letter",
        "reply",
        "respond",
        "answer",
        "greet",
        "greeting",
        "polite",
        "language",
    ],
};

const GERMAN: LanguageWords = LanguageWords {
    asks: &[
        "was", "wer", "wen", "wem", "wessen", "wann", "wo", "woher", "wohin", "warum", "wieso", "weshalb", "wie",
        "welche", "welcher", "welches", "welchen", "welchem", "ist", "sind", "war", "waren", "gibt", "kann", "können",
        "soll", "darf",
    ],
    orders: &["erkläre", "nenne", "schreibe", "beschreibe", "vergleiche"],
    openings: &[
        &["hallo"],
        &["hi"],
        &["guten", "tag"],
        &["guten", "morgen"],
        &["guten", "abend"],
        &["bitte"],
    ],
    before_orders: &[],
    before_asks: &[],
    closings: &[&["bitte"], &["danke"], &["vielen", "dank"]],
    about_words: &[
        "heißt",
        "bedeutet",
        "übersetze",
        "übersetzt",
        "wort",
        "wörter",
        "sagt",
        "sagen",
        "antworte",
        "brief",
        "grüßt",
    ],
};

const SPANISH: LanguageWords = LanguageWords {
    asks: &[
        "qué", "cuál", "cuáles", "quién", "quiénes", "cuándo", "dónde", "cómo", "cuánto", "cuánta", "cuántos",
        "cuántas", "por",
    ],
    orders: &["explica", "escribe", "nombra", "describe", "compara"],
    openings: &[
        &["hola"],
        &["buenos", "días"],
        &["buenas", "tardes"],
        &["buenas", "noches"],
        &["por", "favor"],
    ],
    before_orders: &[],
    before_asks: &[],
    closings: &[&["por", "favor"], &["gracias"], &["muchas", "gracias"]],
    about_words: &[
        "significa",
        "dice",
        "decir",
        "traduce",
        "traducir",
        "palabra",
        "palabras",
        "responde",
        "saluda",
        "carta",
    ],
};

const FRENCH: LanguageWords = LanguageWords {
    asks: &[
        "qu'est-ce",
        "que",
        "quel",
        "quelle",
        "quels",
        "quelles",
        "qui",
        "quand",
        "où",
        "pourquoi",
        "comment",
        "combien",
        "est-ce",
        "peut-on",
    ],
    orders: &["explique", "écris", "nomme", "cite", "décris", "compare"],
    openings: &[
        &["bonjour"],
        &["salut"],
        &["bonsoir"],
        &["s'il", "te", "plaît"],
        &["s'il", "vous", "plaît"],
    ],
    before_orders: &[],
    before_asks: &[],
    closings: &[
        &["s'il", "te", "plaît"],
        &["s'il", "vous", "plaît"],
        &["merci"],
        &["merci", "beaucoup"],
    ],
    about_words: &[
        "signifie", "dit", "dire", "traduis", "traduire", "mot", "mots", "réponds", "salue", "lettre",
    ],
};

const PORTUGUESE: LanguageWords = LanguageWords {
    asks: &[
        "o", "qual", "quais", "quem", "quando", "onde", "como", "quanto", "quanta", "quantos", "quantas", "por",
    ],
    orders: &["explique", "escreva", "cite", "descreva", "compare"],
    openings: &[
        &["olá"],
        &["oi"],
        &["bom", "dia"],
        &["boa", "tarde"],
        &["boa", "noite"],
        &["por", "favor"],
    ],
    before_orders: &[],
    before_asks: &[],
    closings: &[&["por", "favor"], &["obrigado"], &["obrigada"]],
    about_words: &[
        "significa",
        "diz",
        "dizer",
        "traduza",
        "traduzir",
        "palavra",
        "palavras",
        "responda",
        "carta",
    ],
};

/// Every language that is known.
pub(super) const ALL: [LanguageWords; 5] = [ENGLISH, GERMAN, SPANISH, FRENCH, PORTUGUESE];

/// First words that ask only before another one: "por qué", "o que".
const PAIRS: [(&str, &[&str]); 2] = [("por", &["qué", "que"]), ("o", &["que"])];

impl LanguageWords {
    /// Reports whether words begin as a question or a request does. The case of the first counts for nothing, but for words
    /// in capitals.
    pub(super) fn begins(&self, words: &[&str]) -> bool {
        let Some(first) = words.first().map(|word| lower(word)) else {
            return false;
        };
        let known = self.asks.contains(&first.as_str()) || self.orders.contains(&first.as_str());
        let pair = PAIRS.iter().find(|(word, _)| *word == first);
        known && pair.is_none_or(|(_, next)| words.get(1).is_some_and(|word| next.contains(word)))
    }

    /// Reports whether a question may be about words of politeness.
    pub(super) fn mentions_words(&self, words: &[&str]) -> bool {
        words
            .iter()
            .any(|word| self.about_words.contains(&word.to_lowercase().as_str()))
    }

    /// Takes one opening from words, if they begin with one.
    pub(super) fn without_opening<'w, 'a>(&self, words: &'w [&'a str]) -> Option<&'w [&'a str]> {
        let after = |phrase: &&[&str]| starts_with(words, phrase).then(|| &words[phrase.len()..]);
        let opened = self.openings.iter().find_map(after);
        if let Some(rest) = opened {
            let marked = rest.first().is_some_and(|mark| MARKS.contains(mark));
            return Some(if marked { &rest[1..] } else { rest });
        }
        let before = |phrases: &[&[&str]], next: &[&str]| {
            let mut rests = phrases.iter().filter_map(after);
            rests.find(|rest| rest.first().is_some_and(|word| next.contains(word)))
        };
        before(self.before_orders, self.orders).or_else(|| before(self.before_asks, self.asks))
    }

    /// Returns the number of words of the closing that words end with.
    pub(super) fn closing(&self, words: &[&str]) -> Option<usize> {
        let ends = |phrase: &&&[&str]| {
            let at = words.len().checked_sub(phrase.len());
            at.is_some_and(|at| at > 0 && starts_with(&words[at..], phrase))
        };
        self.closings.iter().find(ends).map(|phrase| phrase.len())
    }
}

fn starts_with(words: &[&str], phrase: &[&str]) -> bool {
    words.len() >= phrase.len() && phrase.iter().zip(words).all(|(known, word)| lower(word) == *known)
}

/// Returns a word without the capital that it may begin with.
fn lower(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
