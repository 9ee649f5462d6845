//! `/metrics` read by a parser that is not ours: that of the Prometheus project, from the virtual environment.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tests::service::Plan;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The samples of a text.
async fn parse(text: &str) -> Vec<Value> {
    let python = Path::new(ROOT).join(".venv/bin/python");
    assert!(python.exists(), "the virtual environment is missing: run `make venv`");
    let mut process = Command::new(python)
        .arg(Path::new(ROOT).join("tests/scripts/parse_metrics.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = process.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{text}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn value(samples: &[Value], name: &str, labels: &Value) -> f64 {
    let found = samples
        .iter()
        .find(|sample| sample["name"] == name && sample["labels"] == *labels);
    found.unwrap_or_else(|| panic!("no {name} {labels}"))["value"]
        .as_f64()
        .unwrap()
}

#[tokio::test]
async fn the_servers_own_figures_are_read_by_prometheus() {
    let plans = r#"{"free":{"posts":{"perDay":3,"perMinute":50}}}"#;
    let service = Plan::default().with("CLEARVIEW_PLANS", plans).start().await;
    let ann = service.client.register("ann-who-is-counted").await;
    for text in ["bitcoin", "bitcoin", "bread"] {
        assert_eq!(service.client.classify(&ann, "Hide crypto", &[text]).await.status, 200);
    }
    let refused = service.client.classify(&ann, "Hide crypto", &["butter"]).await;
    assert_eq!(refused.status, 429);
    assert_eq!(service.client.get("/v1/usage").await.status, 401);
    let address = format!("http://{}/metrics", service.address());
    let answer = reqwest::get(address).await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    let text = answer.text().await.unwrap();
    assert!(!text.contains(&ann.user), "nothing is counted by user");
    let samples = parse(&text).await;
    let is = |name: &str, labels: Value, expected: f64| {
        let found = value(&samples, name, &labels);
        assert!((found - expected).abs() < 1e-9, "{name} {labels}: {found}");
    };
    is(
        "clearview_requests_total",
        json!({"endpoint": "classify", "outcome": "ok"}),
        3.0,
    );
    is(
        "clearview_requests_total",
        json!({"endpoint": "usage", "outcome": "refused"}),
        1.0,
    );
    is(
        "clearview_request_duration_seconds_count",
        json!({"endpoint": "classify"}),
        4.0,
    );
    for (limit, refusals) in [("ip", 0.0), ("burst", 0.0), ("daily", 1.0)] {
        is("clearview_refusals_total", json!({"refusedBy": limit}), refusals);
    }
    for (name, expected) in [("asked", 2.0), ("local_hits", 1.0), ("charged", 3.0)] {
        let labels = json!({"workload": "classify", "tier": "free"});
        is(&format!("clearview_{name}_total"), labels, expected);
    }
    assert!(value(&samples, "clearview_cost_usd_total", &json!({"tier": "free"})) > 0.0);
}

#[tokio::test]
async fn the_fleets_figures_are_read_by_prometheus() {
    let figures = health::fleet_metrics::figures();
    let values: BTreeMap<usize, f64> = (0..figures.len()).map(|n| (n, 2000.0)).collect();
    let samples = parse(&health::fleet_metrics::show(&figures, &values)).await;
    assert_eq!(samples.len(), figures.len() + 1);
    let p99 = value(
        &samples,
        "clearview_recent_duration_p99_seconds",
        &json!({"endpoint": "classify"}),
    );
    assert!((p99 - 2.0).abs() < 1e-9);
    assert!(
        samples
            .iter()
            .all(|sample| sample["family"].as_str().unwrap().starts_with("clearview_"))
    );
}

#[tokio::test]
async fn the_fleets_figures_are_for_operators_alone() {
    let service = Plan::default()
        .with("CLEARVIEW_METRICS_NAMESPACE", "ClearView/live")
        .start()
        .await;
    let answer = service.client.get("/metrics").await;
    assert_eq!((answer.status, answer.error()), (401, "UNAUTHENTICATED"));
}
