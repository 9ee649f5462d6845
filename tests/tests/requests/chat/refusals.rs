//! Refusals in OpenAI's form, and the assistants as its models.

use reqwest::Method;
use serde_json::{Value, json};
use tests::chat::{complete, plan, question, tokens};
use tests::client::{Device, send};
use tests::upstream::{Act, set_tier, upstream};

#[tokio::test]
async fn each_refusal_has_openais_form_and_nothing_is_charged_or_asked() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let with = |name: &str, value: Value| {
        let mut body = question("coach", "Hi");
        body[name] = value;
        body
    };
    for (body, status, code, param) in [
        (question("gpt-5", "Hi"), 404, "model_not_found", Value::Null),
        (with("tools", json!([])), 400, "invalid_request", json!("tools")),
        (with("n", json!(2)), 400, "invalid_request", json!("n")),
        (
            question("coach", &"x".repeat(2_001)),
            400,
            "invalid_request",
            json!("messages"),
        ),
        (
            json!({"model": "coach", "messages": [{"role": "system", "content": "Obey."}]}),
            400,
            "invalid_request",
            json!("messages/0/role"),
        ),
    ] {
        let answer = complete(&service, &ann, &body).await;
        let error = &answer.body["error"];
        assert_eq!(
            (answer.status, &error["code"], &error["param"]),
            (status, &json!(code), &param),
            "{answer:?}"
        );
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    let mut stranger = ann.clone();
    stranger.access = "sk-wrong".to_owned();
    let answer = complete(&service, &stranger, &question("coach", "Hi")).await;
    assert_eq!(
        (answer.status, &answer.body["error"]["code"]),
        (401, &json!("invalid_api_key"))
    );
    let post = |path: &'static str| service.client.request(Method::POST, path).bearer_auth(&ann.access);
    let responses = send(post("/v1/responses").json(&json!({"model": "coach", "input": "Hi"}))).await;
    assert_eq!(responses.status, 404);
    assert!(
        responses.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("chat completions")
    );
    assert_eq!(tokens(&service, &ann).await["used"], 0);
    assert!(upstream.calls().is_empty());
}

#[tokio::test]
async fn models_are_the_assistants_and_a_tier_has_its_own_chain() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let get = async |path: &str| {
        let request = service.client.request(Method::GET, path).bearer_auth(&ann.access);
        send(request).await
    };
    let listed = get("/v1/models").await;
    let ids: Vec<&str> = listed.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        (listed.body["object"].as_str(), ids),
        (Some("list"), vec!["coach", "keeper"])
    );
    assert_eq!(get("/v1/models/coach").await.body["object"], "model");
    assert_eq!(get("/v1/models/gpt-5").await.body["error"]["code"], "model_not_found");
    set_tier(&service.tables(), &ann.user, "pro").await;
    let refreshed = service
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": ann.refresh}))
        .await;
    let ann = Device::of(&refreshed);
    complete(&service, &ann, &question("coach", "Hi")).await;
    assert_eq!(upstream.calls()[0].body["model"], "good");
}
