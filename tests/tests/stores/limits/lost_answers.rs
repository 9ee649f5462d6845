//! Answers of a healthy cache that are lost: each request is decided once, by the cache, and counted once.

use proptest::prelude::*;
use shared::admission;
use shared::app::App;
use shared::error::Error;
use shared::identity::Principal;
use shared::limits::{Log, Origin, Policy};
use shared::plan::Meter;
use shared::source::Source;
use tests::proxy::Proxy;
use tests::redis::Redis;
use tests::runs::cases;
use tests::service::{Plan, START};

use crate::limits::fleet::somebody;

/// The free plan's minute.
const POLICY: Policy = Policy::burst(50);

/// Two instances with the shipped settings, each with a network of its own to the same cache.
struct Pair {
    redis: Redis,
    instances: Vec<(App, Proxy)>,
}

/// The fate of an instance's connection before it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Nothing,
    /// The commands never arrive.
    Request,
    /// The commands are carried out, and their answer is lost.
    Reply,
}

impl Pair {
    async fn start() -> Self {
        let redis = Redis::start();
        let plan = Plan::default()
            .with_default_limits()
            .with("CLEARVIEW_IP_PER_MINUTE", "100000");
        let instance = async || {
            let proxy = Proxy::to(redis.address()).await;
            let app = plan.clone().with_cache_at(format!("redis://{}", proxy.address)).app();
            app.connect().await;
            (app, proxy)
        };
        Self {
            instances: vec![instance().await, instance().await],
            redis,
        }
    }

    /// True if a request is admitted.
    async fn ask(&self, instance: usize, loss: Loss, principal: &Principal, units: u64) -> bool {
        let (app, proxy) = &self.instances[instance];
        match loss {
            Loss::Nothing => {}
            Loss::Request => proxy.strand(),
            Loss::Reply => proxy.deafen(),
        }
        let origin = Origin {
            source: &Source::of(Some("203.0.113.9")),
            endpoint: Some("classify"),
            now: app.clock.now(),
        };
        match admission::enter(app, origin, principal, Meter::Posts, units).await {
            Ok(admitted) => {
                assert!(!admitted.degraded, "the cache is there");
                true
            }
            Err(rejection) => {
                let by_burst = matches!(rejection.error, Error::RateLimitExceeded { limit: "burst", .. });
                assert!(by_burst, "{:?}", rejection.error);
                false
            }
        }
    }

    /// Returns the reservation of the day, as the fleet would need it in an outage of the quota table.
    fn reserved(&self, principal: &Principal) -> u64 {
        let key = format!("day:{{{}}}:posts#{}", principal.user, START.day());
        match self.redis.command(&["GET", &key]) {
            redis::Value::BulkString(bytes) => String::from_utf8(bytes).unwrap().parse().unwrap(),
            nothing => {
                assert_eq!(nothing, redis::Value::Nil);
                0
            }
        }
    }
}

fn step() -> impl Strategy<Value = (usize, Loss, u64)> {
    let loss = prop_oneof![2 => Just(Loss::Nothing), 1 => Just(Loss::Request), 1 => Just(Loss::Reply)];
    (0_usize..2, loss, 1_u64..=20)
}

#[test]
fn whatever_is_lost_between_instances_and_cache_each_request_is_decided_as_the_rule_says() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pair = runtime.block_on(Pair::start());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases(40)));
    let outcome = runner.run(&proptest::collection::vec(step(), 1..16), |steps| {
        let (principal, mut log, mut used) = (somebody(), Log::default(), 0);
        for (id, (instance, loss, units)) in steps.into_iter().enumerate() {
            let expected = log.decide(&POLICY, units, id as u64, START).wait.is_none();
            let admitted = runtime.block_on(pair.ask(instance, loss, &principal, units));
            prop_assert_eq!(
                admitted,
                expected,
                "{} units through {}, {:?} lost",
                units,
                instance,
                loss
            );
            used += if admitted { units } else { 0 };
            prop_assert_eq!(pair.reserved(&principal), used);
        }
        Ok(())
    });
    outcome.unwrap();
}
