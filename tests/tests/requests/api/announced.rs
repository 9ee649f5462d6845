//! Jobs that are announced when they have ended, from the submit to the receiver.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tests::client::{Answer, Device, send};
use tests::receiver::{Received, Receiver};
use tests::service::{Plan, Service};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

async fn submit(service: &Service, device: &Device, webhook: &str) -> Answer {
    let body = json!({
        "type": "classify", "preference": "Hide crypto", "webhook": webhook,
        "posts": [{"id": "a", "text": "Buy Bitcoin now, crypto is going to the moon"}],
    });
    let request = service
        .client
        .request(Method::POST, "/v1/jobs")
        .bearer_auth(&device.access);
    send(request.json(&body)).await
}

async fn first(receiver: &Receiver) -> Received {
    for _ in 0..1000 {
        if let Some(received) = receiver.received().into_iter().next() {
            return received;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing comes");
}

#[tokio::test]
async fn a_job_is_announced_to_the_endpoint_that_it_names_and_to_no_other() {
    let receiver = Receiver::start().await;
    let endpoints = json!({"review": {"url": receiver.url(), "secrets": [SECRET]}});
    // The receiver's library knows no other clock.
    let plan = Plan::default()
        .on_system_time()
        .with("CLEARVIEW_WEBHOOKS", endpoints.to_string());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    for unknown in ["", "other", "https://hooks.example/", "REVIEW"] {
        let refused = submit(&service, &ann, unknown).await;
        assert_eq!(
            (refused.status, refused.pointers()),
            (400, vec!["/webhook"]),
            "{unknown}"
        );
    }
    let answer = submit(&service, &ann, "review").await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let announced = first(&receiver).await;
    let webhook = Webhook::new(SECRET).unwrap();
    webhook.verify(announced.body.as_bytes(), &announced.headers).unwrap();
    let body: Value = serde_json::from_str(&announced.body).unwrap();
    assert_eq!(body["type"], "job.done");
    assert_eq!(body["data"], json!({"jobId": answer.body["jobId"], "userId": ann.user}));
    // It is announced once its result can be read.
    let path = format!("/v1/jobs/{}", answer.body["jobId"].as_str().unwrap());
    let polled = send(service.client.request(Method::GET, &path).bearer_auth(&ann.access)).await;
    assert_eq!(polled.body["status"], "done", "{polled:?}");
    assert!(!announced.body.contains("Bitcoin") && !announced.body.contains("HIDE"));
}
