//! Streamed answers of the binary: piece by piece, with one head, and settled before they end.

use serde_json::{Value, json};
use tests::runtime_api::{Environment, Function};
use tests::upstream::{Act, Script, Upstream, upstream};

use crate::lambda::stage::{Stage, body_of, token_of};

fn chat(stage: &Stage, upstream: &Upstream) -> Function {
    let settings = tests::chat::plan(upstream);
    let variables = [
        "CLEARVIEW_ASSISTANTS",
        "CLEARVIEW_OPENAI_BASE_URL",
        "CLEARVIEW_OPENAI_API_KEY",
    ];
    variables.into_iter().fold(stage.function("chat"), |function, name| {
        function.with(name, settings.variables()[name].clone())
    })
}

fn event(registration: &Value, streams: bool) -> String {
    let mut event = tests::events::named("chat/unknown-assistant").value(token_of(registration));
    let mut body = tests::chat::question("coach", "Hi");
    body["stream"] = json!(streams);
    event["body"] = body.to_string().into();
    event.to_string()
}

/// The tokens that the quota table counts today.
async fn tokens(stage: &Stage, registration: &Value) -> Value {
    let now = shared::clock::Clock::system().now();
    let user = registration["userId"].as_str().unwrap();
    let item = stage.tables.tables().item(user, &format!("tokens#{}", now.day())).await;
    let number = |name: &str| {
        item.get(name)
            .map(|value| value.as_n().unwrap().parse::<u64>().unwrap())
    };
    json!({"used": number("used"), "held": number("held"), "open": number("open")})
}

async fn start(stage: &Stage, upstream: &Upstream) -> Environment {
    chat(stage, upstream).start().await.unwrap()
}

#[tokio::test]
async fn a_reply_is_streamed_as_it_comes_and_settled_when_the_answer_ends() {
    let script = r#"{"then":{"do":"chat","text":"One two three four","pauseMs":40}}"#;
    let upstream = Upstream::start(Script::parse(script).unwrap()).await.unwrap();
    let stage = Stage::start().await;
    let ann = stage.register("ann").await;
    let environment = start(&stage, &upstream).await;
    let mut pieces = environment.stream(event(&ann, true));
    let mut answer: Vec<u8> = Vec::new();
    let mut before_the_end = 0;
    while let Some(piece) = pieces.recv().await {
        answer.extend_from_slice(&piece);
        if !String::from_utf8_lossy(&answer).contains("[DONE]") {
            before_the_end += 1;
        }
    }
    assert!(before_the_end > 3, "it came in {before_the_end} pieces");
    // The process may be frozen from now on.
    let used = (("Be kind.Hi".len().div_ceil(4)) + "One two three four".len().div_ceil(4)) as u64;
    assert_eq!(tokens(&stage, &ann).await, json!({"used": used, "held": 0, "open": 0}));
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\0\0\0\0\0\0\0\0").unwrap();
    let head: Value = serde_json::from_str(head).unwrap();
    assert_eq!(head["statusCode"], 200);
    assert_eq!(head["headers"]["content-type"], "text/event-stream; charset=utf-8");
    for (name, value) in head["headers"].as_object().unwrap() {
        assert!(value.is_string(), "{name} is there once: {value}");
    }
    assert!(
        body.starts_with("data: {") && body.ends_with("data: [DONE]\n\n"),
        "{body}"
    );
    assert!(!body.contains("Lambda-Runtime-Function-Error"));
}

#[tokio::test]
async fn a_refusal_is_whole_and_sam_local_is_given_whole_answers_only() {
    let upstream = upstream(Act::Answer).await;
    let stage = Stage::start().await;
    let ann = stage.register("ann").await;
    let environment = start(&stage, &upstream).await;
    let refused = environment
        .invoke(event(&json!({"accessToken": "sk-wrong"}), true))
        .await
        .unwrap();
    assert_eq!(refused["statusCode"], 401);
    assert_eq!(body_of(&refused)["error"]["code"], "invalid_api_key");
    let local = chat(&stage, &upstream)
        .with("AWS_SAM_LOCAL", "true")
        .start()
        .await
        .unwrap();
    let answer = local.invoke(event(&ann, true)).await.unwrap();
    assert_eq!(answer["statusCode"], 200);
    assert!(
        answer["body"].as_str().unwrap().ends_with("data: [DONE]\n\n"),
        "{answer}"
    );
}
