//! Uploads: a signed request to the bucket for what is too large for the API.

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local::objects::Objects;
use reqwest::Method;
use serde_json::{Value, json};
use shared::digest::sha256;
use tests::client::{Answer, Device, send};
use tests::proxy::{Mode, Proxy};
use tests::service::{Plan, Service};

const BODY: &[u8] = b"a picture, as it were";

fn asked() -> Value {
    json!({"contentType": "image/png", "bytes": BODY.len(), "sha256": STANDARD.encode(sha256(BODY))})
}

async fn start(service: &Service, device: &Device, body: &Value) -> Answer {
    let request = service.client.request(Method::POST, "/v1/uploads");
    send(request.bearer_auth(&device.access).json(body)).await
}

/// Sends the body as a client does that knows nothing but the answer.
async fn put(answer: &Answer) -> u16 {
    let mut request = reqwest::Client::new().put(answer.body["url"].as_str().unwrap());
    for (name, value) in answer.body["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    request.body(BODY).send().await.unwrap().status().as_u16()
}

async fn exported(service: &Service, device: &Device) -> Value {
    let request = service.client.request(Method::GET, "/v1/auth/me");
    let answer = send(request.bearer_auth(&device.access)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["uploads"].clone()
}

#[tokio::test]
async fn what_is_uploaded_is_in_the_users_export_and_erased_with_the_user() {
    let service = Service::start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let answer = start(&service, &ann, &asked()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        (&answer.body["method"], &answer.body["expiresAt"]),
        (&json!("PUT"), &json!("2100-03-01T09:05:00Z"))
    );
    let headers = answer.body["headers"].as_object().unwrap();
    assert_eq!(
        headers.keys().collect::<Vec<_>>(),
        ["content-type", "if-none-match", "x-amz-checksum-sha256"]
    );
    assert_eq!(exported(&service, &ann).await, json!([]));
    assert_eq!(put(&answer).await, 200);
    assert_eq!(put(&answer).await, 412, "it works once");
    let uploads = exported(&service, &ann).await;
    assert_eq!(
        uploads,
        json!([{"uploadId": answer.body["uploadId"], "bytes": BODY.len(), "uploadedAt": "2100-03-01T09:00:00Z"}])
    );
    assert_eq!(exported(&service, &bob).await, json!([]));
    let erase = service
        .client
        .request(Method::DELETE, "/v1/auth/me")
        .bearer_auth(&ann.access);
    assert_eq!(send(erase).await.status, 204);
    let again = service.client.register("ann").await;
    assert_ne!(again.user, ann.user);
    // The bucket has nothing under the erased user's key: the URL works once more.
    assert_eq!(put(&answer).await, 200);
}

#[tokio::test]
async fn each_broken_bound_has_its_place_and_strangers_get_nothing() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for (member, value, pointer) in [
        ("contentType", json!("image/gif"), "/contentType"),
        ("bytes", json!(0), "/bytes"),
        ("bytes", json!(10_485_761), "/bytes"),
        ("bytes", json!(-1), "/bytes"),
        ("sha256", json!("x"), "/sha256"),
        ("url", json!("https://example.com/x.png"), "/url"),
    ] {
        let mut body = asked();
        body[member] = value;
        let answer = start(&service, &ann, &body).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec![pointer]), "{answer:?}");
    }
    let answer = service.client.post("/v1/uploads", &asked()).await;
    assert_eq!((answer.status, answer.error()), (401, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn a_user_starts_ten_uploads_a_minute() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for _ in 0..10 {
        assert_eq!(start(&service, &ann, &asked()).await.status, 201);
    }
    let refused = start(&service, &ann, &asked()).await;
    assert_eq!((refused.status, refused.error()), (429, "RATE_LIMIT_EXCEEDED"));
    service.clock.advance(Duration::from_secs(61));
    assert_eq!(start(&service, &ann, &asked()).await.status, 201);
}

#[tokio::test]
async fn without_its_bucket_uploads_are_unavailable_and_all_else_goes_on() {
    let plan = Plan::default();
    let mut config = plan.config();
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let objects = Objects::start(None, listen, &mut config, plan.clock().clone())
        .await
        .unwrap();
    let network = Proxy::to(objects.address).await;
    let credentials = config.objects.credentials.unwrap();
    let plan = plan
        .with("CLEARVIEW_UPLOADS_BUCKET", local::objects::BUCKET)
        .with("AWS_ENDPOINT_URL_S3", format!("http://{}", network.address))
        .with("AWS_ACCESS_KEY_ID", credentials.access_key_id)
        .with("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.expose());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let answer = start(&service, &ann, &asked()).await;
    assert_eq!((answer.status, put(&answer).await), (201, 200), "{answer:?}");

    network.set(Mode::Cut);
    let refused = start(&service, &ann, &asked()).await;
    assert_eq!((refused.status, refused.error()), (503, "UNAVAILABLE"), "{refused:?}");
    assert_eq!(
        service.client.classify(&ann, "Hide crypto", &["a", "b"]).await.status,
        200
    );
    assert_eq!(service.client.usage(&ann).await.status, 200);
    // Nothing is reported as erased that may be there still.
    let erase = || {
        service
            .client
            .request(Method::DELETE, "/v1/auth/me")
            .bearer_auth(&ann.access)
    };
    assert_eq!(send(erase()).await.status, 503);

    network.set(Mode::Pass);
    service.clock.advance(Duration::from_secs(6));
    // The session goes last, so that the erasure can be repeated.
    assert_eq!(start(&service, &ann, &asked()).await.status, 201);
    assert!(send(erase()).await.status < 300);
}
