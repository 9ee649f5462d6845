//! Plans as data: changed in the settings table, in force within a minute, without a deployment.

use std::time::Duration;

use serde_json::json;
use shared::admission;
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::plan::{Meter, Plan as TierPlan, Tier};
use shared::quota::Counter;
use tests::service::{Plan, Service, TableService};

const SMALL: &str = r#"{"posts":{"perDay":5,"perMinute":50}}"#;

fn small() -> TierPlan {
    TierPlan::read(serde_json::from_str(SMALL).unwrap()).0
}

#[tokio::test]
async fn a_changed_plan_is_in_force_within_a_minute_on_every_instance() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let (here, there) = (plan.start().await, plan.start().await);
    let ann = here.client.register("ann").await;
    let limit = async |service: &Service| service.client.usage(&ann).await.body["limit"].as_u64().unwrap();
    assert_eq!((limit(&here).await, limit(&there).await), (1000, 1000));

    let before = plan.app().plans.put(&Tier::free(), &small()).await.unwrap();
    assert_eq!(before, None);
    assert_eq!(limit(&here).await, 1000, "read a moment ago");
    here.clock.advance(Duration::from_mins(1));
    assert_eq!((limit(&here).await, limit(&there).await), (5, 5));
    let refused = there.client.classify(&ann, "Hide crypto", &["a"; 6]).await;
    assert_eq!(
        (refused.status, refused.limit("ratelimit-policy", "daily")),
        (429, "q=5;w=86400")
    );

    let again = plan.app().plans.put(&Tier::free(), &small()).await.unwrap();
    assert_eq!(again.as_deref(), Some(SMALL), "what was there before");
}

#[tokio::test]
async fn what_cannot_be_used_of_a_stored_plan_leaves_the_default_in_force() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let tables = service.tables();
    // One meter is broken, one is from a later version, as after a roll-back, and one is good.
    let free = r#"{"posts":{"perDay":-5},"prayers":{"perMoon":1},"rankings":{"perDay":8,"perMinute":9}}"#;
    let put = tables
        .client()
        .put_item()
        .table_name("clearview-settings")
        .item("name", text("plans"))
        .item("tier:free", text(free))
        .item("tier:pro", text("no plan"));
    put.send().await.unwrap();
    service.clock.advance(Duration::from_mins(1));
    let usage = service.client.usage(&ann).await.body;
    assert_eq!(
        (&usage["limit"], &usage["meters"]["rankings"]["limit"]),
        (&json!(1000), &json!(8))
    );
}

#[tokio::test]
async fn a_meter_without_a_figure_by_day_is_not_counted_by_day() {
    let plans = r#"{"free":{"images":{"perMinute":13}}}"#;
    let tables = TableService::start().await;
    let plan = Plan::default()
        .with("CLEARVIEW_PLANS", plans)
        .with_tables_at(tables.address());
    let (app, now) = (plan.app(), plan.clock().now());
    let principal = Principal {
        user: UserId::random().unwrap(),
        session: SessionId::random().unwrap(),
        tier: Tier::free(),
        source: None,
    };
    let admitted = admission::enter_by_day(&app, &principal, Meter::Images, 7, now).await;
    let charged = admitted.unwrap().charge(&app, None).await.unwrap();
    assert_eq!(charged.usage, None, "no figure by day is told");
    let refund = admission::finish(&app, charged.receipt, 7).await;
    assert_eq!((refund.given, refund.lost), (0, 0), "nothing was charged");
    assert_eq!(
        app.quota
            .used(&Counter::today(&principal.user, Meter::Images, now))
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_plan_that_has_none_of_a_meter_forbids_it_and_counts_the_address() {
    let plans = r#"{"free":{"posts":{"perDay":0,"perMinute":50}}}"#;
    let service = Plan::default().with("CLEARVIEW_PLANS", plans).start().await;
    let ann = service.client.register("ann").await;
    let refused = service.client.classify(&ann, "Hide crypto", &["a"]).await;
    assert_eq!((refused.status, refused.error()), (403, "FORBIDDEN"), "{refused:?}");
    assert_eq!(refused.body["retryable"], false);
    assert_eq!(refused.body["detail"], "This plan has no posts.");
    assert!(!refused.limit("ratelimit", "ip").is_empty(), "{refused:?}");
    let usage = service.client.usage(&ann).await;
    assert_eq!((&usage.body["used"], &usage.body["limit"]), (&json!(0), &json!(0)));
}
