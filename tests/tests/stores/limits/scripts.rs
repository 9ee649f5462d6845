//! Every script keeps to the keys that it declares, in one slot each: a cluster takes no other.

use serde_json::json;
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::service::{Plan, TableService};

#[tokio::test]
async fn a_cluster_takes_every_script_that_requests_run() {
    let (redis, tables) = (Redis::cluster(), TableService::start().await);
    let proxy = Proxy::to(tables.address()).await;
    let plan = Plan::default()
        .with_tables_at(proxy.address)
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "300")
        .with_cache_at(redis.url());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let classify = async |texts: &[&str]| {
        let answer = service.client.classify(&ann, "Hide crypto", texts).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["degraded"].clone()
    };
    assert_eq!(classify(&["a"; 3]).await, json!([]));
    proxy.set(Mode::Cut);
    assert_eq!(classify(&["a"; 4]).await, json!(["quota"]));
    proxy.set(Mode::Pass);
    service.clock.advance(std::time::Duration::from_secs(6));
    assert_eq!(classify(&["a"; 5]).await, json!([]));
    assert_eq!(service.client.usage(&ann).await.body["used"], 12);
    let revoked = service
        .client
        .post("/v1/auth/revoke", &json!({"refreshToken": ann.refresh}))
        .await;
    assert_eq!(revoked.status, 204);
    assert_eq!(service.client.usage(&ann).await.status, 401);
    assert!(
        redis.keys().iter().any(|key| key.starts_with("day:{u_")),
        "{:?}",
        redis.keys()
    );
}
