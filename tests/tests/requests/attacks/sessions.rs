//! Refresh tokens and sessions: races, theft, forgery; what is somebody else's.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Client, Device, send};
use tests::proxy::Mode;
use tests::service::{Plan, Service, TableService};

use crate::attacks::tokens::refusal;
use tests::signer::SignedRequest;

async fn refresh(client: &Client, token: &str) -> Answer {
    client.post("/v1/auth/refresh", &json!({"refreshToken": token})).await
}

async fn at(service: &Service, method: Method, path: &str, device: &Device) -> Answer {
    send(service.client.request(method, path).bearer_auth(&device.access)).await
}

#[tokio::test]
async fn twenty_clients_on_two_instances_share_one_successor() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let (here, there) = (plan.start().await, plan.start().await);
    let ann = here.client.register("ann").await;
    let clients = (0..20).map(|n| if n % 2 == 0 { &here.client } else { &there.client });
    let answers = join_all(clients.map(|client| refresh(client, &ann.refresh))).await;
    let first = &answers[0].body["refreshToken"];
    for answer in &answers {
        assert_eq!((answer.status, &answer.body["refreshToken"]), (200, first));
    }
    let heir = Device::of(&answers[0]);
    assert_eq!(refresh(&here.client, &heir.refresh).await.status, 200);
}

#[tokio::test]
async fn a_spent_token_of_another_device_betrays_theft_at_once() {
    let service = Service::start().await;
    let body = json!({"deviceId": "0123456789abcdef", "fingerprint": "phone"});
    let ann = Device::of(&service.client.post("/v1/auth/register", &body).await);
    let with = async |token: &str, fingerprint: &str| {
        let request = service.client.request(Method::POST, "/v1/auth/refresh");
        let request = request.header("X-Device-Fingerprint", fingerprint);
        send(request.json(&json!({"refreshToken": token}))).await
    };
    let heir = Device::of(&with(&ann.refresh, "phone").await);
    assert_eq!(with(&ann.refresh, "phone").await.status, 200, "its own");
    let stolen = with(&ann.refresh, "laptop").await;
    assert_eq!((stolen.status, stolen.error()), (401, "TOKEN_REUSED"));
    assert_eq!(with(&heir.refresh, "phone").await.error(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn forged_and_foreign_refresh_tokens_are_refused_alike_and_end_nothing() {
    let service = Service::start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let parts: Vec<&str> = ann.refresh.split('.').collect();
    let of_bob: Vec<&str> = bob.refresh.split('.').collect();
    let mut refused = Vec::new();
    for token in [
        format!("{}.{}.0.{}", parts[0], parts[1], of_bob[3]),
        format!("{}.{}.0.{}", of_bob[0], parts[1], parts[3]),
        format!("{}.{}.1.{}", parts[0], parts[1], parts[3]),
        format!("{}.{}.18446744073709551615.{}", parts[0], parts[1], parts[3]),
        format!("{}.{}.0.{}A", parts[0], parts[1], parts[3]),
        "x".to_owned(),
        "\u{0}".to_owned(),
    ] {
        refused.push(refusal(&refresh(&service.client, &token).await));
        service
            .client
            .post("/v1/auth/revoke", &json!({"refreshToken": token}))
            .await;
    }
    assert!(refused.windows(2).all(|pair| pair[0] == pair[1]));
    for device in [&ann, &bob] {
        assert_eq!(refresh(&service.client, &device.refresh).await.status, 200);
    }
}

#[tokio::test]
async fn nobody_sees_or_ends_the_sessions_of_another() {
    let service = Service::start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let path = format!("/v1/auth/sessions/{}", bob.session());
    assert_eq!(at(&service, Method::DELETE, &path, &ann).await.status, 404);
    assert_eq!(at(&service, Method::GET, "/v1/auth/sessions", &bob).await.status, 200);
    let listed = at(&service, Method::GET, "/v1/auth/sessions", &ann).await.body;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(listed["sessions"][0]["sessionId"], ann.session());
    for id in ["user", "device", "%2e%2e", "s_", "s_AAAAAAAAAAAAAAAAAAAAAA"] {
        let path = format!("/v1/auth/sessions/{id}");
        assert_eq!(at(&service, Method::DELETE, &path, &ann).await.status, 404, "{id}");
    }
    let export = at(&service, Method::GET, "/v1/auth/me", &ann).await.body;
    assert_eq!(export["userId"], ann.user.as_str());
    assert!(!export.to_string().contains(&bob.user));
}

#[tokio::test]
async fn a_user_lists_and_ends_sessions_and_an_ended_one_can_do_nothing_more() {
    let service = Service::start().await;
    let phone = service.client.register("ann").await;
    service.clock.advance(Duration::from_mins(1));
    let laptop = service.client.register("ann").await;
    let listed = at(&service, Method::GET, "/v1/auth/sessions", &laptop).await.body;
    let ids: Vec<&Value> = listed["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["sessionId"])
        .collect();
    assert_eq!(ids, [phone.session(), laptop.session()]);
    assert_eq!(
        (&listed["sessions"][0]["current"], &listed["sessions"][1]["current"]),
        (&json!(false), &json!(true))
    );

    let path = format!("/v1/auth/sessions/{}", phone.session());
    assert_eq!(at(&service, Method::DELETE, &path, &laptop).await.status, 204);
    assert_eq!(at(&service, Method::GET, "/v1/auth/sessions", &phone).await.status, 401);
    assert_eq!(at(&service, Method::DELETE, "/v1/auth/me", &phone).await.status, 401);
    assert_eq!(
        refresh(&service.client, &phone.refresh).await.error(),
        "UNAUTHENTICATED"
    );
    let left = at(&service, Method::GET, "/v1/auth/sessions", &laptop).await.body;
    assert_eq!(left["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_erased_user_leaves_nothing_but_audit_entries_and_the_device_starts_anew() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let bob = service.client.register("bob").await;
    service.client.classify(&ann, "Hide crypto", &["a", "b"]).await;
    service.client.classify(&bob, "Hide crypto", &["a"]).await;
    let export = at(&service, Method::GET, "/v1/auth/me", &ann).await.body;
    assert_eq!(export["counters"][0]["used"], 2);
    assert_eq!(export["deviceHash"].as_str().unwrap().len(), 43);

    assert_eq!(at(&service, Method::DELETE, "/v1/auth/me", &ann).await.status, 204);
    assert_eq!(at(&service, Method::GET, "/v1/auth/me", &ann).await.status, 401);
    assert_eq!(refresh(&service.client, &ann.refresh).await.status, 401);
    let tables = service.tables();
    for table in ["identity", "quota", "usage"] {
        let scan = tables
            .client()
            .scan()
            .table_name(format!("clearview-{table}"))
            .send()
            .await
            .unwrap();
        for item in scan.items() {
            assert!(!format!("{item:?}").contains(&ann.user), "{table}: {item:?}");
        }
    }
    assert_eq!(service.client.usage(&bob).await.body["used"], 1);
    let again = service.client.register("ann").await;
    assert_ne!(again.user, ann.user);
}

#[tokio::test]
async fn with_the_identity_table_down_nothing_of_trust_is_answered() {
    let (_tables, proxy, plan) = Plan::behind_a_network().await;
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    proxy.set(Mode::Cut);
    let signed = plan
        .admin()
        .request(&service.client, Method::POST, "/v1/admin/users/u/revoke", None);
    let signed_by_user = plan
        .signer(&ann)
        .request(&service.client, Method::GET, "/v1/usage", None);
    let answers = [
        refresh(&service.client, &ann.refresh).await,
        at(&service, Method::GET, "/v1/auth/sessions", &ann).await,
        at(&service, Method::DELETE, "/v1/auth/me", &ann).await,
        send(signed).await,
        send(signed_by_user.bearer_auth(&ann.access)).await,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.error()), (503, "UNAVAILABLE"), "{answer:?}");
    }
}
