//! Images as jobs: sent with the job, or uploaded before and judged once.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use shared::digest::sha256;
use tests::client::{Answer, Device, send};
use tests::screens::Screen;
use tests::service::Service;

async fn post(service: &Service, device: &Device, path: &str, body: &Value) -> Answer {
    let request = service.client.request(Method::POST, path);
    send(request.bearer_auth(&device.access).json(body)).await
}

/// Uploads an image as a client does; its id.
async fn upload(service: &Service, device: &Device, bytes: Vec<u8>) -> String {
    let asked = json!({"contentType": "image/png", "bytes": bytes.len(), "sha256": STANDARD.encode(sha256(&bytes))});
    let answer = post(service, device, "/v1/uploads", &asked).await;
    let mut request = reqwest::Client::new().put(answer.body["url"].as_str().unwrap_or_else(|| panic!("{answer:?}")));
    for (name, value) in answer.body["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    assert_eq!(request.body(bytes).send().await.unwrap().status().as_u16(), 200);
    answer.body["uploadId"].as_str().unwrap().to_owned()
}

async fn ended(service: &Service, device: &Device, submitted: &Answer) -> Value {
    let job = submitted.body["jobId"]
        .as_str()
        .unwrap_or_else(|| panic!("{submitted:?}"));
    loop {
        let request = service.client.request(Method::GET, &format!("/v1/jobs/{job}"));
        let answer = send(request.bearer_auth(&device.access)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.body["status"] != "queued" {
            return answer.body;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn uploads(service: &Service, device: &Device) -> usize {
    let request = service.client.request(Method::GET, "/v1/auth/me");
    let export = send(request.bearer_auth(&device.access)).await;
    export.body["uploads"].as_array().unwrap().len()
}

async fn used(service: &Service, device: &Device) -> u64 {
    let usage = service.client.usage(device).await;
    usage.body["meters"]["images"]["used"].as_u64().unwrap()
}

#[tokio::test]
async fn an_upload_is_judged_once_and_deleted() {
    let service = Service::start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let id = upload(&service, &ann, Screen::of(1).png()).await;
    let body = json!({"type": "detect", "uploadId": id, "application": "com.example", "device": "tablet"});
    let stolen = post(&service, &bob, "/v1/jobs", &body).await;
    assert_eq!(
        (stolen.status, stolen.pointers()),
        (400, vec!["/uploadId"]),
        "another's id names nothing"
    );
    assert_eq!(uploads(&service, &ann).await, 1);
    let submitted = post(&service, &ann, "/v1/jobs", &body).await;
    assert_eq!(submitted.status, 202, "{submitted:?}");
    let job = ended(&service, &ann, &submitted).await;
    assert_eq!(
        (&job["status"], &job["type"]),
        (&json!("done"), &json!("detect")),
        "{job}"
    );
    let result = &job["result"];
    assert_eq!(
        (&result["level"], &result["label"], &result["source"]),
        (&json!(0), &json!("safe"), &json!("local"))
    );
    assert!(result["id"].as_str().unwrap().starts_with("det_"));
    assert_eq!((uploads(&service, &ann).await, used(&service, &ann).await), (0, 1));
    let again = post(&service, &ann, "/v1/jobs", &body).await;
    assert_eq!((again.status, again.pointers()), (400, vec!["/uploadId"]));
    assert_eq!((used(&service, &ann).await, used(&service, &bob).await), (1, 0));
}

#[tokio::test]
async fn an_image_that_cannot_be_judged_has_failed_and_is_given_back() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let id = upload(&service, &ann, b"no picture at all".to_vec()).await;
    for image in [
        json!({"type": "detect", "uploadId": id}),
        json!({"type": "detect", "image": STANDARD.encode(b"no picture either")}),
    ] {
        let submitted = post(&service, &ann, "/v1/jobs", &image).await;
        let job = ended(&service, &ann, &submitted).await;
        assert_eq!(
            (&job["status"], &job["error"]["error"]),
            (&json!("failed"), &json!("UNREADABLE_IMAGE"))
        );
        assert_eq!(job["error"]["retryable"], false);
    }
    assert_eq!((uploads(&service, &ann).await, used(&service, &ann).await), (0, 0));
}

#[tokio::test]
async fn a_small_image_travels_with_its_job_and_a_large_one_is_sent_elsewhere() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let image = STANDARD.encode(Screen::of(2).png());
    assert!(image.len() < 512 * 1024, "{}", image.len());
    let submitted = post(&service, &ann, "/v1/jobs", &json!({"type": "detect", "image": image})).await;
    let job = ended(&service, &ann, &submitted).await;
    assert_eq!(job["status"], "done", "{job}");
    let large = "A".repeat(512 * 1024 + 4);
    let refused = post(&service, &ann, "/v1/jobs", &json!({"type": "detect", "image": large})).await;
    assert_eq!((refused.status, refused.error()), (413, "PAYLOAD_TOO_LARGE"));
    assert!(
        refused.body["detail"].as_str().unwrap().contains("/v1/uploads"),
        "{refused:?}"
    );
    for (body, pointer) in [
        (json!({"type": "detect"}), ""),
        (
            json!({"type": "detect", "image": "AAAA", "uploadId": "upl_AAAAAAAAAAAAAAAAAAAAAA"}),
            "",
        ),
        (
            json!({"type": "detect", "uploadId": "upl_AAAAAAAAAAAAAAAAAAAAAA"}),
            "/uploadId",
        ),
        (json!({"type": "detect", "uploadId": "../../etc/passwd"}), "/uploadId"),
        (
            json!({"type": "detect", "image": "AAAA", "object": {"etag": "x"}}),
            "/object",
        ),
        (json!({"type": "detect", "image": "AAAA", "device": ""}), "/device"),
        (json!({"type": "detect", "url": "https://example.com/x.png"}), "/url"),
    ] {
        let refused = post(&service, &ann, "/v1/jobs", &body).await;
        assert_eq!((refused.status, refused.pointers()), (400, vec![pointer]), "{body}");
    }
    assert_eq!(used(&service, &ann).await, 1);
}
