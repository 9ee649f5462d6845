//! The audit log: who changed what, kept so that an edit, a gap, a cut or a new order shows.
//!
//! Each process is a writer with a chain of its own: an entry carries the hash of the one before it, and a head per writer, written
//! in the same transaction, names the last.

use std::time::Duration;

use aws_lc_rs::digest;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::clock::Timestamp;
use crate::error::{Error, Outage};
use crate::ids::random_bytes;
use crate::table::{self, Failure, Table, number, text};

/// How long entries are kept.
const KEPT: Duration = Duration::from_hours(400 * 24);

/// The partition of the writers' heads.
const HEADS: &str = "heads";

/// A change to be noted.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// Who did it: `schedule`, `operator`, an admin key's id, a user's.
    pub actor: &'a str,
    /// What was done, such as `quota.reset`.
    pub action: &'static str,
    /// To whom or what.
    pub target: &'a str,
    /// What it was before.
    pub before: Value,
    /// What it is now.
    pub after: Value,
    /// Why, in the words of who did it.
    pub reason: Option<&'a str>,
    /// The request's name in the log.
    pub correlation_id: &'a str,
}

/// An entry of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which chain.
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

impl Entry {
    /// The entry that follows (`sequence`, `previous`) in a chain.
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

    /// Whether nothing of it was changed since it was written.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.hash == hash(&self.writer, self.sequence, &self.previous, &self.change)
    }
}

/// SHA-256 over the length-prefixed parts, in base64url.
fn hash(writer: &str, sequence: u64, previous: &str, change: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [writer, &sequence.to_string(), previous, change] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(context.finish())
}

/// The audit table, and this process's chain in it.
#[derive(Debug)]
pub struct AuditLog {
    table: Table,
    chain: Mutex<Option<Chain>>,
}

#[derive(Debug)]
struct Chain {
    writer: String,
    sequence: u64,
    last: String,
}

impl AuditLog {
    /// On `table`; the chain starts with the first change.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            table,
            chain: Mutex::new(None),
        }
    }

    /// Notes a change.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down: then nobody can say whether it is noted, and this process starts a new chain.
    pub async fn note(&self, change: &Change<'_>, now: Timestamp) -> Result<(), Error> {
        let json = serde_json::json!({
            "at": now.to_string(),
            "actor": change.actor,
            "action": change.action,
            "target": change.target,
            "before": change.before,
            "after": change.after,
            "reason": change.reason,
            "correlationId": change.correlation_id,
        });
        // Held over the write: the next entry needs this one's hash.
        let mut chain = self.chain.lock().await;
        let mut current = match chain.take() {
            Some(current) => current,
            None => Chain {
                writer: URL_SAFE_NO_PAD.encode(random_bytes::<12>()?),
                sequence: 0,
                last: String::new(),
            },
        };
        let entry = Entry::following(&current.writer, current.sequence + 1, &current.last, json.to_string());
        self.write(&entry, now).await.map_err(Error::Unavailable)?;
        current.sequence = entry.sequence;
        current.last = entry.hash;
        *chain = Some(current);
        Ok(())
    }

    async fn write(&self, entry: &Entry, now: Timestamp) -> Result<(), Outage> {
        let ttl = number(now.plus(KEPT).seconds());
        let put = |day: &str, name: String| {
            Put::builder()
                .table_name(self.table.name())
                .item("day", text(day))
                .item("entry", text(name))
                .item("sequence", number(entry.sequence))
                .item("hash", text(&entry.hash))
                .item(table::TTL, ttl.clone())
        };
        let unbuilt = |error: aws_sdk_dynamodb::error::BuildError| Outage(error.to_string());
        let noted = put(
            &now.day().to_string(),
            format!("{}#{:010}", entry.writer, entry.sequence),
        )
        .item("writer", text(&entry.writer))
        .item("change", text(&entry.change))
        .item("previous", text(&entry.previous))
        // An entry is never written over.
        .condition_expression("attribute_not_exists(#day)")
        .expression_attribute_names("#day", "day")
        .build()
        .map_err(unbuilt)?;
        let head = put(HEADS, entry.writer.clone()).build().map_err(unbuilt)?;
        let call = self
            .table
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(noted).build())
            .transact_items(TransactWriteItem::builder().put(head).build());
        self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_shows_whatever_was_changed_in_it() {
        let first = Entry::following("w", 1, "", r#"{"action":"a"}"#.to_owned());
        let second = Entry::following("w", 2, &first.hash, r#"{"action":"b"}"#.to_owned());
        assert!(first.is_intact() && second.is_intact());
        for edited in [
            Entry {
                change: r#"{"action":"c"}"#.to_owned(),
                ..second.clone()
            },
            Entry {
                sequence: 3,
                ..second.clone()
            },
            Entry {
                previous: String::new(),
                ..second.clone()
            },
            Entry {
                writer: "v".to_owned(),
                ..second.clone()
            },
        ] {
            assert!(!edited.is_intact(), "{edited:?}");
        }
    }
}
