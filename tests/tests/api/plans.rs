//! Plans as data: changed in the settings table, in force within a minute, without a deployment.

use std::time::Duration;

use shared::plan::Plan as TierPlan;
use shared::plan::Tier;
use tests::service::{Plan, Service, TableService};

const SMALL: &str = r#"{"posts":{"perDay":5,"perMinute":50}}"#;

#[tokio::test]
async fn a_changed_plan_is_in_force_within_a_minute_on_every_instance() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let (here, there) = (plan.start().await, plan.start().await);
    let ann = here.client.register("ann").await;
    let limit = async |service: &Service| service.client.usage(&ann).await.body["limit"].as_u64().unwrap();
    assert_eq!((limit(&here).await, limit(&there).await), (1000, 1000));

    let before = plan
        .app()
        .plans
        .put(&Tier::free(), &TierPlan::parse(SMALL).unwrap())
        .await
        .unwrap();
    assert_eq!(before, None);
    assert_eq!(limit(&here).await, 1000, "read a moment ago");
    here.clock.advance(Duration::from_mins(1));
    assert_eq!((limit(&here).await, limit(&there).await), (5, 5));
    let refused = there.client.classify(&ann, "Hide crypto", &["a"; 6]).await;
    assert_eq!(
        (refused.status, refused.limit("ratelimit-policy", "daily")),
        (429, "q=5;w=86400")
    );

    let again = plan
        .app()
        .plans
        .put(&Tier::free(), &TierPlan::parse(SMALL).unwrap())
        .await
        .unwrap();
    assert_eq!(again.as_deref(), Some(SMALL), "what was there before");
}

#[tokio::test]
async fn a_stored_plan_that_cannot_be_used_leaves_the_default_in_force() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let tables = service.tables();
    let put = tables
        .client()
        .put_item()
        .table_name("clearview-settings")
        .item("name", text("plans"))
        .item("tier:free", text(r#"{"posts":{"perDay":-5}}"#))
        .item("tier:pro", text(SMALL));
    put.send().await.unwrap();
    service.clock.advance(Duration::from_mins(1));
    assert_eq!(service.client.usage(&ann).await.body["limit"], 1000);
}
