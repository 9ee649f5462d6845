//! The scripted provider against the real clients of those whom it imitates: OpenAI's own Python package, and AWS's.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tests::upstream::{Act, Script, Upstream, upstream};
use tokio::process::Command;

/// Runs the clients of `tests/scripts/model_clients.py`; what they were answered.
async fn ask(upstream: &Upstream, client: &str) -> Value {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let python = root.join(".venv/bin/python");
    assert!(python.exists(), "`make venv` installs the clients");
    let output = Command::new(python)
        .arg(root.join("tests/scripts/model_clients.py"))
        .args([client, &upstream.address.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn openais_own_client_reads_what_the_scripted_provider_answers() {
    let upstream = upstream(Act::Answer).await;
    let answer = ask(&upstream, "openai").await;
    assert_eq!(answer["scores"], json!({"a": 0.95, "b": 0.05}));
    assert!(answer["inputTokens"].as_u64().unwrap() > 0);
    let call = &upstream.calls()[0];
    assert_eq!(
        (call.path.as_str(), call.authorization.as_str()),
        ("/v1/chat/completions", "Bearer sk-test")
    );
    assert!(call.asked.is_some());

    upstream.follow(Script::always(Act::Status {
        status: 429,
        retry_after: Some(1),
    }));
    assert_eq!(ask(&upstream, "openai").await["error"], "RateLimitError");
    upstream.follow(Script::always(Act::Cut));
    assert_eq!(ask(&upstream, "openai").await["error"], "APIConnectionError");
}

#[tokio::test]
async fn awss_own_client_reads_what_the_scripted_provider_answers() {
    let upstream = upstream(Act::Answer).await;
    let answer = ask(&upstream, "bedrock").await;
    assert_eq!(answer["scores"], json!({"a": 0.95, "b": 0.05}));
    assert!(answer["inputTokens"].as_u64().unwrap() > 0);
    let call = &upstream.calls()[0];
    assert_eq!(call.path, "/model/anthropic.claude-v1%3A0/converse");
    assert!(call.authorization.starts_with("AWS4-HMAC-SHA256 Credential="));
}
