//! Signs in how a post is written, which words cannot tell: shouting, a discount, a code, whom it speaks to.

use super::words::Fnv;

/// The key of a sign; in the lexicon `~caps`.
fn sign(name: &str) -> u64 {
    Fnv::default().with(name.as_bytes()).finish()
}

/// The signs of a post as written. Each once, in a fixed order.
pub(super) fn signs(text: &str) -> Vec<u64> {
    let mut found = Vec::new();
    let words = || text.split_whitespace();
    let shouted = |word: &&str| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        letters >= 4 && !word.chars().any(char::is_lowercase)
    };
    let loud = words().filter(shouted).count();
    if loud >= 2 {
        found.push(sign("~caps"));
    }
    if loud >= 3 && !text.chars().any(char::is_lowercase) {
        found.push(sign("~shout"));
    }
    if text.contains("!!") {
        found.push(sign("~exclaim"));
    }
    if words().any(is_percentage) {
        found.push(sign("~percent"));
    }
    if words().any(is_code) {
        found.push(sign("~code"));
    }
    if text.contains(['$', '€', '£']) && text.chars().any(|c| c.is_ascii_digit()) {
        found.push(sign("~money"));
    }
    if words().any(is_ticker) {
        found.push(sign("~ticker"));
    }
    if words()
        .next()
        .is_some_and(|first| first.chars().all(|c| c.is_ascii_digit()))
        && words().count() > 4
    {
        found.push(sign("~listicle"));
    }
    found
}

/// 30%
fn is_percentage(word: &str) -> bool {
    word.trim_start_matches(['-', '('])
        .strip_suffix(['%', ')'])
        .is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
        && word.contains('%')
}

/// SAVE20
fn is_code(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
    word.len() - digits.len() >= 3 && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

/// $BTC
fn is_ticker(word: &str) -> bool {
    word.strip_prefix('$')
        .is_some_and(|name| name.len() >= 2 && name.chars().all(|c| c.is_ascii_uppercase()))
}

/// Whom a post speaks to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Address {
    pub(super) others: bool,
    pub(super) writer: bool,
}

impl Address {
    /// Takes note of a normalised word.
    pub(super) fn note(&mut self, word: &str) {
        self.others |= matches!(
            word,
            "you"
                | "u"
                | "ur"
                | "your"
                | "youre"
                | "yourself"
                | "yall"
                | "du"
                | "dich"
                | "dir"
                | "dein"
                | "deine"
                | "euch"
                | "ihr"
                | "eres"
                | "sois"
                | "te"
                | "tu"
                | "t"
                | "toi"
                | "vous"
                | "tes"
                | "ta"
                | "ton"
                | "sei"
                | "siete"
                | "voce"
                | "voces"
                | "vc"
                | "vcs"
                | "seu"
                | "teu"
        );
        self.writer |= matches!(
            word,
            "im" | "i" | "myself" | "ich" | "soy" | "sono" | "sou" | "je" | "me" | "mich"
        );
    }

    /// How much an insult counts: to somebody, to nobody in particular, about oneself.
    pub(super) fn share(self) -> f32 {
        match (self.others, self.writer) {
            (true, _) => 1.0,
            (false, false) => 0.7,
            (false, true) => 0.2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_read_from_what_is_written() {
        for (text, name) in [
            ("WORST SERVICE of all", "~caps"),
            ("no way!!", "~exclaim"),
            ("now -30% on all", "~percent"),
            ("use SAVE20.", "~code"),
            ("only $5", "~money"),
            ("up again $BTC", "~ticker"),
            ("17 things that only they knew", "~listicle"),
        ] {
            assert_eq!(signs(text), [sign(name)], "{text}");
        }
        assert!(signs("Nothing to see here, at 5 pm").is_empty());
    }
}
