//! The close of a day, and the reset of one user's.

mod by_hand;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use quota_reset::{QuotaResetFailure, QuotaResetSummary, handle};
use serde_json::{Value, json};
use shared::app::App;
use shared::ids::UserId;
use shared::plan::{Meter, Tier};
use shared::quota::{Charge, Counter};
use tests::proxy::Proxy;
use tests::service::{Plan, START, TableService, Tables};

/// The scheduler's event, a quarter of an hour after the day of [`START`].
fn event() -> Value {
    json!({"scheduledTime": "2100-03-02T00:15:00Z"})
}

/// Past the day of [`START`].
const UNTIL_CLOSE: Duration = Duration::from_mins(15 * 60 + 15);

/// Charges `n` posts to the n-th of `users` users, and a thousand times as many tokens to each other one. Every third is pro.
/// Returns their ids.
async fn charge_day(app: &App, users: u64) -> Vec<UserId> {
    let mut ids = Vec::new();
    for n in 1..=users {
        let user = UserId::random().unwrap();
        charge(app, &user, (Meter::Posts, n), n).await;
        if n.is_multiple_of(2) {
            charge(app, &user, (Meter::Tokens, 1000 * n), n).await;
        }
        ids.push(user);
    }
    ids
}

async fn charge(app: &App, user: &UserId, (meter, units): (Meter, u64), n: u64) {
    let charge = Charge {
        counter: Counter {
            user: user.clone(),
            meter,
            day: START.day(),
        },
        tier: if n.is_multiple_of(3) { Tier::pro() } else { Tier::free() },
        units,
        limit: 1_000_000,
    };
    let charged = app.quota.charge(&charge, None, None, START).await.unwrap();
    app.quota.finish(charged.receipt, 0).await;
}

/// The whole usage table but for the notes of how far a close has come.
async fn rows(tables: &TableService) -> BTreeMap<(String, String), BTreeMap<String, String>> {
    let client = tables.tables();
    let mut pages = client
        .client()
        .scan()
        .table_name("clearview-usage")
        .into_paginator()
        .items()
        .send();
    let mut rows = BTreeMap::new();
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        let text = |value: &AttributeValue| match value {
            AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let key = (text(&item["user"]), text(&item["day#meter"]));
        if !key.0.starts_with("close#") {
            rows.insert(
                key,
                item.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            );
        }
    }
    rows
}

#[tokio::test]
async fn the_close_writes_a_row_per_user_and_meter_and_the_totals_of_each_tier() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let app = plan.app();
    let users = charge_day(&app, 30).await;
    plan.clock().advance(UNTIL_CLOSE);
    let summary = handle(&app, event()).await.unwrap();
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["closed"], "2100-03-01");
    let total = |users: u64, units: u64| json!({"users": users, "units": units});
    let tiers = json!({
        "free": {"posts": total(20, 300), "tokens": total(10, 150_000)},
        "pro": {"posts": total(10, 165), "tokens": total(5, 90_000)},
    });
    assert_eq!(json["tiers"], tiers);
    assert_eq!(
        json["meters"],
        json!({"posts": total(30, 465), "tokens": total(15, 240_000)})
    );

    let rows = rows(&tables).await;
    assert_eq!(rows.len(), 30 + 15 + 1);
    let row = |n: usize, meter: &str| {
        let row = &rows[&(users[n - 1].to_string(), format!("2100-03-01#{meter}"))];
        (row["used"].as_str(), row["tier"].as_str())
    };
    assert_eq!(row(7, "posts"), ("7", "free"));
    assert_eq!((row(12, "posts"), row(12, "tokens")), (("12", "pro"), ("12000", "pro")));
    let total = &rows[&("total".to_owned(), "2100-03-01".to_owned())];
    assert_eq!(serde_json::from_str::<Value>(&total["tiers"]).unwrap(), tiers);
}

#[tokio::test]
async fn a_close_killed_after_any_request_and_run_again_comes_to_the_same() {
    let tables = TableService::start().await;
    let users = {
        let app = Plan::default().with_tables_at(tables.address()).app();
        charge_day(&app, 40).await
    };
    assert_eq!(users.len(), 40);
    let mut expected = None;
    for requests in 1.. {
        let proxy = Proxy::to(tables.address()).await;
        let plan = Plan::default().with_tables_at(proxy.address);
        plan.clock().advance(UNTIL_CLOSE);
        let app = plan.app();
        let killed = tokio::select! {
            () = proxy.passed_on(requests) => true,
            done = handle(&app, event()) => {
                done.unwrap();
                false
            }
        };
        if killed {
            // The lease of a dead run lapses.
            plan.clock().advance(Duration::from_mins(1));
            handle(&plan.app(), event()).await.unwrap();
        }
        let rows = rows(&tables).await;
        let expected = expected.get_or_insert_with(|| rows.clone());
        assert_eq!(&rows, expected, "killed after {requests} requests");
        if !killed {
            assert!(requests > 40, "every request of a run was the last of one: {requests}");
            break;
        }
        forget_the_close(&tables).await;
    }
}

/// Returns the whole usage table.
async fn usage_items(tables: &Tables) -> Vec<HashMap<String, AttributeValue>> {
    let scan = tables.client().scan().table_name("clearview-usage");
    scan.send().await.unwrap().items.unwrap_or_default()
}

/// Removes everything that closes have written.
async fn forget_the_close(tables: &TableService) {
    let client = tables.tables();
    for item in usage_items(&client).await {
        let delete = client.client().delete_item().table_name("clearview-usage");
        delete
            .key("user", item["user"].clone())
            .key("day#meter", item["day#meter"].clone())
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_checkpoint_that_makes_no_sense_ends_the_close() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let app = plan.app();
    charge_day(&app, 3).await;
    plan.clock().advance(UNTIL_CLOSE);
    handle(&app, event()).await.unwrap();
    let tables = tables.tables();
    for item in usage_items(&tables).await {
        if !item.contains_key("pages") {
            continue;
        }
        let put = tables.client().put_item().table_name("clearview-usage");
        let put = put.set_item(Some(item));
        put.item("totals", AttributeValue::S("nonsense".to_owned()))
            .send()
            .await
            .unwrap();
    }
    plan.clock().advance(Duration::from_mins(1));
    let again = handle(&app, event()).await;
    assert!(matches!(again, Err(QuotaResetFailure::Unavailable(_))), "{again:?}");
}

#[tokio::test]
async fn closing_twice_late_or_with_traffic_going_on_changes_nothing() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let app = plan.app();
    let users = charge_day(&app, 12).await;
    plan.clock().advance(UNTIL_CLOSE);
    let first = handle(&app, event()).await.unwrap();
    let before = rows(&tables).await;

    plan.clock().advance(Duration::from_hours(24));
    let tomorrow = Charge {
        counter: Counter {
            user: users[0].clone(),
            meter: Meter::Posts,
            day: plan.clock().now().day(),
        },
        tier: Tier::free(),
        units: 9,
        limit: 1000,
    };
    let (again, charged) = tokio::join!(
        handle(&app, event()),
        app.quota.charge(&tomorrow, None, None, plan.clock().now())
    );
    app.quota.finish(charged.unwrap().receipt, 0).await;
    let totals = |summary: &QuotaResetSummary| {
        let json = serde_json::to_value(summary).unwrap();
        (json["tiers"].clone(), json["meters"].clone())
    };
    assert_eq!(totals(&first), totals(&again.unwrap()));
    assert_eq!(before, rows(&tables).await);
}

#[tokio::test]
async fn two_runs_do_not_close_a_day_at_the_same_time() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let app = plan.app();
    charge_day(&app, 12).await;
    plan.clock().advance(UNTIL_CLOSE);
    let now = plan.clock().now();
    let day = START.day();
    let until = now.plus(Duration::from_mins(1));
    app.usage
        .closes()
        .lease(day, "another run", now, until)
        .await
        .unwrap()
        .unwrap();
    let refused = handle(&app, event()).await;
    assert!(
        matches!(refused, Err(QuotaResetFailure::Leased(at)) if at == until),
        "{refused:?}"
    );
    plan.clock().advance(Duration::from_mins(1));
    assert!(handle(&app, event()).await.is_ok(), "a dead run's lease lapses");
}

#[tokio::test]
async fn an_event_that_makes_no_sense_is_refused_in_words() {
    let tables = TableService::start().await;
    let app = Plan::default().with_tables_at(tables.address()).app();
    for (event, words) in [
        (json!({}), "scheduledTime"),
        (json!({"scheduledTime": "yesterday"}), "RFC 3339"),
        (json!({"scheduledTime": "2100-03-02T00:15:00Z"}), "not over"),
        (
            json!({"scheduledTime": "2100-03-01T00:15:00Z", "force": true}),
            "must be",
        ),
        (json!({"reset": {"userId": "total", "reason": "x"}}), "userId"),
        (
            json!({"reset": {"userId": "u_aaaaaaaaaaaaaaaaaaaaaa", "reason": ""}}),
            "reason",
        ),
    ] {
        let refused = handle(&app, event.clone()).await.unwrap_err();
        assert!(matches!(refused, QuotaResetFailure::Invalid(_)), "{event}");
        assert!(refused.to_string().contains(words), "{event}: {refused}");
    }
}

#[tokio::test]
async fn an_operator_resets_one_users_day_and_it_is_noted() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let app = plan.app();
    let users = charge_day(&app, 6).await;
    let target = users[5].to_string();
    let summary = handle(&app, json!({"reset": {"userId": target, "reason": "a bug of ours"}}))
        .await
        .unwrap();
    assert_eq!(
        json!(summary),
        json!({"reset": target, "before": {"posts": 6, "images": 0, "rankings": 0, "tokens": 6000}})
    );
    assert_eq!(tables.tables().used(&target, START).await, 0);
    assert_eq!(tables.tables().used(users[3].as_str(), START).await, 4, "nobody else's");
    let counter = |meter| Counter {
        user: users[5].clone(),
        meter,
        day: START.day(),
    };
    assert_eq!(app.quota.used(&counter(Meter::Tokens)).await.unwrap(), 0);
    let noted = tables
        .tables()
        .client()
        .scan()
        .table_name("clearview-audit")
        .send()
        .await
        .unwrap();
    let entry = noted.items().iter().find(|item| item.contains_key("change")).unwrap();
    let change: Value = serde_json::from_str(entry["change"].as_s().unwrap()).unwrap();
    assert_eq!(
        (&change["action"], &change["target"]),
        (&json!("quota.reset"), &json!(target))
    );
    assert_eq!(change["reason"], "a bug of ours");
    let before = &change["before"]["used"];
    assert_eq!((&before["posts"], &before["tokens"]), (&json!(6), &json!(6000)));
}

#[tokio::test]
async fn usage_shows_ninety_closed_days_with_the_meters_of_each() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    service.client.classify(&ann, "Hide crypto", &["a", "b", "c"]).await;
    charge(&plan.app(), &UserId::parse(&ann.user).unwrap(), (Meter::Rankings, 4), 1).await;
    assert_eq!(service.client.usage(&ann).await.body["history"], json!([]));
    service.clock.advance(UNTIL_CLOSE);
    handle(&plan.app(), event()).await.unwrap();
    let shown = async || {
        let ann = service.client.register("ann").await;
        service.client.usage(&ann).await.body["history"].clone()
    };
    let meters = json!({"posts": {"used": 3}, "rankings": {"used": 4}});
    let history = json!([{"day": "2100-03-01", "used": 3, "meters": meters}]);
    assert_eq!(shown().await, history);
    service.clock.advance(Duration::from_hours(89 * 24));
    assert_eq!(shown().await, history);
    service.clock.advance(Duration::from_hours(24));
    assert_eq!(shown().await, json!([]));
}
