//! The tables stopped, frozen, slow, talking garbage: at the start and in mid-flight.

use std::time::Duration;

use serde_json::json;
use tests::client::{Answer, Device};
use tests::proxy::{Mode, Proxy};
use tests::service::{Plan, Service, TableService};

const PREFERENCE: &str = "Hide crypto";

/// Long enough for the next request to probe a table that has failed.
const NEXT_PROBE: Duration = Duration::from_secs(6);

struct Setting {
    tables: TableService,
    proxy: Proxy,
    service: Service,
}

impl Setting {
    async fn start(mode: Mode) -> Self {
        let (tables, proxy, plan) = Plan::behind_a_network().await;
        proxy.set(mode);
        let service = plan.start().await;
        Self { tables, proxy, service }
    }

    async fn classify(&self, device: &Device, texts: &[&str]) -> Answer {
        self.service.client.classify(device, PREFERENCE, texts).await
    }

    async fn stored(&self, device: &Device) -> u64 {
        self.tables.tables().used(&device.user, self.service.clock.now()).await
    }
}

const BROKEN: [Mode; 6] = [
    Mode::Cut,
    Mode::Freeze,
    Mode::Delay(Duration::from_millis(400)),
    Mode::LoseRequests,
    Mode::Garbage,
    Mode::Error500,
];

#[tokio::test]
async fn classify_answers_with_a_valid_token_however_the_tables_fail() {
    for mode in BROKEN {
        let setting = Setting::start(Mode::Pass).await;
        let ann = setting.service.client.register("ann").await;
        assert_eq!(setting.classify(&ann, &["before"]).await.status, 200);

        setting.proxy.set(mode);
        for text in ["one", "two", "before"] {
            let answer = setting.classify(&ann, &[text]).await;
            assert_eq!(answer.status, 200, "{mode:?}: {answer:?}");
            let degraded = answer.body["degraded"].as_array().unwrap();
            assert!(degraded.contains(&json!("quota")), "{mode:?}: {degraded:?}");
            assert!(
                !degraded.contains(&json!("model")),
                "{mode:?}: the embedded judge needs no table"
            );
        }
        assert_eq!(
            setting.classify(&ann, &["new"]).await.body["degraded"],
            json!(["cache", "quota"]),
            "{mode:?}"
        );
        let health = setting.service.client.get("/health").await;
        assert_eq!(
            (health.status, &health.body["status"]),
            (200, &json!("degraded")),
            "{mode:?}"
        );
        assert_eq!(health.body["dependencies"]["table"]["status"], "down", "{mode:?}");

        setting.proxy.set(Mode::Pass);
        setting.service.clock.advance(NEXT_PROBE);
        let healed = setting.classify(&ann, &["after"]).await;
        assert_eq!((healed.status, &healed.body["degraded"]), (200, &json!([])), "{mode:?}");
        let health = setting.service.client.get("/health").await;
        assert_eq!(health.body["status"], "ok", "{mode:?}");
    }
}

#[tokio::test]
async fn what_was_admitted_meanwhile_is_added_once_when_the_table_is_back() {
    for mode in [Mode::Cut, Mode::LoseRequests] {
        let setting = Setting::start(Mode::Pass).await;
        let ann = setting.service.client.register("ann").await;
        setting.classify(&ann, &["a"; 10]).await;
        setting.proxy.set(mode);
        for _ in 0..3 {
            assert_eq!(setting.classify(&ann, &["a"; 7]).await.status, 200);
        }
        assert_eq!(setting.stored(&ann).await, 10);
        setting.proxy.set(Mode::Pass);
        setting.service.clock.advance(NEXT_PROBE);
        let answer = setting.classify(&ann, &["a"; 2]).await;
        assert_eq!(answer.body["usage"]["used"], 33, "{mode:?}");
        assert_eq!(setting.stored(&ann).await, 33, "{mode:?}");
    }
}

#[tokio::test]
async fn a_lost_reply_never_gains_a_user_anything() {
    let setting = Setting::start(Mode::Pass).await;
    let ann = setting.service.client.register("ann").await;
    setting.classify(&ann, &["a"]).await;
    setting.proxy.set(Mode::LoseReplies);
    assert_eq!(setting.classify(&ann, &["a"; 5]).await.status, 200);
    setting.proxy.set(Mode::Pass);
    setting.service.clock.advance(NEXT_PROBE);
    setting.classify(&ann, &["a"]).await;
    let stored = setting.stored(&ann).await;
    assert!(
        stored == 7 || stored == 12,
        "charged once, or twice as nobody could know: {stored}"
    );
}

#[tokio::test]
async fn beyond_the_conservative_limit_capacity_is_reduced_and_nothing_is_lost() {
    let setting = Setting::start(Mode::Pass).await;
    let ann = setting.service.client.register("ann").await;
    setting.classify(&ann, &["a"; 50]).await;
    setting.proxy.set(Mode::Cut);
    // 80 % of the 950 that were left, shared by a fleet of 10: 76.
    assert_eq!(setting.classify(&ann, &["a"; 50]).await.status, 200);
    let refused = setting.classify(&ann, &["a"; 27]).await;
    assert_eq!((refused.status, refused.error()), (503, "REDUCED_CAPACITY"));
    assert_eq!(refused.body["retryable"], true);
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.limit("ratelimit-policy", "daily"), "q=1000;w=86400");
    assert_eq!(refused.limit("ratelimit", "daily"), "r=0;t=5");
    for name in ["ip", "burst"] {
        assert!(!refused.limit("ratelimit", name).is_empty(), "{name}: {refused:?}");
    }
    assert_eq!(setting.classify(&ann, &["a"; 26]).await.status, 200);
    setting.proxy.set(Mode::Pass);
    setting.service.clock.advance(NEXT_PROBE);
    assert_eq!(setting.classify(&ann, &["a"]).await.body["usage"]["used"], 127);
}

#[tokio::test]
async fn without_its_tables_at_the_start_it_serves_who_has_a_token_and_heals() {
    for mode in [Mode::Cut, Mode::Freeze] {
        // A token of the same keys, from an instance that is well.
        let (tables, proxy, plan) = Plan::behind_a_network().await;
        let ann = plan
            .clone()
            .with_tables_at(tables.address())
            .start()
            .await
            .client
            .register("ann")
            .await;

        proxy.set(mode);
        let service = plan.start().await;
        let answer = service.client.classify(&ann, PREFERENCE, &["a"]).await;
        assert_eq!(answer.status, 200, "{mode:?}: {answer:?}");
        let register = service
            .client
            .post("/v1/auth/register", &json!({"deviceId": "0123456789abcdef"}))
            .await;
        assert_eq!((register.status, register.error()), (503, "UNAVAILABLE"), "{mode:?}");
        assert!(!register.header("retry-after").is_empty());
        let usage = service.client.usage(&ann).await;
        assert_eq!((usage.status, usage.error()), (503, "UNAVAILABLE"), "{mode:?}");

        proxy.set(Mode::Pass);
        service.clock.advance(NEXT_PROBE);
        assert_eq!(service.client.register("bob").await.user.len(), 24);
        assert_eq!(service.client.usage(&ann).await.status, 200, "{mode:?}");
    }
}

#[tokio::test]
async fn the_first_refresh_after_an_outage_is_answered() {
    let setting = Setting::start(Mode::Pass).await;
    let ann = setting.service.client.register("ann").await;
    let token = json!({"refreshToken": ann.refresh});
    setting.proxy.set(Mode::Cut);
    let refused = setting.service.client.post("/v1/auth/refresh", &token).await;
    assert_eq!((refused.status, refused.error()), (503, "UNAVAILABLE"), "{refused:?}");
    setting.proxy.set(Mode::Pass);
    setting.service.clock.advance(NEXT_PROBE);
    let refreshed = setting.service.client.post("/v1/auth/refresh", &token).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
}
