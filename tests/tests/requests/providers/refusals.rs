//! A provider that asks to be left alone, refuses one post, or refuses everything.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::client::{Answer, Device};
use tests::service::Service;
use tests::upstream::{Act, CHEAP, Script, plan_of, upstream};

const PREFERENCE: &str = "hide crypto";

/// The other provider of chains with two.
const OTHER: &str = "bedrock:anthropic.claude-v1:0";

fn sources(answer: &Answer) -> Vec<&str> {
    let results = answer.body["results"].as_array().unwrap();
    let sources = results.iter().map(|result| result["source"].as_str().unwrap());
    sources.collect()
}

fn refusing(status: u16, error: Value, post: Option<&str>) -> Act {
    Act::Refuse {
        status,
        error,
        post: post.map(str::to_owned),
        member: None,
    }
}

#[tokio::test]
async fn who_asks_for_seven_seconds_is_held_and_the_user_is_answered_by_the_next_at_once() {
    for (chain, source) in [(CHEAP.to_owned(), "local"), (format!("{CHEAP},{OTHER}"), "model")] {
        let upstream = upstream(Act::Answer).await;
        let plan = plan_of(&upstream).with("CLEARVIEW_PROVIDERS", chain).with(
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            format!("http://{}", upstream.address),
        );
        let service = plan.start().await;
        let ann = service.client.register("ann").await;
        // Enough calls that a retry would be granted.
        for n in 0..20 {
            service.client.classify(&ann, PREFERENCE, &[&format!("post {n}")]).await;
        }
        let step = r#"{"steps":[{"do":"status","status":429,"retryAfter":7}]}"#;
        upstream.follow(Script::parse(step).unwrap());
        #[expect(clippy::disallowed_methods, reason = "a bound on a wait, not a measurement")]
        let begun = Instant::now();
        let answer = service.client.classify(&ann, PREFERENCE, &["one"]).await;
        assert!(begun.elapsed() < Duration::from_secs(4), "nobody waits for it");
        assert_eq!(sources(&answer), [source]);
        let answer = service.client.classify(&ann, PREFERENCE, &["two"]).await;
        assert_eq!(sources(&answer), [source]);
        let of_cheap = || {
            upstream
                .calls()
                .iter()
                .filter(|call| call.path.starts_with("/v1"))
                .count()
        };
        assert_eq!(of_cheap(), 21, "it is held");
        service.clock.advance(Duration::from_secs(7));
        service.client.classify(&ann, PREFERENCE, &["three"]).await;
        assert_eq!(of_cheap(), 22, "and asked again when it is over");
    }
}

/// How long forty requests of one user take with a provider that fails like this: too few failures count for any retry.
async fn forty(act: Act) -> Duration {
    let upstream = upstream(act).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    #[expect(clippy::disallowed_methods, reason = "compared with a measurement of the same kind")]
    let begun = Instant::now();
    for n in 0..40 {
        let answer = service.client.classify(&ann, PREFERENCE, &[&format!("post {n}")]).await;
        assert_eq!(sources(&answer), ["local"]);
    }
    assert_eq!(upstream.calls().len(), 40);
    begun.elapsed()
}

#[tokio::test]
async fn nobody_waits_for_a_retry_that_is_not_granted() {
    let never_retried = forty(refusing(400, Value::Null, None)).await;
    let not_granted = forty(Act::Prose).await;
    // Waits of up to 200 ms would come to four seconds.
    assert!(
        not_granted < never_retried + Duration::from_secs(2),
        "{not_granted:?} and {never_retried:?}"
    );
}

#[tokio::test]
async fn a_post_that_is_refused_takes_no_more_than_its_half_with_it() {
    for error in [
        json!({"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
        json!({"error": {"code": "context_length_exceeded", "type": "invalid_request_error"}}),
        json!({"error": {"code": "json_validate_failed"}}),
    ] {
        let upstream = upstream(Act::Answer).await;
        let service = plan_of(&upstream).start().await;
        let ann = service.client.register("ann").await;
        // Twenty good calls earn two retries.
        for n in 0..20 {
            service.client.classify(&ann, PREFERENCE, &[&format!("post {n}")]).await;
        }
        upstream.follow(Script::always(refusing(400, error.clone(), Some("poison"))));
        let texts = ["one", "two", "poison", "four"];
        let answer = service.client.classify(&ann, PREFERENCE, &texts).await;
        assert_eq!(sources(&answer), ["model", "model", "local", "local"], "{error}");
        let health = service.client.get("/health").await;
        let provider = &health.body["dependencies"]["providers"][CHEAP];
        assert_eq!(provider, &json!({"status": "ok"}), "{error}: the provider is well");
    }
}

async fn devices(service: &Service) -> Vec<Device> {
    let mut devices = Vec::new();
    for n in 0..6 {
        devices.push(service.client.register(&format!("device-{n}")).await);
    }
    devices
}

#[tokio::test]
async fn a_provider_that_refuses_everything_is_left_alone_and_health_says_with_what() {
    for status in [400, 401, 402, 403, 404, 422] {
        let upstream = upstream(refusing(status, json!({"error": {"message": "no"}}), None)).await;
        let service = plan_of(&upstream).start().await;
        let devices = devices(&service).await;
        let ask = async |n: usize| {
            let (device, text) = (&devices[n % devices.len()], format!("post {n}"));
            service.client.classify(device, PREFERENCE, &[&text]).await
        };
        for n in 0..20 {
            assert_eq!(sources(&ask(n).await), ["local"]);
        }
        let calls = upstream.calls().len();
        assert!(calls <= 12, "{status}: {calls}");
        let provider = async || {
            let health = service.client.get("/health").await;
            health.body["dependencies"]["providers"][CHEAP].clone()
        };
        assert_eq!(provider().await, json!({"status": "down", "refusedWith": status}));

        upstream.follow(Script::always(Act::Answer));
        service.clock.advance(Duration::from_mins(2));
        for n in 20..24 {
            assert_eq!(sources(&ask(n).await), ["model"], "{status}");
        }
        assert_eq!(provider().await, json!({"status": "ok"}), "{status}");
    }
}

#[tokio::test]
async fn one_user_cannot_shut_a_provider_with_posts_that_it_refuses() {
    let upstream = upstream(refusing(400, json!({"error": {"message": "no"}}), Some("poison"))).await;
    let service = plan_of(&upstream).start().await;
    let (bad, good) = (
        service.client.register("bad").await,
        service.client.register("good").await,
    );
    for n in 0..20 {
        service
            .client
            .classify(&bad, PREFERENCE, &[&format!("poison {n}")])
            .await;
    }
    let answer = service.client.classify(&good, PREFERENCE, &["a post"]).await;
    assert_eq!(sources(&answer), ["model"]);
}
