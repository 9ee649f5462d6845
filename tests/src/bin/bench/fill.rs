//! Rows in a table before anything is measured: a deployment that has been used for a while.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt};
use shared::clock::Day;
use shared::ids::UserId;
use tests::service::Tables;

/// A row.
type Item = HashMap<String, AttributeValue>;

/// The most that one batch may hold.
const PER_WRITE: usize = 25;

/// Puts `rows` rows into the table named `clearview-{table}`.
pub(crate) async fn fill(tables: &Tables, table: &str, rows: usize, row: impl Fn(usize) -> Item) {
    let writes = (0..rows.div_ceil(PER_WRITE)).map(|n| {
        let first = n * PER_WRITE;
        let batch = (first..rows.min(first + PER_WRITE)).map(&row).collect();
        write(tables, format!("clearview-{table}"), batch)
    });
    stream::iter(writes).buffer_unordered(8).collect::<()>().await;
}

async fn write(tables: &Tables, table: String, batch: Vec<Item>) {
    let puts = batch.into_iter().map(|item| {
        let put = PutRequest::builder().set_item(Some(item)).build().expect("an item");
        WriteRequest::builder().put_request(put).build()
    });
    let write = tables.client().batch_write_item().request_items(table, puts.collect());
    let left = write.send().await.expect("the table answers").unprocessed_items;
    assert!(left.is_none_or(|left| left.is_empty()), "the table takes all");
}

/// A counter of `day`, as the quota table keeps it.
pub(crate) fn counter(n: usize, day: Day) -> Item {
    let user = UserId::random().expect("randomness");
    let ttl = day.plus(90).start().seconds();
    HashMap::from([
        ("user".to_owned(), AttributeValue::S(user.to_string())),
        ("meter#day".to_owned(), AttributeValue::S(format!("posts#{day}"))),
        ("used".to_owned(), AttributeValue::N((n + 1).to_string())),
        ("tier".to_owned(), AttributeValue::S("free".to_owned())),
        ("ttl".to_owned(), AttributeValue::N(ttl.to_string())),
    ])
}
