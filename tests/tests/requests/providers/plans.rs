//! The providers of each plan, and the plans that each verdict serves.

use serde_json::json;
use tests::client::{Answer, Device};
use tests::service::{Plan, Service, TableService};
use tests::upstream::{Act, CHEAP, GOOD, Script, Upstream, plan_of, set_tier, upstream};

pub(crate) const PREFERENCE: &str = "hide crypto";

pub(crate) fn two_plans(upstream: &Upstream) -> Plan {
    plan_of(upstream).with(
        "CLEARVIEW_PROVIDERS_BY_TIER",
        json!({"pro": format!("{GOOD},{CHEAP}")}).to_string(),
    )
}

pub(crate) async fn pro(service: &Service, tables: &TableService, name: &str) -> Device {
    let device = service.client.register(name).await;
    set_tier(&tables.tables(), &device.user, "pro").await;
    // The tier comes with the next token.
    refreshed(service, &device).await
}

/// The device with new tokens.
pub(crate) async fn refreshed(service: &Service, device: &Device) -> Device {
    let refreshed = service
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": device.refresh}))
        .await;
    Device::of(&refreshed)
}

pub(crate) fn source(answer: &Answer) -> &str {
    answer.body["results"][0]["source"].as_str().unwrap()
}

pub(crate) fn models(upstream: &Upstream) -> Vec<String> {
    let calls = upstream.calls();
    calls
        .iter()
        .map(|call| call.body["model"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_better_models_verdict_serves_a_lesser_plan_and_never_the_other_way_round() {
    let upstream = upstream(Act::Answer).await;
    let tables = TableService::start().await;
    let service = two_plans(&upstream).with_tables_at(tables.address()).start().await;
    let (free, pro) = (
        service.client.register("free").await,
        pro(&service, &tables, "pro").await,
    );
    let ask = async |device: &Device, text: &str| {
        let answer = service.client.classify(device, PREFERENCE, &[text]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        source(&answer).to_owned()
    };
    assert_eq!(ask(&pro, "good first").await, "model");
    assert_eq!(ask(&free, "good first").await, "cache");
    assert_eq!(models(&upstream), ["good"]);

    assert_eq!(ask(&free, "cheap first").await, "model");
    assert_eq!(
        ask(&pro, "cheap first").await,
        "model",
        "pro is judged by its own model"
    );
    assert_eq!(ask(&pro, "cheap first").await, "cache");
    assert_eq!(ask(&free, "cheap first").await, "cache");
    assert_eq!(models(&upstream), ["good", "cheap", "good"]);
}

#[tokio::test]
async fn while_the_better_model_is_down_what_the_cheap_one_said_is_not_asked_again() {
    let upstream = upstream(Act::Answer).await;
    let tables = TableService::start().await;
    let plan = two_plans(&upstream).with("CLEARVIEW_BREAKERS", format!("{GOOD}=open"));
    let service = plan.with_tables_at(tables.address()).start().await;
    let (free, pro) = (
        service.client.register("free").await,
        pro(&service, &tables, "pro").await,
    );
    let first = service.client.classify(&free, PREFERENCE, &["a post"]).await;
    let second = service.client.classify(&pro, PREFERENCE, &["a post"]).await;
    assert_eq!((source(&first), source(&second)), ("model", "cache"));
    let third = service.client.classify(&pro, PREFERENCE, &["another"]).await;
    assert_eq!((source(&third), &third.body["degraded"]), ("model", &json!([])));
    assert_eq!(models(&upstream), ["cheap", "cheap"]);
}

#[tokio::test]
async fn where_the_embedded_model_is_configured_last_its_verdicts_yield_to_the_models() {
    let upstream = upstream(Act::Cut).await;
    let service = plan_of(&upstream)
        .with("CLEARVIEW_PROVIDERS", format!("{CHEAP},local"))
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let ask = async || service.client.classify(&ann, PREFERENCE, &["crypto to the moon"]).await;
    let down = ask().await;
    assert_eq!(
        (source(&down), &down.body["degraded"]),
        ("local", &json!([])),
        "it is a configured provider"
    );
    assert_eq!(source(&ask().await), "cache", "as good as could be had");
    upstream.follow(Script::always(Act::Answer));
    assert_eq!(source(&ask().await), "model");
    assert_eq!(source(&ask().await), "cache");
}

#[tokio::test]
async fn a_breaker_that_is_forced_open_lets_nothing_through_and_health_says_so() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream)
        .with("CLEARVIEW_BREAKERS", format!("{CHEAP}=open"))
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let answer = service.client.classify(&ann, PREFERENCE, &["a post"]).await;
    assert_eq!(source(&answer), "local");
    assert!(upstream.calls().is_empty());
    let health = service.client.get("/health").await;
    assert_eq!(health.body["dependencies"]["providers"][CHEAP]["status"], "down");
    assert_eq!((health.status, &health.body["status"]), (200, &json!("degraded")));
}
