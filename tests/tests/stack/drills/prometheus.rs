//! `/metrics` read by a parser that is not ours: that of the Prometheus project, from the virtual environment.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use local::event::to_response;
use local::gateway;
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Clock;
use tests::service::{Plan, TableService};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
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

/// Returns the event of a request for the figures, of a caller that the gateway let through by IAM, or of nobody.
fn scrape_by(caller: Option<&str>) -> String {
    let mut event = tests::events::named("health/health").value("");
    event["resource"] = "/metrics".into();
    event["path"] = "/metrics".into();
    event["requestContext"]["resourcePath"] = "/metrics".into();
    event["requestContext"]["identity"]["userArn"] = json!(caller);
    event.to_string()
}

/// A stand-in for CloudWatch, which answers every request with one figure of 2, in CBOR as the SDK asks for it. Moto has no CBOR.
async fn cloudwatch() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !is_whole(&request) {
                connection.read_buf(&mut request).await.unwrap();
            }
            // {"MetricDataResults": [{"Id": "m0", "Values": [2.0]}]}
            let body = [
                &b"\xa1\x71MetricDataResults\x81\xa2\x62Id\x62m0\x66Values\x81\xfb\x40"[..],
                &[0; 7],
            ]
            .concat();
            let head = format!(
                "HTTP/1.1 200 OK\r\nsmithy-protocol: rpc-v2-cbor\r\ncontent-type: application/cbor\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            connection.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        }
    });
    format!("http://{address}")
}

/// Returns true once a request has come with its whole body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let body = request.len() - request.windows(4).position(|end| end == b"\r\n\r\n").unwrap() - 4;
    body >= length.map_or(0, |length| length.trim().parse().unwrap())
}

#[tokio::test]
async fn a_scraper_whom_the_gateway_let_through_by_iam_needs_no_key() {
    let tables = TableService::start().await;
    let plan = Plan::default()
        .with_tables_at(tables.address())
        .with("CLEARVIEW_METRICS_NAMESPACE", "ClearView/live")
        .with("AWS_ENDPOINT_URL_CLOUDWATCH", cloudwatch().await);
    let app = App::new(plan.config(), Clock::system(), tables.tables().client()).unwrap();
    let app = Arc::new(app);
    let scraper = "arn:aws:sts::123456789012:assumed-role/prometheus/i-0123456789abcdef0";
    for (caller, expected) in [(Some(scraper), 200), (Some(""), 401), (None, 401)] {
        let answer = gateway::invoke(Arc::clone(&app), "health", scrape_by(caller)).await;
        let answer = to_response(&answer.unwrap()).unwrap();
        assert_eq!(answer.status(), expected, "{caller:?}: {answer:?}");
        if expected == 200 {
            let text = String::from_utf8(answer.body().to_vec()).unwrap();
            assert_eq!(parse(&text).await.len(), 2, "the version, and the one figure: {text}");
        }
    }
}

#[tokio::test]
async fn no_request_makes_itself_a_caller_of_iam() {
    let service = Plan::default()
        .with("CLEARVIEW_METRICS_NAMESPACE", "ClearView/live")
        .start()
        .await;
    let credential = "AWS4-HMAC-SHA256 Credential=AKIA/20261201/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=00";
    let request = service.client.request(reqwest::Method::GET, "/metrics");
    let request = request
        .header("authorization", credential)
        .header("userArn", "arn:aws:iam::123456789012:user/x")
        .header("x-amzn-iam-user-arn", "arn:aws:iam::123456789012:user/x");
    assert_eq!(tests::client::send(request).await.status, 401);
}

fn yaml(name: &str) -> Value {
    let text = tests::definitions::text_of(&format!("docs/prometheus/{name}"));
    serde_norway::from_str(&text).unwrap()
}

#[test]
fn the_ready_configurations_scrape_the_figures_through_the_signing_proxy() {
    let (prometheus, compose, collector) = (
        yaml("prometheus.yml"),
        yaml("compose.yaml"),
        yaml("adot-collector.yaml"),
    );
    let proxy: Vec<&str> = compose["services"]["sigv4"]["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let after = |flag: &str| proxy[proxy.iter().position(|word| *word == flag).unwrap() + 1];
    assert_eq!((after("--name"), after("--port")), ("execute-api", ":8080"));
    assert!(
        compose["services"]["sigv4"]["ports"].is_null(),
        "whoever reaches the proxy acts as its role"
    );
    let template = tests::definitions::Template::read();
    let stage = template.value()["Parameters"]["Stage"]["Default"].as_str().unwrap();
    for scrape in [
        &prometheus["scrape_configs"][0],
        &collector["receivers"]["prometheus"]["config"]["scrape_configs"][0],
    ] {
        assert_eq!(scrape["metrics_path"], format!("/{stage}/metrics"));
        assert_eq!(scrape["static_configs"][0]["targets"], json!(["sigv4:8080"]));
        assert_eq!(
            scrape["scrape_interval"], "4m",
            "a figure is of five minutes, and Prometheus forgets one after five"
        );
    }
}
