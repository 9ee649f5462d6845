//! The close of a day by quota-reset, over as many counters as a large deployment has.

use std::time::Duration;

use serde_json::json;
use shared::clock::{Clock, Day, Stopwatch};
use tests::runtime_api::Environment;

use crate::Effort;
use crate::deployment::Deployment;
use crate::fill::{counter, fill};
use crate::process;
use crate::report::Report;
use crate::stats::count;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let counters = effort.of(1_000_000, 10_000);
    let deployment = Deployment::start().await;
    let today = Clock::system().now().day();
    let yesterday = today.minus(1);
    fill(&deployment.tables.tables(), "quota", counters, |n| {
        counter(n, yesterday)
    })
    .await;

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
    assert_eq!(summary["meters"]["posts"]["users"], counters, "{summary}");
    summary["pages"].as_f64().expect("a count")
}
