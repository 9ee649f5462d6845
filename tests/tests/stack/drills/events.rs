//! The records of events that no request's are: days closed, users reset, keys rotated. Whole, and without what is secret.

use std::time::Duration;

use serde_json::{Value, json};
use tests::client::send;
use tests::events::{self, ROTATION};
use tests::runtime_api::Function;
use tests::secrets_manager::SecretsManager;
use tests::service::{Plan, TableService};

use crate::drills::faults::overwrite;
use crate::drills::log::Drill;

/// The secret that the captured events are about.
const ROTATED: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:TokenKeys-AbCdEf";

/// The records of a function among some lines, after checking that each has its fields.
fn records<'a>(lines: &'a [Value], function: &str) -> Vec<&'a Value> {
    let records: Vec<&Value> = lines.iter().filter(|line| line["endpoint"] == function).collect();
    for record in &records {
        for name in ["time", "level", "correlationId"] {
            assert!(record[name].is_string(), "{name}: {record}");
        }
        assert!(
            record["durationMs"].as_f64().is_some_and(|millis| millis >= 0.0),
            "{record}"
        );
        let failed = record["level"] == "error";
        assert_eq!(record["outcome"], if failed { "failed" } else { "ok" }, "{record}");
        if failed {
            let error = &record["error"];
            assert!(error["code"].is_string() && error["cause"].is_string(), "{record}");
        } else {
            assert!(record["summary"].is_object(), "{record}");
        }
    }
    records
}

#[tokio::test]
async fn every_run_of_quota_reset_has_a_record_with_what_it_did() {
    let drill = Drill::start(&[("CLEARVIEW_LOG", "info")]).await;
    let ann = drill.client.register("ann-whose-day-is-reset").await;
    drill.client.classify(&ann, "Hide crypto", &["bitcoin"]).await;
    let reset = json!({"reset": {"userId": ann.user, "reason": "marzipan shortage"}});
    for event in [
        serde_json::from_str(&events::text_of("quota-reset/close")).unwrap(),
        reset,
        json!({"unknown": "marzipan"}),
    ] {
        let path = "/2015-03-31/functions/quota-reset/invocations";
        let request = drill.client.request(lambda_http::http::Method::POST, path);
        assert_eq!(send(request.json(&event)).await.status, 200);
    }
    let lines = drill.lines().await;
    let records = records(&lines, "quota-reset");
    let outcomes: Vec<&str> = records
        .iter()
        .map(|record| record["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["ok", "ok", "failed"]);
    assert_eq!(records[2]["error"]["code"], "InvalidEvent");
    assert!(
        lines.iter().any(|line| line["dayClosed"] == 1),
        "the close is a metric too"
    );
    let all: String = lines.iter().map(Value::to_string).collect();
    assert!(!all.contains("marzipan"), "what an operator wrote is in the log");
}

#[tokio::test]
async fn the_days_close_finds_what_was_changed_in_the_audit_log() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let service = plan.start().await;
    // More than a page of them.
    for n in 0..205 {
        service.client.register(&format!("device-{n}")).await;
    }
    let day = plan.clock().now().day();
    plan.clock().advance(Duration::from_hours(24));
    let app = plan.app();
    let broken = || app.telemetry.figures.signals[1].value();
    let event = json!({"scheduledTime": app.clock.now().to_string()});
    quota_reset::handle(&app, event.clone()).await.unwrap();
    assert!(app.audit.verify(day, app.clock.now()).await.unwrap().is_ok());
    assert_eq!(broken(), 0);
    let writer = app.audit.page(day, None, app.clock.now()).await.unwrap().entries[0]
        .writer
        .clone();
    let (day, entry) = (day.to_string(), format!("{writer}#0000000203"));
    let key = [("day", day.as_str()), ("entry", entry.as_str())];
    overwrite(&tables.tables(), "audit", &key, ("change", "{}")).await;
    quota_reset::handle(&app, event).await.unwrap();
    assert_eq!(broken(), 1, "by the metric of the alarm");
}

#[tokio::test]
async fn every_step_of_a_rotation_has_a_record_and_no_key_is_in_it() {
    let tables = TableService::start().await;
    let secrets = SecretsManager::start().await;
    let plan = Plan::default().on_system_time().with_tables_at(tables.address());
    let arn = secrets.create("TokenKeys", plan.stored_keys()).await;
    let variables = plan.variables().iter();
    let function = variables.fold(Function::named("key-rotation"), |function, (name, value)| {
        function.with(name, value)
    });
    let function = function
        .with("CLEARVIEW_LOG", "info")
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.endpoint())
        .with("CLEARVIEW_TOKEN_KEYS_SECRET", &arn);
    let environment = function.start().await.unwrap();
    for (name, error) in ROTATION {
        let answer = environment.invoke(events::text_of(name).replace(ROTATED, &arn)).await;
        assert_eq!(answer.is_ok(), error.is_empty(), "{name}: {answer:?}");
    }
    // Of the last event.
    environment
        .logged(|line| line.contains("withdraw") || line.contains("is not in the set"))
        .await;
    let text = environment.log();
    let lines: Vec<Value> = text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records = records(&lines, "key-rotation");
    assert!(records.len() >= ROTATION.len() - 1, "{text:?}");
    let secret: Value = serde_json::from_str(&secrets.read(&arn).await).unwrap();
    let mut words = Vec::new();
    collect(&secret, &mut words);
    assert!(words.len() > 1, "{words:?}");
    for word in words {
        assert!(!text.concat().contains(&word), "a key is in the log");
    }
}

/// The texts of a value that are long enough to be secrets; a key's id is as long as its half.
fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() > 40 => found.push(text.clone()),
        Value::Array(members) => members.iter().for_each(|member| collect(member, found)),
        Value::Object(members) => members.values().for_each(|member| collect(member, found)),
        _ => {}
    }
}
