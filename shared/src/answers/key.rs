//! The name of a question: a digest of all that the answer depends on, but for who answers.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::digest::sha256;
use crate::ids::UserId;

/// The length of a key in bytes.
const LENGTH: usize = 3 + 22 + 2 + 43;

/// Whom an answer may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Everybody who asks the same.
    Everybody,
    /// One user.
    User(&'a UserId),
}

/// Questions that are asked together. Their keys share a hash slot of the shared cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    tag: Arc<str>,
    /// Stands for the group in every key.
    digest: [u8; 32],
}

/// The name of one question: `a:{group}:question`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    text: Arc<str>,
    /// The first bytes of the digest, which are as good a hash as any.
    hash: u64,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Group {
    /// Names the group of a workload's questions that share a scope and `parts`.
    #[must_use]
    pub fn of(workload: &str, scope: Scope<'_>, parts: &[&str]) -> Self {
        let user = match scope {
            // No user's name is empty.
            Scope::Everybody => "",
            Scope::User(user) => user.as_str(),
        };
        let mut bytes = Vec::new();
        for part in [workload, user].iter().chain(parts) {
            push_part(&mut bytes, part);
        }
        let digest = sha256(&bytes);
        let tag = URL_SAFE_NO_PAD.encode(&digest[..16]).into();
        Self { tag, digest }
    }

    /// Returns the group's name: 22 of the base64url alphabet.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Names the question of this group that has these parts.
    #[must_use]
    pub fn key(&self, parts: &[&str]) -> Key {
        let length: usize = parts.iter().map(|part| 8 + part.len()).sum();
        let mut bytes = Vec::with_capacity(self.digest.len() + length);
        bytes.extend_from_slice(&self.digest);
        for part in parts {
            push_part(&mut bytes, part);
        }
        let digest = sha256(&bytes);
        let mut text = String::with_capacity(LENGTH);
        text.push_str("a:{");
        text.push_str(&self.tag);
        text.push_str("}:");
        URL_SAFE_NO_PAD.encode_string(digest, &mut text);
        Key {
            text: text.into(),
            hash: digest.first_chunk().map_or(0, |first| u64::from_ne_bytes(*first)),
        }
    }
}

impl Key {
    /// Names a question that is asked alone.
    #[must_use]
    pub fn of(workload: &str, scope: Scope<'_>, parts: &[&str]) -> Self {
        Group::of(workload, scope, parts).key(&[])
    }

    /// Returns the key as text, the same in every layer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the key of its lease, in the same hash slot.
    #[must_use]
    pub fn lease(&self) -> String {
        format!("l{}", self.text.trim_start_matches('a'))
    }
}

/// Adds a part after its length, so that no two lists of parts are the same bytes.
fn push_part(bytes: &mut Vec<u8>, part: &str) {
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_parts_give_another_key_wherever_the_border_lies() {
        let user = UserId::random().unwrap();
        let all = [
            Group::of("w", Scope::Everybody, &["ab"]).key(&["c"]),
            Group::of("w", Scope::Everybody, &["a"]).key(&["bc"]),
            Group::of("wa", Scope::Everybody, &["b"]).key(&["c"]),
            Group::of("w", Scope::Everybody, &["a", "b"]).key(&["c"]),
            Group::of("w", Scope::Everybody, &["ab"]).key(&["c", ""]),
            Group::of("w", Scope::User(&user), &["ab"]).key(&["c"]),
            Group::of("w", Scope::Everybody, &[user.as_str(), "ab"]).key(&["c"]),
            Key::of("w", Scope::Everybody, &["ab", "c"]),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| other != one), "{n}");
            assert_eq!(one.as_str().len(), LENGTH);
        }
    }

    #[test]
    fn a_key_and_its_lease_share_the_slot_of_their_group() {
        let group = Group::of("w", Scope::Everybody, &["ab"]);
        let key = group.key(&["c"]);
        assert!(key.as_str().starts_with(&format!("a:{{{}}}:", group.tag())));
        assert_eq!(key.lease(), key.as_str().replacen('a', "l", 1));
    }
}
