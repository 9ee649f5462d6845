//! A burst that comes at once, on two servers with the settings that a deployment has.

use futures_util::future::join_all;
use tests::client::{Answer, Client, Device};
use tests::redis::Redis;
use tests::service::{Plan, TableService};

const ROUNDS: usize = 20;
const AT_ONCE: usize = 200;

/// With the shipped plan, fleet size and timeouts; only the address, which all of them share, may ask more.
fn plan(redis: &Redis, tables: &TableService) -> Plan {
    Plan::default()
        .with_default_limits()
        .with("CLEARVIEW_IP_PER_MINUTE", "100000")
        .with_tables_at(tables.address())
        .with_cache_at(redis.url())
}

async fn one_post(client: &Client, device: &Device) -> Answer {
    client.classify(device, "Hide crypto", &["a"]).await
}

#[tokio::test]
async fn two_hundred_at_once_on_two_servers_are_fifty_admitted_and_none_refused_for_reduced_capacity() {
    let (redis, tables) = (Redis::start(), TableService::start().await);
    let plan = plan(&redis, &tables);
    let servers = [plan.start().await, plan.start().await];
    for round in 0..ROUNDS {
        let ann = servers[0].client.register(&format!("ann {round}")).await;
        let burst = (0..AT_ONCE).map(|n| one_post(&servers[n % 2].client, &ann));
        let answers = join_all(burst).await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(200), count(429)), (50, AT_ONCE - 50), "round {round}");
        let used = tables.tables().used(&ann.user, servers[0].clock.now()).await;
        assert_eq!(used, 50, "round {round}");
    }
}

#[tokio::test]
async fn the_first_requests_of_all_are_admitted_as_exactly() {
    for _ in 0..3 {
        let (redis, tables) = (Redis::start(), TableService::start().await);
        let plan = plan(&redis, &tables);
        let ann = plan.start().await.client.register("ann").await;
        let servers = [plan.start().await, plan.start().await];
        let answers = join_all((0..AT_ONCE).map(|n| one_post(&servers[n % 2].client, &ann))).await;
        let admitted = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert_eq!((admitted, refused), (50, AT_ONCE - 50));
    }
}
