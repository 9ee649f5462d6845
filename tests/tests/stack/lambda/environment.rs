//! The life of an environment: its start, what it leaves behind an answer, its end.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::definitions::Template;
use tests::proxy::{Mode, Proxy};
use tests::runtime_api::{InitFailure, InvokeFailure};

use crate::lambda::stage::{Stage, batch, body_of, classify, token_of};

/// The binaries of all functions.
fn functions() -> Vec<String> {
    let template = Template::read();
    let binaries = template.functions().map(|(_, binary, _)| binary.to_owned());
    binaries.collect()
}

/// So slow that what was left running behind an answer would not have arrived when the answer has.
const SLOW: Mode = Mode::Delay(Duration::from_millis(60));

#[tokio::test]
async fn a_token_of_auth_is_honoured_by_functions_that_have_no_keys_to_sign_with() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    for (name, event) in [("classify", "classify/batch"), ("usage", "usage/today")] {
        let environment = stage.function(name).start().await.unwrap();
        let event = tests::events::named(event).with_token(token_of(&registration));
        let answer = environment.invoke(event).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{name}: {answer}");
    }
}

#[tokio::test]
async fn nothing_is_left_running_behind_an_answer() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let proxy = Proxy::to(stage.tables.address()).await;
    proxy.set(SLOW);
    let function = stage.patient("classify", proxy.address).with("CLEARVIEW_LOG", "info");
    let environment = function.start().await.unwrap();
    let tables = stage.tables.tables();
    for round in 1..=3 {
        let texts = [format!("a{round}"), format!("b{round}"), format!("c{round}")];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let body = classify(&environment, &registration, &texts).await;
        environment.freeze().await;
        assert_eq!(body["usage"]["used"], stage.used(&registration).await);
        assert_eq!(
            tables.count("answers").await,
            3 * round,
            "every verdict was stored before the answer"
        );
        let records = environment.log();
        let records = records.iter().filter(|line| line.contains("app-feed-1")).count();
        assert_eq!(records, usize::try_from(round).unwrap(), "{:?}", environment.log());
        environment.thaw().await;
    }

    let function = stage
        .function_at("auth", proxy.address)
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "20000");
    let auth = function.start().await.unwrap();
    let before = tables.count("identity").await;
    let answer = auth
        .invoke(tests::events::named("auth/register").with_token(""))
        .await
        .unwrap();
    auth.freeze().await;
    assert_eq!(answer["statusCode"], 201);
    // The device, its user, its session.
    assert_eq!(tables.count("identity").await, before + 3);
}

#[tokio::test]
async fn an_idle_environment_ends_when_it_is_told_to() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    for name in functions() {
        for concurrency in [1, 4] {
            let mut function = stage.function(&name);
            if concurrency > 1 {
                function = function.with_concurrency(concurrency);
            }
            let environment = function.start().await.unwrap();
            assert_eq!(
                environment.extensions().len(),
                1,
                "only who registers one is told of the end"
            );
            let event = match name.as_str() {
                "quota-reset" => tests::events::text_of("quota-reset/close"),
                // Without Secrets Manager it has nothing to do but refuse.
                "key-rotation" => tests::events::text_of("key-rotation/unknown-form"),
                "webhooks" => tests::events::text_of("webhooks/unreadable-message"),
                "worker" => tests::events::text_of("worker/unreadable-message"),
                _ => tests::events::named("usage/today").with_token(token_of(&registration)),
            };
            let answered = environment.invoke(event).await;
            let refused = name == "key-rotation" && matches!(answered, Err(InvokeFailure::Reported(_)));
            assert!(answered.is_ok() || refused, "{name}: {answered:?}");
            environment.is_idle().await;
            let status = environment.terminate().await;
            assert!(status.success(), "{name}: {status}");
        }
    }
}

#[tokio::test]
async fn what_an_environment_admitted_without_the_table_is_in_it_when_the_environment_has_ended() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let proxy = Proxy::to(stage.tables.address()).await;
    let environment = stage.function_at("classify", proxy.address).start().await.unwrap();
    let body = classify(&environment, &registration, &["a", "b", "c"]).await;
    assert_eq!(body["degraded"], json!([]));
    proxy.set(Mode::Cut);
    let body = classify(&environment, &registration, &["a", "b"]).await;
    assert_eq!(body["degraded"], json!(["quota"]));
    proxy.set(Mode::Pass);
    assert_eq!(stage.used(&registration).await, 3);
    assert!(environment.terminate().await.success());
    assert_eq!(stage.used(&registration).await, 5);
}

#[tokio::test]
async fn environments_of_one_function_share_what_they_know_through_the_tables() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let function = stage.function("classify");
    let environments = [
        function.start().await.unwrap(),
        function.start().await.unwrap(),
        function.start().await.unwrap(),
    ];
    let mut sources = Vec::new();
    for environment in &environments {
        let body = classify(environment, &registration, &["bitcoin"]).await;
        sources.push(body["results"][0]["source"].clone());
    }
    assert_eq!(sources, ["local", "cache", "cache"]);
    let event = || batch(&registration, &["bread"]);
    let [one, two, three] = &environments;
    let answers = tokio::join!(one.invoke(event()), two.invoke(event()), three.invoke(event()));
    let mut used: Vec<u64> = [answers.0, answers.1, answers.2]
        .into_iter()
        .map(|answer| body_of(&answer.unwrap())["usage"]["used"].as_u64().unwrap())
        .collect();
    used.sort_unstable();
    assert_eq!(used, [4, 5, 6], "on {}", Clock::system().now().day());
}

#[tokio::test]
async fn requests_that_come_together_to_a_new_environment_are_all_let_in() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let proxy = Proxy::to(stage.tables.address()).await;
    // So slow that all of them have come before the first has read the keys.
    proxy.set(SLOW);
    let function = stage.function_at("classify", proxy.address).with_concurrency(4);
    let environment = function.start().await.unwrap();
    environment.is_idle().await;
    let events = ["one", "two", "three", "four"].map(|text| batch(&registration, &[text]));
    let answers = futures_util::future::join_all(events.iter().map(|event| environment.invoke(event))).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
}

#[tokio::test]
async fn a_bad_setting_stops_the_init_with_its_name() {
    let stage = Stage::start().await;
    for name in functions() {
        let function = stage.function(&name).with("CLEARVIEW_FLEET_SIZE", "many");
        match function.start().await {
            Err(InitFailure::Exited(status, said)) => {
                assert!(!status.success());
                assert!(said.join("\n").contains("CLEARVIEW_FLEET_SIZE"), "{name}: {said:?}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn events_that_come_together_are_answered_one_after_the_other_without_concurrency() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let environment = stage.function("classify").start().await.unwrap();
    let event = |text: &str| batch(&registration, &[text]);
    let (one, two) = tokio::join!(environment.invoke(event("one")), environment.invoke(event("two")));
    let used = |answer: Value| body_of(&answer)["usage"]["used"].clone();
    assert_eq!([used(one.unwrap()), used(two.unwrap())], [json!(1), json!(2)]);
}

#[tokio::test]
async fn an_environment_works_on_no_more_events_than_its_concurrency() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let proxy = Proxy::to(stage.tables.address()).await;
    let function = stage.patient("classify", proxy.address).with_concurrency(2);
    let environment = function.start().await.unwrap();
    environment.is_idle().await;
    proxy.set(SLOW);
    let events = ["one", "two", "three", "four", "five"].map(|text| batch(&registration, &[text]));
    let answers = futures_util::future::join_all(events.iter().map(|event| environment.invoke(event)));
    let watch = async {
        environment.has_in_flight(2).await;
        assert_eq!(environment.open_polls(), 0, "the third is for another environment");
    };
    let (answers, ()) = tokio::join!(answers, watch);
    assert!(answers.into_iter().all(|answer| answer.unwrap()["statusCode"] == 200));
}

#[cfg(unix)]
#[tokio::test]
async fn a_setting_that_is_not_utf_8_stops_the_init_with_its_name() {
    use std::os::unix::ffi::OsStringExt;

    for name in [
        "CLEARVIEW_REQUIRE_SIGNATURES",
        "AWS_REGION",
        "AWS_LAMBDA_MAX_CONCURRENCY",
    ] {
        let output = std::process::Command::new(tests::program::path_of("classify"))
            .env_clear()
            .env(name, std::ffi::OsString::from_vec(b"on\xff".to_vec()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(name), "{name}: {said}");
    }
}
