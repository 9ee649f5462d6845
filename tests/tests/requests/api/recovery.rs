//! A device id alone gives nobody a known user: recovery secrets, live refresh tokens, ids that are no secret.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::client::{Answer, Client, Device, registration};
use tests::service::Service;

const DEVICE: &str = "5f0c6b0e-8d5e-4d0f-9b7a-2f1f6f0f3a11";
const SECRET: &str = "q8ZtJx2mV5yRkN0bLw7sEoUaHdC4fGiP1uXvTzKeYhM";

async fn register(client: &Client, body: &Value) -> Answer {
    client.post("/v1/auth/register", body).await
}

#[track_caller]
fn assert_unknown(answer: &Answer) {
    assert_eq!((answer.status, answer.error()), (409, "CONFLICT"), "{answer:?}");
    assert_eq!(answer.body["retryable"], false);
    let members = [
        "userId",
        "accessToken",
        "refreshToken",
        "recoverySecret",
        "retryAfterMs",
    ];
    assert!(members.iter().all(|member| answer.body[member].is_null()), "{answer:?}");
}

#[tokio::test]
async fn a_device_that_chose_no_secret_is_given_one_once() {
    let service = Service::start().await;
    let first = register(&service.client, &json!({"deviceId": DEVICE})).await;
    let secret = first.body["recoverySecret"].as_str().unwrap();
    assert_eq!(secret.len(), 43);
    assert_unknown(&register(&service.client, &json!({"deviceId": DEVICE})).await);
    let wrong = json!({"deviceId": DEVICE, "recoverySecret": SECRET});
    assert_unknown(&register(&service.client, &wrong).await);
    let again = register(&service.client, &json!({"deviceId": DEVICE, "recoverySecret": secret})).await;
    assert_eq!((again.status, &again.body["userId"]), (201, &first.body["userId"]));
    assert!(again.body["recoverySecret"].is_null(), "once");
}

#[tokio::test]
async fn a_chosen_secret_makes_a_lost_answer_cost_nothing() {
    let service = Service::start().await;
    let body = json!({"deviceId": DEVICE, "recoverySecret": SECRET});
    let answers = join_all((0..10).map(|_| register(&service.client, &body))).await;
    for answer in &answers {
        assert_eq!(
            (answer.status, &answer.body["userId"]),
            (201, &answers[0].body["userId"])
        );
        assert!(answer.body["recoverySecret"].is_null());
    }
    assert_unknown(&register(&service.client, &json!({"deviceId": DEVICE})).await);
}

#[tokio::test]
async fn of_first_registrations_that_meet_without_a_secret_one_has_the_user() {
    let service = Service::start().await;
    let body = json!({"deviceId": DEVICE});
    let answers = join_all((0..10).map(|_| register(&service.client, &body))).await;
    let (made, refused): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), 1);
    refused.into_iter().for_each(assert_unknown);
}

#[tokio::test]
async fn a_live_refresh_token_of_the_user_is_as_good_and_is_not_spent() {
    let service = Service::start().await;
    let first = register(&service.client, &json!({"deviceId": DEVICE})).await;
    let ann = Device::of(&first);
    let bob = service.client.register("bob").await;
    let with = |token: &str| json!({"deviceId": DEVICE, "refreshToken": token});
    let again = register(&service.client, &with(&ann.refresh)).await;
    assert_eq!((again.status, &again.body["userId"]), (201, &first.body["userId"]));
    assert!(again.body["recoverySecret"].is_null());
    for token in [&bob.refresh, &format!("{}A", ann.refresh), "x"] {
        assert_unknown(&register(&service.client, &with(token)).await);
    }
    let refreshed = service
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": ann.refresh}))
        .await;
    assert_eq!(refreshed.status, 200);

    let revoked = service
        .client
        .post("/v1/auth/revoke", &json!({"refreshToken": ann.refresh}))
        .await;
    assert_eq!(revoked.status, 204);
    assert_unknown(&register(&service.client, &with(&Device::of(&refreshed).refresh)).await);

    let latest = Device::of(&again);
    let next = service
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": latest.refresh}))
        .await;
    service.clock.advance(Duration::from_secs(61));
    let stolen = register(&service.client, &with(&latest.refresh)).await;
    assert_eq!((stolen.status, stolen.error()), (401, "TOKEN_REUSED"));
    assert_unknown(&register(&service.client, &with(&Device::of(&next).refresh)).await);
}

#[tokio::test]
async fn a_uuid_in_the_other_case_is_the_same_device() {
    let service = Service::start().await;
    let body = |device: &str| json!({"deviceId": device, "recoverySecret": SECRET});
    let first = register(&service.client, &body(DEVICE)).await;
    let again = register(&service.client, &body(&DEVICE.to_uppercase())).await;
    assert_eq!((again.status, &again.body["userId"]), (201, &first.body["userId"]));
}

#[tokio::test]
async fn an_id_that_is_no_secret_and_a_secret_of_the_wrong_form_are_refused_with_their_place() {
    let service = Service::start().await;
    for (device, secret, pointer) in [
        ("00000000-0000-0000-0000-000000000000", SECRET, "/deviceId"),
        ("0000000000000000", SECRET, "/deviceId"),
        ("xxxxxxxxxxxxxxxxxxxx", SECRET, "/deviceId"),
        ("9774d56d682e549c", SECRET, "/deviceId"),
        ("02:00:00:00:00:00", SECRET, "/deviceId"),
        (DEVICE, &SECRET[..31], "/recoverySecret"),
        (DEVICE, &SECRET.repeat(3), "/recoverySecret"),
        (DEVICE, DEVICE, "/recoverySecret"),
    ] {
        let body = json!({"deviceId": device, "recoverySecret": secret});
        let refused = register(&service.client, &body).await;
        assert_eq!((refused.status, refused.pointers()), (400, vec![pointer]), "{body}");
    }
    for token in [String::new(), "t".repeat(513)] {
        let body = json!({"deviceId": DEVICE, "refreshToken": token});
        assert_eq!(register(&service.client, &body).await.pointers(), ["/refreshToken"]);
    }
}

#[tokio::test]
async fn only_a_hash_of_the_secret_is_kept() {
    let service = Service::start().await;
    assert_eq!(register(&service.client, &registration("ann")).await.status, 201);
    let scan = service
        .tables()
        .client()
        .scan()
        .table_name("clearview-identity")
        .send()
        .await
        .unwrap();
    assert!(scan.items().iter().any(|item| item.contains_key("recovery")));
    assert!(!format!("{scan:?}").contains("secret-of-ann"));
}
