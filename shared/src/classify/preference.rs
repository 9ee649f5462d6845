//! A user's preference in canonical form, and the keys of the questions that are asked under it.

use std::borrow::Cow;

use crate::answers::{Group, Key, Scope};
use crate::text::canonical::canonical;
use crate::text::visible::visible;

/// The workload's name in keys.
pub(super) const WORKLOAD: &str = "classify";

/// A preference in canonical form, with its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPreference {
    /// Lower case, NFC, one space between words. Line breaks stay, as they separate wishes.
    pub text: String,
    group: Group,
}

impl CanonicalPreference {
    /// Returns the canonical form of a user's words.
    #[must_use]
    pub fn of(preference: &str) -> Self {
        let lines: Vec<String> = preference
            .lines()
            .map(canonical)
            .filter(|line| !line.is_empty())
            .collect();
        let text = lines.join("\n");
        // A verdict depends on the words alone, so it serves everybody who uses the same.
        let group = Group::of(WORKLOAD, Scope::Everybody, &[&text]);
        Self { text, group }
    }

    /// Names the text: 22 of the base64url alphabet. The same words, however typed, have the same version.
    #[must_use]
    pub fn version(&self) -> &str {
        self.group.tag()
    }

    /// Returns the key of `content`, canonical, under this preference. Where a reader sees less than the content, which is what a
    /// model is shown, that is a part too.
    #[must_use]
    pub fn key(&self, content: &str) -> Key {
        match visible(content) {
            Cow::Borrowed(_) => self.group.key(&[content]),
            Cow::Owned(seen) => self.group.key(&[content, &seen]),
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
    fn other_words_give_another_key() {
        let key = |preference: &str, content: &str| CanonicalPreference::of(preference).key(&canonical(content));
        let base = key("hide ab", "c");
        assert_ne!(base, key("hide ab", "c c"));
        assert_ne!(base, key("hide\nab", "c"), "a line break separates wishes");
        assert_ne!(key("x", "1"), key("x", "१"), "no digits are folded");
    }

    #[test]
    fn the_visible_text_is_part_of_the_key_and_so_is_the_invisible() {
        let preference = CanonicalPreference::of("hide crypto");
        let keys = ["crypto", "cr\u{200b}ypto", "cr\u{200d}ypto"].map(|content| preference.key(content));
        assert!(
            keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2],
            "{keys:?}"
        );
    }
}
