//! The shared cache absent, killed, frozen, slow, talking errors and garbage, coming and going: what users see of it.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use tests::client::{Answer, Device};
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::service::{Plan, Service, TableService};

const PREFERENCE: &str = "Hide crypto";

/// An average request.
const BATCH: usize = 20;

/// Long enough for the next request to probe a cache that has failed.
const NEXT_PROBE: Duration = Duration::from_secs(6);

/// As long as a window of the burst limit, as this process counts.
const A_MINUTE: Duration = Duration::from_mins(1);

struct Setting {
    redis: Redis,
    network: Proxy,
    tables: TableService,
    service: Service,
}

impl Setting {
    /// With the shipped plan, limits, fleet size and timeouts.
    async fn start() -> Self {
        let (redis, tables) = (Redis::start(), TableService::start().await);
        let network = Proxy::to(redis.address()).await;
        let plan = Plan::default()
            .with_default_limits()
            .with_tables_at(tables.address())
            .with_cache_at(format!("redis://{}", network.address));
        let service = plan.start().await;
        Self {
            redis,
            network,
            tables,
            service,
        }
    }

    async fn classify(&self, device: &Device, posts: usize) -> Answer {
        self.service
            .client
            .classify(device, PREFERENCE, &vec!["a"; posts])
            .await
    }

    async fn stored(&self, device: &Device) -> u64 {
        self.tables.tables().used(&device.user, self.service.clock.now()).await
    }

    /// Returns the misses of two batches of `device` while the cache is down, and the answer of the health check.
    async fn missing(&self, device: &Device) -> (Value, Value) {
        for _ in 0..2 {
            let answer = self.classify(device, BATCH).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let answer = self.classify(device, 1).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let health = self.service.client.get("/health").await;
        assert_eq!(health.status, 200);
        let degraded = answer.body["degraded"].as_array().unwrap();
        let told: HashSet<&str> = degraded.iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(told.len(), degraded.len(), "each once: {degraded:?}");
        (
            json!(degraded.contains(&json!("rateLimit"))),
            health.body["dependencies"]["cache"]["status"].clone(),
        )
    }
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    Frozen,
    Errors,
    Network(Mode),
}

const FAULTS: [Fault; 8] = [
    Fault::Killed,
    Fault::Frozen,
    Fault::Errors,
    Fault::Network(Mode::Cut),
    Fault::Network(Mode::Freeze),
    Fault::Network(Mode::Delay(Duration::from_millis(200))),
    Fault::Network(Mode::LoseReplies),
    Fault::Network(Mode::Garbage),
];

impl Setting {
    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Killed => self.redis.kill(),
            Fault::Frozen => self.redis.freeze(),
            Fault::Errors => drop(self.redis.command(&["ACL", "SETUSER", "default", "-@all", "+acl"])),
            Fault::Network(mode) => self.network.set(mode),
        }
    }

    fn heal(&mut self, fault: Fault) {
        match fault {
            Fault::Killed => self.redis.restart(),
            Fault::Frozen => self.redis.thaw(),
            Fault::Errors => drop(self.redis.command(&["ACL", "SETUSER", "default", "+@all"])),
            Fault::Network(_) => self.network.set(Mode::Pass),
        }
        self.service.clock.advance(NEXT_PROBE);
    }
}

#[tokio::test]
async fn however_the_cache_fails_requests_are_answered_charged_exactly_and_it_heals() {
    for fault in FAULTS {
        let mut setting = Setting::start().await;
        let mut devices = Vec::new();
        for name in ["ann", "bob", "cid", "dot", "eve", "fay", "gus"] {
            devices.push(setting.service.client.register(name).await);
        }
        let [ann, during @ ..] = devices.as_slice() else {
            unreachable!()
        };
        assert_eq!(setting.missing(ann).await, (json!(false), json!("ok")), "{fault:?}");
        // Twice: it comes and goes.
        for three in during.chunks(3) {
            let [one, two, after] = three else { unreachable!() };
            setting.strike(fault);
            assert_eq!(setting.missing(one).await, (json!(true), json!("down")), "{fault:?}");
            assert_eq!(setting.missing(two).await, (json!(true), json!("down")), "{fault:?}");
            assert_eq!(setting.service.client.usage(one).await.status, 200, "{fault:?}");
            setting.service.client.register("hal").await;
            setting.heal(fault);
            setting.service.clock.advance(A_MINUTE);
            assert_eq!(setting.missing(after).await, (json!(false), json!("ok")), "{fault:?}");
        }
        assert_eq!(setting.stored(ann).await, 41, "{fault:?}");
        assert_eq!(setting.stored(&during[0]).await, 41, "{fault:?}");
    }
}

#[tokio::test]
async fn without_a_cache_at_the_start_it_serves_and_finds_it_when_it_comes() {
    let mut setting = Setting::start().await;
    let there = setting.service.plan.clone();
    setting.redis.kill();
    setting.service = there.start().await;
    let (ann, bob) = (
        setting.service.client.register("ann").await,
        setting.service.client.register("bob").await,
    );
    assert_eq!(setting.missing(&ann).await, (json!(true), json!("down")));
    setting.heal(Fault::Killed);
    assert_eq!(setting.missing(&bob).await, (json!(false), json!("ok")));
}

#[tokio::test]
async fn while_the_cache_is_down_an_instance_allows_a_full_batch_and_no_more() {
    let mut setting = Setting::start().await;
    let ann = setting.service.client.register("ann").await;
    let bob = setting.service.client.register("bob").await;
    assert_eq!(setting.classify(&ann, BATCH).await.status, 200);
    setting.strike(Fault::Killed);
    assert_eq!(setting.classify(&bob, 50).await.status, 200, "a full batch");
    // Units that the cache has admitted count.
    assert_eq!(setting.classify(&ann, 30).await.status, 200);
    let refused = setting.classify(&ann, 1).await;
    assert_eq!((refused.status, refused.error()), (503, "REDUCED_CAPACITY"));
    assert_eq!(
        (refused.header("retry-after"), &refused.body["retryable"]),
        ("5", &json!(true))
    );
    assert_eq!(refused.limit("ratelimit-policy", "burst"), "q=50;w=60");
    // Not when the share has room again: when it makes sense to ask again.
    assert_eq!(refused.limit("ratelimit", "burst"), "r=0;t=5");
    assert!(refused.limit("ratelimit", "ip").starts_with("r="), "{refused:?}");
    assert_eq!(setting.stored(&ann).await, 50, "what is refused is not charged");
    setting.service.clock.advance(A_MINUTE);
    assert_eq!(setting.classify(&ann, 50).await.status, 200, "in the next minute");
    setting.heal(Fault::Killed);
    assert_eq!(setting.classify(&ann, 50).await.status, 200);
}

#[tokio::test]
async fn while_the_cache_is_down_a_class_of_pupils_behind_one_address_registers_and_classifies() {
    let mut setting = Setting::start().await;
    setting.strike(Fault::Killed);
    for n in 0..25 {
        let pupil = setting.service.client.register(&format!("pupil {n}")).await;
        assert_eq!(setting.classify(&pupil, BATCH).await.status, 200, "pupil {n}");
        assert_eq!(setting.service.client.usage(&pupil).await.status, 200, "pupil {n}");
    }
}

#[tokio::test]
async fn a_revoked_session_stays_out_while_the_cache_is_down() {
    let mut setting = Setting::start().await;
    let there = setting.service.plan.start().await;
    let ann = there.client.register("ann").await;
    let bob = there.client.register("bob").await;
    let shown = json!({"refreshToken": ann.refresh});
    assert_eq!(there.client.post("/v1/auth/revoke", &shown).await.status, 204);
    // Some request to this instance takes the list along; none was of that session.
    assert_eq!(setting.classify(&bob, 1).await.status, 200);
    setting.strike(Fault::Killed);
    setting.service.clock.advance(Duration::from_mins(4));
    assert_eq!(setting.classify(&ann, 1).await.status, 401);
    assert_eq!(setting.classify(&bob, 1).await.status, 200);
}

#[tokio::test]
async fn limits_can_live_in_a_cache_of_their_own() {
    let (verdicts, limits, tables) = (Redis::start(), Redis::start(), TableService::start().await);
    let plan = Plan::default()
        .with_tables_at(tables.address())
        .with_cache_at(verdicts.url())
        .with("CLEARVIEW_LIMITS_URL", limits.url());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    assert_eq!(service.client.classify(&ann, PREFERENCE, &["a"]).await.status, 200);
    let of_limits = |redis: &Redis| redis.keys().iter().any(|key| key.starts_with("burst:"));
    assert!(of_limits(&limits) && !of_limits(&verdicts));
}
