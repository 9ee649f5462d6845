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
        let judged = capture(&service, &ann, &screen.at_minute(5)).await;
        assert_eq!(
            (source(&judged), &judged.body["degraded"]),
            (&json!("local"), &json!([])),
            "{mode:?}"
        );
        service.clock.advance(Duration::from_secs(5));
        let again = capture(&service, &ann, &screen.at_minute(6)).await;
        assert_eq!(
            (source(&again), &again.body["nextCaptureMs"]),
            (&json!("similar"), &json!(5_000))
        );
        drop(redis);
    }
}

#[tokio::test]
async fn without_its_tables_captures_are_answered_within_the_share_of_the_day() {
    for mode in [Mode::Cut, Mode::Freeze, Mode::Error500] {
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
