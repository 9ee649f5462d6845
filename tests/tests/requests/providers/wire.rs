//! The bytes on the wire: the contract's form, to the letter.

use std::time::Duration;

use serde_json::{Value, json};
use tests::client::{Device, send};
use tests::service::{Plan, Service};
use tests::upstream::{Act, Script, Upstream, plan_of, upstream};

const PREFERENCE: &str = "Hide  CRYPTO";

async fn explain(service: &Service, device: &Device, text: &str) -> Value {
    let body = json!({"preference": PREFERENCE, "posts": [{"id": "mine", "text": text}]});
    let request = service
        .client
        .request(reqwest::Method::POST, "/v1/classify?explain=true");
    send(request.bearer_auth(&device.access).json(&body)).await.body
}

#[tokio::test]
async fn a_question_has_the_form_of_the_contract() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    service
        .client
        .classify(&ann, PREFERENCE, &["Crypto to the\u{200b} moon"])
        .await;
    let call = &upstream.calls()[0];
    assert_eq!(call.path, "/v1/chat/completions");
    assert_eq!(call.authorization, "Bearer sk-test");

    let members: Vec<&String> = call.body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["max_completion_tokens", "messages", "model", "response_format"],
        "no temperature, no effort of a model that is not known to reason, no more"
    );
    assert_eq!(call.body["model"], "cheap");
    let roles: Vec<&Value> = call.body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["role"])
        .collect();
    assert_eq!(roles, ["system", "user"]);
    let format = &call.body["response_format"];
    assert_eq!(
        (
            &format["type"],
            &format["json_schema"]["name"],
            &format["json_schema"]["strict"]
        ),
        (&json!("json_schema"), &json!("verdicts"), &json!(true))
    );
    let asked = call.asked.as_ref().expect("exactly one JSON object");
    assert_eq!((asked.preference.as_str(), asked.posts.len()), ("hide crypto", 1));
    assert_eq!(asked.posts[0].text, "crypto to the moon");
    assert_ne!(asked.posts[0].id, "0", "the client's ids are not sent");
}

#[tokio::test]
async fn reasons_are_asked_for_and_passed_on_only_where_they_are_wanted() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let plain = service.client.classify(&ann, PREFERENCE, &["crypto"]).await;
    assert!(plain.body["results"][0].get("reason").is_none());
    let explained = explain(&service, &ann, "crypto now").await;
    assert_eq!(explained["results"][0]["matched"], "crypto");
    assert_eq!(explained["results"][0]["reason"], "It is about crypto.");
    let required: Vec<Value> = upstream
        .calls()
        .iter()
        .map(|call| {
            let schema = &call.body["response_format"]["json_schema"]["schema"];
            schema["properties"]["verdicts"]["items"]["required"].clone()
        })
        .collect();
    assert_eq!(
        required,
        [json!(["id", "score"]), json!(["id", "score", "matched", "reason"])]
    );
}

#[tokio::test]
async fn a_call_is_part_of_the_clients_trace() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let upstream = upstream(Act::Answer).await;
    let chains = [
        plan_of(&upstream),
        plan_of(&upstream)
            .with("CLEARVIEW_PROVIDERS", "bedrock:anthropic.claude-haiku")
            .with(
                "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
                format!("http://{}", upstream.address),
            ),
    ];
    for plan in chains {
        let service = plan.start().await;
        let ann = service.client.register("ann").await;
        for parent in ["", "00-not-of-the-form", PARENT] {
            let body = json!({"preference": PREFERENCE, "posts": [{"id": "mine", "text": format!("a post {parent}")}]});
            let request = service.client.request(reqwest::Method::POST, "/v1/classify");
            let request = request.header("traceparent", parent).bearer_auth(&ann.access);
            assert_eq!(send(request.json(&body)).await.body["results"][0]["source"], "model");
        }
    }
    let parents: Vec<String> = upstream.calls().into_iter().map(|call| call.traceparent).collect();
    assert_eq!(parents, ["", "", PARENT, "", "", PARENT]);
}

#[tokio::test]
async fn a_temperature_is_sent_where_one_is_set() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream)
        .with("CLEARVIEW_OPENAI_TEMPERATURE", "0")
        .start()
        .await;
    let ann = service.client.register("ann").await;
    service.client.classify(&ann, PREFERENCE, &["crypto"]).await;
    assert_eq!(upstream.calls()[0].body["temperature"], 0.0);
}

/// A plan whose key is in the secret that the scripted provider serves too.
fn with_secret(upstream: &Upstream) -> Plan {
    plan_of(upstream)
        .with("CLEARVIEW_OPENAI_API_KEY", "")
        .with("CLEARVIEW_OPENAI_API_KEY_SECRET", "clearview/openai")
        .with(
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            format!("http://{}", upstream.address),
        )
}

fn keys(upstream: &Upstream) -> Vec<String> {
    upstream.calls().into_iter().map(|call| call.authorization).collect()
}

#[tokio::test]
async fn the_key_is_read_from_its_secret_and_a_replaced_one_reaches_a_warm_process() {
    let upstream = upstream(Act::Answer).await;
    let service = with_secret(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let ask = async |text: &str| service.client.classify(&ann, PREFERENCE, &[text]).await;
    ask("one").await;
    upstream.hold_secret("  sk-replaced\n");
    ask("two").await;
    service.clock.advance(Duration::from_mins(5));
    ask("three").await;
    assert_eq!(
        keys(&upstream),
        [
            "Bearer sk-from-the-secret",
            "Bearer sk-from-the-secret",
            "Bearer sk-replaced"
        ]
    );
}

#[tokio::test]
async fn a_key_that_is_refused_is_read_anew_at_once() {
    let upstream = upstream(Act::Answer).await;
    let service = with_secret(&upstream).start().await;
    let ann = service.client.register("ann").await;
    service.client.classify(&ann, PREFERENCE, &["one"]).await;
    upstream.hold_secret("sk-replaced");
    upstream.follow(Script::parse(r#"{"steps":[{"do":"status","status":401}]}"#).unwrap());
    let answer = service.client.classify(&ann, PREFERENCE, &["two"]).await;
    assert_eq!(answer.body["results"][0]["source"], "model");
    assert_eq!(
        keys(&upstream)[1..],
        ["Bearer sk-from-the-secret", "Bearer sk-replaced"]
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_no_call_and_no_error() {
    let upstream = upstream(Act::Answer).await;
    let plan = with_secret(&upstream).with("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let answer = service.client.classify(&ann, PREFERENCE, &["one"]).await;
    assert_eq!(
        (answer.status, &answer.body["results"][0]["source"]),
        (200, &json!("local"))
    );
    assert!(upstream.calls().is_empty());
}

#[tokio::test]
async fn bedrock_is_asked_by_a_signed_converse() {
    let upstream = upstream(Act::Answer).await;
    let plan = plan_of(&upstream)
        .with("CLEARVIEW_PROVIDERS", "bedrock:anthropic.claude-haiku")
        .with(
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            format!("http://{}", upstream.address),
        )
        .with("AWS_REGION", "eu-west-1");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let answer = service.client.classify(&ann, PREFERENCE, &["crypto", "cats"]).await;
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!(
        (&results[0]["label"], &results[1]["label"], &results[0]["source"]),
        (&json!("HIDE"), &json!("ALLOW"), &json!("model"))
    );
    let call = &upstream.calls()[0];
    assert_eq!(call.path, "/model/anthropic.claude-haiku/converse");
    assert!(
        call.authorization.starts_with("AWS4-HMAC-SHA256 Credential="),
        "{}",
        call.authorization
    );
    assert!(
        call.authorization.contains("/eu-west-1/bedrock/aws4_request"),
        "{}",
        call.authorization
    );
    assert_eq!(call.body["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert!(call.body["system"][0]["text"].as_str().unwrap().contains("untrusted"));
    assert!(call.asked.is_some());
}
