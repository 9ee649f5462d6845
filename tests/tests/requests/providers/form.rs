//! The form of a question: the least reasoning, a bound on the answer, and what is given up when a provider refuses it.

use serde_json::{Value, json};
use tests::service::{Plan, Service};
use tests::upstream::{Act, Upstream, plan_of, upstream};

const PREFERENCE: &str = "hide crypto";

/// A plan that asks this provider alone, by whichever of the two protocols.
fn asking(upstream: &Upstream, provider: &str) -> Plan {
    plan_of(upstream).with("CLEARVIEW_PROVIDERS", provider).with(
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        format!("http://{}", upstream.address),
    )
}

/// Where each of these posts has its verdict from, one request after another.
async fn ask(service: &Service, texts: &[&str]) -> Vec<String> {
    let ann = service.client.register("ann").await;
    let mut sources = Vec::new();
    for text in texts {
        let answer = service.client.classify(&ann, PREFERENCE, &[text]).await;
        sources.push(answer.body["results"][0]["source"].as_str().unwrap().to_owned());
    }
    sources
}

async fn body_of(plan: Plan, upstream: &Upstream) -> Value {
    let service = plan.start().await;
    assert_eq!(ask(&service, &["a post"]).await, ["model"]);
    upstream.calls()[0].body.clone()
}

#[tokio::test]
async fn a_model_that_reasons_is_told_to_reason_the_least_and_to_write_no_more_than_verdicts() {
    for (provider, effort, most) in [
        ("openai:gpt-5-mini", json!("minimal"), 360),
        ("openai:gpt-5", json!("minimal"), 360),
        ("openai:gpt-5.1", json!("none"), 104),
        ("openai:o4-mini", json!("low"), 2_152),
        ("openai:gpt-4.1-mini", Value::Null, 104),
        ("openai:unknown", Value::Null, 2_152),
    ] {
        let upstream = upstream(Act::Answer).await;
        let body = body_of(asking(&upstream, provider), &upstream).await;
        assert_eq!(body["reasoning_effort"], effort, "{provider}");
        assert_eq!(body["max_completion_tokens"], most, "{provider}");
        assert_eq!(body["max_tokens"], Value::Null, "{provider}");
    }
}

#[tokio::test]
async fn an_operator_sets_both_for_all_or_for_one() {
    for (efforts, mosts, effort, most) in [
        ("low", "500", json!("low"), 500),
        (
            r#"{"openai:gpt-5-mini":"high"}"#,
            r#"{"openai:gpt-5-mini":900}"#,
            json!("high"),
            900,
        ),
        (
            r#"{"openai:gpt-5":"high"}"#,
            r#"{"openai:gpt-5":900}"#,
            json!("minimal"),
            360,
        ),
        ("unsent", "", Value::Null, 2_152),
    ] {
        let upstream = upstream(Act::Answer).await;
        let plan = asking(&upstream, "openai:gpt-5-mini")
            .with("CLEARVIEW_REASONING_EFFORT", efforts)
            .with("CLEARVIEW_MAX_OUTPUT_TOKENS", mosts);
        let body = body_of(plan, &upstream).await;
        assert_eq!(
            (&body["reasoning_effort"], &body["max_completion_tokens"]),
            (&effort, &json!(most)),
            "{efforts}"
        );
    }
}

/// Refuses every body with a member, as servers do.
fn refusing(member: &str, error: &Value) -> Act {
    Act::Refuse {
        status: 400,
        error: error.clone(),
        post: None,
        member: Some(member.to_owned()),
    }
}

#[tokio::test]
async fn what_a_provider_refuses_of_the_form_is_given_up_and_not_sent_again() {
    let schema = json!({"error": {"message": "This response_format type is unavailable now"}});
    let format = json!({"error": {"message": "Unrecognized request argument", "param": "response_format"}});
    let effort = json!({"error": {"message": "Unsupported value", "param": "reasoning_effort"}});
    let bound = json!({"error": {"message": "Unsupported parameter: 'max_completion_tokens'."}});
    let choice = json!({"message": "This model doesn't support the toolConfig.toolChoice.any field."});
    let tools = json!({"message": "This model doesn't support tool use."});
    for (provider, member, error, refused) in [
        ("openai:mini", "/response_format/json_schema", &schema, 1),
        ("openai:mini", "/response_format", &format, 2),
        ("openai:gpt-5-mini", "/reasoning_effort", &effort, 2),
        ("openai:mini", "/max_completion_tokens", &bound, 1),
        ("bedrock:meta.other", "/toolConfig/toolChoice/any", &choice, 1),
        ("bedrock:deepseek.r1-v1:0", "/toolConfig", &tools, 2),
        (
            "bedrock:us.meta.llama3-3-70b-instruct-v1:0",
            "/toolConfig/toolChoice/any",
            &choice,
            0,
        ),
    ] {
        let upstream = upstream(refusing(member, error)).await;
        let service = asking(&upstream, provider).start().await;
        assert_eq!(
            ask(&service, &["one", "two"]).await,
            ["model", "model"],
            "{provider} {member}"
        );
        let calls = upstream.calls();
        assert_eq!(calls.len(), refused + 2, "{provider} {member}");
        let last = &calls.last().unwrap().body;
        assert_eq!(last.pointer(member), None, "{provider} {member}");
        let whole = &calls[0].body;
        let of_system = |body: &Value| body.to_string().contains("this JSON schema");
        let by_words = member.contains("format") || member.contains("tool");
        assert_eq!(of_system(last), by_words, "{provider} {member}");
        assert_eq!(of_system(whole), refused == 0, "{provider} {member}");
    }
}

#[tokio::test]
async fn azure_is_asked_with_its_own_header_and_version() {
    let upstream = upstream(Act::Answer).await;
    let plan = asking(&upstream, "openai:gpt-5-mini")
        .with("CLEARVIEW_OPENAI_API_KEY_HEADER", "api-key")
        .with("CLEARVIEW_OPENAI_API_VERSION", "2024-10-21");
    body_of(plan, &upstream).await;
    let call = &upstream.calls()[0];
    assert_eq!(
        (call.api_key.as_str(), call.authorization.as_str(), call.query.as_str()),
        ("sk-test", "", "api-version=2024-10-21")
    );
}
