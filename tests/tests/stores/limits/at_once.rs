//! A burst that comes at once, on two instances with the settings that a deployment has.

use std::sync::Arc;

use futures_util::future::join_all;
use local::gateway::invoke;
use serde_json::{Value, json};
use shared::app::App;
use tests::client::Device;
use tests::redis::Redis;
use tests::service::{Plan, TableService};

const ROUNDS: usize = 20;
const AT_ONCE: usize = 200;

/// Sends one post to the function itself: a local server would shed a part of such a burst.
async fn one_post(app: Arc<App>, device: &Device) -> u64 {
    let mut event = tests::events::named("classify/batch").value(&device.access);
    event["body"] = json!({"preference": "Hide crypto", "posts": [{"id": "1", "text": "a"}]})
        .to_string()
        .into();
    let answer = invoke(app, "classify", event.to_string());
    // A task of its own, as in a server.
    let answer = tokio::spawn(answer).await.unwrap().unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["statusCode"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_on_two_instances_are_fifty_admitted_and_none_refused_for_reduced_capacity() {
    let (redis, tables) = (Redis::start(), TableService::start().await);
    // The shipped plan and fleet size; only the address, which all of them share, may ask more. A store that this machine
    // starves is not down: how soon a silent one is, `valkey::patience` shows turn by turn.
    let plan = Plan::default()
        .with_default_limits()
        .with("CLEARVIEW_CACHE_TIMEOUT_MS", "5000")
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "5000")
        .with("CLEARVIEW_IP_PER_MINUTE", "100000")
        .with("CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR", "1000")
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let server = plan.start().await;
    let instances = [Arc::new(plan.app()), Arc::new(plan.app())];
    for round in 0..ROUNDS {
        let ann = server.client.register(&format!("ann {round}")).await;
        let burst = (0..AT_ONCE).map(|n| one_post(Arc::clone(&instances[n % 2]), &ann));
        let statuses = join_all(burst).await;
        let count = |status: u64| statuses.iter().filter(|got| **got == status).count();
        let counted = (count(200), count(429), count(503));
        assert_eq!(counted, (50, AT_ONCE - 50, 0), "round {round}");
        let used = tables.tables().used(&ann.user, server.clock.now()).await;
        assert_eq!(used, 50, "round {round}");
    }
}
