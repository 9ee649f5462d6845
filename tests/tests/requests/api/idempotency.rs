//! Idempotency keys: a request that is sent again is charged once.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::proxy::Mode;
use tests::service::{Plan, Service};

fn batch(texts: &[&str]) -> Value {
    let posts: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| json!({"id": n.to_string(), "text": text}))
        .collect();
    json!({"preference": "Hide crypto", "posts": posts})
}

async fn classify(service: &Service, device: &Device, key: &str, body: &Value) -> Answer {
    let request = service
        .client
        .request(Method::POST, "/v1/classify")
        .bearer_auth(&device.access);
    send(request.header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn a_replay_runs_again_and_is_not_charged() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for round in 0..3 {
        let answer = classify(&service, &ann, "order 66 ~!", &batch(&["a", "b", "c"])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["usage"]["used"], 3, "round {round}");
        assert_eq!(answer.body["results"].as_array().unwrap().len(), 3);
    }
    let other = classify(&service, &ann, "another", &batch(&["a"])).await;
    assert_eq!(other.body["usage"]["used"], 4);
    assert_eq!(service.tables().used(&ann.user, service.clock.now()).await, 4);
}

#[tokio::test]
async fn keys_are_each_users_own_and_end_after_their_hour() {
    let service = Service::start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let body = batch(&["a"]);
    classify(&service, &ann, "k", &body).await;
    assert_eq!(classify(&service, &bob, "k", &body).await.body["usage"]["used"], 1);
    service.clock.advance(Duration::from_mins(10));
    assert_eq!(
        classify(&service, &ann, "k", &body).await.body["usage"]["used"],
        1,
        "ten minutes at least"
    );
    service.clock.advance(Duration::from_mins(50));
    let ann = service.client.register("ann").await;
    assert_eq!(
        classify(&service, &ann, "k", &body).await.body["usage"]["used"],
        2,
        "a new request"
    );
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    classify(&service, &ann, "k", &batch(&["a"])).await;
    let other = classify(&service, &ann, "k", &batch(&["b"])).await;
    assert_eq!((other.status, other.error()), (422, "IDEMPOTENCY_MISMATCH"));
    assert_eq!(other.body["retryable"], false);
    assert_eq!(service.tables().used(&ann.user, service.clock.now()).await, 1);
}

#[tokio::test]
async fn the_query_is_part_of_what_a_key_stands_for() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let body = batch(&["a"]);
    let ask = async |query: &str| {
        let path = format!("/v1/classify{query}");
        let request = service.client.request(Method::POST, &path).bearer_auth(&ann.access);
        send(request.header("idempotency-key", "k").json(&body)).await
    };
    assert_eq!(ask("?explain=true").await.status, 200);
    assert_eq!(ask("?explain=true").await.status, 200);
    for query in ["", "?explain=false"] {
        let other = ask(query).await;
        assert_eq!((other.status, other.error()), (422, "IDEMPOTENCY_MISMATCH"), "{query}");
    }
    assert_eq!(service.tables().used(&ann.user, service.clock.now()).await, 1);
}

#[tokio::test]
async fn requests_with_one_key_that_meet_are_charged_once() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let body = batch(&["a", "b"]);
    let answers = join_all((0..12).map(|_| classify(&service, &ann, "k", &body))).await;
    for answer in &answers {
        match answer.status {
            200 => assert_eq!(answer.body["usage"]["used"], 2),
            409 => {
                assert_eq!((answer.error(), &answer.body["retryable"]), ("CONFLICT", &json!(true)));
                assert_eq!(answer.header("retry-after"), "1", "most requests take less");
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert_eq!(service.tables().used(&ann.user, service.clock.now()).await, 2);
}

#[tokio::test]
async fn a_refused_batch_leaves_its_key_unused() {
    let plans = r#"{"free":{"posts":{"perDay":3,"perMinute":50}}}"#;
    let service = Plan::default().with("CLEARVIEW_PLANS", plans).start().await;
    let ann = service.client.register("ann").await;
    classify(&service, &ann, "first", &batch(&["a", "b"])).await;
    let refused = classify(&service, &ann, "second", &batch(&["a", "b"])).await;
    assert_eq!((refused.status, refused.error()), (429, "QUOTA_EXCEEDED"));
    let replay = classify(&service, &ann, "first", &batch(&["a", "b"])).await;
    assert_eq!(replay.status, 200, "a replay needs no room");
    let smaller = classify(&service, &ann, "second", &batch(&["a"])).await;
    assert_eq!((smaller.status, &smaller.body["usage"]["used"]), (200, &json!(3)));
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let too_long = "k".repeat(129);
    for key in ["", "tab\there", &too_long] {
        let answer = classify(&service, &ann, key, &batch(&["a"])).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (400, vec!["Idempotency-Key"]),
            "{key:?}"
        );
    }
    let request = || {
        let request = service.client.request(Method::POST, "/v1/classify");
        request.bearer_auth(&ann.access).json(&batch(&["a"]))
    };
    // UTF-8 that is not ASCII, ISO 8859-1, and the same key twice.
    for keys in [
        &["caf\u{e9}".as_bytes()][..],
        &[b"caf\xe9"],
        &[b"k", b"k"],
        &[b"k", b"l"],
    ] {
        let request = keys.iter().fold(request(), |request, key| {
            request.header("idempotency-key", HeaderValue::from_bytes(key).unwrap())
        });
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (400, vec!["Idempotency-Key"]),
            "{keys:?}"
        );
    }
    assert_eq!(service.tables().used(&ann.user, service.clock.now()).await, 0);
}

#[tokio::test]
async fn a_key_of_an_outage_is_forgotten_after_its_hour() {
    let (tables, proxy, plan) = Plan::behind_a_network().await;
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    proxy.set(Mode::Cut);
    let body = batch(&["a", "b"]);
    assert_eq!(classify(&service, &ann, "k", &body).await.status, 200);
    let other = classify(&service, &ann, "k", &batch(&["c"])).await;
    assert_eq!((other.status, other.error()), (422, "IDEMPOTENCY_MISMATCH"));
    proxy.set(Mode::Pass);
    service.clock.advance(Duration::from_mins(59));
    let ann = service.client.register("ann").await;
    assert_eq!(classify(&service, &ann, "k", &body).await.body["usage"]["used"], 2);
    service.clock.advance(Duration::from_mins(1));
    let anew = classify(&service, &ann, "k", &body).await;
    assert_eq!((anew.status, &anew.body["usage"]["used"]), (200, &json!(4)), "{anew:?}");
    assert_eq!(tables.tables().used(&ann.user, service.clock.now()).await, 4);
}

#[tokio::test]
async fn a_replay_in_an_outage_is_known_to_the_instance_and_added_once() {
    let (tables, proxy, plan) = Plan::behind_a_network().await;
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    proxy.set(Mode::Cut);
    let body = batch(&["a", "b"]);
    for _ in 0..3 {
        assert_eq!(classify(&service, &ann, "k", &body).await.status, 200);
    }
    proxy.set(Mode::Pass);
    service.clock.advance(Duration::from_secs(6));
    assert_eq!(classify(&service, &ann, "k", &body).await.status, 200);
    service.client.classify(&ann, "Hide crypto", &["c"]).await;
    assert_eq!(tables.tables().used(&ann.user, service.clock.now()).await, 3);
}
