//! The limits as clients see them, on one instance and on several that share a cache.

use serde_json::json;
use tests::client::{Answer, Client, Device};
use tests::redis::Redis;
use tests::service::{Plan, Service, TableService};

const PREFERENCE: &str = "Hide crypto";

/// Several instances with one table service and one cache.
struct Fleet {
    _redis: Redis,
    tables: TableService,
    plan: Plan,
}

impl Fleet {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let (redis, tables) = (Redis::start(), TableService::start().await);
        let plan = Plan::default()
            .with_default_limits()
            .with_tables_at(tables.address())
            .with_cache_at(redis.url());
        let plan = settings
            .iter()
            .fold(plan, |plan, (name, value)| plan.with(name, *value));
        Self {
            _redis: redis,
            tables,
            plan,
        }
    }

    async fn pair(&self) -> (Service, Service) {
        (self.plan.start().await, self.plan.start().await)
    }
}

async fn classify(client: &Client, device: &Device, posts: usize) -> Answer {
    client.classify(device, PREFERENCE, &vec!["a"; posts]).await
}

fn seconds(answer: &Answer, header: &str, name: &str, parameter: &str) -> u64 {
    let found = answer
        .limit(header, name)
        .split(';')
        .find_map(|part| part.strip_prefix(parameter));
    found
        .unwrap_or_else(|| panic!("{parameter} of {name} in {answer:?}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn instances_share_one_burst_limit_and_a_refusal_costs_nothing() {
    let fleet = Fleet::start(&[]).await;
    let (here, there) = fleet.pair().await;
    let ann = here.client.register("ann").await;
    let first = classify(&here.client, &ann, 30).await;
    assert_eq!(first.limit("ratelimit-policy", "burst"), "q=50;w=60");
    assert_eq!(seconds(&first, "ratelimit", "burst", "r="), 20);
    assert_eq!(classify(&there.client, &ann, 20).await.status, 200);
    for client in [&here.client, &there.client, &here.client] {
        let refused = classify(client, &ann, 1).await;
        assert_eq!(
            (refused.status, refused.error()),
            (429, "RATE_LIMIT_EXCEEDED"),
            "{refused:?}"
        );
        assert_eq!(refused.body["retryable"], true);
        assert_eq!(seconds(&refused, "ratelimit", "burst", "r="), 0);
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!(
            wait >= seconds(&refused, "ratelimit", "burst", "t=") && wait <= 60,
            "{refused:?}"
        );
        assert_eq!(refused.body["retryAfterMs"], wait * 1000);
        // All or nothing: what burst refuses, the address is not charged for.
        assert_eq!(seconds(&refused, "ratelimit", "ip", "r="), 97, "{refused:?}");
    }
    let used = fleet.tables.tables().used(&ann.user, here.clock.now()).await;
    assert_eq!(used, 50, "a burst refusal never touches the quota");
    let usage = there.client.usage(&ann).await;
    assert_eq!(usage.body["burst"], json!({"limit": 50, "remaining": 0}));
    assert_eq!(usage.limit("ratelimit", "daily"), "r=950;t=54000");
}

#[tokio::test]
async fn an_address_has_one_limit_on_all_instances_together() {
    let fleet = Fleet::start(&[("CLEARVIEW_IP_PER_MINUTE", "6")]).await;
    let (here, there) = fleet.pair().await;
    let ann = here.client.register("ann").await;
    for left in [5, 3, 1] {
        let answer = here.client.usage(&ann).await;
        assert_eq!((answer.status, seconds(&answer, "ratelimit", "ip", "r=")), (200, left));
        let health = there.client.get("/health").await;
        assert_eq!(
            (health.status, seconds(&health, "ratelimit", "ip", "r=")),
            (200, left - 1)
        );
    }
    for answer in [here.client.usage(&ann).await, there.client.usage(&ann).await] {
        assert_eq!(
            (answer.status, answer.error()),
            (429, "RATE_LIMIT_EXCEEDED"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn registrations_from_one_address_are_limited_by_the_hour_on_all_instances_together() {
    let fleet = Fleet::start(&[("CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR", "4")]).await;
    let (here, there) = fleet.pair().await;
    for (n, service) in [&here, &there, &here, &there].into_iter().enumerate() {
        service.client.register(&format!("device {n}")).await;
    }
    let body = json!({"deviceId": "one device too many"});
    let refused = here.client.post("/v1/auth/register", &body).await;
    assert_eq!((refused.status, refused.error()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(refused.limit("ratelimit-policy", "ip"), "q=4;w=3600");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((3500..=3600).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_quota_refusal_keeps_the_burst_entry() {
    let plans = r#"{"free":{"posts":{"perDay":3,"perMinute":50}}}"#;
    let fleet = Fleet::start(&[("CLEARVIEW_PLANS", plans)]).await;
    let service = fleet.plan.start().await;
    let ann = service.client.register("ann").await;
    let refused = classify(&service.client, &ann, 5).await;
    assert_eq!((refused.status, refused.error()), (429, "QUOTA_EXCEEDED"));
    assert_eq!(seconds(&refused, "ratelimit", "burst", "r="), 45);
    assert_eq!(service.client.usage(&ann).await.body["burst"]["remaining"], 45);
}

#[tokio::test]
async fn a_revoked_session_is_shut_out_everywhere_at_once_and_no_other() {
    let fleet = Fleet::start(&[]).await;
    let (here, there) = fleet.pair().await;
    let ann = here.client.register("ann").await;
    let other = here.client.register("ann").await;
    assert_eq!(classify(&there.client, &ann, 1).await.status, 200);
    let shown = json!({"refreshToken": ann.refresh});
    assert_eq!(here.client.post("/v1/auth/revoke", &shown).await.status, 204);
    for client in [&here.client, &there.client] {
        let refused = classify(client, &ann, 1).await;
        assert_eq!((refused.status, refused.error()), (401, "UNAUTHENTICATED"));
        assert_eq!(client.usage(&ann).await.status, 401);
        assert_eq!(
            classify(client, &other, 1).await.status,
            200,
            "another session of the same user"
        );
    }
}

#[tokio::test]
async fn a_single_instance_without_a_cache_keeps_the_limits_itself_in_full() {
    let service = Plan::default().with_default_limits().start().await;
    let ann = service.client.register("ann").await;
    let whole = classify(&service.client, &ann, 50).await;
    assert_eq!((whole.status, &whole.body["degraded"]), (200, &json!([])));
    let refused = classify(&service.client, &ann, 1).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "60"));
    service.clock.advance(std::time::Duration::from_millis(59_999));
    assert_eq!(classify(&service.client, &ann, 1).await.status, 429);
    service.clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(
        classify(&service.client, &ann, 50).await.status,
        200,
        "at the promised instant"
    );
}
