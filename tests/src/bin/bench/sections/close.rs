//! The close of a day by quota-reset, over as many counters as a large deployment has.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use shared::clock::{Clock, Day, Stopwatch};
use shared::ids::UserId;
use tests::runtime_api::Environment;
use tests::service::Tables;

use crate::Effort;
use crate::deployment::Deployment;
use crate::process;
use crate::report::Report;
use crate::stats::count;

/// The most that one batch may hold.
const PER_WRITE: usize = 25;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let counters = effort.of(1_000_000, 10_000);
    let deployment = Deployment::start().await;
    let today = Clock::system().now().day();
    fill(&deployment.tables.tables(), counters, today.minus(1)).await;

    // The embedded table reads all of itself for a page of a segment, which DynamoDB does not: it is given the time.
    let function = deployment
        .function("quota-reset")
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "60000");
    let environment = function.start().await.expect("a good start");
    let id = environment.process_id();
    let before = process::cpu(id);
    let since = Stopwatch::start();
    let pages = close(&environment, today, counters).await;
    report.note("close.counters", count(counters), "");
    report.note("close.span", since.elapsed().as_secs_f64(), "s");
    report.note("close.cpu", process::cpu(id).saturating_sub(before).as_secs_f64(), "s");
    report.note("close.pages_read", pages, "");
    report.note("close.peak_resident", process::peak_resident(id), "MB");
}

/// Closes the day before `today`; how many pages were read for it.
async fn close(environment: &Environment, today: Day, counters: usize) -> f64 {
    let event = json!({"scheduledTime": today.start().to_string()}).to_string();
    let limit = Duration::from_mins(15);
    let summary = environment.invoke_within(limit, event).await.expect("a closed day");
    assert_eq!(summary["users"], counters, "{summary}");
    summary["pages"].as_f64().expect("a count")
}

/// Puts counters of `day` into the quota table as it keeps them.
async fn fill(tables: &Tables, counters: usize, day: Day) {
    let writes = (0..counters.div_ceil(PER_WRITE)).map(|n| {
        let rows = PER_WRITE.min(counters - n * PER_WRITE);
        write(tables, rows, day)
    });
    stream::iter(writes).buffer_unordered(8).collect::<()>().await;
}

async fn write(tables: &Tables, rows: usize, day: Day) {
    let rows = (0..rows).map(|n| {
        let put = PutRequest::builder()
            .set_item(Some(counter(n, day)))
            .build()
            .expect("an item");
        WriteRequest::builder().put_request(put).build()
    });
    let written = tables
        .client()
        .batch_write_item()
        .request_items("clearview-quota", rows.collect())
        .send()
        .await;
    let left = written.expect("the table answers").unprocessed_items;
    assert!(left.is_none_or(|left| left.is_empty()), "the table takes all");
}

fn counter(n: usize, day: Day) -> HashMap<String, AttributeValue> {
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
