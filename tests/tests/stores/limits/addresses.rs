//! The limits by address: every route has one, whatever becomes of the request.

use lambda_http::http::Method;
use local::gateway::routes;
use serde_json::json;
use tests::client::{Answer, Client, Device, send};
use tests::redis::Redis;
use tests::service::{Plan, Service};

const PER_MINUTE: usize = 3;

/// A server whose counts can be forgotten.
async fn start() -> (Redis, Service) {
    let redis = Redis::start();
    let plan = Plan::default()
        .with("CLEARVIEW_IP_PER_MINUTE", PER_MINUTE.to_string())
        .with_cache_at(redis.url());
    let service = plan.start().await;
    (redis, service)
}

async fn ask(client: &Client, method: &Method, path: &str, token: &str) -> Answer {
    let path = path
        .replace("{userId}", "u_1")
        .replace("{tier}", "free")
        .replace("{sid}", "s_1");
    let request = client.request(method.clone(), &path).bearer_auth(token);
    send(match *method {
        Method::GET | Method::DELETE => request,
        _ => request.json(&json!({"unknown": true})),
    })
    .await
}

#[tokio::test]
async fn on_every_route_a_request_refused_for_its_credential_or_body_counts_for_its_address() {
    let (redis, service) = start().await;
    let ann = service.client.register("ann").await;
    for token in ["no.such.token", ann.access.as_str()] {
        for (method, path, _) in routes() {
            redis.flush();
            for n in 1..=PER_MINUTE {
                let answer = ask(&service.client, &method, path, token).await;
                assert_ne!(answer.status, 429, "{method} {path}: {answer:?}");
                let left = format!("r={};", PER_MINUTE - n);
                assert!(
                    answer.limit("ratelimit", "ip").starts_with(&left),
                    "{method} {path}: {answer:?}"
                );
            }
            let refused = ask(&service.client, &method, path, token).await;
            // Rerank has OpenAI's form of errors.
            let code = refused.body.pointer("/error/code").unwrap_or(&refused.body["error"]);
            let code = code.as_str().unwrap_or_default().to_uppercase();
            assert_eq!(
                (refused.status, &*code),
                (429, "RATE_LIMIT_EXCEEDED"),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn an_expired_token_counts_before_its_session_is_read() {
    let (_redis, service) = start().await;
    let ann = service.client.register("ann").await;
    service.clock.advance(std::time::Duration::from_mins(20));
    let statuses = async |client: &Client| {
        let mut statuses = Vec::new();
        for _ in 0..=PER_MINUTE {
            statuses.push(client.usage(&ann).await.status);
        }
        statuses
    };
    assert_eq!(statuses(&service.client).await, [401, 401, 401, 429]);
}

#[tokio::test]
async fn classes_of_endpoints_are_counted_apart() {
    let (_redis, service) = start().await;
    let client = &service.client;
    let ann = client.register("ann").await;
    for _ in 0..PER_MINUTE {
        assert_eq!(client.usage(&ann).await.status, 200);
    }
    assert_eq!(client.usage(&ann).await.status, 429);
    assert_eq!(client.classify(&ann, "Hide crypto", &["a"]).await.status, 200);
    let shown = json!({"refreshToken": ann.refresh});
    assert_eq!(client.post("/v1/auth/refresh", &shown).await.status, 200);
}

#[tokio::test]
async fn a_class_of_pupils_behind_one_address_registers_refreshes_classifies_and_reads_its_usage() {
    const DEVICES: usize = 25;
    let redis = Redis::start();
    let plan = Plan::default().with_default_limits().with_cache_at(redis.url());
    let service = plan.start().await;
    let client = &service.client;
    for n in 0..DEVICES {
        let device = client.register(&format!("pupil {n}")).await;
        let shown = json!({"refreshToken": device.refresh});
        let refreshed = client.post("/v1/auth/refresh", &shown).await;
        assert_eq!(refreshed.status, 200, "pupil {n}: {refreshed:?}");
        let device = Device::of(&refreshed);
        let answer = client.classify(&device, "Hide crypto", &["a"; 20]).await;
        assert_eq!(answer.status, 200, "pupil {n}: {answer:?}");
        assert_eq!(client.usage(&device).await.status, 200, "pupil {n}");
    }
}
