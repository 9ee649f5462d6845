//! True if two words are forms of one, in the languages that preferences are read in.
//!
//! The Snowball stemmers say which words share a stem. A short stem is shared by words that have nothing to do with each
//! other (moda and modo, anime and animal): there only the endings of number and, in English, of verbs are believed.

use rust_stemmers::{Algorithm, Stemmer};

/// Letters from which on a shared stem is enough.
const LONG_STEM: usize = 5;
/// Letters that two words begin with that are then forms of one.
const LONG_START: usize = 8;
/// Letters that a stem needs to be believed at all.
const SHORT_STEM: usize = 3;

/// A language whose words are inflected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    English,
    German,
    Spanish,
    French,
    Italian,
    Portuguese,
}

impl Tongue {
    pub(crate) const ALL: [Self; 6] = [
        Self::English,
        Self::German,
        Self::Spanish,
        Self::French,
        Self::Italian,
        Self::Portuguese,
    ];

    /// The stem of a folded word in lower case.
    pub(super) fn stem(self, word: &str) -> String {
        let algorithm = match self {
            Self::English => Algorithm::English,
            Self::German => Algorithm::German,
            Self::Spanish => Algorithm::Spanish,
            Self::French => Algorithm::French,
            Self::Italian => Algorithm::Italian,
            Self::Portuguese => Algorithm::Portuguese,
        };
        let stemmer = Stemmer::create(algorithm);
        match self.plain(word) {
            Some(plain) => stemmer.stem(&plain).into_owned(),
            None => stemmer.stem(word).into_owned(),
        }
    }

    /// A form that the stemmer knows better: of plurals that it knows only with their accents (eleições), of German nouns
    /// for deeds.
    fn plain(self, word: &str) -> Option<String> {
        let endings: &[(&str, &str)] = match self {
            Self::Portuguese => &[("oes", "ao"), ("aes", "ao"), ("ais", "al"), ("eis", "el"), ("ns", "m")],
            // Impfung, impfen
            Self::German => &[("ungen", ""), ("ung", "")],
            _ => return None,
        };
        let (stem, end) = endings
            .iter()
            .find_map(|(plural, end)| Some((word.strip_suffix(plural)?, end)))?;
        (stem.len() > SHORT_STEM).then(|| format!("{stem}{end}"))
    }

    /// True if a word is a diminutive of another: arañita, baratinha, chazinho, Hündchen.
    fn is_small(self, word: &str, other: &str) -> bool {
        let (cut, added): (&[&str], &[&str]) = match self {
            Self::Spanish => (&["ita", "ito"], &["cita", "cito"]),
            Self::Portuguese => (&["inha", "inho"], &["zinha", "zinho"]),
            Self::German => (&[], &["chen", "lein"]),
            _ => return false,
        };
        let word = word.strip_suffix('s').unwrap_or(word);
        let small = other.strip_suffix('s').unwrap_or(other);
        let root = word.trim_end_matches(['a', 'o', 'e']);
        let is = |endings: &[&str], root: &str| endings.iter().any(|end| small.strip_suffix(end) == Some(root));
        root.len() >= SHORT_STEM && is(cut, root) || word.len() >= SHORT_STEM && is(added, word)
    }

    /// True if two words of one short stem differ by an ending of number or, in English and German, of a verb or case.
    fn is_ending(self, stem: &str, one: &str, other: &str) -> bool {
        match self {
            Self::English => {
                const ENDINGS: [&str; 14] = [
                    "", "e", "s", "es", "y", "ies", "ed", "ied", "d", "ing", "ings", "er", "ers", "i",
                ];
                [one, other].iter().all(|word| ENDINGS.contains(&ending(stem, word)))
            }
            Self::German => {
                const ENDINGS: [&str; 11] = ["", "e", "n", "en", "er", "ern", "es", "em", "s", "ung", "ungen"];
                [one, other].iter().all(|word| ENDINGS.contains(&ending(stem, word)))
            }
            Self::Spanish | Self::Portuguese | Self::French => without_plural(one) == without_plural(other),
            Self::Italian => {
                let end = |word: &str| word.bytes().next_back().unwrap_or_default();
                let mut ends = [end(one), end(other)];
                ends.sort_unstable();
                one.len().abs_diff(other.len()) <= 1 && matches!(&ends, b"io" | b"ae" | b"ei")
            }
        }
    }
}

/// Returns the letters after a word's stem, without a doubled consonant.
fn ending<'a>(stem: &str, word: &'a str) -> &'a str {
    let shared = stem.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
    let rest = word.get(shared..).unwrap_or_default();
    let doubled = stem.len() == shared && rest.len() > 2 && rest.as_bytes().first() == stem.as_bytes().last();
    if doubled { &rest[1..] } else { rest }
}

/// True if a word is for those who hold with another, or for that: gréviste, footeux, lulismo, politicien.
fn is_follower(word: &str, other: &str) -> bool {
    const ENDINGS: [&str; 9] = ["ist", "iste", "ista", "isti", "isme", "ismo", "ism", "eux", "euse"];
    let root = word.strip_suffix('s').unwrap_or(word).trim_end_matches(['a', 'o', 'e']);
    let other = other.strip_suffix('s').unwrap_or(other);
    let arts = word
        .strip_suffix("ique")
        .is_some_and(|root| other.strip_prefix(root) == Some("icien"));
    arts || root.len() > SHORT_STEM && other.strip_prefix(root).is_some_and(|end| ENDINGS.contains(&end))
}

/// True if `other` is the participle of a German verb, by its infinitive or stem: vapen and gevaped, aufhör and aufgehört.
fn is_participle(word: &str, other: &str) -> bool {
    const APART: [&str; 13] = [
        "", "ab", "an", "auf", "aus", "ein", "los", "mit", "nach", "vor", "weg", "zu", "um",
    ];
    let root = word
        .strip_suffix("en")
        .or_else(|| word.strip_suffix('n').filter(|root| root.ends_with(['r', 'l'])))
        .unwrap_or(word);
    let ends = |rest: &str| matches!(rest, "t" | "et" | "ed" | "en" | "te" | "ten" | "ter" | "tes");
    let verb = || {
        other
            .strip_prefix(root)
            .is_some_and(|end| matches!(end, "t" | "te" | "st" | "end"))
    };
    if root.len() > LONG_STEM && root.len() < word.len() && verb() {
        return true;
    }
    root.len() >= SHORT_STEM
        && other.contains("ge")
        && APART.iter().any(|front| {
            let verb = root.strip_prefix(front);
            let rest = other.strip_prefix(front).and_then(|rest| rest.strip_prefix("ge"));
            verb.zip(rest)
                .and_then(|(verb, rest)| rest.strip_prefix(verb).filter(|_| verb.len() >= SHORT_STEM))
                .is_some_and(ends)
        })
}

fn without_plural(word: &str) -> &str {
    word.strip_suffix("es")
        .or_else(|| word.strip_suffix(['s', 'x', 'e']))
        .unwrap_or(word)
}

/// A word of a preference in one language, ready to be compared.
#[derive(Clone, Debug)]
pub(super) struct Stemmed {
    tongue: Tongue,
    stem: String,
}

impl Stemmed {
    /// None for a stem that says too little.
    pub(super) fn of(word: &str, tongue: Tongue) -> Option<Self> {
        let stem = tongue.stem(word);
        (stem.len() >= SHORT_STEM).then_some(Self { tongue, stem })
    }

    /// True if `other` is a form of `word`, whose stem this is.
    pub(super) fn is_form(&self, word: &str, other: &str) -> bool {
        if self.tongue == Tongue::German && is_participle(word, other) {
            return true;
        }
        let start = &self.stem.as_bytes()[..SHORT_STEM];
        if !other.as_bytes().starts_with(start) {
            return false;
        }
        // terrorismo, terroristico
        let shared = word.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        if shared >= LONG_START && other.len() <= shared + LONG_STEM {
            return true;
        }
        if self.tongue.is_small(word, other) || is_follower(word, other) {
            return true;
        }
        if self.tongue.stem(other) != self.stem {
            return false;
        }
        // "polite" and "politics" have a stem of five letters in common, "political" has seven.
        let long = if self.tongue == Tongue::English {
            shared > LONG_STEM
        } else {
            self.stem.len() >= LONG_STEM
        };
        long || self.tongue.is_ending(&self.stem, word, other)
    }

    /// True if `other` is a German compound that begins with the word but for its plural: Hochzeitstorte.
    pub(super) fn begins(&self, other: &str, letters: usize) -> bool {
        self.tongue == Tongue::German
            && self.stem.len() >= letters
            && other
                .strip_prefix(self.stem.as_str())
                .is_some_and(|rest| rest.len() >= 3)
    }

    /// True if `other` is a German compound that ends with the word: Vogelspinne, Crashdiäten.
    pub(super) fn ends(&self, other: &str, is_word: &dyn Fn(&str) -> bool) -> bool {
        const PREFIXES: [&str; 17] = [
            "aus", "ab", "an", "auf", "vor", "ein", "ver", "ent", "uber", "unter", "her", "hin", "mit", "nach", "tran",
            "wider", "zer",
        ];
        if self.tongue != Tongue::German || self.stem.len() < 4 || !other.contains(&self.stem) {
            return false;
        }
        let stem = self.tongue.stem(other);
        let Some(front) = stem.strip_suffix(self.stem.as_str()).filter(|front| front.len() >= 3) else {
            return false;
        };
        let joined = || {
            ["s", "n", "en", "es"]
                .iter()
                .filter_map(|joint| front.strip_suffix(joint))
        };
        !PREFIXES.contains(&front)
            && (self.stem.len() > LONG_STEM
                || front.len() >= LONG_STEM
                || is_word(front)
                || joined().any(|front| front.len() >= 3 && is_word(front)))
    }
}

/// True if an English word for a deed names it by its verb: "dating" and "date", "boxing" and "box".
pub(super) fn is_deed(word: &str, other: &str) -> bool {
    let deed = |word: &str| ["ing", "ings", "er", "ers"].iter().any(|end| word.ends_with(end));
    word.ends_with("ing") && !deed(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_form(tongue: Tongue, word: &str, other: &str) -> bool {
        Stemmed::of(word, tongue).is_some_and(|stemmed| stemmed.is_form(word, other))
    }

    #[test]
    fn forms_of_one_word_are_told_from_other_words() {
        use Tongue::{English, French, German, Italian, Portuguese, Spanish};
        let cases: [(Tongue, &str, &[&str], &[&str]); 12] = [
            (
                English,
                "politics",
                &["political", "politically"],
                &["policy", "polite"],
            ),
            (English, "bet", &["bets", "betting"], &["better", "beta"]),
            (English, "boxing", &["boxes", "boxed"], &["boxcar"]),
            (English, "anime", &["animes"], &["animal", "animated"]),
            (German, "hund", &["hunde", "hunden"], &["hundert"]),
            (German, "impfung", &["impfen"], &["impuls"]),
            (Spanish, "politica", &["politicas", "politicos"], &["policia"]),
            (Spanish, "moda", &["modas"], &["modo", "modelo"]),
            (French, "chien", &["chiens"], &["chine"]),
            (Italian, "moda", &["mode"], &["modo", "modi"]),
            (Italian, "terrorismo", &["terroristico"], &["terra"]),
            (Portuguese, "eleicao", &["eleicoes"], &["eleitor"]),
        ];
        for (tongue, word, forms, others) in cases {
            for form in forms {
                assert!(is_form(tongue, word, form), "{word} {form}");
            }
            for other in others {
                assert!(!is_form(tongue, word, other), "{word} {other}");
            }
        }
    }
}
