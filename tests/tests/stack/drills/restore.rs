//! The monthly restore drill, rehearsed on the embedded table.

use std::path::Path;

use serde_json::Value;
use tests::moto::python;
use tests::service::{Plan, TableService};
use tokio::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(ROOT).join("tests/scripts").join(name));
    command
}

/// Runs a script to its good end, and returns its standard output.
async fn said_by(script: &mut Command) -> String {
    let output = script.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_drill_restores_every_table_that_cannot_be_derived_and_leaves_nothing_behind() {
    let tables = TableService::start().await;
    let service = Plan::default().with_tables_at(tables.address()).start().await;
    let ann = service.client.register("ann-of-the-restore-drill").await;
    service.client.classify(&ann, "Hide crypto", &["bitcoin"]).await;
    let mut drill = script("restore_drill.py");
    drill
        .args(["--endpoint-url", &format!("http://{}", tables.address())])
        .args(["--prefix", "clearview-", "--rehearse"])
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    let text = said_by(&mut drill).await;
    let results: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let restored: Vec<&str> = results.iter().map(|result| result["table"].as_str().unwrap()).collect();
    let expected =
        ["quota", "identity", "settings", "usage", "audit", "conversations"].map(|name| format!("clearview-{name}"));
    assert_eq!(restored, expected);
    assert_eq!((&results[0]["items"], &results[0]["missing"]), (&1.into(), &0.into()));
    assert!(results[1]["items"].as_u64() > Some(2));
    let left = tables.tables().client().list_tables().send().await.unwrap();
    assert!(
        left.table_names().iter().all(|name| !name.contains("-drill-")),
        "{left:?}"
    );
}

#[tokio::test]
async fn the_drill_waits_for_a_point_in_time_behind_what_it_has_noted_and_restores_that() {
    let text = said_by(&mut script("restore_in_moto.py")).await;
    let results: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(results.len(), 6);
    for result in results {
        assert_eq!((&result["items"], &result["missing"]), (&1.into(), &0.into()), "{text}");
        assert_eq!(result["passed"], true, "{text}");
    }
}

#[tokio::test]
async fn a_lost_stacks_tables_come_back_from_copies_and_the_keys_of_its_secrets_are_forgotten() {
    let text = said_by(&mut script("remake_in_moto.py")).await;
    assert_eq!(text.trim(), "restored 6 tables");
}
