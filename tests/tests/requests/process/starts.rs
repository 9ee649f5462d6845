//! The messages of a server that cannot start, and of one with a full disk.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use tests::client::Client;
use tests::program::path_of;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Starts a server that cannot; what it says.
async fn refused(arguments: &[&str], variables: &[(&str, OsString)]) -> String {
    let output = Command::new(path_of("clearview"))
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{arguments:?} {variables:?}: {said}");
    said
}

#[tokio::test]
async fn a_setting_that_cannot_be_meant_stops_the_start_with_its_name() {
    let latin = |text: &[u8]| OsString::from_vec(text.to_vec());
    for (variable, value) in [
        ("CLEARVIEW_REQUIRE_SIGNATURES", latin(b"on\xff")),
        ("CLEARVIEW_OPENAI_API_KEY", latin(b"sk-\xe9")),
        ("CLEARVIEW_PLANS", latin(b"{\"fr\xe9e\":{}}")),
        ("AWS_REGION", latin(b"us-east-1\xff")),
        ("AWS_SESSION_TOKEN", latin(b"\xff")),
        ("AWS_LAMBDA_MAX_CONCURRENCY", latin(b"4\xff")),
        ("AWS_REGION", "us east 1".into()),
        ("CLEARVIEW_TABLE_PREFIX", "clear view".into()),
        ("AWS_ENDPOINT_URL_DYNAMODB", "localhost:8000".into()),
    ] {
        let mut variables = vec![(variable, value)];
        if variable == "AWS_SESSION_TOKEN" {
            variables.extend([
                ("AWS_ACCESS_KEY_ID", "test".into()),
                ("AWS_SECRET_ACCESS_KEY", "test".into()),
            ]);
        }
        let said = refused(&["--port", "0"], &variables).await;
        assert!(said.contains(variable), "{variable}: {said}");
        assert!(!said.contains("sk-"), "{said}");
    }
}

#[tokio::test]
async fn a_file_or_port_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let with = |name: &str, content: &str| {
        let data = directory.path().join(format!("{name}-{}", content.len()));
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join(name), content).unwrap();
        data.to_str().unwrap().to_owned()
    };
    for (name, content) in [
        ("keys.json", String::new()),
        ("keys.json", "{\"keys\":".to_owned()),
        ("tables.db", "no database ".repeat(1000)),
    ] {
        let data = with(name, &content);
        let said = refused(&["--port", "0", "--data-dir", &data], &[]).await;
        let file = Path::new(&data).join(name);
        assert!(said.contains(file.to_str().unwrap()), "{name}: {said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let said = refused(&["--port", &port], &[]).await;
    assert!(said.contains(&format!("--port {port}")), "{said}");
    let said = refused(&["--port", "0", "--table-port", &port], &[]).await;
    assert!(said.contains(&format!("--table-port {port}")), "{said}");
    // Not even root can create anything there.
    let said = refused(&["--port", "0", "--data-dir", "/proc/state"], &[]).await;
    assert!(said.contains("--data-dir /proc/state"), "{said}");
}

#[tokio::test]
async fn a_full_disk_shows_as_the_tables_status_until_there_is_room_again() {
    let directory = tempfile::tempdir().unwrap();
    // A file may not grow beyond 2 MB: to a program that is what a full disk is.
    let script = r#"trap "" XFSZ; ulimit -S -f 2048; exec "$0" --port 0 --data-dir "$1""#;
    let mut process = Command::new("bash")
        .args(["-c", script])
        .arg(path_of("clearview"))
        .arg(directory.path().join("state"))
        .env("CLEARVIEW_LOG", "off")
        .env("CLEARVIEW_IP_PER_MINUTE", "100000")
        .env(
            "CLEARVIEW_PLANS",
            r#"{"free":{"posts":{"perDay":1000000,"perMinute":1000000}}}"#,
        )
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut greeting = BufReader::new(process.stderr.take().unwrap()).lines();
    let first = greeting.next_line().await.unwrap().unwrap();
    let address = first.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
    let client = Client::to(address.unwrap().parse().unwrap());
    let ann = client.register("ann").await;
    let status = async || client.get("/health").await.body["dependencies"]["table"]["status"].clone();
    assert_eq!(status().await, "ok");

    let mut rounds = 0..500;
    loop {
        let round = rounds.next().expect("the disk is full at last");
        let texts: Vec<String> = (0..50)
            .map(|n| format!("{round} {n}: {}", "long ".repeat(100)))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let answer = client.classify(&ann, "Hide crypto", &texts).await;
        if answer.status != 200 || answer.body["degraded"] != serde_json::json!([]) {
            break;
        }
    }
    assert_eq!(status().await, "down");
    assert_eq!(status().await, "down", "until a write succeeds");

    let id = process.id().unwrap().to_string();
    let room = Command::new("prlimit")
        .args(["--pid", &id, "--fsize=unlimited"])
        .status()
        .await;
    assert!(room.unwrap().success());
    // The table's own gate keeps the next probe away for a moment after each failure.
    while status().await != "ok" {}
}
