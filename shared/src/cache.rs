//! Verdicts that are shared: how they are keyed ([`Key`]), what is kept ([`Entry`]), and how long one is good ([`Entry::freshness`]).
//!
//! Layers: [`local`] in process, [`valkey`] shared by all instances, [`table`] in DynamoDB; [`tiers`] reads through and writes
//! to all. [`flight`] sees to it that a question that is being answered in this process is not asked again, and [`lease`] that
//! one that is being answered anywhere in the fleet is not. [`refresh`] says when a fresh verdict is judged anew, [`unwritten`]
//! remembers what the shared cache missed while it was down.

pub mod flight;
pub mod lease;
pub mod local;
pub mod refresh;
pub mod report;
pub mod table;
pub mod tiers;
pub mod unwritten;
pub mod valkey;
pub mod value;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unicode_normalization::UnicodeNormalization;

use crate::clock::Timestamp;
use crate::judge::JUDGE_VERSION;
use crate::provider::verdict::{CleanVerdict, Explanation, ModelClass};
use crate::provider::visible::visible;

/// How long a verdict is served as it is.
pub const FRESH: Duration = Duration::from_hours(6);

/// How long a verdict is kept for the case that nobody can judge anew.
pub const KEPT: Duration = Duration::from_hours(24);

/// How far ahead a clock may be: what was judged later than that makes no sense.
pub const AHEAD: Duration = Duration::from_hours(1);

/// How many bytes of explanation weigh as much as an entry without.
const BYTES_PER_UNIT: usize = 128;

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

    /// The key of its lease, in the same hash slot.
    #[must_use]
    pub fn lease(&self) -> String {
        format!("l{}", self.0.trim_start_matches('v'))
    }

    /// What decides its hash slot: the preference's version.
    #[must_use]
    pub fn slot(&self) -> &str {
        self.0.split(['{', '}']).nth(1).unwrap_or_default()
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

    /// The key of `content`, canonical, under this preference: SHA-256 over the length-prefixed parts. Among them is what a
    /// reader sees of the content, which is what a model is shown.
    #[must_use]
    pub fn key(&self, content: &str) -> Key {
        let hash = hash_parts(&[&self.text, content, &visible(content), PROMPT_VERSION, JUDGE_VERSION]);
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
        if word.is_ascii() {
            // Composed as it is, like most words: the long way took a third of a cached request.
            let start = canonical.len();
            canonical.push_str(word);
            canonical[start..].make_ascii_lowercase();
        } else {
            canonical.push_str(&lower_and_composed(word));
        }
    }
    canonical
}

/// Composed before and after: lower-casing one composed character can give two.
fn lower_and_composed(word: &str) -> String {
    let composed: String = word.nfc().collect();
    composed.to_lowercase().nfc().collect()
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

/// A verdict that was just given.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// On which question.
    pub key: Key,
    /// What is kept of it.
    pub entry: Entry,
    /// What was judged later than this was not known when this question was taken up.
    pub known: Timestamp,
}

impl Judgement {
    /// One that was given before, told again.
    #[must_use]
    pub const fn repeated(key: Key, entry: Entry) -> Self {
        let known = entry.judged_at;
        Self { key, entry, known }
    }
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

    /// Whether this may be served at `now`. A judgement from the near future is one of a clock that is ahead: fresh.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        let age = now.since(self.judged_at);
        if self.judged_at > now.plus(AHEAD) {
            Freshness::Gone
        } else if age < FRESH {
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

    /// How much room this takes: 1 without an explanation, and 1 for each 128 bytes of that.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let bytes = self.explanation.as_ref().map_or(0, |explanation| {
            explanation.reason.len() + explanation.matched.as_ref().map_or(0, String::len)
        });
        1 + bytes.div_ceil(BYTES_PER_UNIT) as u64
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
    fn the_short_way_of_plain_words_leads_where_the_long_one_does() {
        let printable: String = ('!'..='~').collect();
        let with_controls: String = ('\0'..='\u{7f}').filter(|c| !c.is_whitespace()).collect();
        for word in [printable, with_controls] {
            assert_eq!(canonical(&word), lower_and_composed(&word));
        }
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
            (-hour - 1, Freshness::Gone),
            (-hour, Freshness::Fresh),
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
