//! The audit log: every change with its author, kept so that an edit, a gap, a cut or a new order shows.
//!
//! Each process is a writer, with a chain of its own for each day. An entry carries the hash of the one before it. A head per
//! chain, written in the same transaction, names the last entry. The function's log has the hashes too, so rewriting a whole
//! chain with its head is not enough.

mod chain;

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::clock::{Day, Timestamp};
use crate::error::{Error, Outage};
use crate::ids::random_bytes;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

pub use self::chain::{AuditEntry, Broken, Head, Walk, verify};

/// How long changes by admins, schedules and erasures are kept after the end of their day.
const CHANGES_KEPT: Duration = Duration::from_hours(400 * 24);

/// How long the ordinary life of sessions is kept after the end of its day: it is most of the log.
pub const SESSIONS_KEPT: Duration = Duration::from_hours(30 * 24);

/// The ordinary life of sessions. A suspicious event, such as a refresh token shown twice, counts as a change.
const OF_SESSIONS: [&str; 3] = ["device.register", "session.revoke", "token.refresh"];

/// The prefix of their chains' names. It sorts behind every other chain, and a chain is kept or removed as a whole.
const SESSIONS: &str = "sessions-";

/// The prefix of all other chains' names; it sorts before [`SESSIONS`].
const CHANGES: &str = "changes-";

/// Sorts behind the names of all chains.
const LAST: &str = "~~";

/// The most entries of a page.
const PAGE: i32 = 200;

/// A change to be noted.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The author: `schedule`, `operator`, the id of an admin's key or of a user.
    pub actor: &'a str,
    /// The action, such as `quota.reset`.
    pub action: &'static str,
    /// The user or thing that was changed.
    pub target: &'a str,
    /// The value before.
    pub before: Value,
    /// The value now.
    pub after: Value,
    /// The author's reason.
    pub reason: Option<&'a str>,
    /// The request's correlation id.
    pub correlation_id: &'a str,
}

/// The audit table, and this process's chains in it.
#[derive(Debug)]
pub struct AuditLog {
    table: Table,
    changes: Mutex<Option<Chain>>,
    sessions: Mutex<Option<Chain>>,
}

#[derive(Debug)]
struct Chain {
    day: Day,
    writer: String,
    sequence: u64,
    last: String,
}

impl AuditLog {
    /// Creates the log on `table`; a chain starts with its first entry.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self {
            table,
            changes: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// Notes a change.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table is down. The entry may or may not be stored then, and this process starts a new
    /// chain.
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
        // The lock is held over the write, because the next entry needs this one's hash.
        let (chain, prefix, kept) = if OF_SESSIONS.contains(&change.action) {
            (&self.sessions, SESSIONS, SESSIONS_KEPT)
        } else {
            (&self.changes, CHANGES, CHANGES_KEPT)
        };
        let mut chain = chain.lock().await;
        let mut current = match chain.take() {
            Some(current) if current.day == now.day() => current,
            _ => Chain {
                day: now.day(),
                writer: format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random_bytes::<12>()?)),
                sequence: 0,
                last: String::new(),
            },
        };
        let entry = AuditEntry::following(&current.writer, current.sequence + 1, &current.last, json.to_string());
        // The same for the whole chain, so that it expires at once.
        let ttl = now.day().next().start().plus(kept);
        self.write(&entry, now.day(), ttl).await.map_err(Error::Unavailable)?;
        tracing::info!(
            writer = entry.writer,
            sequence = entry.sequence,
            hash = entry.hash,
            "audit"
        );
        current.sequence = entry.sequence;
        current.last = entry.hash;
        *chain = Some(current);
        Ok(())
    }

    /// Notes a change that must not wait for the table: while that is down, the log has it.
    pub async fn note_or_log(&self, change: &Change<'_>, now: Timestamp) {
        if let Err(error) = self.note(change, now).await {
            tracing::error!(
                %error,
                actor = change.actor,
                action = change.action,
                target = change.target,
                correlation_id = change.correlation_id,
                "a change could not be noted"
            );
        }
    }

    async fn write(&self, entry: &AuditEntry, day: Day, ttl: Timestamp) -> Result<(), Outage> {
        let ttl = number(ttl.seconds());
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
        let noted = put(&day.to_string(), place(&entry.writer, entry.sequence))
            .item("writer", text(&entry.writer))
            .item("change", text(&entry.change))
            .item("previous", text(&entry.previous))
            // An entry is never overwritten.
            .condition_expression("attribute_not_exists(#day)")
            .expression_attribute_names("#day", "day")
            .build()
            .map_err(unbuilt)?;
        let head = put(&heads_of(day), entry.writer.clone()).build().map_err(unbuilt)?;
        let call = self
            .table
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(noted).build())
            .transact_items(TransactWriteItem::builder().put(head).build());
        self.table
            .write(|| call.clone().send())
            .await
            .map_err(Failure::into_outage)?;
        Ok(())
    }

    /// Returns a page of a day's entries behind `cursor`, ordered by chain and sequence. `now` decides which chains are still
    /// kept, because the table removes expired entries one by one and some days late.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn page(&self, day: Day, cursor: Option<&Cursor>, now: Timestamp) -> Result<Page, Outage> {
        let from = cursor.map(|cursor| cursor.writer.as_str());
        let end = if now < day.next().start().plus(SESSIONS_KEPT) {
            LAST
        } else {
            SESSIONS
        };
        if from.is_some_and(|from| from >= end) {
            return Ok(Page::default());
        }
        // Heads first: an entry written meanwhile is then missing from the heads, and not the other way round.
        let mut heads = self.heads(day, from, end).await?;
        let start = cursor.map(|cursor| key(&day.to_string(), place(&cursor.writer, cursor.sequence)));
        let call = self
            .table
            .client()
            .query()
            .table_name(self.table.name())
            .key_condition_expression("#day = :day AND #entry < :end")
            .expression_attribute_names("#day", "day")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":day", text(day.to_string()))
            .expression_attribute_values(":end", text(end))
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .limit(PAGE);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let mut entries: Vec<AuditEntry> = output.items().iter().filter_map(read_entry).collect();
        if entries.len() != output.items().len() {
            return Err(Outage(format!("an entry of {day} cannot be read")));
        }
        let next = entries.last().filter(|_| output.last_evaluated_key.is_some());
        let next = next.map(|last| Cursor {
            writer: last.writer.clone(),
            sequence: last.sequence,
        });
        let to = next.as_ref().map(|cursor| cursor.writer.as_str());
        let begun = self.heads(day, from, to.unwrap_or(end)).await?;
        heads.retain(|head| to.is_none_or(|to| head.writer.as_str() < to));
        entries.retain(|entry| {
            let is_of = |head: &&Head| head.writer == entry.writer;
            match heads.iter().find(is_of) {
                Some(head) => entry.sequence <= head.sequence,
                None => to == Some(entry.writer.as_str()) || !begun.iter().any(|head| is_of(&head)),
            }
        });
        Ok(Page { entries, heads, next })
    }

    /// Verifies a whole day; returns the first entry that is wrong.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn verify(&self, day: Day, now: Timestamp) -> Result<Result<(), Broken>, Outage> {
        let (mut cursor, mut behind): (Option<Cursor>, Option<AuditEntry>) = (None, None);
        loop {
            let mut page = self.page(day, cursor.as_ref(), now).await?;
            if let Err(broken) = page.verify(behind.as_ref()) {
                return Ok(Err(broken));
            }
            if page.next.is_none() {
                return Ok(Ok(()));
            }
            // The cursor is the page's last entry.
            (cursor, behind) = (page.next, page.entries.pop());
        }
    }

    /// Returns the entry that a page starts behind; `None` if there is no such entry.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn entry(&self, day: Day, cursor: &Cursor) -> Result<Option<AuditEntry>, Outage> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .set_key(Some(key(&day.to_string(), place(&cursor.writer, cursor.sequence))));
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        Ok(output.item.as_ref().and_then(read_entry))
    }

    /// Returns the heads of the chains from that of `from` up to, but without, that of `to`: those that end on a page.
    async fn heads(&self, day: Day, from: Option<&str>, to: &str) -> Result<Vec<Head>, Outage> {
        let (mut heads, mut start) = (Vec::new(), None);
        loop {
            let call = self
                .table
                .client()
                .query()
                .table_name(self.table.name())
                .key_condition_expression("#day = :day AND #entry BETWEEN :from AND :to")
                .expression_attribute_names("#day", "day")
                .expression_attribute_names("#entry", "entry")
                .expression_attribute_values(":day", text(heads_of(day)))
                .expression_attribute_values(":from", text(from.unwrap_or("-")))
                .expression_attribute_values(":to", text(to))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
            heads.extend(output.items().iter().filter_map(read_head));
            start = output.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        heads.retain(|head| head.writer != to);
        Ok(heads)
    }
}

/// A place in a day's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The chain.
    pub writer: String,
    /// The entry's place in it.
    pub sequence: u64,
}

/// A page of a day's entries.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Ordered by chain and sequence.
    pub entries: Vec<AuditEntry>,
    /// The heads of the chains that end on this page.
    pub heads: Vec<Head>,
    /// The start of the next page, if there is one.
    pub next: Option<Cursor>,
}

impl Page {
    /// Verifies the page, given the entry that it starts behind.
    ///
    /// # Errors
    /// The first entry that is wrong or missing.
    pub fn verify(&self, behind: Option<&AuditEntry>) -> Result<(), Broken> {
        let mut walk = behind.map(Walk::behind).unwrap_or_default();
        for entry in &self.entries {
            walk.step(entry)?;
        }
        let open = self.next.as_ref().map(|cursor| cursor.writer.as_str());
        walk.end_but(&self.heads, open)
    }
}

fn heads_of(day: Day) -> String {
    format!("heads#{day}")
}

fn place(writer: &str, sequence: u64) -> String {
    format!("{writer}#{sequence:010}")
}

fn key(day: &str, entry: String) -> Item {
    Item::from([("day".to_owned(), text(day)), ("entry".to_owned(), text(entry))])
}

fn read_entry(item: &Item) -> Option<AuditEntry> {
    Some(AuditEntry {
        writer: read_text(item, "writer")?.to_owned(),
        sequence: read_number(item, "sequence")?,
        change: read_text(item, "change")?.to_owned(),
        previous: read_text(item, "previous")?.to_owned(),
        hash: read_text(item, "hash")?.to_owned(),
    })
}

fn read_head(item: &Item) -> Option<Head> {
    Some(Head {
        writer: read_text(item, "entry")?.to_owned(),
        sequence: read_number(item, "sequence")?,
        hash: read_text(item, "hash")?.to_owned(),
    })
}
