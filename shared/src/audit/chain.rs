//! Chains of audit entries, and the rules that show if one was edited, cut or reordered. Pure.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// An entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// The chain.
    pub writer: String,
    /// Its place, from 1.
    pub sequence: u64,
    /// The change as JSON, exactly as it was hashed.
    pub change: String,
    /// The hash of the entry before it; empty for the first.
    pub previous: String,
    /// The hash of this one.
    pub hash: String,
}

/// The last entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The chain.
    pub writer: String,
    /// The entry's place.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
}

/// The first entry at which a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The chain.
    pub writer: String,
    /// The place of the entry that is wrong or missing.
    pub sequence: u64,
    /// `edited`, `missing`, `unlinked`, `reordered` or `cut`.
    pub problem: &'static str,
}

impl AuditEntry {
    /// Creates the entry that follows (`sequence`, `previous`) in a chain.
    #[must_use]
    pub fn following(writer: &str, sequence: u64, previous: &str, change: String) -> Self {
        Self {
            hash: hash(writer, sequence, previous, &change),
            writer: writer.to_owned(),
            sequence,
            change,
            previous: previous.to_owned(),
        }
    }

    /// True if nothing of it was changed since it was written.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.hash == hash(&self.writer, self.sequence, &self.previous, &self.change)
    }
}

/// Returns the SHA-256 over the length-prefixed parts, in base64url.
fn hash(writer: &str, sequence: u64, previous: &str, change: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [writer, &sequence.to_string(), previous, change] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(context.finish())
}

/// A walk along entries in the order in which they are kept: by chain and sequence.
#[derive(Debug, Default)]
pub struct Walk {
    /// The last place and hash reached in each chain.
    reached: BTreeMap<String, (u64, String)>,
}

impl Walk {
    /// Starts a walk behind `entry`, which is trusted.
    #[must_use]
    pub fn behind(entry: &AuditEntry) -> Self {
        let reached = (entry.sequence, entry.hash.clone());
        Self {
            reached: BTreeMap::from([(entry.writer.clone(), reached)]),
        }
    }

    /// Continues to `entry`.
    ///
    /// # Errors
    /// The fault in it, or the entry missing before it.
    pub fn step(&mut self, entry: &AuditEntry) -> Result<(), Broken> {
        let (sequence, previous) = self.reached.get(&entry.writer).cloned().unwrap_or_default();
        let broken = |sequence, problem| {
            Err(Broken {
                writer: entry.writer.clone(),
                sequence,
                problem,
            })
        };
        if entry.sequence <= sequence {
            return broken(entry.sequence, "reordered");
        }
        if entry.sequence > sequence + 1 {
            return broken(sequence + 1, "missing");
        }
        if !entry.is_intact() {
            return broken(entry.sequence, "edited");
        }
        if entry.previous != previous {
            return broken(entry.sequence, "unlinked");
        }
        let reached = (entry.sequence, entry.hash.clone());
        self.reached.insert(entry.writer.clone(), reached);
        Ok(())
    }

    /// Compares the walk with the heads: each chain must end at its head, and none may be without a head.
    ///
    /// # Errors
    /// The first chain that ends elsewhere.
    pub fn end(&self, heads: &[Head]) -> Result<(), Broken> {
        self.end_but(heads, None)
    }

    /// Does the same as [`Walk::end`], with one chain left open that continues behind the walk.
    ///
    /// # Errors
    /// The first chain that ends elsewhere.
    pub fn end_but(&self, heads: &[Head], open: Option<&str>) -> Result<(), Broken> {
        let heads: BTreeMap<&str, &Head> = heads.iter().map(|head| (head.writer.as_str(), head)).collect();
        for (writer, head) in &heads {
            let (sequence, hash) = self.reached.get(*writer).cloned().unwrap_or_default();
            if (sequence, hash.as_str()) != (head.sequence, head.hash.as_str()) {
                let problem = if sequence == head.sequence { "edited" } else { "cut" };
                return Err(Broken {
                    writer: (*writer).to_owned(),
                    sequence: head.sequence.min(sequence + u64::from(sequence < head.sequence)),
                    problem,
                });
            }
        }
        let ends = |writer: &str| heads.contains_key(writer) || Some(writer) == open;
        let headless = self.reached.iter().find(|(writer, _)| !ends(writer));
        match headless {
            None => Ok(()),
            Some((writer, (sequence, _))) => Err(Broken {
                writer: writer.clone(),
                sequence: sequence + 1,
                problem: "cut",
            }),
        }
    }
}

/// Verifies whole chains against their heads.
///
/// # Errors
/// The first entry that is wrong or missing.
pub fn verify<'a>(entries: impl IntoIterator<Item = &'a AuditEntry>, heads: &[Head]) -> Result<(), Broken> {
    let mut walk = Walk::default();
    for entry in entries {
        walk.step(entry)?;
    }
    walk.end(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two chains of four, as they are kept.
    fn chains() -> (Vec<AuditEntry>, Vec<Head>) {
        let (mut entries, mut heads) = (Vec::new(), Vec::new());
        for writer in ["a", "b"] {
            let mut previous = String::new();
            for sequence in 1..=4 {
                let change = format!(r#"{{"action":"{writer}{sequence}"}}"#);
                let entry = AuditEntry::following(writer, sequence, &previous, change);
                previous.clone_from(&entry.hash);
                entries.push(entry);
            }
            heads.push(Head {
                writer: writer.to_owned(),
                sequence: 4,
                hash: previous,
            });
        }
        (entries, heads)
    }

    fn broken(tamper: impl Fn(&mut Vec<AuditEntry>)) -> (String, u64, &'static str) {
        let (mut entries, heads) = chains();
        tamper(&mut entries);
        let broken = verify(&entries, &heads).unwrap_err();
        (broken.writer, broken.sequence, broken.problem)
    }

    #[test]
    fn chains_that_nobody_touched_are_intact() {
        let (entries, heads) = chains();
        assert_eq!(verify(&entries, &heads), Ok(()));
        let mut walk = Walk::behind(&entries[1]);
        assert!(
            entries[2..4].iter().all(|entry| walk.step(entry).is_ok()),
            "from the middle on"
        );
        assert_eq!(walk.end(&heads[..1]), Ok(()));
    }

    #[test]
    fn whatever_is_done_to_a_chain_the_first_bad_entry_is_named() {
        let of = |writer: &str, sequence, problem| (writer.to_owned(), sequence, problem);
        assert_eq!(broken(|e| e[2].change.push(' ')), of("a", 3, "edited"));
        assert_eq!(broken(|e| e[5].hash = e[4].hash.clone()), of("b", 2, "edited"));
        assert_eq!(broken(|e| drop(e.remove(1))), of("a", 2, "missing"));
        assert_eq!(broken(|e| drop(e.remove(4))), of("b", 1, "missing"));
        assert_eq!(broken(|e| drop(e.remove(7))), of("b", 4, "cut"));
        assert_eq!(broken(|e| e.truncate(4)), of("b", 1, "cut"));
        assert_eq!(broken(|e| e.swap(1, 2)), of("a", 2, "missing"));
        assert_eq!(
            broken(|e| {
                let second = e[1].clone();
                e.insert(3, second);
            }),
            of("a", 2, "reordered")
        );
    }

    #[test]
    fn an_entry_hashed_anew_breaks_the_link_of_the_next() {
        let forged =
            |e: &mut Vec<AuditEntry>| e[1] = AuditEntry::following("a", 2, &e[0].hash.clone(), "{}".to_owned());
        assert_eq!(broken(forged), ("a".to_owned(), 3, "unlinked"));
        let last = |e: &mut Vec<AuditEntry>| e[3] = AuditEntry::following("a", 4, &e[2].hash.clone(), "{}".to_owned());
        assert_eq!(broken(last), ("a".to_owned(), 4, "edited"), "and the last one the head");
        let more = |e: &mut Vec<AuditEntry>| e.push(AuditEntry::following("c", 1, "", "{}".to_owned()));
        assert_eq!(broken(more), ("c".to_owned(), 2, "cut"), "no chain without a head");
    }

    #[test]
    fn an_entry_shows_whatever_was_changed_in_it() {
        let (entries, _) = chains();
        let second = &entries[1];
        for edited in [
            AuditEntry {
                sequence: 3,
                ..second.clone()
            },
            AuditEntry {
                previous: String::new(),
                ..second.clone()
            },
            AuditEntry {
                writer: "v".to_owned(),
                ..second.clone()
            },
        ] {
            assert!(!edited.is_intact(), "{edited:?}");
        }
    }
}
