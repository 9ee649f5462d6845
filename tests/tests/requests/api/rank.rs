//! Rank and rerank as their clients see them, on the embedded ranker.

use std::path::PathBuf;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::service::{Plan, Service};
use tokio::process::Command;

fn question() -> Value {
    json!({"query": "reset my password", "items": [
        {"id": "theme", "text": "Choose a theme under Appearance."},
        {"id": "reset", "text": "To reset your password, open Settings."},
        {"id": "bill", "text": "Receipts are sent by email."},
    ]})
}

async fn ask(service: &Service, device: &Device, path: &str, body: &Value) -> Answer {
    let request = service.client.request(Method::POST, path).bearer_auth(&device.access);
    send(request.json(body)).await
}

async fn used(service: &Service, device: &Device) -> u64 {
    let usage = service.client.request(Method::GET, "/v1/usage");
    let usage = send(usage.bearer_auth(&device.access)).await;
    usage.body["meters"]["rankings"]["used"].as_u64().unwrap()
}

#[tokio::test]
async fn the_embedded_ranker_answers_where_it_is_the_provider_and_says_so() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let answer = ask(&service, &ann, "/v1/rank", &question()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = answer.body["results"].as_array().unwrap();
    let ids: Vec<&str> = results.iter().map(|result| result["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[0], "reset");
    let ranks: Vec<u64> = results.iter().map(|result| result["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, [1, 2, 3]);
    assert_eq!(
        (&answer.body["source"], &answer.body["cached"], &answer.body["degraded"]),
        (&json!("local"), &json!(false), &json!([]))
    );
    assert_eq!(answer.body["usage"]["used"], 1);
    assert!(answer.limit("ratelimit-policy", "daily").starts_with("q=50"));

    let mut turned = question();
    turned["items"].as_array_mut().unwrap().reverse();
    let again = ask(&service, &ann, "/v1/rank", &turned).await;
    assert_eq!(
        (&again.body["source"], &again.body["cached"]),
        (&json!("cache"), &json!(true))
    );
    assert_eq!(again.body["results"], answer.body["results"]);
    assert_eq!(again.body["rankingVersion"], answer.body["rankingVersion"]);
    assert_eq!(used(&service, &ann).await, 2);
}

#[tokio::test]
async fn as_many_rankings_are_charged_as_samples_are_asked_for_and_a_day_ends() {
    let plans = r#"{"free":{"rankings":{"perDay":6,"perMinute":100}}}"#;
    let service = Plan::default().with("CLEARVIEW_PLANS", plans).start().await;
    let ann = service.client.register("ann").await;
    let mut body = question();
    body["samples"] = json!(4);
    assert_eq!(ask(&service, &ann, "/v1/rank", &body).await.body["usage"]["used"], 4);
    let refused = ask(&service, &ann, "/v1/rank", &body).await;
    assert_eq!((refused.status, refused.error()), (429, "QUOTA_EXCEEDED"));
    assert_eq!(used(&service, &ann).await, 4);
    let refused = ask(&service, &ann, "/v1/rank", &json!({"query": "", "items": []})).await;
    assert_eq!(refused.status, 400);
    assert_eq!(used(&service, &ann).await, 4);
}

#[tokio::test]
async fn a_key_is_charged_once() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for _ in 0..2 {
        let request = service.client.request(Method::POST, "/v1/rank");
        let request = request.bearer_auth(&ann.access).header("idempotency-key", "k1");
        let answer = send(request.json(&question())).await;
        assert_eq!((answer.status, &answer.body["usage"]["used"]), (200, &json!(1)));
    }
}

#[tokio::test]
async fn each_bound_is_named_where_it_is_broken() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let item = |id: &str, text: &str| json!({"id": id, "text": text});
    let two = json!([item("a", "x"), item("b", "y")]);
    let many: Vec<Value> = (0..51).map(|n| item(&n.to_string(), "x")).collect();
    for (body, pointers) in [
        (json!({"query": "", "items": two}), vec!["/query"]),
        (json!({"query": "q".repeat(501), "items": two}), vec!["/query"]),
        (json!({"query": "q", "items": [item("a", "x")]}), vec!["/items"]),
        (json!({"query": "q", "items": many}), vec!["/items"]),
        (
            json!({"query": "q", "items": two, "criteria": "c".repeat(1001)}),
            vec!["/criteria"],
        ),
        (json!({"query": "q", "items": two, "samples": 0}), vec!["/samples"]),
        (json!({"query": "q", "items": two, "samples": 6}), vec!["/samples"]),
        (json!({"query": "q", "items": two, "samples": "1"}), vec!["/samples"]),
        (json!({"query": "q", "items": two, "explain": 1}), vec!["/explain"]),
        (
            json!({"query": "q", "items": [item("a", "x"), item("a", "y")]}),
            vec!["/items/1/id"],
        ),
        (
            json!({"query": "q", "items": [item("", "x"), item(&"b".repeat(65), &"y".repeat(501))]}),
            vec!["/items/0/id", "/items/1/id", "/items/1/text"],
        ),
    ] {
        let answer = ask(&service, &ann, "/v1/rank", &body).await;
        assert_eq!((answer.status, answer.error()), (400, "INVALID_REQUEST"), "{answer:?}");
        assert_eq!(answer.pointers(), pointers);
    }
    assert_eq!(used(&service, &ann).await, 0);
}

#[tokio::test]
async fn rerank_answers_in_the_form_of_cohere_and_jina() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    // As Jina's documentation has it, and with members of Cohere that nothing reads.
    let body = json!({
        "model": "jina-reranker-v2-base-multilingual",
        "query": "reset my password",
        "documents": ["Choose a theme.", {"text": "To reset your password, open Settings."}, "Receipts by email."],
        "top_n": 2, "return_documents": true, "priority": 0, "max_tokens_per_doc": 4096, "rank_fields": ["text"], "truncation": true,
    });
    for path in ["/v1/rerank", "/v2/rerank"] {
        let answer = ask(&service, &ann, path, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["model"], body["model"]);
        let results = answer.body["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!(results[0]["index"], 1);
        assert_eq!(results[0]["document"]["text"], "To reset your password, open Settings.");
        let score = |n: usize| results[n]["relevance_score"].as_f64().unwrap();
        assert!(score(0) > score(1) && score(0) < 1.0);
        assert!(answer.body["usage"]["total_tokens"].is_u64());
        assert_eq!(answer.header("x-request-id"), answer.header("x-correlation-id"));
    }
    // One question in two forms of address: the second time it was known.
    assert_eq!(used(&service, &ann).await, 2);
}

#[tokio::test]
async fn coheres_own_client_reads_what_rerank_answers() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let python = root.join(".venv/bin/python");
    assert!(python.exists(), "`make venv` installs the clients");
    let output = Command::new(python)
        .arg(root.join("tests/scripts/rerank_client.py"))
        .args([service.client.authority(), &ann.access])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["v1"]["order"], json!([1, 0]));
    assert_eq!(read["v2"]["order"], json!([1, 0, 2]));
    assert!(read["v1"]["score"].as_f64().unwrap() > 0.0);
    assert_eq!(read["refused"], json!({"status": 401, "code": "invalid_api_key"}));
}

#[tokio::test]
async fn reranks_errors_have_openais_form() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let error = |answer: &Answer| (answer.status, answer.body["error"]["code"].as_str().unwrap().to_owned());
    let stranger = send(service.client.request(Method::POST, "/v2/rerank").json(&json!({}))).await;
    assert_eq!(error(&stranger), (401, "invalid_api_key".to_owned()));
    for (body, param) in [
        (json!({"query": "q", "documents": []}), "documents"),
        (json!({"query": "q", "documents": ["x", ""]}), "documents/1"),
        (json!({"query": "q", "documents": ["x"], "top_n": 0}), "top_n"),
        (json!({"query": "q", "documents": [7]}), "documents/0"),
        (json!({"documents": ["x"]}), ""),
    ] {
        let answer = ask(&service, &ann, "/v2/rerank", &body).await;
        assert_eq!(error(&answer), (400, "invalid_request".to_owned()), "{answer:?}");
        assert_eq!(answer.body["error"]["param"], param, "{answer:?}");
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    let wrong = send(service.client.request(Method::GET, "/v1/rerank")).await;
    assert_eq!(error(&wrong), (405, "invalid_request".to_owned()));
}
