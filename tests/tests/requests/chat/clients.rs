//! Chat through the clients that apps use: OpenAI's own for Python and for Node, that of `LangChain`, Vercel's. Each one chats whole
//! and in a stream, is refused, hangs up, and tries again; none waits for midnight, and none takes a cut reply for a whole one.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tests::chat::plan;
use tests::upstream::{Script, Upstream};
use tokio::process::Command;

const ASSISTANT: &str =
    r#"{"demo":{"providers":{"free":"openai:cheap"},"maxOutput":100,"maxInput":40000,"cache":"off"}}"#;

/// In the order of the scenarios: three good replies, one that is cut, a provider that fails twice, and slow good replies.
const STEPS: &str = r#"{
    "steps":[{"do":"answer","times":3},{"do":"chat","cutAfter":2},{"do":"status","status":500,"times":2}],
    "then":{"do":"chat","pauseMs":20}
}"#;

const TEXT: &str = "You said: Grüße, 世界 and all";

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Runs a program that chats as a new user; what its scenarios came to.
async fn chat_with(program: &Path, script: &str, client: &str) -> Value {
    let upstream = Upstream::start(Script::parse(STEPS).unwrap()).await.unwrap();
    let service = plan(&upstream).with("CLEARVIEW_ASSISTANTS", ASSISTANT).start().await;
    let ann = service.client.register("ann").await;
    let output = Command::new(program)
        .arg(root().join(script))
        .args([client, service.client.authority(), &ann.access])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        tests::chat::tokens(&service, &ann).await["used"].as_u64() > Some(0),
        "{results}"
    );
    results
}

/// Checks all that is the same with every client.
fn check(results: &Value) {
    for whole in ["plain", "retry"] {
        let reply = &results[whole];
        assert_eq!(
            (&reply["text"], &reply["finish"]),
            (&json!(TEXT), &json!("stop")),
            "{whole}: {results}"
        );
        assert_eq!(reply["tokens"], true, "{whole}: {results}");
    }
    for streamed in ["streamed", "usage"] {
        let reply = &results[streamed];
        assert_eq!(
            (&reply["text"], &reply["finish"]),
            (&json!(TEXT), &json!("stop")),
            "{streamed}: {results}"
        );
    }
    assert_eq!(results["usage"]["usage"], true, "{results}");
    assert!(
        results["cut"]["error"].is_string(),
        "a cut reply counts as whole: {results}"
    );
    assert_eq!(results["hangUp"], "hung up", "{results}");
    for (scenario, status, code) in [("error", 404, "model_not_found"), ("limit", 429, "insufficient_quota")] {
        let refusal = &results[scenario];
        assert_eq!(
            (&refusal["status"], &refusal["code"]),
            (&json!(status), &json!(code)),
            "{scenario}: {results}"
        );
    }
}

/// Checks what OpenAI's own clients do besides.
fn check_own(results: &Value) {
    check(results);
    assert_eq!(results["streamed"]["usage"], false, "it was not asked for: {results}");
    assert_eq!(results["streamed"]["ids"], 1, "{results}");
    assert_eq!(results["plain"]["request"], true, "the request's id: {results}");
    assert_eq!(
        (&results["tools"]["status"], &results["stranger"]["status"]),
        (&json!(400), &json!(401)),
        "{results}"
    );
    assert_eq!(results["stranger"]["code"], "invalid_api_key", "{results}");
    assert_eq!(results["models"], json!(["demo"]), "{results}");
}

async fn in_python(client: &str) -> Value {
    let python = root().join(".venv/bin/python");
    assert!(python.exists(), "`make venv` installs the clients");
    chat_with(&python, "tests/scripts/chat_clients.py", client).await
}

async fn in_node(client: &str) -> Value {
    assert!(
        root().join("tests/clients/node_modules").exists(),
        "`make clients` installs the clients"
    );
    chat_with(Path::new("node"), "tests/clients/chat.mjs", client).await
}

#[tokio::test]
async fn openais_own_client_for_python_chats() {
    check_own(&in_python("openai").await);
}

#[tokio::test]
async fn langchains_client_chats() {
    check(&in_python("langchain").await);
}

#[tokio::test]
#[ignore = "needs node: `make clients` runs it"]
async fn openais_own_client_for_node_chats() {
    check_own(&in_node("openai").await);
}

#[tokio::test]
#[ignore = "needs node: `make clients` runs it"]
async fn vercels_client_chats() {
    check(&in_node("vercel").await);
}
