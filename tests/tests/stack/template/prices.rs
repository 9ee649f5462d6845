//! Prices, and what is multiplied with them.

use serde_json::Value;
use tests::definitions::{Template, list, text_of};

#[test]
fn each_price_has_a_source() {
    let file: Value = serde_json::from_str(&text_of("tests/prices/us-east-1.json")).unwrap();
    for (name, price) in file["prices"].as_object().unwrap() {
        assert!(price["source"].as_str().unwrap().starts_with("https://"), "{name}");
    }
}

#[test]
fn the_metrics_that_are_billed_are_those_that_the_code_emits() {
    let units: Value = serde_json::from_str(&text_of("tests/prices/units.json")).unwrap();
    let endpoints = health::fleet_metrics::ENDPOINTS.len() as u64;
    let workloads = health::fleet_metrics::WORKLOADS.len() as u64;
    let tiers = 2;
    let limits = 3;
    let count: u64 = shared::telemetry::metrics()
        // Billed in the hours in which something is counted: the detections' own.
        .filter(|metric| metric.shape != shared::telemetry::MetricShape::Statistics)
        .flat_map(|metric| metric.shape.dimensions())
        .map(|dimensions| match *dimensions {
            [] => 1,
            ["endpoint"] => endpoints,
            ["workload"] => workloads,
            ["tier"] => tiers,
            ["refusedBy"] => limits,
            other => panic!("what are {other:?}?"),
        })
        .sum();
    assert_eq!(units["counted"]["metrics"]["value"], count);
    let of_one = |dimension: &str| -> usize {
        let shapes = shared::telemetry::metrics().flat_map(|metric| metric.shape.dimensions());
        shapes.filter(|dimensions| **dimensions == [dimension]).count()
    };
    let of_each = of_one("endpoint") + of_one("workload");
    for of in ["metricsOfRank", "metricsOfDetect", "metricsOfChat"] {
        assert_eq!(units["counted"][of]["value"], of_each, "{of}");
    }
}

#[test]
fn what_is_paid_by_the_piece_is_counted_in_the_template() {
    let units: Value = serde_json::from_str(&text_of("tests/prices/units.json")).unwrap();
    let counted = |name: &str| units["counted"][name]["value"].as_f64().unwrap();
    let template = Template::read();
    let is = |name: &str, there: f64| assert!((counted(name) - there).abs() < 1e-9, "{name}: {there} in the template");
    #[expect(clippy::cast_precision_loss, reason = "a few pieces")]
    let pieces = |number: usize| number as f64;
    is(
        "secrets",
        pieces(template.resources("AWS::SecretsManager::Secret").count()),
    );
    let rules = list(&template.resource("Firewall")["Properties"]["Rules"]);
    is("firewallRules", pieces(rules.len()));
    let kept = pieces(usize::try_from(shared::audit::SESSIONS_KEPT.as_secs() / 86_400).unwrap());
    is("auditDaysOfSessions", kept);
    let memory = template.value()["Globals"]["Function"]["MemorySize"].as_f64().unwrap();
    is("memoryGigabytes", memory / 1024.0);
}

#[test]
fn the_bill_says_how_old_its_prices_are_and_that_nobody_has_fetched_them() {
    let output = std::process::Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cost.py"))
        .arg("--check")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bill = String::from_utf8(output.stdout).unwrap();
    let prices: Value = serde_json::from_str(&text_of("tests/prices/us-east-1.json")).unwrap();
    let as_of = prices["asOf"].as_str().unwrap();
    assert!(
        bill.contains(&format!("as of {as_of}")) && bill.contains("from memory"),
        "{bill}"
    );
}
