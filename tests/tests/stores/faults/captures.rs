//! Captures while the shared cache or the tables are down, with the shipped plan, limits and timeouts.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::screens::Screen;
use tests::service::{Plan, Service, TableService};

/// Long enough for the next request to probe what has failed.
const NEXT_PROBE: Duration = Duration::from_secs(6);

async fn capture(service: &Service, device: &Device, screen: &Screen) -> Answer {
    let request = service.client.request(Method::POST, "/v1/detect?device=tablet");
    let request = request.bearer_auth(&device.access).header("content-type", "image/png");
    send(request.body(screen.png())).await
}

fn source(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    &answer.body["source"]
}

#[tokio::test]
async fn without_its_cache_nothing_is_reused_and_the_pace_is_slow_but_each_capture_is_answered() {
    for mode in [Mode::Cut, Mode::Freeze, Mode::Garbage] {
        let (redis, tables) = (Redis::start(), TableService::start().await);
        let network = Proxy::to(redis.address()).await;
        let plan = Plan::default()
            .with_default_limits()
            .with_tables_at(tables.address())
            .with_cache_at(format!("redis://{}", network.address));
        let service = plan.start().await;
        let ann = service.client.register("ann").await;
        let screen = Screen::of(1);
        assert_eq!(source(&capture(&service, &ann, &screen).await), "local");
        network.set(mode);
        for minute in 1..4 {
            service.clock.advance(Duration::from_secs(5));
            let answer = capture(&service, &ann, &screen.at_minute(minute)).await;
            assert_eq!(
                (source(&answer), &answer.body["level"]),
                (&json!("local"), &json!(0)),
                "{mode:?}"
            );
            assert_eq!(
                answer.body["nextCaptureMs"], 10_000,
                "{mode:?}: an outage is no time for more work"
            );
            let degraded = answer.body["degraded"].as_array().unwrap();
            assert!(degraded.contains(&json!("rateLimit")), "{mode:?}: {degraded:?}");
            assert!(!degraded.contains(&json!("model")), "{mode:?}: {degraded:?}");
        }
        network.set(Mode::Pass);
        service.clock.advance(NEXT_PROBE);
        // The frame that was judged before the outage is 21 seconds old.
        let again = capture(&service, &ann, &screen.at_minute(5)).await;
        assert_eq!(
            (source(&again), &again.body["degraded"]),
            (&json!("similar"), &json!([])),
            "{mode:?}"
        );
        assert_eq!(again.body["nextCaptureMs"], 5_000);
        drop(redis);
    }
}

#[tokio::test]
async fn without_its_tables_captures_are_answered_within_the_share_of_the_day() {
    for mode in [Mode::Cut, Mode::Freeze] {
        let (tables, network, plan) = Plan::behind_a_network().await;
        let plans = r#"{"free":{"images":{"perDay":100,"perMinute":100}}}"#;
        let service = plan.with("CLEARVIEW_PLANS", plans).start().await;
        let ann = service.client.register("ann").await;
        assert_eq!(source(&capture(&service, &ann, &Screen::of(1)).await), "local");
        network.set(mode);
        let similar = capture(&service, &ann, &Screen::of(1).at_minute(3)).await;
        assert_eq!(
            (source(&similar), &similar.body["degraded"]),
            (&json!("similar"), &json!([])),
            "{mode:?}"
        );
        // A tenth of 80 % of what was left.
        let mut statuses = Vec::new();
        for n in 2..12 {
            let answer = capture(&service, &ann, &Screen::of(n)).await;
            if answer.status == 200 {
                assert_eq!(answer.body["degraded"], json!(["quota"]), "{mode:?}");
            } else {
                assert_eq!((answer.status, answer.error()), (503, "REDUCED_CAPACITY"));
                assert_eq!(answer.body["nextCaptureMs"], answer.body["retryAfterMs"]);
            }
            statuses.push(answer.status);
        }
        assert_eq!(
            statuses.iter().filter(|status| **status == 200).count(),
            7,
            "{mode:?}: {statuses:?}"
        );
        network.set(Mode::Pass);
        service.clock.advance(NEXT_PROBE);
        let answer = capture(&service, &ann, &Screen::of(20)).await;
        assert_eq!(
            (source(&answer), &answer.body["usage"]["used"]),
            (&json!("local"), &json!(9)),
            "{mode:?}"
        );
        drop(tables);
    }
}

/// A provider that nobody can reach.
fn unreachable(plan: Plan) -> Plan {
    plan.with("CLEARVIEW_DETECT_PROVIDERS", "openai:gpt-5-mini")
        .with("CLEARVIEW_OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
}

#[tokio::test]
async fn while_no_provider_answers_a_stale_judgement_counts_then_the_embedded_model_then_nothing() {
    let redis = Redis::start();
    let plan = Plan::default().with_default_limits().with_cache_at(redis.url());
    let before = plan.clone().start().await;
    let bob = before.client.register("bob").await;
    assert_eq!(source(&capture(&before, &bob, &Screen::of(1)).await), "local");

    let service = unreachable(plan.clone()).start().await;
    let ann = service.client.register("ann").await;
    let stale = capture(&service, &ann, &Screen::of(1)).await;
    assert_eq!((source(&stale), &stale.body["cached"]), (&json!("stale"), &json!(true)));
    let local = capture(&service, &ann, &Screen::of(2)).await;
    assert_eq!(
        (source(&local), &local.body["failedOpen"]),
        (&json!("local"), &json!(false))
    );
    for answer in [&stale, &local] {
        assert_eq!(answer.body["degraded"], json!(["model"]), "{answer:?}");
    }
    // A frame that a stand-in judged is not kept, and is not shared.
    let again = capture(&service, &ann, &Screen::of(2).at_minute(3)).await;
    assert_eq!(source(&again), "local");
    let usage = service.client.usage(&ann).await;
    assert_eq!(usage.body["meters"]["images"]["used"], 2, "a stale one is free");

    let bare = unreachable(plan).with("CLEARVIEW_LOCAL_FALLBACK", "off").start().await;
    let eve = bare.client.register("eve").await;
    let open = capture(&bare, &eve, &Screen::of(3)).await;
    assert_eq!(
        (source(&open), &open.body["level"], &open.body["failedOpen"]),
        (&json!("default"), &json!(0), &json!(true))
    );
    assert!(open.body["model"].is_null(), "{open:?}");
    let usage = bare.client.usage(&eve).await;
    assert_eq!(usage.body["meters"]["images"]["used"], 0);
}
