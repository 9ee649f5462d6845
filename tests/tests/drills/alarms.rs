//! Each fault drives the metric of its alarm over the alarm's threshold, and a good day drives none.

use std::time::Duration;

use serde_json::json;
use tests::definitions::Template;
use tests::proxy::Mode;

use crate::log::{Drill, Metrics, count, metrics, sum};

fn threshold(alarm: &str) -> f64 {
    Template::read().resource(alarm)["Properties"]["Threshold"]
        .as_f64()
        .unwrap()
}

/// The expression of the alarm `ErrorRate`, without its lower bound of requests.
#[expect(clippy::cast_precision_loss, reason = "a few requests")]
fn error_rate(metrics: &Metrics) -> f64 {
    let endpoints = ["auth", "classify", "usage"].map(|endpoint| format!("failed{{endpoint={endpoint}}}"));
    let failed: f64 = endpoints.iter().map(|name| sum(metrics, name)).sum();
    let all: usize = endpoints.iter().map(|name| count(metrics, name)).sum();
    100.0 * failed / all as f64
}

/// The expression of the alarm `HitRate`, without its lower bound of questions.
fn hit_rate(metrics: &Metrics) -> f64 {
    100.0 * (1.0 - sum(metrics, "judged") / sum(metrics, "distinct"))
}

fn degraded(metrics: &Metrics) -> f64 {
    let modes = ["Auth", "Cache", "Model", "Quota", "RateLimit", "Spend"];
    modes.iter().map(|mode| sum(metrics, &format!("degraded{mode}"))).sum()
}

fn slowest(metrics: &Metrics) -> f64 {
    metrics["durationMs{endpoint=classify}"]
        .iter()
        .copied()
        .fold(0.0, f64::max)
}

#[tokio::test]
async fn on_a_good_day_nothing_is_over_its_threshold() {
    let drill = Drill::start(&[]).await;
    let ann = drill.client.register("ann-of-the-good-day").await;
    for _ in 0..20 {
        let answer = drill.client.classify(&ann, "Hide crypto", &["bitcoin is up"]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(drill.client.usage(&ann).await.status, 200);
    }
    let metrics = metrics(&drill.lines().await);
    assert!(error_rate(&metrics) <= threshold("ErrorRate"));
    assert!(hit_rate(&metrics) >= threshold("HitRate"), "{}", hit_rate(&metrics));
    assert!(degraded(&metrics).abs() < f64::EPSILON);
    assert_eq!(count(&metrics, "costMicroUsd{tier=free}"), 40 + 1);
    assert!(sum(&metrics, "costMicroUsd") < threshold("DailyCost"));
    let left = &metrics["quotaLeftPercent{tier=free}"];
    assert!(left.first() > left.last(), "{left:?}");
}

#[tokio::test]
async fn tables_that_are_down_show_in_the_error_rate_and_in_what_was_done_without() {
    let drill = Drill::start(&[]).await;
    let ann = drill.client.register("ann-without-tables").await;
    drill.tables.set(Mode::Cut);
    for n in 0..21 {
        let answer = drill
            .client
            .classify(&ann, "Hide crypto", &[&format!("post {n}")])
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(drill.client.usage(&ann).await.status, 503);
    }
    let metrics = metrics(&drill.lines().await);
    assert!(error_rate(&metrics) > threshold("ErrorRate"));
    assert!(degraded(&metrics) > threshold("Degraded"));
    assert!(sum(&metrics, "degradedQuota") > 20.0 && sum(&metrics, "degradedCache") > 0.0);
    assert!(
        sum(&metrics, "defects{endpoint=usage}").abs() < f64::EPSILON,
        "a table that is down is no defect"
    );
}

#[tokio::test]
async fn a_table_that_is_slow_shows_in_the_duration() {
    let drill = Drill::start(&[]).await;
    let ann = drill.client.register("ann-with-slow-tables").await;
    drill.tables.set(Mode::Delay(Duration::from_millis(600)));
    drill.client.classify(&ann, "Hide crypto", &["bitcoin"]).await;
    let metrics = metrics(&drill.lines().await);
    assert!(slowest(&metrics) > threshold("Latency"));
}

#[tokio::test]
async fn questions_that_nobody_has_asked_before_show_in_the_hit_rate() {
    let drill = Drill::start(&[]).await;
    let ann = drill.client.register("ann-of-many-words").await;
    for n in 0..10 {
        drill
            .client
            .classify(&ann, "Hide crypto", &[&format!("never seen {n}")])
            .await;
    }
    let metrics = metrics(&drill.lines().await);
    assert!(hit_rate(&metrics) < threshold("HitRate"));
}

#[tokio::test]
async fn the_clients_own_mistakes_are_in_no_alarm() {
    let drill = Drill::start(&[]).await;
    for _ in 0..20 {
        assert_eq!(
            drill
                .client
                .post("/v1/auth/register", &json!({"deviceId": 7}))
                .await
                .status,
            400
        );
        assert_eq!(drill.client.get("/v1/usage").await.status, 401);
    }
    let metrics = metrics(&drill.lines().await);
    assert!(error_rate(&metrics).abs() < f64::EPSILON);
    assert_eq!(count(&metrics, "failed{endpoint=usage}"), 20);
}
