//! Devices, sessions, tokens.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::identity::keys::PublicKeys;
use tests::client::{Answer, Client, Device, send};
use tests::proxy::Mode;
use tests::service::{Plan, Service, TableService};

async fn refresh(client: &Client, token: &str) -> Answer {
    client.post("/v1/auth/refresh", &json!({"refreshToken": token})).await
}

#[tokio::test]
async fn a_registration_gives_everything_the_contract_names() {
    let service = Service::start().await;
    let answer = service
        .client
        .post("/v1/auth/register", &json!({"deviceId": "0123456789abcdef"}))
        .await;
    assert_eq!(answer.status, 201);
    let body = answer.body.as_object().unwrap();
    let names = [
        "userId",
        "tier",
        "tokenType",
        "accessToken",
        "expiresIn",
        "refreshToken",
        "refreshExpiresIn",
        "signingKey",
        "recoverySecret",
    ];
    assert_eq!(body.len(), names.len());
    for name in names {
        assert!(body.contains_key(name), "{name}");
    }
    assert_eq!(
        (&body["tier"], &body["tokenType"], &body["expiresIn"]),
        (&json!("free"), &json!("Bearer"), &json!(900))
    );
    assert_eq!(body["refreshExpiresIn"], 30 * 86_400);
}

#[tokio::test]
async fn twenty_first_registrations_of_one_device_that_meet_make_one_user() {
    let service = Service::start().await;
    let devices = join_all((0..20).map(|_| service.client.register("ann"))).await;
    assert!(devices.iter().all(|device| device.user == devices[0].user));
}

#[tokio::test]
async fn any_token_that_was_spent_within_a_minute_gives_the_newest() {
    let service = Service::start().await;
    let mut device = service.client.register("ann").await;
    let mut shown = vec![device.refresh.clone()];
    for _ in 0..2 {
        let next = Device::of(&refresh(&service.client, &device.refresh).await);
        assert_ne!(next.refresh, device.refresh);
        shown.push(next.refresh.clone());
        device = next;
    }
    service.clock.advance(Duration::from_secs(59));
    for token in &shown[..2] {
        let answer = refresh(&service.client, token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let again = Device::of(&answer);
        assert_eq!(again.refresh, device.refresh, "the newest");
        assert_eq!(service.client.usage(&again).await.status, 200);
    }
    assert_eq!(refresh(&service.client, &device.refresh).await.status, 200);
}

#[tokio::test]
async fn a_token_shown_after_that_minute_revokes_the_whole_family() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let next = Device::of(&refresh(&service.client, &ann.refresh).await);
    service.clock.advance(Duration::from_secs(2));
    let newest = Device::of(&refresh(&service.client, &next.refresh).await);
    service.clock.advance(Duration::from_secs(59));
    assert_eq!(refresh(&service.client, &next.refresh).await.status, 200);
    let reused = refresh(&service.client, &ann.refresh).await;
    assert_eq!((reused.status, reused.error()), (401, "TOKEN_REUSED"));
    for token in [&ann.refresh, &next.refresh, &newest.refresh] {
        let after = refresh(&service.client, token).await;
        assert_eq!((after.status, after.error()), (401, "UNAUTHENTICATED"));
    }
}

#[tokio::test]
async fn a_lost_answer_of_the_table_costs_no_session() {
    let (_tables, proxy, plan) = Plan::behind_a_network().await;
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    // The token is spent, and neither the function nor the client learns of it.
    proxy.set(Mode::LoseReplies);
    assert_eq!(refresh(&service.client, &ann.refresh).await.status, 503);
    proxy.set(Mode::Pass);
    service.clock.advance(Duration::from_secs(50));
    // The first call after an outage probes the table, and holds off those that come with it.
    service.client.register("bob").await;
    let answer = refresh(&service.client, &ann.refresh).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(refresh(&service.client, &Device::of(&answer).refresh).await.status, 200);
}

#[tokio::test]
async fn twenty_refreshes_that_meet_give_one_successor() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let answers = join_all((0..20).map(|_| refresh(&service.client, &ann.refresh))).await;
    let tokens: Vec<&Value> = answers.iter().map(|answer| &answer.body["refreshToken"]).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_session_ends_after_thirty_idle_days_and_after_ninety_at_most() {
    let service = Service::start().await;
    let idle = service.client.register("idle").await;
    service.clock.advance(Duration::from_hours(720));
    assert_eq!(refresh(&service.client, &idle.refresh).await.status, 401);

    let mut busy = service.client.register("busy").await;
    for days in [29, 29, 29] {
        service.clock.advance(Duration::from_secs(days * 86_400));
        let answer = refresh(&service.client, &busy.refresh).await;
        assert_eq!(answer.status, 200);
        busy = Device::of(&answer);
        if days * 3 == 87 && answer.body["refreshExpiresIn"] != 30 * 86_400 {
            assert_eq!(
                answer.body["refreshExpiresIn"],
                3 * 86_400,
                "what is left of ninety days"
            );
        }
    }
    service.clock.advance(Duration::from_hours(72));
    assert_eq!(refresh(&service.client, &busy.refresh).await.status, 401);
}

#[tokio::test]
async fn revoking_ends_the_session_and_tells_nobody_anything() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for token in [ann.refresh.as_str(), ann.refresh.as_str(), "never-was"] {
        let answer = service
            .client
            .post("/v1/auth/revoke", &json!({"refreshToken": token}))
            .await;
        assert_eq!((answer.status, answer.body), (204, Value::Null));
    }
    assert_eq!(refresh(&service.client, &ann.refresh).await.status, 401);
}

#[tokio::test]
async fn a_forged_refresh_token_cannot_end_a_session() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let (start, _) = ann.refresh.rsplit_once('.').unwrap();
    let forged = format!("{start}.{}", "A".repeat(43));
    assert_eq!(refresh(&service.client, &forged).await.error(), "UNAUTHENTICATED");
    service
        .client
        .post("/v1/auth/revoke", &json!({"refreshToken": forged}))
        .await;
    assert_eq!(refresh(&service.client, &ann.refresh).await.status, 200);
}

#[tokio::test]
async fn a_bound_session_needs_its_fingerprint() {
    let service = Service::start().await;
    let registration = json!({"deviceId": "0123456789abcdef", "fingerprint": "iPhone15,3"});
    let ann = Device::of(&service.client.post("/v1/auth/register", &registration).await);
    let with = async |fingerprint: Option<&str>| {
        let mut request = service
            .client
            .request(Method::GET, "/v1/usage")
            .bearer_auth(&ann.access);
        if let Some(fingerprint) = fingerprint {
            request = request.header("X-Device-Fingerprint", fingerprint);
        }
        send(request).await.status
    };
    assert_eq!(with(Some("iPhone15,3")).await, 200);
    assert_eq!(with(Some("Pixel 9")).await, 401);
    assert_eq!(with(None).await, 401);
    let stolen = service
        .client
        .request(Method::POST, "/v1/auth/refresh")
        .header("X-Device-Fingerprint", "Pixel 9")
        .json(&json!({"refreshToken": ann.refresh}));
    assert_eq!(send(stolen).await.status, 401);
}

#[tokio::test]
async fn the_published_keys_are_those_that_sign() {
    let service = Service::start().await;
    let answer = service.client.get("/.well-known/jwks.json").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let published = PublicKeys::parse(&answer.body.to_string()).unwrap();
    assert_eq!(&published, service.plan.keys().public());
}

#[tokio::test]
async fn an_access_token_is_good_for_fifteen_minutes_on_every_instance() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let (here, there) = (plan.start().await, plan.start().await);
    let ann = here.client.register("ann").await;
    // A verifier may be 5 seconds behind the issuer.
    here.clock.advance(Duration::from_secs(15 * 60 + 4));
    assert_eq!(there.client.usage(&ann).await.status, 200);
    here.clock.advance(Duration::from_secs(2));
    assert_eq!(there.client.usage(&ann).await.status, 401);
}
