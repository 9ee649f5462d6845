//! Prices: what a request's record costs itself at is what the bill is made with.

use serde_json::Value;
use shared::telemetry::cost;
use tests::definitions::text_of;

#[test]
fn the_code_and_the_price_file_have_the_same_prices() {
    let file: Value = serde_json::from_str(&text_of("tests/prices/us-east-1.json")).unwrap();
    assert!(file["asOf"].is_string());
    for (name, price) in [
        ("gatewayRequestsMillion", cost::GATEWAY_MILLION),
        ("invocationsMillion", cost::INVOCATION_MILLION),
        ("gigabyteSecondArm", cost::GIGABYTE_SECOND),
        ("tableWritesMillion", cost::WRITE_MILLION),
        ("tableReadsMillion", cost::READ_MILLION),
    ] {
        let written = file["prices"][name]["price"].as_f64().unwrap();
        assert!((written - price).abs() < 1e-12, "{name}: {written} and {price}");
    }
    for (name, price) in file["prices"].as_object().unwrap() {
        assert!(price["source"].as_str().unwrap().starts_with("https://"), "{name}");
    }
}

#[test]
fn the_metrics_that_are_billed_are_those_that_the_code_emits() {
    let units: Value = serde_json::from_str(&text_of("tests/prices/units.json")).unwrap();
    let endpoints = 4;
    let tiers = 2;
    let limits = 3;
    let count: u64 = shared::telemetry::METRICS
        .iter()
        .flat_map(|metric| metric.shape.dimensions())
        .map(|dimensions| match *dimensions {
            [] => 1,
            ["endpoint"] => endpoints,
            ["tier"] => tiers,
            ["refusedBy"] => limits,
            other => panic!("what are {other:?}?"),
        })
        .sum();
    assert_eq!(units["counted"]["metrics"]["value"], count);
}
