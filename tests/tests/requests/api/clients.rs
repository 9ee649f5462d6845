//! The ways of real clients: browsers and web views, `HEAD`, their own names for UTF-8, halves of emojis, compressed bodies.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::service::{Plan, Service};

const ORIGIN: &str = "https://app.example.com";

/// Headers that OpenAI's SDKs for Python and JavaScript send by themselves.
const OF_THE_SDKS: [&str; 15] = [
    "x-stainless-arch",
    "x-stainless-async",
    "x-stainless-custom-poll-interval",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-poll-helper",
    "x-stainless-raw-response",
    "x-stainless-read-timeout",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
    "user-agent",
];

fn batch() -> Value {
    json!({"preference": "Hide crypto", "posts": [{"id": "1", "text": "Buy Bitcoin now, crypto is going to the moon"}]})
}

async fn classify(service: &Service, device: &Device, header: (&str, &str), body: impl Into<reqwest::Body>) -> Answer {
    let request = service.client.request(Method::POST, "/v1/classify");
    let request = request.bearer_auth(&device.access).header(header.0, header.1);
    let request = match header.0 {
        "content-type" => request,
        _ => request.header("content-type", "application/json"),
    };
    send(request.body(body)).await
}

#[tokio::test]
async fn head_is_answered_wherever_get_is_and_without_a_body() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let ask = async |method: Method, path: &str| {
        let request = service.client.request(method, path).bearer_auth(&ann.access);
        request.send().await.unwrap()
    };
    for (method, path, _) in local::gateway::routes() {
        let answer = ask(Method::HEAD, path).await;
        let has_get = local::gateway::routes().any(|(method, other, _)| other == path && method == Method::GET);
        let allow = answer
            .headers()
            .get("allow")
            .map(|allow| allow.to_str().unwrap().to_owned());
        if !has_get {
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert!(!allow.unwrap().contains("HEAD"));
            continue;
        }
        let same = ask(Method::GET, path).await;
        assert_eq!(answer.status(), same.status(), "{path}");
        for name in ["content-type", "cache-control", "strict-transport-security"] {
            assert_eq!(answer.headers().get(name), same.headers().get(name), "{path} {name}");
        }
        let length = |response: &reqwest::Response| response.headers().get("content-length").cloned();
        assert!(length(&answer).is_none_or(|said| Some(said) == length(&same)), "{path}");
        assert!(answer.bytes().await.unwrap().is_empty(), "{path}");
    }
    let refused = ask(Method::PATCH, "/health").await;
    assert_eq!(refused.headers()["allow"], "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn a_page_may_send_what_is_read_and_what_sdks_send_and_may_read_what_they_read() {
    let service = Plan::default().with("CLEARVIEW_CORS_ORIGINS", ORIGIN).start().await;
    let preflight = service
        .client
        .request(Method::OPTIONS, "/v1/classify")
        .header("origin", ORIGIN);
    let preflight = send(preflight).await;
    let allowed: Vec<&str> = preflight.header("access-control-allow-headers").split(", ").collect();
    let read = [
        "authorization",
        "content-type",
        "traceparent",
        "tracestate",
        "idempotency-key",
    ];
    for name in read.iter().chain(&OF_THE_SDKS) {
        assert!(allowed.contains(name), "{name}: {allowed:?}");
    }
    let answer = send(service.client.request(Method::GET, "/health").header("origin", ORIGIN)).await;
    let exposed: Vec<&str> = answer.header("access-control-expose-headers").split(", ").collect();
    for name in [
        "x-request-id",
        "x-should-retry",
        "x-correlation-id",
        "retry-after",
        "ratelimit",
    ] {
        assert!(exposed.contains(&name), "{name}: {exposed:?}");
    }
}

#[tokio::test]
async fn web_views_have_origins_of_their_own_schemes() {
    let origins = ["capacitor://localhost", "ionic://localhost", "tauri://localhost"];
    let service = Plan::default()
        .with("CLEARVIEW_CORS_ORIGINS", origins.join(", "))
        .start()
        .await;
    for origin in origins {
        let answer = send(
            service
                .client
                .request(Method::OPTIONS, "/v1/classify")
                .header("origin", origin),
        )
        .await;
        assert_eq!(answer.header("access-control-allow-origin"), origin);
    }
    let other = service
        .client
        .request(Method::OPTIONS, "/v1/classify")
        .header("origin", "capacitor://other");
    assert_eq!(send(other).await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn what_the_gateway_says_by_itself_can_be_read_by_a_listed_page_too() {
    let service = Plan::default()
        .with("CLEARVIEW_CORS_ORIGINS", ORIGIN)
        .throttled()
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let ask = async |method: Method, path: &str, origin: &str, body: Vec<u8>| {
        let request = service.client.request(method, path).bearer_auth(&ann.access);
        send(request.header("origin", origin).body(body)).await
    };
    let mut answers = vec![
        (404, ask(Method::GET, "/nowhere", ORIGIN, Vec::new()).await),
        (
            413,
            ask(Method::POST, "/v1/classify", ORIGIN, vec![b' '; 11 << 20]).await,
        ),
    ];
    let throttled = async {
        loop {
            let answer = ask(Method::POST, "/v1/auth/register", ORIGIN, Vec::new()).await;
            if answer.status == 429 {
                return answer;
            }
        }
    };
    answers.push((429, throttled.await));
    for (status, answer) in &answers {
        assert_eq!(answer.status, *status);
        assert_eq!(answer.header("access-control-allow-origin"), ORIGIN, "{status}");
        assert!(
            answer.header("access-control-expose-headers").contains("retry-after"),
            "{status}"
        );
        assert_eq!(answer.header("vary"), "Origin", "{status}");
    }
    let other = ask(Method::GET, "/nowhere", "https://evil.example", Vec::new()).await;
    assert_eq!(other.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn utf_8_has_more_than_one_spelling() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for (content_type, status) in [
        ("application/json; charset=utf8", 200),
        ("application/json;charset=UTF8", 200),
        ("Application/JSON; Charset=\"utf-8\"", 200),
        ("application/json; charset=\"Utf8\";", 200),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=latin1", 415),
    ] {
        let answer = classify(&service, &ann, ("content-type", content_type), batch().to_string()).await;
        assert_eq!(answer.status, status, "{content_type}");
    }
}

#[tokio::test]
async fn half_an_emoji_in_one_post_is_judged_and_harms_no_other() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let body = r#"{"preference":"Hide crypto \ud83d","posts":[
        {"id":"1","text":"Buy Bitcoin now, crypto is going to the moon \ud83d"},
        {"id":"2","text":"\ude00 My sourdough starter turned five today \ud83d\ude00"},
        {"id":"3","text":"\ud83d"}]}"#;
    let answer = classify(&service, &ann, ("content-type", "application/json"), body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let labels: Vec<&Value> = answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["label"])
        .collect();
    assert_eq!(labels, ["HIDE", "ALLOW", "ALLOW"]);
    assert_eq!(answer.body["usage"]["used"], 3);
    let refused = service
        .client
        .request(Method::POST, "/v1/auth/register")
        .header("content-type", "application/json");
    let refused = send(refused.body(r#"{"deviceId":"0123456789abcdef\ud83d"}"#)).await;
    assert_eq!(refused.status, 400, "two credentials must not become one");
}

#[tokio::test]
async fn a_language_that_nobody_reads_is_no_reason_to_refuse() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for lang in [
        json!("en_US"),
        json!(""),
        json!("und \u{fffd}"),
        json!(null),
        json!("x".repeat(99)),
        json!(7),
    ] {
        let mut body = batch();
        body["posts"][0]["lang"] = lang.clone();
        let answer = classify(&service, &ann, ("content-type", "application/json"), body.to_string()).await;
        assert_eq!(
            (answer.status, &answer.body["results"][0]["label"]),
            (200, &json!("HIDE")),
            "{lang}"
        );
    }
}

#[tokio::test]
async fn a_compressed_body_is_read_as_api_gateway_reads_it() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let plain = batch().to_string();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(plain.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(plain.as_bytes()).unwrap();
    let deflate = deflate.finish().unwrap();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 11 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    for (coding, body, status) in [
        ("gzip", gzip.clone(), 200),
        ("GZIP", gzip.clone(), 200),
        ("deflate", deflate, 200),
        ("identity", plain.clone().into_bytes(), 200),
        ("br", gzip.clone(), 415),
        ("gzip, gzip", gzip.clone(), 415),
        ("gzip", plain.into_bytes(), 415),
        ("gzip", gzip[..gzip.len() - 9].to_vec(), 415),
        ("gzip", bomb, 413),
    ] {
        let answer = classify(&service, &ann, ("content-encoding", coding), body).await;
        assert_eq!(answer.status, status, "{coding}: {answer:?}");
    }
}
