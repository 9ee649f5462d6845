//! The cache's last layer: verdicts in DynamoDB, which outlive every instance.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{AHEAD, ByKey, Entry, Judgement, Key, by_key};
use crate::classify::verdict::{Explanation, ModelClass};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

/// What one `BatchGetItem` takes.
const KEYS_PER_READ: usize = 100;

/// How many writes are under way at a time: a full batch takes two rounds. Each has a connection of its own.
const WRITES_AT_ONCE: usize = 25;

/// There is nothing, or nothing newer, or nothing that makes sense.
const IF_NOT_OLDER: &str = "attribute_not_exists(#at) OR #at <= :at OR #at > :soon OR NOT attribute_type(#at, :number)";

/// The verdicts table.
#[derive(Debug)]
pub struct VerdictTable(Table);

impl VerdictTable {
    /// On `table`.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self(table)
    }

    /// The entries of `keys` that are there. What the table left out under load counts as not there.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn read(&self, keys: &[Key]) -> Result<ByKey<Entry>, Outage> {
        let mut found = by_key(keys.len());
        for chunk in keys.chunks(KEYS_PER_READ) {
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
                let key = read_text(item, "key").and_then(|name| chunk.iter().find(|key| key.as_str() == name));
                if let (Some(key), Some(entry)) = (key, read_entry(item)) {
                    found.insert(key.clone(), entry);
                }
            }
        }
        Ok(found)
    }

    /// Writes verdicts, never an older one over a newer one. One that the table refused is not tried again: a verdict can be
    /// had anew.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn write(&self, judgements: &[&Judgement]) -> Result<(), Outage> {
        // A batch takes no conditions, and costs as much.
        let (mut all, mut rest) = (Ok(()), judgements.iter());
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < WRITES_AT_ONCE
                && let Some(judgement) = rest.next()
            {
                under_way.push(self.put(&judgement.key, &judgement.entry));
            }
            match under_way.next().await {
                Some(one) => all = all.and(one),
                None => return all,
            }
        }
    }

    async fn put(&self, key: &Key, entry: &Entry) -> Result<(), Outage> {
        let call = self
            .0
            .client()
            .put_item()
            .table_name(self.0.name())
            .set_item(Some(write_entry(key, entry)))
            .condition_expression(IF_NOT_OLDER)
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", number(entry.judged_at.millis()))
            .expression_attribute_values(":soon", number(entry.judged_at.plus(AHEAD).millis()))
            .expression_attribute_values(":number", text("N"));
        match self.0.write(|| call.clone().send()).await {
            Ok(_) | Err(Failure::Refused(PutItemError::ConditionalCheckFailedException(_))) => Ok(()),
            Err(failure) => Err(failure.into_outage()),
        }
    }
}

fn write_entry(key: &Key, entry: &Entry) -> Item {
    let mut item = HashMap::from([
        ("key".to_owned(), text(key.as_str())),
        ("score".to_owned(), number(entry.score)),
        ("class".to_owned(), number(entry.class as u8)),
        ("at".to_owned(), number(entry.judged_at.millis())),
        (table::TTL.to_owned(), number(entry.expires_at().seconds())),
    ]);
    if let Some(explanation) = &entry.explanation {
        item.insert("reason".to_owned(), text(&explanation.reason));
        if let Some(matched) = &explanation.matched {
            item.insert("matched".to_owned(), text(matched));
        }
    }
    item
}

/// `None` for an item that no version of ours has written: it is a miss, not a failure.
fn read_entry(item: &Item) -> Option<Entry> {
    let explanation = read_text(item, "reason").map(|reason| {
        Arc::new(Explanation {
            reason: reason.to_owned(),
            matched: read_text(item, "matched").map(str::to_owned),
        })
    });
    Some(Entry {
        score: read_number(item, "score").filter(|score| (0.0..=1.0).contains(score))?,
        class: ModelClass::stored(read_number(item, "class")?)?,
        judged_at: Timestamp::from_millis(read_number(item, "at")?),
        explanation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CanonicalPreference;

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let key = CanonicalPreference::of("hide").key("post");
        let plain = Entry {
            score: 0.123_456_7,
            class: ModelClass::Embedded,
            judged_at: Timestamp::from_millis(1_795_300_000_123),
            explanation: None,
        };
        let explained = Entry {
            explanation: Some(Arc::new(Explanation {
                reason: "why".into(),
                matched: Some("what".into()),
            })),
            ..plain.clone()
        };
        for entry in [plain, explained] {
            assert_eq!(read_entry(&write_entry(&key, &entry)), Some(entry));
        }
    }

    #[test]
    fn an_item_that_makes_no_sense_is_a_miss() {
        let key = CanonicalPreference::of("hide").key("post");
        let entry = Entry {
            score: 0.5,
            class: ModelClass::Embedded,
            judged_at: Timestamp::from_millis(1),
            explanation: None,
        };
        for (name, value) in [
            ("score", number(1.5)),
            ("score", number("NaN")),
            ("score", text("high")),
            ("class", number(200)),
            ("at", text("yesterday")),
        ] {
            let mut item = write_entry(&key, &entry);
            item.insert(name.to_owned(), value);
            assert_eq!(read_entry(&item), None, "{name}");
        }
    }
}
