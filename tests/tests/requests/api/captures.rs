//! Captures one after the other: what is judged again, what is not, and when the next one is wanted.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::client::{Answer, Device, send};
use tests::dice::Dice;
use tests::redis::Redis;
use tests::screens::Screen;
use tests::service::{Plan, Service};

/// A server without a shared cache, and one with.
async fn servers() -> (Redis, [Service; 2]) {
    let redis = Redis::start();
    let generous = r#"{"free":{"images":{"perDay":10000,"perMinute":10000}}}"#;
    let plan = Plan::default().with("CLEARVIEW_PLANS", generous);
    let alone = plan.clone().start().await;
    let cached = plan.with_cache_at(redis.url()).start().await;
    (redis, [alone, cached])
}

async fn capture(service: &Service, device: &Device, name: &str, screen: &Screen) -> Answer {
    let request = service
        .client
        .request(Method::POST, &format!("/v1/detect?device={name}"));
    let request = request.bearer_auth(&device.access).header("content-type", "image/png");
    send(request.body(screen.png())).await
}

fn source(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["source"].as_str().unwrap()
}

fn next(answer: &Answer) -> u64 {
    answer.body["nextCaptureMs"]
        .as_u64()
        .unwrap_or_else(|| panic!("{answer:?}"))
}

async fn used(service: &Service, device: &Device) -> u64 {
    let usage = service.client.usage(device).await;
    usage.body["meters"]["images"]["used"].as_u64().unwrap()
}

#[tokio::test]
async fn nearly_the_same_frame_of_the_same_device_is_judged_once_in_half_a_minute() {
    let (_redis, servers) = servers().await;
    for service in servers {
        let [ann, bob] = ["ann", "bob"].map(|name| service.client.register(name));
        let (ann, bob) = (ann.await, bob.await);
        let screen = Screen::of(1);
        assert_eq!(source(&capture(&service, &ann, "tablet", &screen).await), "local");
        for minute in 1..5 {
            service.clock.advance(Duration::from_secs(5));
            let answer = capture(&service, &ann, "tablet", &screen.at_minute(minute)).await;
            assert_eq!(
                (source(&answer), &answer.body["cached"]),
                ("similar", &json!(true)),
                "{minute}"
            );
            assert_eq!(answer.body["usage"]["used"], 1);
        }
        assert_eq!(used(&service, &ann).await, 1, "a reuse is free");
        // Others never: neither another device of the user, nor another user's device of that name.
        for (user, device) in [(&ann, "phone"), (&bob, "tablet")] {
            let answer = capture(&service, user, device, &screen.at_minute(9)).await;
            assert_ne!(source(&answer), "similar", "{device}");
        }
        // Its age counts from the judgement, not from the last reuse.
        service.clock.advance(Duration::from_secs(10));
        let answer = capture(&service, &ann, "tablet", &screen.at_minute(7)).await;
        assert_eq!(source(&answer), "local");
    }
}

#[tokio::test]
async fn a_new_picture_is_never_taken_for_the_frame_before() {
    let (_redis, [service, _]) = servers().await;
    let ann = service.client.register("ann").await;
    let mut dice = Dice::of(3);
    for n in 0..6 {
        assert_eq!(
            source(&capture(&service, &ann, "tablet", &Screen::of(n)).await),
            "local"
        );
        for permille in [5, 20, 100] {
            let pasted = Screen::of(n).with_picture(permille, &mut dice);
            let answer = capture(&service, &ann, "tablet", &pasted).await;
            assert_eq!(source(&answer), "local", "{permille} thousandths of screen {n}");
        }
    }
}

#[tokio::test]
async fn a_slow_drift_is_judged_each_half_minute_at_the_latest() {
    let (_redis, servers) = servers().await;
    for service in servers {
        let ann = service.client.register("ann").await;
        let (mut since, mut reused) = (0, 0);
        for step in 0..60 {
            let answer = capture(&service, &ann, "tablet", &Screen::of(1).drifted(step)).await;
            if source(&answer) == "similar" {
                (since, reused) = (since + 1, reused + 1);
            } else {
                since = 0;
            }
            assert!(since < 6, "step {step}: judged {since} captures of 5 s ago");
            service.clock.advance(Duration::from_secs(5));
        }
        assert!(reused > 0);
    }
}

#[tokio::test]
async fn the_same_pixels_are_judged_once_for_everybody() {
    let (_redis, [_, service]) = servers().await;
    let [ann, bob] = ["ann", "bob"].map(|name| service.client.register(name));
    let (ann, bob) = (ann.await, bob.await);
    let screen = Screen::of(7);
    assert_eq!(source(&capture(&service, &ann, "a", &screen).await), "local");
    service.clock.advance(Duration::from_secs(200));
    let answer = capture(&service, &bob, "b", &screen).await;
    assert_eq!((source(&answer), &answer.body["cached"]), ("cache", &json!(true)));
    assert_eq!((used(&service, &ann).await, used(&service, &bob).await), (1, 0));
    service.clock.advance(Duration::from_secs(100));
    assert_eq!(
        source(&capture(&service, &bob, "b", &screen).await),
        "local",
        "5 minutes have passed"
    );
}

#[tokio::test]
async fn safe_captures_in_a_row_are_asked_for_less_and_a_flood_is_not() {
    let (_redis, servers) = servers().await;
    for service in servers {
        let ann = service.client.register("ann").await;
        let mut asked = Vec::new();
        for minute in 0..14 {
            let answer = capture(&service, &ann, "tablet", &Screen::of(1).at_minute(minute)).await;
            asked.push(next(&answer));
            service.clock.advance(Duration::from_millis(next(&answer)));
        }
        assert_eq!(asked[..5], [5000; 5]);
        assert_eq!(asked[5..11], [10_000; 6]);
        assert_eq!(asked[11..], [15_000; 3]);
        // A second apart: none of them earns a slower pace.
        for n in 0..20 {
            let answer = capture(&service, &ann, "phone", &Screen::of(1).at_minute(n)).await;
            assert_eq!(next(&answer), 5000, "{n}");
            service.clock.advance(Duration::from_secs(1));
        }
    }
}

#[tokio::test]
async fn whoever_keeps_to_the_pace_is_never_refused_and_a_flood_is_told_when_to_come_again() {
    let mut dice = Dice::of(11);
    let safe = Plan::default().with_default_limits();
    // The hardest case is a device that never earns more than 5 s.
    let strict = Plan::default().with_default_limits();
    let strict = strict.with("CLEARVIEW_DETECT_THRESHOLDS", r#"{"local":[1e-9,1,1]}"#);
    for plan in [strict, safe.clone()] {
        let service = plan.start().await;
        let ann = service.client.register("ann").await;
        let mut early = 0;
        for n in 0..40 {
            let answer = capture(&service, &ann, "tablet", &Screen::of(n % 4).at_minute(1)).await;
            assert_eq!(answer.status, 200, "{n}: {answer:?}");
            // Its own timer: a network delivers a capture up to a second late, and the next one may be in time.
            let late = dice.roll(1000);
            service
                .clock
                .advance(Duration::from_millis(next(&answer) + late - early));
            early = late;
        }
    }
    let service = safe.start().await;
    let ann = service.client.register("ann").await;
    let mut refused = None;
    for _ in 0..14 {
        let answer = capture(&service, &ann, "phone", &Screen::of(1)).await;
        if answer.status != 200 {
            refused = Some(answer);
        }
    }
    let refused = refused.expect("13 fit into a minute");
    assert_eq!((refused.status, refused.error()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(refused.body["nextCaptureMs"], refused.body["retryAfterMs"]);
    assert_eq!(
        capture(&service, &ann, "another", &Screen::of(1)).await.status,
        200,
        "each has its own"
    );
}

#[tokio::test]
async fn all_devices_of_a_user_together_have_eight_times_the_figure() {
    let plans = r#"{"free":{"images":{"perDay":1000,"perMinute":2}}}"#;
    let service = Plan::default().with("CLEARVIEW_PLANS", plans).start().await;
    let ann = service.client.register("ann").await;
    let mut statuses = Vec::new();
    for n in 0..20 {
        statuses.push(capture(&service, &ann, &format!("d{n}"), &Screen::of(1)).await.status);
    }
    assert_eq!(statuses[..16], [200; 16]);
    assert_eq!(statuses[16..], [429; 4]);
}

#[tokio::test]
async fn when_the_day_is_over_what_is_known_is_still_answered() {
    let plans = r#"{"free":{"images":{"perDay":1,"perMinute":100}}}"#;
    let service = Plan::default().with("CLEARVIEW_PLANS", plans).start().await;
    let ann = service.client.register("ann").await;
    let screen = Screen::of(1);
    assert_eq!(source(&capture(&service, &ann, "tablet", &screen).await), "local");
    assert_eq!(
        source(&capture(&service, &ann, "tablet", &screen.at_minute(3)).await),
        "similar"
    );
    let refused = capture(&service, &ann, "tablet", &Screen::of(2)).await;
    assert_eq!(
        (refused.status, refused.error()),
        (429, "QUOTA_EXCEEDED"),
        "{refused:?}"
    );
    let to_midnight = 15 * 3_600_000;
    assert_eq!(
        (&refused.body["nextCaptureMs"], used(&service, &ann).await),
        (&json!(to_midnight), 1)
    );
    service.clock.advance(Duration::from_millis(to_midnight));
    let ann = service.client.register("ann").await;
    assert_eq!(
        source(&capture(&service, &ann, "tablet", &Screen::of(2)).await),
        "local"
    );
}
