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

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unicode_normalization::UnicodeNormalization;

use crate::classify::verdict::{CleanVerdict, Explanation, ModelClass};
use crate::clock::Timestamp;
use crate::text::visible::visible;
use judge::JUDGE_VERSION;

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

/// The length of a key in bytes.
const KEY_LENGTH: usize = 3 + 22 + 2 + 43;

/// Which question a verdict answers: `v:{preference version}:content`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    text: Arc<str>,
    /// The first bytes of the digest: as good a hash as any, and there already.
    hash: u64,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Something by key. What is hashed is a part of a digest, and needs no hashing any more.
pub type ByKey<T> = HashMap<Key, T, BuildHasherDefault<DigestHasher>>;

/// Takes the bits of a digest as they are.
#[derive(Debug, Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }

    /// No key comes here: it is one number.
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |bits, byte| bits.rotate_left(8) ^ u64::from(*byte));
    }
}

/// With room for so many.
#[must_use]
pub fn by_key<T>(capacity: usize) -> ByKey<T> {
    ByKey::with_capacity_and_hasher(capacity, BuildHasherDefault::default())
}

impl Key {
    /// The key as text, the same in every layer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key of its lease, in the same hash slot.
    #[must_use]
    pub fn lease(&self) -> String {
        format!("l{}", self.text.trim_start_matches('v'))
    }

    /// What decides its hash slot: the preference's version.
    #[must_use]
    pub fn slot(&self) -> &str {
        self.text.split(['{', '}']).nth(1).unwrap_or_default()
    }
}

/// A preference in canonical form, with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPreference {
    /// Lower case, NFC, one space between words; line breaks stay, as they separate wishes.
    pub text: String,
    /// Names the text: 22 of the base64url alphabet. The same words, however typed, have the same version.
    pub version: String,
    /// Stands for the text and the versions in every key.
    digest: [u8; 32],
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
        let mut parts = Vec::with_capacity(text.len() + 32);
        for part in [&*text, PROMPT_VERSION, JUDGE_VERSION] {
            push_part(&mut parts, part);
        }
        let digest = sha256(&parts);
        let version = URL_SAFE_NO_PAD.encode(&digest[..16]);
        Self { text, version, digest }
    }

    /// The key of `content`, canonical, under this preference: SHA-256 over the digest of the preference and the length-prefixed
    /// content. Where a reader sees less than the content, which is what a model is shown, that is a part too.
    #[must_use]
    pub fn key(&self, content: &str) -> Key {
        let mut parts = Vec::with_capacity(self.digest.len() + 8 + content.len());
        parts.extend_from_slice(&self.digest);
        push_part(&mut parts, content);
        if let Cow::Owned(seen) = visible(content) {
            push_part(&mut parts, &seen);
        }
        let digest = sha256(&parts);
        let mut text = String::with_capacity(KEY_LENGTH);
        text.push_str("v:{");
        text.push_str(&self.version);
        text.push_str("}:");
        URL_SAFE_NO_PAD.encode_string(digest, &mut text);
        Key {
            text: text.into(),
            hash: digest.first_chunk().map_or(0, |first| u64::from_ne_bytes(*first)),
        }
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
fn push_part(parts: &mut Vec<u8>, part: &str) {
    parts.extend_from_slice(&(part.len() as u64).to_be_bytes());
    parts.extend_from_slice(part.as_bytes());
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    digest
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
impl Entry {
    /// One for the tests of the layers: judged `at` so many milliseconds, with a reason of so many bytes if of any.
    fn sample(at: i64, reason_bytes: usize) -> Self {
        Self {
            score: 0.5,
            class: ModelClass::Embedded,
            judged_at: Timestamp::from_millis(at),
            explanation: (reason_bytes > 0).then(|| {
                Arc::new(Explanation {
                    reason: "x".repeat(reason_bytes),
                    matched: None,
                })
            }),
        }
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
    fn what_a_reader_sees_is_part_of_the_key_and_so_is_what_one_does_not() {
        let preference = CanonicalPreference::of("hide crypto");
        let keys = ["crypto", "cr\u{200b}ypto", "cr\u{200d}ypto"].map(|content| preference.key(content));
        assert!(
            keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2],
            "{keys:?}"
        );
        assert_eq!(keys[0].as_str().len(), KEY_LENGTH);
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
