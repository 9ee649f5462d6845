//! The last layer: answers in DynamoDB, which outlive every instance.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::entry::{AHEAD, Class, Entry, Update};
use super::key::Key;
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

/// The most keys of one `BatchGetItem`.
const KEYS_PER_READ: usize = 100;

/// The most writes under way at a time: a full batch takes two rounds. Each has a connection of its own.
const WRITES_AT_ONCE: usize = 25;

/// There is nothing that was not known when the question was taken up, but of a lesser class; or nothing that makes sense.
const IF_NOT_OUTDONE: &str = "attribute_not_exists(#at) OR #at <= :known OR (#at <= :at AND #class < :class) \
    OR #at > :soon OR NOT attribute_type(#at, :number)";

/// The answers table.
#[derive(Debug)]
pub struct AnswerTable(Table);

impl AnswerTable {
    /// Keeps answers in `table`.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self(table)
    }

    /// Reads the entries of `keys`, in their order. An entry that the table left out under load counts as not there.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Outage> {
        let mut found = vec![None; keys.len()];
        for (chunk, found) in keys.chunks(KEYS_PER_READ).zip(found.chunks_mut(KEYS_PER_READ)) {
            let wanted = chunk
                .iter()
                .map(|key| HashMap::from([("key".to_owned(), text(key.as_str()))]))
                .collect();
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .build()
                .map_err(|error| Outage(error.to_string()))?;
            let call = self.0.client().batch_get_item().request_items(self.0.name(), request);
            let output = self.0.call(call.send()).await.map_err(Failure::into_outage)?;
            let items = output
                .responses
                .unwrap_or_default()
                .remove(self.0.name())
                .unwrap_or_default();
            for item in &items {
                let name = read_text(item, "key");
                if let Some(place) = chunk.iter().position(|key| Some(key.as_str()) == name) {
                    found[place] = read_entry(item);
                }
            }
        }
        Ok(found)
    }

    /// Writes answers that are kept for `kept`; never an older one over a newer one, nor a lesser one over a better one that came
    /// meanwhile. One that the table refused is not tried again, as it can be had again.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn write(&self, updates: &[Update], kept: Duration) -> Result<(), Outage> {
        // A batch takes no conditions, and costs as much.
        let (mut all, mut rest) = (Ok(()), updates.iter());
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < WRITES_AT_ONCE
                && let Some(update) = rest.next()
            {
                under_way.push(self.put(update, kept));
            }
            match under_way.next().await {
                Some(one) => all = all.and(one),
                None => return all,
            }
        }
    }

    async fn put(&self, update: &Update, kept: Duration) -> Result<(), Outage> {
        let Update { key, entry, known } = update;
        let call = self
            .0
            .client()
            .put_item()
            .table_name(self.0.name())
            .set_item(Some(write_entry(key, entry, kept)))
            .condition_expression(IF_NOT_OUTDONE)
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#class", "class")
            .expression_attribute_values(":at", number(entry.at.millis()))
            .expression_attribute_values(":known", number(known.millis()))
            .expression_attribute_values(":class", number(entry.class.0))
            .expression_attribute_values(":soon", number(entry.at.plus(AHEAD).millis()))
            .expression_attribute_values(":number", text("N"));
        match self.0.write(|| call.clone().send()).await {
            Ok(_) | Err(Failure::Refused(PutItemError::ConditionalCheckFailedException(_))) => Ok(()),
            Err(failure) => Err(failure.into_outage()),
        }
    }
}

fn write_entry(key: &Key, entry: &Entry, kept: Duration) -> Item {
    HashMap::from([
        ("key".to_owned(), text(key.as_str())),
        ("payload".to_owned(), AttributeValue::B(Blob::new(&*entry.payload))),
        ("class".to_owned(), number(entry.class.0)),
        ("by".to_owned(), text(&*entry.by)),
        ("at".to_owned(), number(entry.at.millis())),
        (table::TTL.to_owned(), number(entry.at.plus(kept).seconds())),
    ])
}

/// `None` for an item that no version of ours has written: it is a miss, not a failure.
fn read_entry(item: &Item) -> Option<Entry> {
    Some(Entry {
        payload: item.get("payload")?.as_b().ok()?.as_ref().into(),
        class: Class(read_number(item, "class")?),
        by: read_text(item, "by")?.into(),
        at: Timestamp::from_millis(read_number(item, "at")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Scope;

    const KEPT: Duration = Duration::from_hours(24);

    fn key() -> Key {
        Key::of("w", Scope::Everybody, &["q"])
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        for bytes in [0, 4, 1_000] {
            let entry = Entry::sample(1_795_300_000_123, bytes);
            assert_eq!(read_entry(&write_entry(&key(), &entry, KEPT)), Some(entry));
        }
    }

    #[test]
    fn an_item_that_makes_no_sense_is_a_miss() {
        for (name, value) in [
            ("payload", text("no bytes")),
            ("class", number(300)),
            ("by", number(1)),
            ("at", text("yesterday")),
        ] {
            let mut item = write_entry(&key(), &Entry::sample(1, 4), KEPT);
            item.insert(name.to_owned(), value);
            assert_eq!(read_entry(&item), None, "{name}");
        }
    }
}
