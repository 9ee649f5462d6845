//! The console: whom it answers, its stream, and the switches of the stand-ins. A browser uses the page in `make check`.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tests::client::{Device, send};
use tests::redis::Redis;
use tests::service::{Plan, Service};

/// Longer than any skip of a dependency.
const LATER: Duration = Duration::from_secs(10);

async fn get(service: &Service, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = service.client.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

/// Gives a part a trouble, as the page does.
async fn set(service: &Service, part: &str, trouble: &str) -> StatusCode {
    let request = service
        .client
        .request(Method::PUT, "/console/faults")
        .header("origin", format!("http://{}", service.address()))
        .json(&json!({"part": part, "trouble": trouble}));
    request.send().await.unwrap().status()
}

/// The next event of a stream: its name and its data.
async fn event(stream: &mut Response, text: &mut String) -> Option<(String, Value)> {
    loop {
        if let Some((event, rest)) = text.split_once("\n\n") {
            let (name, data) = event.split_once('\n').unwrap();
            let name = name.trim_start_matches("event: ").to_owned();
            let data = serde_json::from_str(data.trim_start_matches("data: ")).unwrap();
            *text = rest.to_owned();
            return Some((name, data));
        }
        let chunk = stream.chunk().await.unwrap()?;
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

/// Classifies one post, and returns the parts that the answer did without.
async fn classify(service: &Service, device: &Device, text: &str) -> Vec<String> {
    let answer = service.client.classify(device, "Hide crypto", &[text]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_value(answer.body["degraded"].clone()).unwrap()
}

#[tokio::test]
async fn the_page_comes_with_a_strict_policy_and_only_where_it_is_wanted() {
    let service = Plan::default().with_console().start().await;
    let page = get(&service, "/", &[]).await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let html = page.text().await.unwrap();
    // Everything that the page loads is there, and of the type that `nosniff` asks for.
    let mut loaded = 0;
    for path in html.split('"').filter(|part| part.starts_with("/console/")) {
        let file = get(&service, path, &[]).await;
        assert_eq!(file.status(), 200, "{path}");
        assert_eq!(file.headers()["x-content-type-options"], "nosniff");
        loaded += 1;
    }
    assert!(loaded >= 4, "{loaded}");
    assert_eq!(get(&service, "/console/nothing.js", &[]).await.status(), 404);

    let without = Service::start().await;
    for path in ["/", "/console/state", "/console/events"] {
        assert_eq!(get(&without, path, &[]).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn another_name_or_another_site_gets_nothing() {
    let service = Plan::default().with_console().start().await;
    for (path, header) in [
        ("/", ("host", "attacker.example")),
        ("/console/state", ("host", "attacker.example:3000")),
        ("/console/state", ("origin", "http://attacker.example")),
        ("/console/events", ("sec-fetch-site", "cross-site")),
    ] {
        assert_eq!(get(&service, path, &[header]).await.status(), 403, "{path} {header:?}");
    }
    let bare = service.client.request(Method::PUT, "/console/faults");
    let bare = bare.json(&json!({"part": "tables", "trouble": "frozen"}));
    assert_eq!(bare.send().await.unwrap().status(), 403, "no origin");
    let state: Value = get(&service, "/console/state", &[]).await.json().await.unwrap();
    assert_eq!(state["parts"][1]["trouble"], "none");
}

#[tokio::test]
async fn the_stream_tells_each_request_and_ends_with_the_server() {
    let service = Plan::default().with_console().start().await;
    let ann = service.client.register("ann").await;
    assert!(classify(&service, &ann, "bitcoin").await.is_empty());
    let (mut stream, mut text) = (get(&service, "/console/events", &[]).await, String::new());
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let (first, start) = event(&mut stream, &mut text).await.unwrap();
    assert_eq!(first, "start");
    assert!(start["routes"].as_array().unwrap().contains(&json!("/v1/classify")));
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match event(&mut stream, &mut text).await.unwrap() {
            (name, data) if name == "traffic" => {
                assert_eq!(data["total"]["requests"], 2);
                seen.push(data["requests"][1].clone());
            }
            (name, data) => {
                assert_eq!(name, "condition");
                assert_eq!(data["tables"]["status"], "ok");
                assert_eq!(data["cache"]["status"], "none");
                seen.push(data["providers"]["local"]["asked"].clone());
            }
        }
    }
    let row = seen.iter().find(|seen| seen.is_object()).unwrap();
    assert_eq!(
        (&row["route"], &row["status"], &row["asked"]),
        (&json!("/v1/classify"), &json!(200), &json!(1))
    );
    let id = row["correlationId"].as_str().unwrap();
    let again: Value = get(&service, &format!("/console/requests/{id}"), &[])
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(&again, row);
    assert!(!again.to_string().contains("bitcoin"), "no text of a user");
    let ends = async { while event(&mut stream, &mut text).await.is_some() {} };
    tokio::join!(service.stop(), ends);
}

#[tokio::test]
async fn tables_that_refuse_or_freeze_are_done_without_and_are_back_when_they_are_mended() {
    let plan = Plan::default().with_console().with("CLEARVIEW_TABLE_TIMEOUT_MS", "150");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    for trouble in ["refusing", "frozen"] {
        assert!(classify(&service, &ann, "bread").await.is_empty());
        assert_eq!(set(&service, "tables", trouble).await, 200);
        let missed = classify(&service, &ann, &format!("bitcoin, {trouble}")).await;
        assert!(missed.contains(&"quota".to_owned()), "{trouble}: {missed:?}");
        assert_eq!(set(&service, "tables", "none").await, 200);
        service.clock.advance(LATER);
        while !classify(&service, &ann, "bread").await.is_empty() {
            service.clock.advance(LATER);
        }
    }
    assert_eq!(set(&service, "tables", "senseless").await, 409);
    assert_eq!(set(&service, "cache", "gone").await, 409, "there is none");
    assert_eq!(set(&service, "moon", "gone").await, 400);
}

#[tokio::test]
async fn a_queue_that_delivers_twice_changes_no_charge() {
    let service = Plan::default().with_console().start().await;
    let ann = service.client.register("ann").await;
    assert_eq!(set(&service, "queue", "twice").await, 200);
    let ask = async |method: Method, path: &str, body: Value| {
        let request = service.client.request(method, path).bearer_auth(&ann.access);
        let request = if body.is_null() { request } else { request.json(&body) };
        send(request).await
    };
    let posts = json!([{"id": "1", "text": "Buy Bitcoin"}, {"id": "2", "text": "Bread"}]);
    let job = json!({"type": "classify", "preference": "Hide crypto", "posts": posts});
    let submitted = ask(Method::POST, "/v1/jobs", job).await;
    assert_eq!(submitted.status, 202, "{submitted:?}");
    let path = format!("/v1/jobs/{}", submitted.body["jobId"].as_str().unwrap());
    let mut found = ask(Method::GET, &path, Value::Null).await;
    while found.body["status"] == "queued" {
        found = ask(Method::GET, &path, Value::Null).await;
    }
    assert_eq!(found.body["status"], "done", "{found:?}");
    assert_eq!(service.client.usage(&ann).await.body["used"], 2);
    assert_eq!(set(&service, "queue", "none").await, 200);
}

#[tokio::test]
async fn a_cache_that_freezes_or_goes_is_done_without_and_is_back_when_it_is_mended() {
    let redis = Redis::start();
    let plan = Plan::default().with_console().with_cache_at(redis.url());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    for trouble in ["frozen", "gone"] {
        assert!(classify(&service, &ann, "bread").await.is_empty());
        assert_eq!(set(&service, "cache", trouble).await, 200);
        let missed = classify(&service, &ann, &format!("bitcoin, {trouble}")).await;
        assert!(missed.contains(&"rateLimit".to_owned()), "{trouble}: {missed:?}");
        assert_eq!(set(&service, "cache", "none").await, 200);
        service.clock.advance(LATER);
        while !classify(&service, &ann, "bread").await.is_empty() {
            service.clock.advance(LATER);
        }
    }
}
