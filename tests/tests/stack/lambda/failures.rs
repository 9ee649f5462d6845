//! An event that is no request, or breaks the handler, fails its own invocation and no other.

use serde_json::{Value, json};
use tests::proxy::{Mode, Proxy};
use tests::runtime_api::{Environment, InvokeFailure};

use crate::lambda::stage::{Stage, batch, body_of, classify, token_of};

/// Events that no gateway sends.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let text = |event: Value| event.to_string().into_bytes();
    vec![
        ("nothing", Vec::new()),
        ("no JSON", b"{\"httpMethod\": \"GET\"".to_vec()),
        ("no UTF-8", b"\"\xff\xfe\"".to_vec()),
        ("null", b"null".to_vec()),
        ("an empty object", text(json!({}))),
        (
            "an event of a queue",
            text(json!({"Records": [{"eventSource": "aws:sqs", "body": "x"}]})),
        ),
        (
            "an event of an HTTP API",
            text(json!({"version": "2.0", "rawPath": "/v1/usage", "requestContext": {"http": {"method": "GET"}}})),
        ),
        (
            "an unknown method",
            text(json!({"httpMethod": "\u{0}", "requestContext": {}})),
        ),
        ("a body that is not base64", text(broken_base64())),
    ]
}

/// The library that reads events panics at this one.
fn broken_base64() -> Value {
    let mut event = tests::events::named("classify/batch").value("");
    event["isBase64Encoded"] = true.into();
    event["body"] = "?".into();
    event
}

async fn fails_alone(environment: &Environment, what: &str, event: &[u8]) {
    match environment.invoke(event).await {
        Err(InvokeFailure::Reported(diagnostic)) => assert!(!diagnostic.message.is_empty(), "{what}"),
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn garbage_fails_its_invocation_and_the_next_event_is_answered() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    for (name, good) in [
        ("auth", "auth/jwks"),
        ("classify", "classify/batch"),
        ("health", "health/health"),
        ("usage", "usage/today"),
    ] {
        let environment = stage.function(name).start().await.unwrap();
        let good = tests::events::named(good).with_token(token_of(&registration));
        for (what, event) in garbage() {
            fails_alone(&environment, &format!("{what}, to {name}"), &event).await;
            let answer = environment.invoke(&good).await.unwrap();
            assert_eq!(answer["statusCode"], 200, "after {what}, {name}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_panic_is_logged_with_its_place_and_without_its_message() {
    let stage = Stage::start().await;
    let function = stage.function("usage").with("CLEARVIEW_LOG", "error");
    let usage = function.start().await.unwrap();
    let failed = usage.invoke(broken_base64().to_string()).await;
    let Err(InvokeFailure::Reported(diagnostic)) = failed else {
        panic!("{failed:?}")
    };
    assert!(diagnostic.message.contains("panicked"), "{diagnostic:?}");
    let line = usage.logged(|line| line.contains("\"panic\"")).await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "error");
    assert!(line["place"].as_str().unwrap().contains(".rs:"), "{line}");
}

#[tokio::test]
async fn of_four_events_in_flight_at_once_garbage_fails_alone() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let proxy = Proxy::to(stage.tables.address()).await;
    let function = stage.patient("classify", proxy.address).with_concurrency(4);
    let environment = function.start().await.unwrap();
    // It knows the public keys after this.
    assert_eq!(
        classify(&environment, &registration, &["zero"]).await["usage"]["used"],
        1
    );

    for (what, event) in garbage() {
        let before = stage.used(&registration).await;
        environment.is_idle().await;
        proxy.set(Mode::Freeze);
        let held = async |texts: &[&str]| environment.invoke(batch(&registration, texts)).await.unwrap();
        let meanwhile = async {
            environment.has_in_flight(3).await;
            fails_alone(&environment, what, &event).await;
            // The place of the garbage is free again: now four wait for the table.
            let (fourth, ()) = tokio::join!(held(&["six", "seven", "eight", "nine"]), async {
                environment.has_in_flight(4).await;
                proxy.set(Mode::Pass);
            });
            fourth
        };
        let (one, two, three, four) = tokio::join!(
            held(&["one"]),
            held(&["two", "three"]),
            held(&["four", "five", "six"]),
            meanwhile
        );
        let mut seen = Vec::new();
        for answer in [one, two, three, four] {
            assert_eq!(answer["statusCode"], 200, "{what}: {answer}");
            let body = body_of(&answer);
            assert_eq!(body["degraded"], json!([]), "{what}: {body}");
            seen.push(body["usage"]["used"].as_u64().unwrap());
        }
        assert_eq!(stage.used(&registration).await, before + 10, "{what}");
        seen.sort_unstable();
        assert_eq!(seen[3], before + 10, "{what}: each was charged once: {seen:?}");
    }
}
