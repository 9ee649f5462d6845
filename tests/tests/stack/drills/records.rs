//! The log of a mixed run: every record has its fields, durations add up, and nothing is in it that a user wrote or may keep secret.

use std::collections::BTreeSet;

use lambda_http::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::client::send;
use tests::proxy::Mode;

use crate::drills::log::{ADMIN, ADMIN_KEY, Drill};
use tests::signer::{SignedRequest, Signer};

const PREFERENCE: &str = "Hide kumquat marmalade";
const POST: &str = "quokkas adore persimmons";
const DEVICE: &str = "zanzibar-device-0123456789";
const FINGERPRINT: &str = "fingerprint-of-a-zebra";
const REASON: &str = "a shortage of marzipan";
const CORRELATION: &str = "mixed-run-1";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Checks the fields of every record, and their types.
fn check_fields(record: &Value) {
    for name in [
        "time",
        "level",
        "correlationId",
        "endpoint",
        "method",
        "route",
        "outcome",
        "version",
    ] {
        assert!(record[name].is_string(), "{name}: {record}");
    }
    for name in ["status", "durationMs", "failed", "defects", "costMicroUsd"] {
        assert!(record[name].is_number(), "{name}: {record}");
    }
    let failed = record["status"].as_u64().unwrap() >= 500;
    assert_eq!(record["failed"], u8::from(failed), "{record}");
    assert_eq!(record["outcome"] == "failed", failed, "{record}");
    if record["status"].as_u64().unwrap() >= 400 {
        let error = &record["error"];
        assert!(error["code"].is_string() && error["retryable"].is_boolean(), "{record}");
        let impacts = ["none", "mustWait", "signedOut", "failed"];
        assert!(impacts.contains(&error["userImpact"].as_str().unwrap()), "{record}");
    }
}

/// The parts of a classification: who answered, and where the time went.
fn check_classified(record: &Value) {
    let number = |name: &str| record[name].as_f64().unwrap_or_else(|| panic!("{name}: {record}"));
    let answers: f64 = ["localHits", "sharedHits", "tableHits", "joined", "asked"]
        .into_iter()
        .map(number)
        .sum();
    if record["modelStatus"] != "failed" {
        assert!(
            (answers - number("distinct") - number("refreshed")).abs() < 0.5,
            "{record}"
        );
    }
    let parts: f64 = ["lookupMs", "askingMs", "settlingMs"].into_iter().map(number).sum();
    assert!(parts > 0.0 && parts <= number("durationMs"), "{record}");
    assert!(number("units") >= number("distinct"));
    assert!(
        (number("charged") + number("refunded") - number("units")).abs() < 0.5,
        "{record}"
    );
}

#[tokio::test]
async fn every_record_of_a_mixed_run_is_whole_and_tells_no_secret() {
    let drill = Drill::start(&[]).await;
    let registration = json!({"deviceId": DEVICE, "fingerprint": FINGERPRINT});
    let registered = drill.client.post("/v1/auth/register", &registration).await;
    assert_eq!(registered.status, 201);
    let token = registered.body["accessToken"].as_str().unwrap().to_owned();
    let refresh = registered.body["refreshToken"].as_str().unwrap().to_owned();
    let signing = registered.body["signingKey"]
        .as_str()
        .unwrap_or("no signing key")
        .to_owned();
    let recovery = registered.body["recoverySecret"].as_str().unwrap().to_owned();
    let ask = |body: Value| {
        let request = drill.client.request(Method::POST, "/v1/classify");
        let request = request.bearer_auth(&token).header("x-device-fingerprint", FINGERPRINT);
        let request = request
            .header("x-correlation-id", CORRELATION)
            .header("traceparent", TRACE);
        let request = request
            .header("cookie", "session=crumbs-of-a-secret")
            .header("content-type", "application/json");
        send(request.body(body.to_string()))
    };
    let batch = json!({"preference": PREFERENCE, "posts": [{"id": "vermilion", "text": POST}]});
    assert_eq!(ask(batch.clone()).await.status, 200);
    assert_eq!(ask(batch.clone()).await.status, 200);
    assert_eq!(ask(json!({"preference": PREFERENCE, POST: 1})).await.status, 400);
    drill
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": refresh}))
        .await;
    drill.client.get(&format!("/nowhere/{POST}")).await;
    drill.client.get("/health").await;
    // An admin's requests: one that is answered, one whose signature is wrong, one without.
    let clock = Clock::system();
    let user = registered.body["userId"].as_str().unwrap();
    let reset = format!("/v1/admin/users/{user}/quota/reset");
    let reason = json!({"reason": REASON});
    for (key, status) in [(ADMIN_KEY, 200), ("d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc=", 401)] {
        let signer = Signer::new(ADMIN, key, &clock).unwrap();
        let request = signer.request(&drill.client, Method::POST, &reset, Some(&reason));
        assert_eq!(send(request).await.status, status);
    }
    assert_eq!(drill.client.post(&reset, &reason).await.status, 401);
    assert_eq!(drill.client.get("/metrics").await.status, 401);
    drill.tables.set(Mode::Cut);
    assert_eq!(ask(batch).await.status, 200);
    drill.client.post("/v1/auth/register", &registration).await;

    let lines = drill.lines().await;
    let records: Vec<&Value> = lines.iter().filter(|line| line["endpoint"].is_string()).collect();
    assert!(records.len() >= 8, "{}", records.len());
    for record in &records {
        check_fields(record);
        if record["units"].is_number() {
            check_classified(record);
            assert_eq!(record["correlationId"], CORRELATION);
            assert_eq!(record["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        }
    }
    let endpoints: BTreeSet<&str> = records
        .iter()
        .map(|record| record["endpoint"].as_str().unwrap())
        .collect();
    assert_eq!(
        endpoints,
        BTreeSet::from(["admin", "auth", "classify", "health"]),
        "a record of each"
    );
    let degraded = records.iter().filter(|record| record["outcome"] == "degraded").count();
    assert!(degraded >= 1);
    let all: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    let words = [
        "kumquat",
        "marmalade",
        "quokka",
        "persimmon",
        "vermilion",
        "zanzibar",
        "zebra",
        "crumbs",
        "marzipan",
    ];
    for secret in words
        .into_iter()
        .chain([&*token, &*refresh, &*signing, &*recovery, ADMIN_KEY])
    {
        assert!(!all.contains(secret), "{secret} is in the log");
    }
}
