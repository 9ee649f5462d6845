//! Bad input: each with its status, its code and its place, and nothing charged or stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::config::Config;
use shared::identity::Principal;
use shared::identity::keys::KeySet;
use shared::identity::token::{self, Parties};
use shared::ids::{SessionId, UserId};
use shared::plan::Tier;
use tests::client::{Device, send};
use tests::service::Service;

fn classify(service: &Service, device: &Device) -> RequestBuilder {
    service
        .client
        .request(Method::POST, "/v1/classify")
        .bearer_auth(&device.access)
}

fn batch(posts: impl Into<Value>) -> Value {
    json!({"preference": "Hide crypto", "posts": posts.into()})
}

fn posts(count: usize) -> Value {
    (0..count)
        .map(|n| json!({"id": n.to_string(), "text": "post"}))
        .collect()
}

#[tokio::test]
async fn each_breach_of_a_bound_is_named_with_its_place() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let one = |post: Value| batch(json!([post]));
    let cases: Vec<(&str, Value, Vec<&str>)> = vec![
        ("no posts", batch(json!([])), vec!["/posts"]),
        ("51 posts", batch(posts(51)), vec!["/posts"]),
        (
            "twice the same id",
            batch(json!([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}])),
            vec!["/posts/1/id"],
        ),
        (
            "an empty text",
            one(json!({"id": "a", "text": ""})),
            vec!["/posts/0/text"],
        ),
        (
            "10,001 characters",
            one(json!({"id": "a", "text": "é".repeat(10_001)})),
            vec!["/posts/0/text"],
        ),
        ("an empty id", one(json!({"id": "", "text": "x"})), vec!["/posts/0/id"]),
        (
            "an id of 129",
            one(json!({"id": "i".repeat(129), "text": "x"})),
            vec!["/posts/0/id"],
        ),
        (
            "an empty preference",
            json!({"preference": "", "posts": posts(1)}),
            vec!["/preference"],
        ),
        (
            "a preference of 2,001",
            json!({"preference": "p".repeat(2001), "posts": posts(1)}),
            vec!["/preference"],
        ),
        (
            "an unknown member",
            json!({"preference": "p", "posts": posts(1), "tier": "pro"}),
            vec!["/tier"],
        ),
        (
            "an unknown member of a post",
            one(json!({"id": "a", "text": "x", "used": 0})),
            vec!["/posts/0/used"],
        ),
        (
            "a number for a text",
            one(json!({"id": "a", "text": 7})),
            vec!["/posts/0/text"],
        ),
        ("an array for a post", batch(json!([["a", "x"]])), vec!["/posts/0"]),
        ("an object for the posts", batch(json!({})), vec!["/posts"]),
        ("no preference", json!({"posts": posts(1)}), vec![""]),
        ("an array", json!([]), vec![""]),
        (
            "several at once",
            json!({"preference": "", "posts": [{"id": "", "text": ""}]}),
            vec!["/preference", "/posts/0/id", "/posts/0/text"],
        ),
    ];
    for (what, body, pointers) in cases {
        let answer = send(classify(&service, &ann).json(&body)).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "INVALID_REQUEST"),
            "{what}: {answer:?}"
        );
        assert_eq!(answer.pointers(), pointers, "{what}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    }
    nothing_happened(&service, &ann).await;
    let longest = one(json!({"id": "i".repeat(128), "text": "é".repeat(10_000), "lang": "pt-BR"}));
    assert_eq!(
        send(classify(&service, &ann).json(&longest)).await.status,
        200,
        "the bounds themselves are allowed"
    );
}

#[tokio::test]
async fn each_malformed_body_is_refused() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let deep = format!("{{\"preference\":{}", "[".repeat(200_000));
    let cases: [(&str, &[u8]); 7] = [
        ("nothing", b""),
        ("half an object", b"{\"preference\":\"p\""),
        ("prose", b"hide the posts please"),
        (
            "two values",
            b"{\"preference\":\"p\",\"posts\":[{\"id\":\"a\",\"text\":\"x\"}]}{}",
        ),
        ("no UTF-8", b"{\"preference\":\"\xff\xfe\"}"),
        ("nested 200,000 deep", deep.as_bytes()),
        ("a number beyond all bounds", b"{\"preference\":1e999999,\"posts\":[]}"),
    ];
    for (what, body) in cases {
        let request = classify(&service, &ann)
            .header("content-type", "application/json")
            .body(body.to_vec());
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "INVALID_REQUEST"),
            "{what}: {answer:?}"
        );
    }
    for query in ["?explain=yes", "?explain=", "?explain=true&explain=false"] {
        let request = service.client.request(Method::POST, &format!("/v1/classify{query}"));
        let answer = send(request.bearer_auth(&ann.access).json(&batch(posts(1)))).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec!["?explain"]), "{query}");
    }
    nothing_happened(&service, &ann).await;
}

#[tokio::test]
async fn every_credential_that_is_not_good_gets_the_same_answer() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let config: Config = service.plan.config();
    let parties = Parties {
        issuer: config.issuer,
        audience: config.audience,
    };
    let principal = Principal {
        user: UserId::parse(&ann.user).unwrap(),
        session: SessionId::random().unwrap(),
        tier: Tier::free(),
        source: None,
    };
    let foreign = KeySet::parse(&KeySet::generate().unwrap()).unwrap();
    let now = service.clock.now();
    let signed_by_another = token::issue(&foreign, &parties, &principal, None, now).unwrap();
    let yesterday = shared::clock::Timestamp::from_seconds(now.seconds() - 86_400);
    let expired = token::issue(&service.plan.keys(), &parties, &principal, None, yesterday).unwrap();
    let payload = ann.access.split('.').nth(1).unwrap();
    let unsigned = format!(
        "{}.{payload}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#)
    );
    let mut flipped = ann.access.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();

    let credentials = [
        ("none", String::new()),
        ("no token", "Bearer".to_owned()),
        ("another scheme", format!("Basic {}", ann.access)),
        ("garbage", "Bearer garbage".to_owned()),
        ("a flipped character", format!("Bearer {flipped}")),
        ("a foreign key", format!("Bearer {signed_by_another}")),
        ("expired", format!("Bearer {expired}")),
        ("alg none", format!("Bearer {unsigned}")),
        ("the refresh token", format!("Bearer {}", ann.refresh)),
        ("5,000 characters", format!("Bearer {}", "a".repeat(5000))),
    ];
    let mut bodies = Vec::new();
    for (what, credential) in credentials {
        let mut request = service
            .client
            .request(Method::POST, "/v1/classify")
            .json(&batch(posts(1)));
        if !credential.is_empty() {
            request = request.header("authorization", credential);
        }
        let mut answer = send(request.header("x-correlation-id", "same")).await;
        assert_eq!(
            (answer.status, answer.error()),
            (401, "UNAUTHENTICATED"),
            "{what}: {answer:?}"
        );
        bodies.push(answer.body.take());
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "the cause shows");
    nothing_happened(&service, &ann).await;
}

#[tokio::test]
async fn route_size_and_content_type_are_checked_before_anything_else() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let client = &service.client;

    let unknown = client.get("/v1/nothing").await;
    assert_eq!((unknown.status, unknown.error()), (404, "NOT_FOUND"));

    let method = client.get("/v1/classify").await;
    assert_eq!((method.status, method.error()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(method.header("allow"), "POST, OPTIONS");

    let large = client
        .request(Method::POST, "/v1/classify")
        .body("x".repeat(7 * 1024 * 1024));
    let large = send(large).await;
    assert_eq!(
        (large.status, large.error()),
        (413, "PAYLOAD_TOO_LARGE"),
        "before the content type"
    );

    for content_type in [
        None,
        Some("text/plain"),
        Some("application/json; charset=latin1"),
        Some("application/jsonp"),
    ] {
        let mut request = client.request(Method::POST, "/v1/classify").body("{}");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answer = send(request).await;
        assert_eq!(
            (answer.status, answer.error()),
            (415, "UNSUPPORTED_MEDIA_TYPE"),
            "{content_type:?}"
        );
    }
    let charset = classify(&service, &ann).header("content-type", "Application/JSON; charset=\"UTF-8\"");
    let accepted = send(charset.body(batch(posts(1)).to_string())).await;
    assert_eq!(accepted.status, 200);
}

#[tokio::test]
async fn registrations_and_refreshes_are_validated_too() {
    let service = Service::start().await;
    let cases = [
        ("/v1/auth/register", json!({}), ""),
        ("/v1/auth/register", json!({"deviceId": "short"}), "/deviceId"),
        ("/v1/auth/register", json!({"deviceId": "d".repeat(129)}), "/deviceId"),
        (
            "/v1/auth/register",
            json!({"deviceId": "0123456789abcdef", "fingerprint": ""}),
            "/fingerprint",
        ),
        (
            "/v1/auth/register",
            json!({"deviceId": "0123456789abcdef", "fingerprint": "f".repeat(513)}),
            "/fingerprint",
        ),
        (
            "/v1/auth/register",
            json!({"deviceId": "0123456789abcdef", "fingerprint": null}),
            "/fingerprint",
        ),
        (
            "/v1/auth/register",
            json!({"deviceId": "0123456789abcdef", "tier": "pro"}),
            "/tier",
        ),
        ("/v1/auth/refresh", json!({}), ""),
        ("/v1/auth/refresh", json!({"refreshToken": ""}), "/refreshToken"),
        (
            "/v1/auth/refresh",
            json!({"refreshToken": "r".repeat(513)}),
            "/refreshToken",
        ),
        ("/v1/auth/revoke", json!({"refreshToken": 1}), "/refreshToken"),
    ];
    for (path, body, pointer) in cases {
        let answer = service.client.post(path, &body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (400, vec![pointer]),
            "{path} {body}"
        );
    }
    let unknown = service
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": "never-was"}))
        .await;
    assert_eq!((unknown.status, unknown.error()), (401, "UNAUTHENTICATED"));
    assert_eq!(service.tables().count("identity").await, 0);
}

async fn nothing_happened(service: &Service, device: &Device) {
    assert_eq!(
        service.tables().used(&device.user, service.clock.now()).await,
        0,
        "something was charged"
    );
    assert_eq!(service.tables().count("answers").await, 0, "something was stored");
}
