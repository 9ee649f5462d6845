//! The daily quota: exact under any concurrency, whole batches, a new day at midnight UTC.

use std::time::Duration;

use serde_json::json;
use tests::client::{Answer, Client, Device};
use tests::service::{Plan, Service, TableService};

const PREFERENCE: &str = "Hide crypto";

/// Uses `units` in batches of at most 50.
async fn spend(client: &Client, device: &Device, mut units: usize) {
    while units > 0 {
        let batch = units.min(50);
        let answer = client.classify(device, PREFERENCE, &vec!["post"; batch]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        units -= batch;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_charge_exactly_the_last_thousand_units() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let instances = [
        plan.start().await,
        plan.start().await,
        plan.start().await,
        plan.start().await,
    ];
    let ann = instances[0].client.register("ann").await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let (client, ann) = (instances[n % 4].client.clone(), ann.clone());
            tokio::spawn(async move {
                let mut admitted = 0;
                // 64 clients x 8 batches of 3 or 4: more than there is.
                for round in 0..8 {
                    let size = 3 + (n + round) % 2;
                    let answer = client.classify(&ann, PREFERENCE, &vec!["post"; size]).await;
                    match answer.status {
                        200 => admitted += size,
                        429 => assert_eq!(answer.error(), "QUOTA_EXCEEDED"),
                        other => panic!("{other}: {answer:?}"),
                    }
                }
                admitted
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.unwrap();
    }
    // The rest fits one post at a time.
    while instances[0].client.classify(&ann, PREFERENCE, &["post"]).await.status == 200 {
        admitted += 1;
    }
    assert_eq!(admitted, 1000);
    assert_eq!(tables.tables().used(&ann.user, instances[0].clock.now()).await, 1000);
}

#[tokio::test]
async fn a_batch_that_does_not_fit_is_refused_whole_and_a_smaller_one_passes() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    spend(&service.client, &ann, 999).await;
    let refused = service
        .client
        .classify(&ann, PREFERENCE, &["a", "b", "c", "d", "e"])
        .await;
    assert_eq!((refused.status, refused.error()), (429, "QUOTA_EXCEEDED"));
    assert_eq!(refused.body["retryable"], true);
    assert_eq!(refused.body["retryAfterMs"], 15 * 3600 * 1000);
    assert_eq!(refused.header("retry-after"), (15 * 3600).to_string());
    assert_eq!(refused.limit("ratelimit", "daily"), "r=1;t=54000");
    assert_eq!(service.tables().used(&ann.user, service.clock.now()).await, 999);
    let fits = service.client.classify(&ann, PREFERENCE, &["a"]).await;
    assert_eq!(fits.status, 200);
    assert_eq!(
        fits.body["usage"],
        json!({"tier": "free", "used": 1000, "limit": 1000, "remaining": 0, "resetAt": "2100-03-02T00:00:00Z"})
    );
    assert_eq!(service.tables().used(&ann.user, service.clock.now()).await, 1000);
}

#[tokio::test]
async fn a_refusal_by_a_remembered_count_does_not_outlive_the_day() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    spend(&service.client, &ann, 1000).await;
    let refused = service.client.classify(&ann, PREFERENCE, &["a"]).await;
    assert_eq!(refused.status, 429);
    service.clock.advance(Duration::from_hours(15));
    let ann = service.client.register("ann").await;
    let next_day = service.client.classify(&ann, PREFERENCE, &["a"]).await;
    assert_eq!(next_day.status, 200);
    assert_eq!(next_day.body["usage"]["used"], 1);
    assert_eq!(next_day.body["usage"]["resetAt"], "2100-03-03T00:00:00Z");
}

#[tokio::test]
async fn a_batch_larger_than_the_whole_plan_is_refused_with_what_was_used() {
    let plans = r#"{"free":{"posts":{"perDay":3,"perMinute":50}}}"#;
    let service = Plan::default().with("CLEARVIEW_PLANS", plans).start().await;
    let ann = service.client.register("ann").await;
    spend(&service.client, &ann, 2).await;
    let refused = service.client.classify(&ann, PREFERENCE, &["a", "b", "c", "d"]).await;
    assert_eq!((refused.status, refused.error()), (429, "QUOTA_EXCEEDED"));
    assert_eq!(refused.limit("ratelimit", "daily"), "r=1;t=54000");
}

#[tokio::test]
async fn usage_shows_what_was_charged_and_charges_nothing() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    spend(&service.client, &ann, 7).await;
    for _ in 0..2 {
        let usage = service.client.usage(&ann).await;
        assert_eq!(
            usage.body,
            json!({
                "userId": ann.user, "tier": "free", "day": "2100-03-01",
                "used": 7, "limit": 1000, "remaining": 993, "resetAt": "2100-03-02T00:00:00Z", "history": [],
                "burst": {"limit": 100_000, "remaining": 99_993},
                "meters": {
                    "posts": {"used": 7, "limit": 1000, "remaining": 993},
                    "images": {"used": 0, "limit": 17_280, "remaining": 17_280},
                    "rankings": {"used": 0, "limit": 50, "remaining": 50},
                    "tokens": {"used": 0, "limit": 20_000, "remaining": 20_000},
                },
            })
        );
    }
}

#[tokio::test]
async fn the_same_device_is_the_same_user_with_the_same_count() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    spend(&service.client, &ann, 30).await;
    let again = service.client.register("ann").await;
    assert_eq!(ann.user, again.user);
    let used = |answer: Answer| answer.body["used"].clone();
    assert_eq!(used(service.client.usage(&again).await), 30);
    let other = service.client.register("bob").await;
    assert_ne!(ann.user, other.user);
    assert_eq!(used(service.client.usage(&other).await), 0);
}
