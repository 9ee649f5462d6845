//! Verdicts that are shared: how they are keyed ([`Key`]), what is kept ([`Entry`]), and how long one is good ([`Entry::freshness`]).
//!
//! Layers: [`local`] in process, [`table`] in DynamoDB; [`tiers`] reads through and writes to both; [`flight`] sees to it that
//! a question that is being answered in this process is not asked again.

pub mod flight;
pub mod local;
pub mod table;
pub mod tiers;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unicode_normalization::UnicodeNormalization;

use crate::clock::Timestamp;
use crate::judge::JUDGE_VERSION;
use crate::provider::verdict::{CleanVerdict, Explanation, ModelClass};

/// How long a verdict is served as it is.
pub const FRESH: Duration = Duration::from_hours(6);

/// How long a verdict is kept for the case that nobody can judge anew.
pub const KEPT: Duration = Duration::from_hours(24);

/// Changes with every change of what a model is asked; part of every key, with the version of the embedded judge.
const PROMPT_VERSION: &str = "1";

/// Which question a verdict answers: `v:{preference version}:content`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// The key as text, the same in every layer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A preference in canonical form, with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPreference {
    /// Lower case, NFC, one space between words; line breaks stay, as they separate wishes.
    pub text: String,
    /// Names the text: 22 of the base64url alphabet. The same words, however typed, have the same version.
    pub version: String,
}

impl CanonicalPreference {
    /// The canonical form of what a user typed.
    #[must_use]
    pub fn of(preference: &str) -> Self {
        let lines: Vec<String> = preference
            .lines()
            .map(canonical)
            .filter(|line| !line.is_empty())
            .collect();
        let text = lines.join("\n");
        let hash = hash_parts(&[&text, PROMPT_VERSION, JUDGE_VERSION]);
        let version = URL_SAFE_NO_PAD.encode(hash.as_ref().split_at(16).0);
        Self { text, version }
    }

    /// The key of `content`, canonical, under this preference: SHA-256 over the length-prefixed parts.
    #[must_use]
    pub fn key(&self, content: &str) -> Key {
        let hash = hash_parts(&[&self.text, content, PROMPT_VERSION, JUDGE_VERSION]);
        Key(Arc::from(format!(
            "v:{{{}}}:{}",
            self.version,
            URL_SAFE_NO_PAD.encode(hash)
        )))
    }
}

/// Text without what does not matter: lower case, NFC, one space between words.
#[must_use]
pub fn canonical(text: &str) -> String {
    let mut canonical = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !canonical.is_empty() {
            canonical.push(' ');
        }
        // Composed before and after: lower-casing one composed character can give two.
        let composed: String = word.nfc().collect();
        canonical.extend(composed.to_lowercase().nfc());
    }
    canonical
}

/// Length-prefixed, so that no two lists of parts are the same bytes.
fn hash_parts(parts: &[&str]) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish()
}

/// A verdict with what a later reader needs to know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// How strongly the post should be hidden, 0..=1.
    pub score: f32,
    /// Who judged.
    pub class: ModelClass,
    /// When.
    pub judged_at: Timestamp,
    /// Why, where that was asked for.
    pub explanation: Option<Arc<Explanation>>,
}

/// Whether an entry may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As it is.
    Fresh,
    /// If nobody can judge anew.
    Stale,
    /// Not at all.
    Gone,
}

impl Entry {
    /// What is kept of a clean verdict. Nothing else can become an entry.
    #[must_use]
    pub fn of(verdict: CleanVerdict, now: Timestamp) -> Self {
        let (verdict, class) = verdict.into_parts();
        Self {
            score: verdict.score,
            class,
            judged_at: now,
            explanation: verdict.explanation.map(Arc::new),
        }
    }

    /// Whether this may be served at `now`. A judgement from the future is one of a clock that is ahead: fresh.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        let age = now.since(self.judged_at);
        if age < FRESH {
            Freshness::Fresh
        } else if age < KEPT {
            Freshness::Stale
        } else {
            Freshness::Gone
        }
    }

    /// When nobody may be served this any more.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.judged_at.plus(KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_spacing_and_composition_do_not_change_a_key() {
        let same = [
            ("Hide  crypto ", "Bitcoin café\nTO THE MOON"),
            ("hide crypto", " bitcoin cafe\u{301} to\tthe  moon"),
            ("\n\nHIDE CRYPTO\r\n", "BITCOIN CAFÉ to the moon"),
        ];
        let keys: Vec<Key> = same
            .iter()
            .map(|(preference, content)| CanonicalPreference::of(preference).key(&canonical(content)))
            .collect();
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
    }

    #[test]
    fn other_words_give_another_key_wherever_the_border_lies() {
        let key = |preference: &str, content: &str| CanonicalPreference::of(preference).key(&canonical(content));
        let base = key("hide ab", "c");
        assert_ne!(base, key("hide a", "bc"));
        assert_ne!(base, key("hide ab", "c c"));
        assert_ne!(base, key("hide\nab", "c"), "a line break separates wishes");
        assert_ne!(key("x", "1"), key("x", "१"), "no digits are folded");
    }

    #[test]
    fn canonical_text_stays_as_it_is() {
        for text in [
            "",
            "  ",
            "İstanbul ǅ ß ẞ",
            "\u{1E9B}\u{323}",
            "Ω\u{345}Σ",
            "日本語 テキスト",
            "👩‍👩‍👧",
        ] {
            let once = canonical(text);
            assert_eq!(canonical(&once), once, "{text}");
        }
    }

    #[test]
    fn an_entry_is_fresh_for_6_hours_and_kept_for_24() {
        let entry = Entry {
            score: 0.1,
            class: ModelClass::Embedded,
            judged_at: Timestamp::from_seconds(100_000),
            explanation: None,
        };
        let hour = 3600;
        for (age, expected) in [
            (-10, Freshness::Fresh),
            (0, Freshness::Fresh),
            (6 * hour - 1, Freshness::Fresh),
            (6 * hour, Freshness::Stale),
            (24 * hour - 1, Freshness::Stale),
            (24 * hour, Freshness::Gone),
        ] {
            assert_eq!(
                entry.freshness(Timestamp::from_seconds(100_000 + age)),
                expected,
                "{age}"
            );
        }
    }
}
