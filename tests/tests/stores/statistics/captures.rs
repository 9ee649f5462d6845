//! Captures are counted where they are answered, and their requests wait no longer for it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::screens::Screen;
use tests::service::{Plan, Service, TableService};
use tests::trips::Trips;

/// One way on each network: longer than an image takes to be decoded.
const TRIP: Duration = Duration::from_millis(25);

async fn capture(service: &Service, device: &Device, screen: &Screen) -> Answer {
    let path = "/v1/detect?device=tablet&application=com.example.chat";
    let request = service.client.request(Method::POST, path).bearer_auth(&device.access);
    let answer = send(request.header("content-type", "image/png").body(screen.png())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

async fn rows(service: &Service, device: &Device, query: &str) -> Value {
    let request = service.client.request(Method::GET, &format!("/v1/stats{query}"));
    send(request.bearer_auth(&device.access)).await.body["rows"].clone()
}

#[tokio::test]
async fn a_capture_is_counted_with_its_application_device_and_outcome() {
    let (tables, redis) = (TableService::start().await, Redis::start());
    let plan = Plan::default()
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let screen = Screen::of(1);
    assert_eq!(capture(&service, &ann, &screen).await.body["source"], "local");
    for minute in 1..4 {
        service.clock.advance(Duration::from_secs(5));
        let answer = capture(&service, &ann, &screen.at_minute(minute)).await;
        assert_eq!(
            (&answer.body["source"], &answer.body["degraded"]),
            (&json!("similar"), &json!([]))
        );
    }
    for (by, key) in [
        ("application", "com.example.chat"),
        ("device", "tablet"),
        ("level", "0"),
    ] {
        let shown = rows(&service, &ann, &format!("?by={by}")).await;
        let row = json!({
            "start": "2100-03-01T00:00:00Z", "key": key, "detections": 4, "byLevel": [4, 0, 0, 0], "similar": 3,
            "failedOpen": 0,
        });
        assert_eq!(shown, json!([row]), "{by}");
    }
}

#[tokio::test]
async fn a_capture_without_the_cache_is_counted_and_says_so() {
    let (tables, mut redis) = (TableService::start().await, Redis::start());
    let plan = Plan::default()
        .with_default_limits()
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    redis.kill();
    let answer = capture(&service, &ann, &Screen::of(1)).await;
    let degraded = answer.body["degraded"].as_array().unwrap();
    assert!(degraded.contains(&json!("statistics")), "{degraded:?}");
    assert_eq!(rows(&service, &ann, "").await[0]["detections"], 1);
}

#[tokio::test]
async fn statistics_add_one_wait_to_a_request_that_reuses_a_frame() {
    let tables = TableService::start().await;
    // Limits and the memory of devices in one cache, statistics in the other.
    let (limits, shared) = (Redis::start(), Redis::start());
    let (to_limits, to_shared) = (Proxy::to(limits.address()).await, Proxy::to(shared.address()).await);
    let plan = Plan::default()
        .with_tables_at(tables.address())
        .with_cache_at(format!("redis://{}", to_shared.address))
        .with("CLEARVIEW_LIMITS_URL", format!("redis://{}", to_limits.address))
        .with("CLEARVIEW_CACHE_TIMEOUT_MS", "10000");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let screen = Screen::of(1);
    // Connections are open and scripts loaded.
    for minute in 0..3 {
        capture(&service, &ann, &screen.at_minute(minute)).await;
        service.clock.advance(Duration::from_secs(5));
    }
    let (all, of_limits) = (Trips::default(), Trips::default());
    to_shared.note(&all);
    to_limits.note(&of_limits);
    for network in [&to_limits, &to_shared] {
        network.set(Mode::Delay(TRIP));
    }
    let answer = capture(&service, &ann, &screen.at_minute(3)).await;
    assert_eq!(answer.body["source"], "similar");
    let without = of_limits.in_a_row();
    assert_eq!(all.count(), 1, "statistics make one trip");
    // The same once more, with the trips of both networks in one row.
    service.clock.advance(Duration::from_secs(5));
    to_limits.note(&all);
    all.forget();
    assert_eq!(
        capture(&service, &ann, &screen.at_minute(4)).await.body["source"],
        "similar"
    );
    assert_eq!(
        all.in_a_row(),
        without + 1,
        "a reuse is known once the limits have answered"
    );
}
