//! Attestations at registration: a replay, keys that change or cannot be read, and what a device has without one.

mod rules;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::app_check::{AppKey, KeyPage};
use tests::client::{Answer, Client, Device, registration, send};
use tests::proxy::Mode;
use tests::service::{Plan, START, Service, TableService};
use tests::signer::SignedRequest;

use crate::attacks::forge::with;

fn attested(device: &str, token: &str) -> Value {
    with(
        registration(device),
        "attestation",
        json!({"type": "app-check", "token": token}),
    )
}

async fn register(client: &Client, device: &str, token: &str) -> Answer {
    client.post("/v1/auth/register", &attested(device, token)).await
}

#[track_caller]
fn assert_tier(answer: &Answer, tier: &str) {
    assert_eq!((answer.status, &answer.body["tier"]), (201, &json!(tier)), "{answer:?}");
}

/// How often the service has counted each outcome.
async fn counted(service: &Service, outcome: &str) -> u64 {
    let address = format!("http://{}/metrics", service.address());
    let text = reqwest::get(address).await.unwrap().text().await.unwrap();
    let name = format!("clearview_attestations_total{{attestation=\"{outcome}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

#[tokio::test]
async fn unless_it_is_off_a_device_starts_on_free_with_an_attestation_and_on_trial_without() {
    let key = AppKey::generate("k1");
    let page = KeyPage::start(&[&key]).await;
    for (mode, without, bad) in [
        ("off", "free", 201),
        ("observe", "trial", 201),
        ("required", "trial", 401),
    ] {
        let service = page.plan(mode).start().await;
        assert_tier(&register(&service.client, "ann", &key.token(START, 1)).await, "free");
        let bob = service.client.post("/v1/auth/register", &registration("bob")).await;
        assert_tier(&bob, without);
        // The tier stays: it is the user's, not the token's.
        let again = json!({"refreshToken": Device::of(&bob).refresh});
        let again = service.client.post("/v1/auth/refresh", &again).await;
        assert_eq!(again.body["tier"], without, "{mode}");
        let invalid = register(&service.client, "eve", "a.b.c").await;
        assert_eq!(invalid.status, bad, "{mode}: {invalid:?}");
        if bad == 201 {
            assert_tier(&invalid, without);
        } else {
            assert_eq!(
                (invalid.error(), &invalid.body["retryable"]),
                ("UNAUTHENTICATED", &json!(false))
            );
        }
        let expected = if mode == "off" { [0, 0, 0] } else { [1, 1, 1] };
        for (outcome, expected) in ["good", "none", "invalid"].into_iter().zip(expected) {
            assert_eq!(counted(&service, outcome).await, expected, "{mode} {outcome}");
        }
    }
    assert_eq!(page.reads(), 2, "once by each that needs it");
}

#[tokio::test]
async fn the_form_is_checked_whatever_the_mode() {
    let service = Service::start().await;
    for (attestation, pointer) in [
        (json!({"type": "app-attest", "token": "x"}), "/attestation/type"),
        (json!({"type": "app-check", "token": ""}), "/attestation/token"),
        (
            json!({"type": "app-check", "token": "x".repeat(4097)}),
            "/attestation/token",
        ),
    ] {
        let body = with(registration("ann"), "attestation", attestation);
        let refused = service.client.post("/v1/auth/register", &body).await;
        assert_eq!((refused.status, refused.pointers()), (400, vec![pointer]));
    }
    for attestation in [
        json!(["app-check", "x"]),
        json!("x"),
        json!({"type": "app-check", "token": "x", "more": 1}),
    ] {
        let body = with(registration("ann"), "attestation", attestation);
        assert_eq!(service.client.post("/v1/auth/register", &body).await.status, 400);
    }
}

#[tokio::test]
async fn an_attestation_makes_one_user_and_no_other_way_of_writing_it_makes_a_second() {
    let key = AppKey::generate("k1");
    let page = KeyPage::start(&[&key]).await;
    let service = page.plan("required").start().await;
    let token = key.token(START, 1);
    let first = register(&service.client, "ann", &token).await;
    assert_tier(&first, "free");
    // The lost answer of a first registration costs nothing.
    let again = register(&service.client, "ann", &token).await;
    assert_tier(&again, "free");
    assert_eq!(again.body["userId"], first.body["userId"]);
    let replayed = register(&service.client, "bob", &token).await;
    assert_eq!((replayed.status, replayed.error()), (401, "UNAUTHENTICATED"));
    // An erased user does not come back with it either.
    let ann = Device::of(&again);
    let erase = service
        .client
        .request(reqwest::Method::DELETE, "/v1/auth/me")
        .bearer_auth(&ann.access);
    assert_eq!(send(erase).await.status, 204);
    assert_eq!(register(&service.client, "ann", &token).await.status, 401);
    assert_eq!(counted(&service, "replayed").await, 2);
    // Of many at once, one has it.
    let token = key.token(START, 2);
    let names: Vec<String> = (0..8).map(|n| format!("farm-{n}")).collect();
    let answers = join_all(names.iter().map(|name| register(&service.client, name, &token))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    let watched = page.plan("observe").start().await;
    let token = key.token(START, 3);
    assert_tier(&register(&watched.client, "ann", &token).await, "free");
    assert_tier(&register(&watched.client, "bob", &token).await, "trial");
    assert_eq!(counted(&watched, "replayed").await, 1);
}

#[tokio::test]
async fn a_user_on_trial_is_put_right_by_a_later_attestation_unless_an_admin_said_so() {
    let key = AppKey::generate("k1");
    let page = KeyPage::start(&[&key]).await;
    let service = page.plan("required").start().await;
    let client = &service.client;
    let first = client.post("/v1/auth/register", &registration("ann")).await;
    assert_tier(&first, "trial");
    let spent = key.token(START, 1);
    assert_tier(&register(client, "bob", &spent).await, "free");
    assert_eq!(register(client, "ann", &spent).await.status, 401);
    // Nobody else can: it takes the secret.
    let thief = json!({"deviceId": registration("ann")["deviceId"], "attestation": {"type": "app-check", "token": key.token(START, 2)}});
    assert_eq!(client.post("/v1/auth/register", &thief).await.status, 409);
    let lifted = register(client, "ann", &key.token(START, 3)).await;
    assert_tier(&lifted, "free");
    assert_eq!(lifted.body["userId"], first.body["userId"]);
    // Without one she stays what she is.
    assert_tier(&client.post("/v1/auth/register", &registration("ann")).await, "free");

    let user = Device::of(&lifted).user;
    let target = format!("/v1/admin/users/{user}/tier");
    let demoted = json!({"tier": "trial"});
    let admin = service.plan.admin();
    let demote = SignedRequest::request(&admin, client, reqwest::Method::PUT, &target, Some(&demoted));
    assert_eq!(send(demote).await.status, 200);
    assert_tier(&register(client, "ann", &key.token(START, 4)).await, "trial");
}

#[tokio::test]
async fn keys_are_read_for_an_unknown_one_and_once_a_minute_at_most() {
    let (old, new) = (AppKey::generate("k1"), AppKey::generate("k2"));
    let page = KeyPage::start(&[&old]).await;
    let service = page.plan("required").start().await;
    let client = &service.client;
    let now = || service.clock.now();
    assert_tier(&register(client, "a", &old.token(now(), 1)).await, "free");
    for n in 0..5 {
        let forged = AppKey::generate(&format!("forged-{n}")).token(now(), n);
        assert_eq!(register(client, &format!("f{n}"), &forged).await.status, 401);
    }
    assert_eq!(page.reads(), 1, "the keys were read a moment ago");
    page.publish(&[&old, &new]);
    service.clock.advance(Duration::from_secs(61));
    assert_tier(&register(client, "b", &new.token(now(), 2)).await, "free");
    assert_eq!(page.reads(), 2);
    // A key that is withdrawn is out of use when the keys are read again.
    page.publish(&[&new]);
    assert_tier(&register(client, "c", &old.token(now(), 3)).await, "free");
    service.clock.advance(Duration::from_hours(6));
    assert_eq!(register(client, "d", &old.token(now(), 4)).await.status, 401);
    assert_tier(&register(client, "d", &new.token(now(), 5)).await, "free");
}

#[tokio::test]
async fn while_the_publisher_is_down_known_keys_are_good_and_nobody_is_refused_for_good() {
    let (old, new) = (AppKey::generate("k1"), AppKey::generate("k2"));
    let page = KeyPage::start(&[&old]).await;
    page.set_down(true);
    let service = page.plan("required").start().await;
    let client = &service.client;
    let now = || service.clock.now();
    let unchecked = register(client, "a", &old.token(now(), 1)).await;
    assert_eq!((unchecked.status, unchecked.error()), (503, "UNAVAILABLE"));
    assert_eq!(unchecked.body["retryable"], true);
    assert_eq!(counted(&service, "unchecked").await, 1);
    let without = client.post("/v1/auth/register", &registration("b")).await;
    assert_tier(&without, "trial");
    let reads = page.reads();
    assert_eq!(register(client, "a", &old.token(now(), 1)).await.status, 503);
    assert_eq!(page.reads(), reads, "it was asked a moment ago");
    let watched = page.plan("observe").start().await;
    assert_tier(&register(&watched.client, "a", &old.token(START, 1)).await, "trial");

    page.set_down(false);
    service.clock.advance(Duration::from_secs(31));
    assert_tier(&register(client, "a", &old.token(now(), 1)).await, "free");
    page.set_down(true);
    service.clock.advance(Duration::from_hours(24));
    assert_tier(&register(client, "c", &old.token(now(), 2)).await, "free");
    // A newer key may be as good, and nobody can say.
    service.clock.advance(Duration::from_secs(31));
    assert_eq!(register(client, "d", &new.token(now(), 3)).await.status, 503);
}

#[tokio::test]
async fn while_nobody_can_say_if_it_was_used_nobody_registers() {
    let key = AppKey::generate("k1");
    let page = KeyPage::start(&[&key]).await;
    let (_tables, network, _) = Plan::behind_a_network().await;
    let plan = page
        .plan("observe")
        .with_tables_at(network.address)
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "150");
    let service = plan.start().await;
    let token = key.token(START, 1);
    network.set(Mode::Cut);
    let refused = register(&service.client, "ann", &token).await;
    assert_eq!((refused.status, refused.error()), (503, "UNAVAILABLE"));
    network.set(Mode::Pass);
    service.clock.advance(Duration::from_secs(6));
    assert_tier(&register(&service.client, "ann", &token).await, "free");
}

#[tokio::test]
async fn what_is_kept_of_an_attestation_ends_with_it() {
    let tables = TableService::start().await;
    let key = AppKey::generate("k1");
    let page = KeyPage::start(&[&key]).await;
    let service = page.plan("required").with_tables_at(tables.address()).start().await;
    let token = key.token(START, 1);
    assert_tier(&register(&service.client, "ann", &token).await, "free");
    let scanned = tables
        .tables()
        .client()
        .scan()
        .table_name("clearview-identity")
        .send()
        .await;
    let items = scanned.unwrap().items.unwrap();
    let kept: Vec<_> = items
        .iter()
        .filter(|item| item["owner"].as_s().unwrap().starts_with("attestation#"))
        .collect();
    assert_eq!(kept.len(), 1);
    let names: Vec<&str> = kept[0].keys().map(String::as_str).collect();
    assert_eq!(names.len(), 3, "its hash, its kind, its end: {names:?}");
    let end = kept[0][shared::table::TTL].as_n().unwrap();
    assert_eq!(end, &(START.seconds() + 3600 + 60).to_string());
    let text = format!("{items:?}");
    assert!(!text.contains(&token) && !text.contains(token.split('.').nth(1).unwrap()));
}
