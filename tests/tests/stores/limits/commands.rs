//! The cost of a request for the cache: each command that runs there, inside a script or not.

use std::collections::BTreeMap;

use redis::Value;
use tests::redis::Redis;
use tests::service::Plan;

/// How often each command has run.
fn commands(redis: &Redis) -> BTreeMap<String, i64> {
    let Value::BulkString(text) = redis.command(&["INFO", "commandstats"]) else {
        panic!("no statistics");
    };
    let text = String::from_utf8(text).unwrap();
    let calls = |line: &str| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = figures.split(',').next()?.parse().ok()?;
        Some((name.to_owned(), calls))
    };
    let counted = text.lines().filter_map(calls);
    counted.filter(|(name, _)| name != "info").collect()
}

#[tokio::test]
async fn a_cached_request_runs_ten_commands_in_the_cache() {
    let redis = Redis::start();
    let service = Plan::default().with_cache_at(redis.url()).start().await;
    let ann = service.client.register("ann").await;
    let classify = async || {
        let answer = service.client.classify(&ann, "Hide crypto", &["a", "b"]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    // The scripts, the posts and the day are known after this.
    classify().await;
    classify().await;
    let before = commands(&redis);
    classify().await;
    let mut after = commands(&redis);
    for (name, calls) in before {
        *after.entry(name).or_default() -= calls;
    }
    after.retain(|_, calls| *calls != 0);
    let expected = [
        ("evalsha", 2),
        ("exists", 1),
        ("hget", 2),
        ("hset", 2),
        ("incrby", 1),
        ("time", 2),
    ];
    assert_eq!(after, expected.map(|(name, calls)| (name.to_owned(), calls)).into());
}
