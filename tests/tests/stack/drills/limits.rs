//! Which limit has refused a request, in its record and in the metrics.

use lambda_http::http::Method;
use serde_json::{Value, json};
use tests::client::{Client, Device, send};
use tests::proxy::Mode;

use crate::drills::log::{Drill, metrics};

const PLANS: &str = r#"{"free":{"posts":{"perDay":40,"perMinute":50}}}"#;

async fn classify(client: &Client, device: &Device, posts: usize) -> String {
    let posts: Vec<Value> = (0..posts).map(|n| json!({"id": n.to_string(), "text": "a"})).collect();
    let request = client.request(Method::POST, "/v1/classify").bearer_auth(&device.access);
    let answer = send(request.json(&json!({"preference": "Hide crypto", "posts": posts}))).await;
    answer.error().to_owned()
}

#[tokio::test]
async fn a_refusal_is_told_with_the_limit_that_refused() {
    let drill = Drill::start(&[
        ("CLEARVIEW_PLANS", PLANS),
        ("CLEARVIEW_IP_PER_MINUTE", "6"),
        ("CLEARVIEW_FLEET_SIZE", "1"),
    ])
    .await;
    let client = &drill.client;
    let (ann, bob) = (client.register("ann").await, client.register("bob").await);
    assert_eq!(classify(client, &ann, 45).await, "QUOTA_EXCEEDED");
    assert_eq!(classify(client, &ann, 10).await, "RATE_LIMIT_EXCEEDED");
    drill.tables.set(Mode::Cut);
    // More than 80 % of the day.
    assert_eq!(classify(client, &bob, 33).await, "REDUCED_CAPACITY");
    drill.tables.set(Mode::Pass);
    for _ in 0..6 {
        client.usage(&bob).await;
    }
    assert_eq!(client.usage(&bob).await.error(), "RATE_LIMIT_EXCEEDED");

    let lines = drill.lines().await;
    let records = lines.iter().filter(|line| line["endpoint"].is_string());
    let told: Vec<(&str, &str)> = records
        .filter_map(|record| Some((record["error"]["code"].as_str()?, record["refusedBy"].as_str()?)))
        .collect();
    assert_eq!(
        told,
        [
            ("QUOTA_EXCEEDED", "daily"),
            ("RATE_LIMIT_EXCEEDED", "burst"),
            ("REDUCED_CAPACITY", "daily"),
            ("RATE_LIMIT_EXCEEDED", "ip"),
        ]
    );
    let metrics = metrics(&lines);
    for (limit, refusals) in [("daily", 2.0), ("burst", 1.0), ("ip", 1.0)] {
        let told = metrics.get(&format!("refusals{{refusedBy={limit}}}"));
        let sum: f64 = told.into_iter().flatten().sum();
        assert!((sum - refusals).abs() < f64::EPSILON, "{limit}: {sum}");
    }
}
