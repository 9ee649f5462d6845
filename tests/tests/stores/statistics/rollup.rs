//! The nightly close: slots of a day become rows of users and totals, however often it is killed and repeated.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use quota_reset::{QuotaResetFailure, handle};
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Timestamp;
use shared::ids::UserId;
use shared::statistics::breakdown::{Breakdown, Hours};
use shared::statistics::kind::MarkKind;
use shared::statistics::rows::{Granularity, Grouping, RowQuery, RowsPage};
use shared::statistics::table::RowOwner;
use shared::statistics::{MOST_APPLICATIONS, MOST_DEVICES, OTHER, Observation};
use tests::proxy::Proxy;
use tests::service::{Plan, START, TableService};
use tests::statistics::CountAndDeliver;

use super::{counted, seen, user};

/// Past the day of [`START`].
const UNTIL_CLOSE: Duration = Duration::from_mins(15 * 60 + 20);

fn event() -> Value {
    json!({"statistics": {"scheduledTime": "2100-03-02T00:20:00Z"}})
}

fn query(granularity: Granularity, by: Grouping) -> RowQuery {
    RowQuery {
        from: START.day(),
        to: START.day(),
        granularity,
        by,
    }
}

/// Counts for some users on the day of [`START`]: the n-th has n observations of level n % 4 in each of three hours.
async fn fill(app: &App, users: usize) -> Vec<UserId> {
    let mut ids = Vec::new();
    for n in 1..=users {
        let user = user();
        for hour in [0, 2, 11] {
            let at = START.plus(Duration::from_hours(hour));
            let names: Vec<String> = (0..n).map(|m| format!("{hour}.{m}")).collect();
            let observations: Vec<Observation<'_>> = names
                .iter()
                .map(|name| Observation {
                    application: Some(if n % 2 == 0 { "even" } else { "odd" }),
                    level: u8::try_from(n % 4).unwrap(),
                    ..seen(name, at)
                })
                .collect();
            app.statistics.count_and_deliver(&user, &observations, at).await;
        }
        ids.push(user);
    }
    app.settle().await;
    ids
}

/// The rows of users and totals, without the notes of how far a close has come and the slots.
async fn rows(tables: &TableService) -> BTreeMap<(String, String), String> {
    let client = tables.tables();
    let scan = client.client().scan().table_name("clearview-statistics");
    let mut pages = scan.into_paginator().items().send();
    let mut rows = BTreeMap::new();
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        let text = |name: &str| {
            item.get(name)
                .and_then(|value: &AttributeValue| value.as_s().ok())
                .cloned()
        };
        if let Some(counts) = text("counts") {
            rows.insert((text("owner").unwrap(), text("item").unwrap()), counts);
        }
    }
    rows
}

fn sum(page: &RowsPage) -> u64 {
    page.rows.iter().map(|row| row.counts.total()).sum()
}

#[tokio::test]
async fn a_close_writes_hours_and_the_day_of_each_user_and_totals() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let app = plan.app();
    let users = fill(&app, 12).await;
    let before = app
        .statistics
        .rows_of(&users[6], &query(Granularity::Hour, Grouping::Level), START)
        .await;
    let (before, _) = before.unwrap();
    plan.clock().advance(UNTIL_CLOSE);
    let summary = json!(handle(&app, event()).await.unwrap());
    // 1 + 2 + … + 12, in three hours.
    assert_eq!(
        (&summary["statisticsClosed"], &summary["detections"]),
        (&json!("2100-03-01"), &json!(234))
    );
    assert_eq!(summary["byLevel"], json!([72, 45, 54, 63]));
    let rows = rows(&tables).await;
    assert_eq!(rows.len(), 2 * (12 + 16));
    let now = plan.clock().now();
    for (granularity, spans) in [(Granularity::Hour, 3), (Granularity::Day, 1)] {
        let (page, _) = app
            .statistics
            .rows_of(&users[6], &query(granularity, Grouping::Level), now)
            .await
            .unwrap();
        assert_eq!((page.rows.len(), sum(&page)), (spans, 21));
        assert!(page.rows.iter().all(|row| row.key == "3"));
        if granularity == Granularity::Hour {
            assert_eq!(page, before, "closed or not, the same");
        }
        let totals = app
            .statistics
            .totals(&query(granularity, Grouping::Application))
            .await
            .unwrap();
        let of = |key: &str| {
            let rows = totals.rows.iter().filter(|row| row.key == key);
            rows.map(|row| row.counts.total()).sum::<u64>()
        };
        assert_eq!((of("even"), of("odd"), totals.rows.len()), (126, 108, 2 * spans));
    }
}

#[tokio::test]
async fn a_close_killed_after_any_request_and_run_again_comes_to_the_same() {
    let tables = TableService::start().await;
    let users = fill(&Plan::default().with_tables_at(tables.address()).app(), 20).await;
    assert_eq!(users.len(), 20);
    let mut expected = None;
    // A night of its own for each: the checkpoints of one close are not another's.
    for requests in 1.. {
        let proxy = Proxy::to(tables.address()).await;
        let plan = Plan::default().with_tables_at(proxy.address);
        plan.clock().advance(UNTIL_CLOSE + Duration::from_mins(requests));
        let at = Timestamp::parse("2100-03-02T00:20:00Z")
            .unwrap()
            .plus(Duration::from_secs(requests));
        let event = json!({"statistics": {"scheduledTime": at.to_string()}});
        let app = plan.app();
        let killed = tokio::select! {
            () = proxy.passed_on(requests) => true,
            done = handle(&app, event.clone()) => {
                done.unwrap();
                false
            }
        };
        if killed {
            // The lease of a dead run lapses.
            plan.clock().advance(Duration::from_mins(1));
            handle(&plan.app(), event).await.unwrap();
        }
        let rows = rows(&tables).await;
        let expected = expected.get_or_insert_with(|| rows.clone());
        assert_eq!(&rows, expected, "killed after {requests} requests");
        if !killed {
            assert!(requests > 60, "every request of a run was the last of one: {requests}");
            break;
        }
    }
}

#[tokio::test]
async fn a_part_that_comes_after_the_first_close_is_in_the_next() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let app = plan.app();
    let users = fill(&app, 3).await;
    plan.clock().advance(UNTIL_CLOSE);
    handle(&app, event()).await.unwrap();
    let before = rows(&tables).await;
    let now = plan.clock().now();
    app.statistics
        .count_and_deliver(&users[1], &[seen("late", START)], now)
        .await;
    app.settle().await;
    assert_eq!(counted(&app, &users[1], START.day()).await, 7);
    handle(&app, event()).await.unwrap();
    assert_eq!(rows(&tables).await, before, "that close is over");
    plan.clock().advance(Duration::from_hours(3));
    let next = json!({"statistics": {"scheduledTime": "2100-03-02T03:20:00Z"}});
    let summary = json!(handle(&app, next).await.unwrap());
    assert_eq!(summary["detections"], 19);
    let after = rows(&tables).await;
    let changed: Vec<&str> = after
        .iter()
        .filter(|(key, counts)| before[*key] != **counts)
        .map(|((owner, _), _)| owner.as_str())
        .collect();
    assert!(changed.contains(&users[1].as_str()), "{changed:?}");
    assert!(
        !changed.contains(&users[0].as_str()) && changed.len() == 4,
        "{changed:?}"
    );
}

#[tokio::test]
async fn two_runs_do_not_close_a_day_at_the_same_time() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let app = plan.app();
    fill(&app, 2).await;
    plan.clock().advance(UNTIL_CLOSE);
    let now = plan.clock().now();
    let until = now.plus(Duration::from_mins(1));
    let closes = app.statistics.table().closes();
    closes
        .lease(START.day(), "another run", now, until)
        .await
        .unwrap()
        .unwrap();
    let refused = handle(&app, event()).await;
    assert!(
        matches!(refused, Err(QuotaResetFailure::Leased(at)) if at == until),
        "{refused:?}"
    );
}

#[tokio::test]
async fn at_most_fifty_applications_and_eight_devices_of_a_day_are_told_apart() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let (app, ann) = (plan.app(), user());
    for slot in 0..6_u32 {
        let at = START.plus(super::SLOT * slot);
        for n in 0..20 {
            let (id, application, device) = (format!("{slot}.{n}"), format!("app {slot}.{n}"), format!("dev {n}"));
            let observation = Observation {
                application: Some(&application),
                device: Some(&device),
                ..seen(&id, at)
            };
            app.statistics.count_and_deliver(&ann, &[observation], at).await;
        }
    }
    app.settle().await;
    plan.clock().advance(UNTIL_CLOSE);
    let check = async |closed: &str| {
        for (by, most) in [
            (Grouping::Application, MOST_APPLICATIONS),
            (Grouping::Device, MOST_DEVICES),
        ] {
            let (page, _) = app
                .statistics
                .rows_of(&ann, &query(Granularity::Day, by), plan.clock().now())
                .await
                .unwrap();
            assert_eq!((page.rows.len(), sum(&page)), (most + 1, 120), "{closed}");
            assert!(page.rows.iter().any(|row| row.key == OTHER), "{closed}");
        }
    };
    check("open").await;
    handle(&app, event()).await.unwrap();
    check("closed").await;
}

#[tokio::test]
async fn more_users_than_a_page_holds_are_all_closed() {
    let tables = TableService::start().await;
    let plan = Plan::default()
        .with_tables_at(tables.address())
        // The embedded table takes its time for a page of bytes.
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "30000");
    let app = plan.app();
    // One shard's page of 1 MB: slots of 4,000 marks, 32 KB each.
    let ids: Vec<String> = (0..4_000).map(|n| n.to_string()).collect();
    let observations: Vec<Observation<'_>> = ids.iter().map(|id| seen(id, START)).collect();
    let mut users = Vec::new();
    while users.len() < 40 {
        let user = user();
        if shared::statistics::slot::shard(&user) == 7 {
            app.statistics.count_and_deliver(&user, &observations, START).await;
            users.push(user);
        }
    }
    app.settle().await;
    plan.clock().advance(UNTIL_CLOSE);
    let summary = json!(handle(&app, event()).await.unwrap());
    assert_eq!(summary["detections"], 160_000);
    assert!(summary["pages"].as_u64().unwrap() > 16, "{summary}");
    for user in &users {
        let (page, _) = app
            .statistics
            .rows_of(user, &query(Granularity::Day, Grouping::Level), plan.clock().now())
            .await
            .unwrap();
        assert_eq!(sum(&page), 4_000);
    }
}

#[tokio::test]
async fn a_year_of_a_user_is_two_pages_of_the_table_at_most() {
    let tables = TableService::start().await;
    let (app, ann) = (Plan::default().with_tables_at(tables.address()).app(), user());
    let mut hours = Hours::default();
    for hour in 0..24 {
        let mut counted = Breakdown::default();
        for n in 0..MOST_APPLICATIONS {
            counted.count(&format!("app {n}"), "phone", MarkKind::from_byte(0).unwrap());
        }
        hours.count(hour, &counted);
    }
    let (first, last) = (START.day().minus(365), START.day());
    for n in 0..=365 {
        let rows = [(ann.clone(), hours.clone())];
        app.statistics.table().write_rows(first.plus(n), &rows).await.unwrap();
    }
    let (owner, mut from, mut pages) = (RowOwner::User(ann.clone()), first, 0);
    while from <= last {
        let (_, next) = app
            .statistics
            .table()
            .rows(&owner, Granularity::Day, from..=last)
            .await
            .unwrap();
        (from, pages) = (next.unwrap_or_else(|| last.next()), pages + 1);
    }
    assert!(pages <= 2, "{pages}");
    // And two of the answer, of whole days.
    let mut query = RowQuery {
        from: first,
        to: last,
        ..query(Granularity::Day, Grouping::Application)
    };
    let now = last.next().start();
    let (page, _) = app.statistics.rows_of(&ann, &query, now).await.unwrap();
    assert_eq!(page.rows.len(), 10_000);
    query.from = page.next.unwrap();
    let (rest, _) = app.statistics.rows_of(&ann, &query, now).await.unwrap();
    assert_eq!((page.rows.len() + rest.rows.len(), rest.next), (366 * 50, None));
}
