//! Words as the judge compares them: a light English stemmer and a hash of the stem.

/// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): short keys, extended byte by byte. Not for input that
/// an attacker could profit from colliding: here a collision only makes one word look like another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(crate) fn with(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

/// Words that a phrase of the lexicon may have.
pub(crate) const PHRASE_WORDS: usize = 5;
/// Letters of the beginnings of words that the lexicon may have.
pub(crate) const PREFIXES: std::ops::RangeInclusive<usize> = 2..=13;

/// The hash of a phrase and one more word, that one's `exact`.
pub(crate) fn joined(phrase: Fnv, word: u64) -> Fnv {
    phrase.with(b"_").with(&word.to_le_bytes())
}

/// The key of a phrase, of its words' `exact`.
pub(crate) fn phrase(words: impl IntoIterator<Item = u64>) -> u64 {
    words.into_iter().fold(Fnv::default(), joined).finish()
}

/// The hash of no beginning yet; with a word's bytes, one after the other, those of all its beginnings.
pub(crate) fn start_of_word() -> Fnv {
    Fnv::default().with(b"^")
}

/// A word for comparison: equal `exact` are the same word but for its number, equal `loose` share a stem as well
/// (boxing, box), which is weaker evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stem {
    pub(crate) exact: u64,
    pub(crate) loose: u64,
}

impl Stem {
    /// Expects a normalised word (lower case, no accents).
    pub(crate) fn of(word: &str) -> Self {
        let singular = singular(word);
        Self {
            exact: hash(singular),
            // Another seed, so that both kinds can live in one index.
            loose: Fnv::default().with(b"~").with(root(singular).as_bytes()).finish(),
        }
    }
}

fn hash(word: &str) -> u64 {
    Fnv::default().with(word.as_bytes()).finish()
}

/// Cuts plural endings. Only cuts, so nothing is allocated; a cut e or y makes -ies, -es and -y meet.
fn singular(word: &str) -> &str {
    let cut = match word {
        _ if word.len() < 4 || !word.ends_with('s') || !word.is_ascii() => word,
        // Not the plural of new.
        "news" => word,
        _ if word.ends_with("ies") && word.len() > 4 => &word[..word.len() - 3],
        _ if ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) => word,
        _ if ["xes", "ches", "shes", "sses", "zes"]
            .iter()
            .any(|end| word.ends_with(end)) =>
        {
            &word[..word.len() - 2]
        }
        _ => word.strip_suffix('s').unwrap_or(word),
    };
    if cut.len() > 3 && cut.is_ascii() {
        without_final_vowel(cut)
    } else {
        cut
    }
}

/// Cuts -ing, -ed, -ly, -al and the doubled consonant before them.
fn root(singular: &str) -> &str {
    if !singular.is_ascii() {
        return singular;
    }
    let shortest = |end: &str| if end.len() == 2 && end != "ed" { 5 } else { 3 };
    let cut = ["ing", "ed", "al", "l"].iter().find_map(|end| {
        // "ly" has lost its y already.
        let rest = singular.strip_suffix(end)?;
        let vowel = rest.bytes().any(|b| b"aeiouy".contains(&b));
        (vowel
            && rest.len() >= shortest(if *end == "l" { "ly" } else { end })
            && !(*end == "ed" && rest.ends_with('e')))
        .then_some(rest)
    });
    let Some(rest) = cut else { return singular };
    let bytes = rest.as_bytes();
    let doubled = bytes.len() > 3 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2];
    let kept = doubled && matches!(bytes[bytes.len() - 1], b'l' | b's' | b'z');
    let rest = if doubled && !kept {
        &rest[..rest.len() - 1]
    } else {
        rest
    };
    if rest.len() > 3 {
        without_final_vowel(rest)
    } else {
        rest
    }
}

/// movie and movi(es), vote and vot(ing) meet.
fn without_final_vowel(word: &str) -> &str {
    word.strip_suffix("ie")
        .or_else(|| word.strip_suffix(['e', 'y', 'i']))
        .unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plural_and_singular_are_one_word() {
        for (one, many) in [
            ("cat", "cats"),
            ("celebrity", "celebrities"),
            ("box", "boxes"),
            ("game", "games"),
            ("movie", "movies"),
            ("match", "matches"),
            ("class", "classes"),
        ] {
            assert_eq!(Stem::of(one).exact, Stem::of(many).exact, "{one} {many}");
        }
    }

    #[test]
    fn inflected_forms_share_a_root_but_are_not_the_same_word() {
        for (base, form) in [
            ("garden", "gardening"),
            ("bet", "betting"),
            ("gamble", "gambling"),
            ("politics", "political"),
            ("box", "boxing"),
            ("vote", "voted"),
        ] {
            assert_eq!(Stem::of(base).loose, Stem::of(form).loose, "{base} {form}");
            assert_ne!(Stem::of(base).exact, Stem::of(form).exact, "{base} {form}");
        }
    }

    #[test]
    fn different_words_stay_different() {
        for (a, b) in [
            ("king", "k"),
            ("news", "newt"),
            ("war", "warm"),
            ("spring", "spr"),
            ("thing", "th"),
        ] {
            assert_ne!(Stem::of(a).loose, Stem::of(b).loose, "{a} {b}");
        }
    }
}
