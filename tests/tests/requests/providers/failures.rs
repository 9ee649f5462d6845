//! Every way in which a provider fails: an answer in time, nothing wrong stored, nothing charged for what nobody judged, and
//! the model again as soon as it is well.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::client::Answer;
use tests::upstream::{Act, Script, plan_of, upstream};

const PREFERENCE: &str = "hide crypto";
const TEXTS: [&str; 3] = ["crypto is going to the moon", "a cat on a mat", "my crypto wallet"];

/// A call's deadline, and a request's.
const CALL: u64 = 300;
const REQUEST: u64 = 1_500;

/// Time beyond its deadline that a request may take on a busy machine.
const GRACE: Duration = Duration::from_millis(1_500);

fn failures() -> Vec<Act> {
    vec![
        Act::Hang,
        Act::Delay { ms: 5_000 },
        Act::Cut,
        status(500),
        status(503),
        status(429),
        Act::Status {
            status: 429,
            retry_after: Some(7),
        },
        status(400),
        status(401),
        status(403),
        status(404),
        status(409),
        status(424),
        status(425),
        status(499),
        status(302),
        Act::Refuse {
            status: 400,
            error: json!({"error": {"code": "content_filter"}}),
            post: None,
            member: None,
        },
        Act::Redirect {
            status: 307,
            location: "http://127.0.0.1:1/v1/chat/completions".to_owned(),
        },
        Act::Junk,
        Act::Html,
        Act::Prose,
        Act::Truncated,
        Act::ForeignId,
        Act::Twice,
        Act::OutOfRange,
    ]
}

const fn status(status: u16) -> Act {
    Act::Status {
        status,
        retry_after: None,
    }
}

fn sources(answer: &Answer) -> Vec<&str> {
    let results = answer.body["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["source"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn each_failure_gives_an_answer_in_time_and_nothing_of_it_is_kept() {
    for act in failures() {
        let upstream = upstream(act.clone()).await;
        let service = plan_of(&upstream).with_deadlines(CALL, REQUEST).start().await;
        let ann = service.client.register("ann").await;

        #[expect(clippy::disallowed_methods, reason = "a bound on a wait, not a measurement")]
        let begun = Instant::now();
        let answer = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
        assert!(begun.elapsed() < Duration::from_millis(REQUEST) + GRACE, "{act:?}");
        assert_eq!(answer.status, 200, "{act:?}: {answer:?}");
        assert_eq!(sources(&answer), ["local"; 3], "{act:?}: the embedded model stands in");
        assert_eq!(answer.body["degraded"], json!(["model"]), "{act:?}");
        assert_eq!(service.tables().count("answers").await, 0, "{act:?}: nothing is stored");
        assert_eq!(
            answer.body["usage"]["used"], 3,
            "{act:?}: it was judged, so it is charged"
        );

        upstream.follow(Script::always(Act::Answer));
        // Beyond every wait that the provider asked for.
        service.clock.advance(Duration::from_secs(10));
        let healed = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
        assert_eq!(sources(&healed), ["model"; 3], "{act:?}");
        assert_eq!(healed.body["degraded"], json!([]), "{act:?}");
        let labels: Vec<&Value> = healed.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["label"])
            .collect();
        assert_eq!(labels, ["HIDE", "ALLOW", "HIDE"], "{act:?}");
        let confirmed = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
        assert_eq!(
            sources(&confirmed),
            ["model", "cache", "model"],
            "{act:?}: hidden beside others"
        );
        let cached = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
        assert_eq!(sources(&cached), ["cache"; 3], "{act:?}");
    }
}

#[tokio::test]
async fn without_a_stand_in_posts_are_allowed_and_not_charged() {
    for act in failures() {
        let upstream = upstream(act.clone()).await;
        let plan = plan_of(&upstream).with_deadlines(CALL, REQUEST);
        let service = plan.with("CLEARVIEW_LOCAL_FALLBACK", "off").start().await;
        let ann = service.client.register("ann").await;
        let answer = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
        for result in answer.body["results"].as_array().unwrap() {
            assert_eq!(
                (&result["source"], &result["label"], &result["failedOpen"]),
                (&json!("default"), &json!("ALLOW"), &json!(true)),
                "{act:?}"
            );
        }
        assert_eq!(answer.body["usage"]["used"], 0, "{act:?}");
        let used = service.tables().used(&ann.user, service.clock.now()).await;
        assert_eq!((used, service.tables().count("answers").await), (0, 0), "{act:?}");
    }
}

#[tokio::test]
async fn a_verdict_past_its_time_is_served_while_nobody_answers() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    service.client.classify(&ann, PREFERENCE, &TEXTS[..1]).await;

    upstream.follow(Script::always(status(500)));
    service.clock.advance(Duration::from_hours(7));
    let ann = service.client.register("ann").await;
    let answer = service.client.classify(&ann, PREFERENCE, &TEXTS[..2]).await;
    assert_eq!(sources(&answer), ["stale", "local"]);
    assert_eq!(answer.body["results"][0]["label"], "HIDE");
    assert_eq!(answer.body["degraded"], json!(["model"]));
}

#[tokio::test]
async fn the_next_provider_answers_for_one_that_is_down_and_its_verdicts_are_shared() {
    let upstream = upstream(Act::Answer).await;
    let plan = plan_of(&upstream)
        .with("CLEARVIEW_PROVIDERS", "openai:dead,bedrock:anthropic.claude-v1:0")
        .with(
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            format!("http://{}", upstream.address),
        )
        .with("CLEARVIEW_OPENAI_BASE_URL", "http://127.0.0.1:1/v1");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let answer = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
    assert_eq!(sources(&answer), ["model"; 3], "{answer:?}");
    assert_eq!(answer.body["degraded"], json!([]), "a configured provider judged");
    assert_eq!(upstream.calls()[0].path, "/model/anthropic.claude-v1%3A0/converse");
    assert_eq!(service.tables().count("answers").await, 3);
}

#[tokio::test]
async fn a_post_that_upsets_a_model_takes_no_more_than_its_half_with_it_when_retries_are_left() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    // Twenty good calls earn two retries.
    for n in 0..20 {
        service
            .client
            .classify(&ann, PREFERENCE, &[&format!("post number {n}")])
            .await;
    }
    upstream.follow(Script::always(Act::Poisoned {
        by: "poison".to_owned(),
    }));
    let answer = service
        .client
        .classify(&ann, PREFERENCE, &["one", "two", "poison", "four"])
        .await;
    assert_eq!(sources(&answer), ["model", "model", "local", "local"]);
    assert_eq!(upstream.calls().len(), 23);
}

#[tokio::test]
async fn a_verdict_that_is_missing_is_asked_for_again_once() {
    let upstream = upstream(Act::LeaveOut).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let answer = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
    assert_eq!(sources(&answer), ["model"; 3]);
    upstream.follow(Script::always(Act::OnlyFirst));
    let answer = service.client.classify(&ann, "hide cats", &TEXTS).await;
    assert_eq!(sources(&answer), ["model", "model", "local"], "once, and not for ever");
    let asked: Vec<usize> = upstream
        .calls()
        .iter()
        .map(|call| call.asked.as_ref().unwrap().posts.len())
        .collect();
    assert_eq!(asked, [3, 1, 3, 2]);
}

#[tokio::test]
async fn what_a_model_forgets_uses_up_the_budget_of_retries() {
    let upstream = upstream(Act::LeaveOut).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    for n in 0..21 {
        let texts = TEXTS.map(|text| format!("{text} {n}"));
        let texts = texts.each_ref().map(String::as_str);
        let answer = service.client.classify(&ann, PREFERENCE, &texts).await;
        assert_eq!(sources(&answer), ["model"; 3]);
    }
    let before = upstream.calls().len();
    assert_eq!(before, 42);
    upstream.follow(Script::parse(r#"{"steps":[{"do":"status","status":500}]}"#).unwrap());
    let answer = service.client.classify(&ann, PREFERENCE, &["never seen"]).await;
    assert_eq!((sources(&answer), upstream.calls().len()), (vec!["local"], before + 1));
}

#[tokio::test]
async fn a_first_failure_is_not_tried_again_without_a_budget() {
    let upstream = upstream(Act::Answer).await;
    upstream.follow(Script::parse(r#"{"steps":[{"do":"status","status":500}]}"#).unwrap());
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let answer = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
    assert_eq!((sources(&answer), upstream.calls().len()), (vec!["local"; 3], 1));
}

#[tokio::test]
async fn who_asked_not_to_be_called_is_not_called() {
    let upstream = upstream(Act::Answer).await;
    upstream.follow(Script::parse(r#"{"steps":[{"do":"status","status":429,"retryAfter":60}]}"#).unwrap());
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    for n in 0..5 {
        let answer = service.client.classify(&ann, PREFERENCE, &[&format!("post {n}")]).await;
        assert_eq!(sources(&answer), ["local"]);
    }
    assert_eq!(upstream.calls().len(), 1);
    service.clock.advance(Duration::from_mins(1));
    let answer = service.client.classify(&ann, PREFERENCE, &TEXTS).await;
    assert_eq!((sources(&answer), upstream.calls().len()), (vec!["model"; 3], 2));
}
