//! The local server invokes the scheduled function as Lambda does.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::send;
use tests::service::Service;

async fn invoke(service: &Service, function: &str, event: String) -> (u16, bool, Value) {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let answer = send(service.client.request(Method::POST, &path).body(event)).await;
    let failed = answer.headers.contains_key("x-amz-function-error");
    (answer.status, failed, answer.body)
}

#[tokio::test]
async fn a_schedule_can_be_fired_by_hand() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    service.client.classify(&ann, "Hide crypto", &["one", "two"]).await;
    service.clock.advance(std::time::Duration::from_hours(24));

    let close = json!({"scheduledTime": "2100-03-02T00:15:00Z"}).to_string();
    let (status, failed, summary) = invoke(&service, "quota-reset", close).await;
    assert_eq!((status, failed), (200, false), "{summary}");
    assert_eq!(summary["closed"], "2100-03-01");
    assert_eq!(summary["meters"], json!({"posts": {"users": 1, "units": 2}}));

    let ann = service.client.register("ann").await;
    let usage = service.client.usage(&ann).await;
    assert_eq!(
        usage.body["history"],
        json!([{"day": "2100-03-01", "used": 2, "meters": {"posts": {"used": 2}}}])
    );
}

#[tokio::test]
async fn what_the_function_refuses_is_said_as_lambda_says_it() {
    let service = Service::start().await;
    let early = json!({"scheduledTime": "2100-03-03T00:15:00Z"}).to_string();
    let (status, failed, error) = invoke(&service, "quota-reset", early).await;
    assert_eq!((status, failed), (200, true));
    assert_eq!(error["errorType"], "InvalidEvent");
    let (status, ..) = invoke(&service, "quota-reset", "{".to_owned()).await;
    assert_eq!(status, 400);
    let (status, ..) = invoke(&service, "classify", "{}".to_owned()).await;
    assert_eq!(status, 404);
}
