//! The shared cache by its name in `ElastiCache`: what health tells of it, and how the local server finds it.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Stopwatch;
use tests::elasticache::{Api, ElastiCache, NAME};
use tests::moto::python;
use tests::redis::{CERTIFICATES, Redis};
use tests::service::{Plan, Service};
use tokio::process::Command;

/// The look-up may take a second; the machine may be busy.
const SOON: Duration = Duration::from_secs(4);

fn named(elasticache: &ElastiCache, name: &str) -> Plan {
    Plan::default()
        .with("CLEARVIEW_CACHE_NAME", name)
        .with("AWS_ENDPOINT_URL_ELASTICACHE", elasticache.endpoint())
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test")
}

async fn health(service: &Service) -> (Value, Value) {
    let answer = service.client.get("/health").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cache = &answer.body["dependencies"]["cache"];
    (answer.body["status"].clone(), cache.clone())
}

fn with_limits(state: &str) -> Value {
    json!([{"purpose": "shared", "state": state, "dataStorageMaxGb": 5, "ecpuPerSecondMax": 2000}])
}

#[tokio::test]
async fn health_tells_the_state_and_limits_of_the_cache_and_asks_once_in_five_minutes() {
    let redis = Redis::start();
    let elasticache = ElastiCache::start(Api::Knows("available", redis.address())).await;
    let service = named(&elasticache, NAME).with_cache_at(redis.url()).start().await;
    for _ in 0..5 {
        let (status, cache) = health(&service).await;
        assert_eq!((&status, &cache["status"]), (&json!("ok"), &json!("ok")));
        assert_eq!(cache["reports"], with_limits("available"));
    }
    assert_eq!(elasticache.calls(), 1);
    elasticache.set(Api::Knows("deleting", redis.address()));
    service.clock.advance(Duration::from_mins(5));
    let (status, cache) = health(&service).await;
    assert_eq!((status, elasticache.calls()), (json!("degraded"), 2));
    assert_eq!(cache["reports"], with_limits("deleting"));
}

#[tokio::test]
async fn a_name_that_nobody_has_is_said_and_one_that_is_not_set_is_not_asked_for() {
    let redis = Redis::start();
    let elasticache = ElastiCache::start(Api::Knows("available", redis.address())).await;
    let other = named(&elasticache, "another").with_cache_at(redis.url()).start().await;
    let (status, cache) = health(&other).await;
    assert_eq!(status, "degraded");
    assert_eq!(cache["reports"], json!([{"purpose": "shared", "state": "absent"}]));
    let nameless = named(&elasticache, "").with_cache_at(redis.url()).start().await;
    let (status, cache) = health(&nameless).await;
    assert_eq!((status, &cache["reports"]), (json!("ok"), &Value::Null));
    assert_eq!(elasticache.calls(), 1);
}

#[tokio::test]
async fn health_answers_in_time_whatever_the_api_does_and_asks_again_after_a_minute() {
    let redis = Redis::start();
    for api in [Api::Throttles, Api::Hangs, Api::Babbles] {
        let elasticache = ElastiCache::start(api.clone()).await;
        let service = named(&elasticache, NAME).with_cache_at(redis.url()).start().await;
        let stopwatch = Stopwatch::start();
        for _ in 0..3 {
            let (status, cache) = health(&service).await;
            // The cache itself answers.
            assert_eq!((&status, &cache["status"]), (&json!("ok"), &json!("ok")), "{api:?}");
            assert_eq!(cache["reports"], json!([{"purpose": "shared", "state": "unknown"}]));
        }
        assert!(stopwatch.elapsed() < SOON, "{api:?}");
        assert_eq!(elasticache.calls(), 1, "{api:?}");
        elasticache.set(Api::Knows("available", redis.address()));
        service.clock.advance(Duration::from_mins(1));
        assert_eq!(health(&service).await.1["reports"], with_limits("available"), "{api:?}");
    }
}

#[tokio::test]
async fn limits_with_a_cache_of_their_own_are_reported_apart() {
    let (shared, limits) = (Redis::start(), Redis::start());
    let elasticache = ElastiCache::start(Api::Knows("available", shared.address())).await;
    let service = named(&elasticache, NAME)
        .with_cache_at(shared.url())
        .with("CLEARVIEW_LIMITS_URL", limits.url())
        .with("CLEARVIEW_LIMITS_NAME", "another")
        .start()
        .await;
    let (_, cache) = health(&service).await;
    assert_eq!(cache["reports"][0]["state"], "available");
    assert_eq!(cache["reports"][1], json!({"purpose": "limits", "state": "absent"}));
}

#[tokio::test]
async fn the_local_server_finds_the_cache_by_its_name_and_speaks_tls_to_it() {
    let redis = Redis::encrypted();
    let elasticache = ElastiCache::start(Api::Knows("available", redis.address())).await;
    let service = named(&elasticache, NAME)
        .with("CLEARVIEW_CACHE_CA_FILE", format!("{CERTIFICATES}/ca.pem"))
        .start()
        .await;
    let (status, cache) = health(&service).await;
    assert_eq!((&status, &cache["status"]), (&json!("ok"), &json!("ok")), "{cache}");
}

#[tokio::test]
async fn the_local_server_does_not_start_without_the_cache_that_it_is_to_find() {
    let elasticache = ElastiCache::start(Api::Knows("available", ([127, 0, 0, 1], 1).into())).await;
    for (name, api) in [("another", None), (NAME, Some(Api::Throttles))] {
        if let Some(api) = api {
            elasticache.set(api);
        }
        let mut config = named(&elasticache, name).config();
        let error = local::state::find_caches(&mut config).await.unwrap_err().to_string();
        assert!(error.starts_with("CLEARVIEW_CACHE_NAME: "), "{error}");
        assert!(config.cache.shared.is_none());
    }
}

/// AWS's own client for Python, which reads an answer by `ElastiCache`'s own definition.
const DESCRIBE: &str = "
import boto3, json, sys
client = boto3.client('elasticache', region_name='us-east-1', endpoint_url=sys.argv[1], aws_access_key_id='test', aws_secret_access_key='test')
[cache] = client.describe_serverless_caches(ServerlessCacheName=sys.argv[2])['ServerlessCaches']
limits = cache['CacheUsageLimits']
try:
    client.describe_serverless_caches(ServerlessCacheName='another')
except client.exceptions.ServerlessCacheNotFoundFault:
    print(json.dumps([cache['Status'], limits['DataStorage']['Maximum'], limits['ECPUPerSecond']['Maximum'], cache['Endpoint']['Port']]))
";

#[tokio::test]
async fn another_client_of_elasticache_reads_the_same_from_what_these_tests_script() {
    let elasticache = ElastiCache::start(Api::Knows("available", ([127, 0, 0, 1], 6379).into())).await;
    let output = Command::new(python())
        .args(["-c", DESCRIBE, &elasticache.endpoint(), NAME])
        .output()
        .await
        .unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said, json!(["available", 5, 2000, 6379]));
}
