//! Access tokens: algorithm, key, claims, size; and one answer to all of it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Client, Device, send};
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::service::{Plan, Service, TableService};

use crate::attacks::forge::{Forge, with};

pub(crate) async fn usage(client: &Client, token: &str) -> Answer {
    send(client.request(Method::GET, "/v1/usage").bearer_auth(token)).await
}

/// The body of a refusal without the request's own name.
pub(crate) fn refusal(answer: &Answer) -> Value {
    assert_eq!(answer.status, 401, "{answer:?}");
    with(answer.body.clone(), "correlationId", Value::Null)
}

#[tokio::test]
async fn no_forged_token_is_accepted_and_all_are_refused_alike() {
    let service = Service::start().await;
    let forge = Forge::of(&service.plan);
    assert_eq!(
        usage(&service.client, &forge.sign(&forge.header(), &forge.claims()))
            .await
            .status,
        200
    );

    let mut tokens = Vec::new();
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("eddsa")),
        ("alg", Value::Null),
        ("typ", json!("JWT")),
        ("typ", Value::Null),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("k' OR '1'='1")),
        ("kid", json!("")),
        ("kid", json!(["a"])),
        ("kid", Value::Null),
        ("jku", json!("https://evil.test/jwks.json")),
        ("jwk", json!({"kty": "OKP"})),
        ("x5u", json!("https://evil.test/cert")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
    ] {
        tokens.push(forge.sign(&with(forge.header(), name, value), &forge.claims()));
    }
    for (name, value) in [
        ("iss", json!("https://evil.test")),
        ("iss", Value::Null),
        ("aud", json!("another")),
        ("aud", Value::Null),
        ("exp", json!(forge.now + 901)),
        ("exp", json!(forge.now - 6)),
        ("exp", json!(i64::MAX)),
        ("exp", json!("never")),
        ("exp", Value::Null),
        ("iat", json!(forge.now + 6)),
        ("iat", Value::Null),
        ("sub", json!("admin")),
        ("sub", Value::Null),
        ("sid", json!("../s")),
        ("tier", json!("../pro")),
        ("tier", Value::Null),
    ] {
        tokens.push(forge.sign(&forge.header(), &with(forge.claims(), name, value)));
    }
    let good = forge.sign(&forge.header(), &forge.claims());
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(with(forge.header(), "alg", json!("none")).to_string());
    let claims = unsigned.split_once('.').unwrap().1;
    tokens.extend([
        format!("{none}.{claims}."),
        format!("{unsigned}."),
        unsigned.to_owned(),
        format!("{good}.{signature}"),
        format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        forge.sign(&forge.header(), &with(forge.claims(), "pad", json!("x".repeat(4096)))),
        Forge::of(&Plan::default()).sign(&forge.header(), &forge.claims()),
        "..".to_owned(),
        "a.b.c".to_owned(),
    ]);

    let unasked = refusal(&service.client.get("/v1/usage").await);
    for token in tokens {
        let answer = usage(&service.client, &token).await;
        assert_eq!(refusal(&answer), unasked, "{token}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    for authorization in [
        format!("Basic {good}"),
        good.clone(),
        format!("Bearer  {good} {good}"),
        "Bearer".to_owned(),
    ] {
        let request = service.client.request(Method::GET, "/v1/usage");
        let answer = send(request.header("authorization", &authorization)).await;
        assert_eq!(refusal(&answer), unasked, "{authorization}");
    }
    let twice = service
        .client
        .request(Method::GET, "/v1/usage")
        .bearer_auth(&good)
        .bearer_auth(&good);
    assert_eq!(refusal(&send(twice).await), unasked, "two credentials are none");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_reads_the_published_ones_once_a_minute() {
    let tables = TableService::start().await;
    let proxy = Proxy::to(tables.address()).await;
    let plan = Plan::default().with_tables_at(proxy.address);
    let service = plan.start().await;
    service.client.register("ann").await;
    let forge = Forge::of(&plan);
    let flood = async |from: usize| {
        let before = proxy.requests();
        for n in from..from + 40 {
            let header = with(forge.header(), "kid", json!(format!("kid-{n:012}")));
            let answer = usage(&service.client, &forge.sign(&header, &forge.claims())).await;
            assert_eq!(answer.status, 401);
        }
        proxy.requests() - before
    };
    // One request to each of the two tables that have them.
    assert_eq!(flood(0).await, 2);
    assert_eq!(flood(100).await, 0);
    service.clock.advance(Duration::from_mins(1));
    assert_eq!(flood(200).await, 2);
}

#[tokio::test]
async fn an_expired_token_counts_on_while_the_identity_table_is_known_to_be_down() {
    let (_tables, proxy, plan) = Plan::behind_a_network().await;
    let service = plan.with("CLEARVIEW_TABLE_TIMEOUT_MS", "2000").start().await;
    let ann = service.client.register("ann").await;
    assert_eq!(service.client.classify(&ann, "Hide crypto", &["a"]).await.status, 200);
    let after = async |seconds: u64| {
        service.clock.advance(Duration::from_secs(seconds));
        service.client.classify(&ann, "Hide crypto", &["a"]).await
    };
    assert_eq!(after(905).await.status, 401, "the session could be read");

    // A hiccup is no outage.
    for _ in 0..3 {
        proxy.set(Mode::Cut);
        let unknown = after(6).await;
        assert_eq!((unknown.status, unknown.error()), (503, "UNAVAILABLE"));
        proxy.set(Mode::Pass);
        assert_eq!(after(6).await.status, 401);
    }

    proxy.set(Mode::Cut);
    for _ in 0..2 {
        assert_eq!(after(6).await.status, 503, "who knows?");
    }
    let honoured = after(6).await;
    assert_eq!(honoured.status, 200, "{honoured:?}");
    assert!(honoured.body["degraded"].as_array().unwrap().contains(&json!("auth")));
    assert_eq!(after(4 * 3600 - 100).await.status, 200);
    assert_eq!(after(60).await.status, 401, "four hours are over");

    let sessions = send(
        service
            .client
            .request(Method::GET, "/v1/auth/sessions")
            .bearer_auth(&ann.access),
    )
    .await;
    assert_eq!(sessions.status, 401, "and nothing can be changed with it");
}

#[tokio::test]
async fn a_revoked_session_stays_out_for_as_long_as_an_outage_gives_grace() {
    let mut redis = Redis::start();
    let (_tables, proxy, plan) = Plan::behind_a_network().await;
    let plan = plan
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "2000")
        .with_cache_at(redis.url());
    let (here, there) = (plan.start().await, plan.start().await);
    let (ann, bob) = (here.client.register("ann").await, here.client.register("bob").await);
    let shown = json!({"refreshToken": ann.refresh});
    assert_eq!(there.client.post("/v1/auth/revoke", &shown).await.status, 204);
    proxy.set(Mode::Cut);
    let classify = async |device: &Device| here.client.classify(device, "Hide crypto", &["a"]).await.status;
    for _ in 0..3 {
        here.clock.advance(Duration::from_mins(20));
        classify(&bob).await;
    }
    redis.kill();
    for _ in 0..9 {
        assert_eq!((classify(&ann).await, classify(&bob).await), (401, 200));
        here.clock.advance(Duration::from_mins(20));
    }
}
