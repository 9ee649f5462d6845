//! Reads or deletes several items: those of one partition, or those of some keys.

use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, WriteRequest};

use super::{Failure, Item, Table, text};
use crate::error::Outage;

/// The most items of one `BatchWriteItem`.
const AT_ONCE: usize = 25;

/// How often items that the table left out under load are sent again.
const ATTEMPTS: u32 = 8;

/// The wait before that, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(20);

impl Table {
    /// Returns all items under a partition key.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn partition(&self, key: &str) -> Result<Vec<Item>, Outage> {
        let (mut items, mut start) = (Vec::new(), None);
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("#hash = :key")
                .expression_attribute_names("#hash", self.schema.hash)
                .expression_attribute_values(":key", text(key))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let output = self.call(call.send()).await.map_err(Failure::into_outage)?;
            items.extend(output.items.unwrap_or_default());
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// Returns the items of up to 100 keys, as they are now, in any order; keys without an item are left out.
    ///
    /// # Errors
    /// When the table is down, or too busy to read them all.
    pub async fn read_all(&self, keys: Vec<Item>) -> Result<Vec<Item>, Outage> {
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        let keys = keys.build().map_err(|error| Outage(error.to_string()))?;
        let call = self.client.batch_get_item().request_items(&self.name, keys);
        let output = self.call(call.send()).await.map_err(Failure::into_outage)?;
        if output.unprocessed_keys().is_some_and(|left| !left.is_empty()) {
            return Err(Outage(format!("{} is too busy", self.name)));
        }
        let mut read = output.responses.unwrap_or_default();
        Ok(read.remove(&self.name).unwrap_or_default())
    }

    /// Deletes all items under a partition key; returns their number.
    ///
    /// # Errors
    /// When the table is down: some may be gone, and the same call again deletes the rest.
    pub async fn delete_partition(&self, key: &str) -> Result<usize, Outage> {
        let items = self.partition(key).await?;
        let number = items.len();
        self.delete_items(items).await?;
        Ok(number)
    }

    /// Deletes items that were read.
    ///
    /// # Errors
    /// As [`delete_partition`](Self::delete_partition).
    pub async fn delete_items(&self, items: Vec<Item>) -> Result<(), Outage> {
        let unbuilt = |error: aws_sdk_dynamodb::error::BuildError| Outage(error.to_string());
        let mut deletions = Vec::with_capacity(items.len());
        for mut item in items {
            let names = [Some(self.schema.hash), self.schema.range].into_iter().flatten();
            let key: Item = names.filter_map(|name| item.remove_entry(name)).collect();
            let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(unbuilt)?;
            deletions.push(WriteRequest::builder().delete_request(delete).build());
        }
        for some in deletions.chunks(AT_ONCE) {
            self.write_all(some.to_vec()).await?;
        }
        Ok(())
    }

    /// Writes up to 25 items, and repeats those that the table leaves out under load.
    ///
    /// # Errors
    /// When the table is down, or does not take them all in time.
    pub async fn write_all(&self, mut waiting: Vec<WriteRequest>) -> Result<(), Outage> {
        let mut wait = FIRST_WAIT;
        for _ in 0..ATTEMPTS {
            let call = self.client.batch_write_item().request_items(&self.name, waiting);
            let output = self.write(|| call.clone().send()).await.map_err(Failure::into_outage)?;
            let mut left = output.unprocessed_items.unwrap_or_default();
            waiting = left.remove(&self.name).unwrap_or_default();
            if waiting.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(Outage(format!("{} items were not taken", waiting.len())))
    }
}
