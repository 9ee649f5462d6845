//! Signed requests: whatever is covered cannot be changed, nothing counts twice, nothing counts early or late.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Client, send};
use tests::service::{Plan, Service};

use crate::attacks::forge::with;
use crate::attacks::tokens::refusal;
use tests::signer::{Attach, SignatureHeaders, SignedRequest, Signer};

const PLAN: &str = "/v1/admin/plans/pro";

fn body() -> String {
    json!({"posts": {"perDay": 5, "perMinute": 50}}).to_string()
}

async fn put(client: &Client, headers: &SignatureHeaders, target: &str, body: &str) -> Answer {
    let request = client
        .request(Method::PUT, target)
        .header("content-type", "application/json");
    send(headers.on(request).body(body.to_owned())).await
}

fn sign(service: &Service, signer: &Signer) -> SignatureHeaders {
    signer.sign("PUT", service.client.authority(), PLAN, body().as_bytes())
}

#[tokio::test]
async fn a_signed_request_counts_once_whoever_sends_it() {
    let service = Service::start().await;
    let headers = sign(&service, &service.plan.admin());
    let body = body();
    let answers = join_all((0..20).map(|_| put(&service.client, &headers, PLAN, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 19);
    // Not on another instance either, nor later.
    service.clock.advance(Duration::from_secs(30));
    refusal(&put(&service.client, &headers, PLAN, &body).await);
}

#[tokio::test]
async fn every_trick_with_a_signature_is_refused_with_the_one_answer() {
    let service = Service::start().await;
    let (client, admin) = (&service.client, service.plan.admin());
    let unasked = refusal(&client.get("/v1/usage").await);
    let now = service.clock.now();
    let at = |seconds: u64, early: bool| {
        let span = Duration::from_secs(seconds);
        let made = if early {
            now.plus(span)
        } else {
            shared::clock::Timestamp::from_seconds(now.seconds() - span.as_secs().cast_signed())
        };
        let parameters = admin.parameters(made, &Signer::nonce());
        admin.sign_with("PUT", client.authority(), PLAN, body().as_bytes(), &parameters)
    };
    let good = || sign(&service, &admin);
    let changed = |change: fn(&mut SignatureHeaders)| {
        let mut headers = good();
        change(&mut headers);
        headers
    };
    let another = Signer::new("alice", "YW5vdGhlci1zZWNyZXQtYW5vdGhlci1zZWNyZXQ=", &service.clock).unwrap();
    let nobody = Signer::new("mallory", "YW5vdGhlci1zZWNyZXQtYW5vdGhlci1zZWNyZXQ=", &service.clock).unwrap();
    let other_target = admin.sign("PUT", client.authority(), "/v1/admin/plans/free", body().as_bytes());
    let other_method = admin.sign("POST", client.authority(), PLAN, body().as_bytes());
    let other_host = admin.sign("PUT", "evil.test", PLAN, body().as_bytes());
    let other_body = admin.sign("PUT", client.authority(), PLAN, b"{}");
    let bodiless = admin.sign("PUT", client.authority(), PLAN, b"");
    let tricks = [
        ("from the future", at(61, true)),
        ("from the past", at(61, false)),
        ("with another's key", sign(&service, &another)),
        ("with an unknown key", sign(&service, &nobody)),
        ("for another path", other_target),
        ("for another method", other_method),
        ("for another host", other_host),
        ("for another body", other_body),
        ("for no body", bodiless),
        (
            "without a signature",
            changed(|headers| headers.signature = "sig=::".to_owned()),
        ),
        (
            "under another label",
            changed(|headers| headers.signature.insert(0, 'x')),
        ),
        (
            "without a tag",
            changed(|headers| headers.input = headers.input.replace(";tag=\"clearview\"", "")),
        ),
        (
            "with another digest",
            changed(|headers| headers.digest = headers.digest.replace("256", "512")),
        ),
        (
            "twice in one header",
            changed(|headers| headers.signature = format!("{0}, {0}", headers.signature)),
        ),
    ];
    for (what, headers) in tricks {
        assert_eq!(refusal(&put(client, &headers, PLAN, &body()).await), unasked, "{what}");
    }
    assert_eq!(put(client, &at(59, true), PLAN, &body()).await.status, 200);
    assert_eq!(put(client, &at(59, false), PLAN, &body()).await.status, 200);
    assert_eq!(
        put(client, &good(), &format!("{PLAN}?x=1"), &body()).await.status,
        401,
        "a query that is not covered"
    );
    assert_eq!(
        put(client, &good(), PLAN, &format!("{} ", body())).await.status,
        401,
        "one more byte"
    );
    let bearer = client.register("ann").await;
    let request = client.request(Method::GET, PLAN).bearer_auth(&bearer.access);
    assert_eq!(refusal(&send(request).await), unasked, "no user is an admin");
}

#[tokio::test]
async fn a_header_that_was_sent_twice_is_refused_from_the_event() {
    let service = Service::start().await;
    let admin = service.plan.admin();
    for name in ["signature", "signature-input", "content-digest"] {
        let good = sign(&service, &admin);
        let value = match name {
            "signature" => &good.signature,
            "signature-input" => &good.input,
            _ => &good.digest,
        };
        for second in [value.as_str(), "sig=:AAAA:"] {
            let request = service
                .client
                .request(Method::PUT, PLAN)
                .header("content-type", "application/json");
            let request = good.on(request).header(name, second).body(body());
            assert_eq!(send(request).await.status, 401, "{name}: {second}");
        }
        assert_eq!(
            put(&service.client, &good, PLAN, &body()).await.status,
            200,
            "its nonce was not spent"
        );
    }
}

/// API Gateway may hand a body over in base64: the digest is of the bytes, not of the event's text.
#[tokio::test]
async fn the_digest_is_of_the_raw_bytes_whatever_form_the_event_has() {
    let service = Service::start().await;
    let admin = service.plan.admin();
    let app = std::sync::Arc::new(service.plan.clone().with_tables_at(service.tables_address()).app());
    for (encoded, flag, status) in [(false, false, 200), (true, true, 200), (true, false, 401)] {
        let mut event = tests::events::named("admin/tier-unsigned").value("");
        event["resource"] = "/v1/admin/plans/{tier}".into();
        event["requestContext"]["resourcePath"] = event["resource"].clone();
        event["path"] = PLAN.into();
        event["pathParameters"] = json!({"tier": "pro"});
        let path = format!("/live{PLAN}");
        event["requestContext"]["path"] = path.clone().into();
        let host = event["headers"]["Host"].as_str().unwrap().to_owned();
        admin.sign("PUT", &host, &path, body().as_bytes()).on_event(&mut event);
        event["isBase64Encoded"] = flag.into();
        event["body"] = if encoded { encode(&body()) } else { body() }.into();
        let answer = local::gateway::invoke(app.clone(), "admin", event.to_string()).await;
        let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
        assert_eq!(answer["statusCode"], status, "{encoded} {flag}: {answer}");
    }
}

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn a_users_signature_must_be_right_if_it_is_there() {
    let service = Service::start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let (client, signer) = (&service.client, service.plan.signer(&ann));
    let request = || {
        signer
            .request(client, Method::GET, "/v1/usage", None)
            .bearer_auth(&ann.access)
    };
    assert_eq!(send(request()).await.status, 200);
    let of_bob = service
        .plan
        .signer(&bob)
        .request(client, Method::GET, "/v1/usage", None);
    assert_eq!(
        send(of_bob.bearer_auth(&ann.access)).await.status,
        401,
        "another session's"
    );
    let half = client
        .request(Method::GET, "/v1/usage")
        .bearer_auth(&ann.access)
        .header("signature", "sig=:AA==:");
    assert_eq!(send(half).await.status, 401, "half a signature is a broken one");
    let batch = json!({"preference": "p", "posts": [{"id": "1", "text": "a"}]});
    let classify = signer.request(client, Method::POST, "/v1/classify?explain=true", Some(&batch));
    assert_eq!(send(classify.bearer_auth(&ann.access)).await.status, 200);
    assert_eq!(service.client.usage(&ann).await.status, 200, "none is needed");
}

#[tokio::test]
async fn a_deployment_can_require_signatures() {
    let service = Plan::default().with("CLEARVIEW_REQUIRE_SIGNATURES", "on").start().await;
    let ann = service.client.register("ann").await;
    let unsigned = service.client.usage(&ann).await;
    let unasked = refusal(&service.client.get("/v1/usage").await);
    assert_eq!(with(unsigned.body.clone(), "correlationId", Value::Null), unasked);
    let signed = service
        .plan
        .signer(&ann)
        .request(&service.client, Method::GET, "/v1/usage", None);
    assert_eq!(send(signed.bearer_auth(&ann.access)).await.status, 200);
}
