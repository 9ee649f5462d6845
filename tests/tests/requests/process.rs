//! The local server as a program: what it prints works, and what it keeps is there again.

mod console;
mod ends;
mod overload;
mod pages;
mod starts;
mod workers;

use serde_json::json;
use tests::client::{Client, Device};
use tests::program::LocalServer;
use tokio::process::Command;

#[tokio::test]
async fn tokens_quota_and_verdicts_survive_a_restart_with_a_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("state");
    let arguments = ["--data-dir", data.to_str().unwrap()];
    let server = LocalServer::start(&arguments, &[]).await;
    let client = Client::to(server.address);
    let ann = client.register("ann").await;
    assert_eq!(
        client.classify(&ann, "Hide crypto", &["bitcoin", "bread"]).await.status,
        200
    );
    assert!(server.interrupt().await.success(), "Ctrl-C ends it cleanly");

    let server = LocalServer::start(&arguments, &[]).await;
    let client = Client::to(server.address);
    assert_eq!(client.usage(&ann).await.body["used"], 2);
    let answer = client.classify(&ann, "Hide crypto", &["bitcoin"]).await;
    assert_eq!(answer.body["results"][0]["source"], "cache");
    let refreshed = client
        .post("/v1/auth/refresh", &json!({"refreshToken": ann.refresh}))
        .await;
    assert_eq!(Device::of(&refreshed).user, ann.user);
    assert_eq!(client.register("ann").await.user, ann.user);

    let second = Command::new(tests::program::path_of("clearview"))
        .args(arguments)
        .args(["--port", "0"])
        .output()
        .await
        .unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another process uses it"));
}

#[tokio::test]
async fn the_lines_that_it_prints_work_as_printed() {
    let server = LocalServer::start(&[], &[]).await;
    let lines: Vec<&str> = server
        .greeting
        .iter()
        .map(String::as_str)
        .filter(|line| line.contains("curl"))
        .collect();
    assert_eq!(lines.len(), 3, "{:?}", server.greeting);
    let output = Command::new("bash")
        .args(["-ec", &lines.join("\necho\n")])
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let answers: Vec<serde_json::Value> = printed
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers[0]["results"][0]["label"], "HIDE", "{}", answers[0]);
    assert_eq!(answers[0]["results"][1]["label"], "ALLOW", "{}", answers[0]);
    assert_eq!(answers[1]["used"], 2);
}

#[tokio::test]
async fn two_servers_with_one_table_service_and_one_key_file_are_one_fleet() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys.json");
    let keys = ["--keys", keys.to_str().unwrap()];
    let first = LocalServer::start(&[keys.as_slice(), &["--table-port", "0"]].concat(), &[]).await;
    let tables = first.greeting[0]
        .split("tables on ")
        .nth(1)
        .unwrap()
        .trim_end_matches(')')
        .to_owned();
    let variables = [
        ("AWS_ENDPOINT_URL_DYNAMODB", tables.as_str()),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
    ];
    let second = LocalServer::start(&keys, &variables).await;
    let (here, there) = (Client::to(first.address), Client::to(second.address));
    let ann = here.register("ann").await;
    here.classify(&ann, "Hide crypto", &["bitcoin"]).await;
    let answer = there.classify(&ann, "Hide crypto", &["bitcoin"]).await;
    assert_eq!(answer.body["results"][0]["source"], "cache");
    assert_eq!(answer.body["usage"]["used"], 2);
}

#[tokio::test]
async fn a_bad_setting_stops_the_start_with_its_name() {
    for (arguments, variables, words) in [
        (
            vec!["--port", "0"],
            vec![("CLEARVIEW_FLEET_SIZE", "many")],
            "CLEARVIEW_FLEET_SIZE",
        ),
        (vec!["--port", "0", "--keys", "/dev/null"], vec![], "key set"),
        (vec!["--port", "0", "--data-dir", "/dev/null/x"], vec![], "--data-dir"),
        (vec!["--colour"], vec![], "--colour"),
    ] {
        let output = Command::new(tests::program::path_of("clearview"))
            .args(&arguments)
            .envs(variables)
            .output()
            .await
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_setting_without_an_effect_is_told_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let variables = [
        ("CLEARVIEW_LOG", "warn"),
        ("CLEARVIEW_PROVIDER", "openai:gpt-5-mini"),
        ("CLEARVIEW_BREAKERS", "openai:gpt-5-mini=open"),
    ];
    let server = LocalServer::start_logged(&log, &[], &variables).await;
    assert!(server.interrupt().await.success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("CLEARVIEW_PROVIDER is no setting"), "{log}");
    assert!(log.contains("CLEARVIEW_BREAKERS names openai:gpt-5-mini"), "{log}");
}
