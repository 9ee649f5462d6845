//! Assistants and plans as data: changed by the commands of docs/OPERATIONS.md, word for word, and in force within a minute.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tests::chat::{complete, plan, question};
use tests::client::Device;
use tests::definitions::text_of;
use tests::service::Service;
use tests::upstream::{Act, Upstream, set_tier, upstream};
use tokio::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Returns the commands of a section of the page.
fn commands(heading: &str) -> Vec<String> {
    let page = text_of("docs/OPERATIONS.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .map(str::to_owned)
        .collect()
}

/// Runs a command of the page with AWS's own client on the tables of a service, whose prefix is another; returns what it prints.
async fn run(service: &Service, command: &str) -> String {
    let command = command.replace("clearview-live-", "clearview-");
    let script = format!("PATH='{ROOT}/.venv/bin':$PATH\n{command}");
    let output = Command::new("bash")
        .args(["-e", "-c", &script])
        .env(
            "AWS_ENDPOINT_URL_DYNAMODB",
            format!("http://{}", service.tables_address()),
        )
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_PAGER", "")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A minute is over.
    service.clock.advance(Duration::from_mins(1));
    String::from_utf8(output.stdout).unwrap()
}

/// The model and the system prompt that the assistant coach has now.
async fn coach(service: &Service, device: &Device, upstream: &Upstream) -> [String; 2] {
    let answer = complete(service, device, &question("coach", "Hi")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = upstream.calls().pop().unwrap().body;
    [&asked["model"], &asked["messages"][0]["content"]].map(|text| text.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_operator_changes_shows_and_takes_back_an_assistant() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let before = coach(&service, &ann, &upstream).await;
    assert_eq!(before, ["cheap", "Be kind."]);
    let commands = commands("Change an assistant");
    let [change, show, take_back] = commands.as_slice() else {
        panic!("{commands:?}")
    };
    run(&service, change).await;
    let changed = coach(&service, &ann, &upstream).await;
    assert_eq!(changed, ["gpt-5-mini", "You are a patient running coach."]);
    let shown = run(&service, show).await;
    assert!(
        shown.contains("assistant:coach") && shown.contains("patient running coach"),
        "{shown}"
    );
    run(&service, take_back).await;
    assert_eq!(coach(&service, &ann, &upstream).await, before);
}

#[tokio::test]
async fn an_operator_makes_a_tier() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    for command in commands("Change a plan").iter().filter(|text| text.starts_with("aws ")) {
        run(&service, command).await;
    }
    set_tier(&service.tables(), &ann.user, "team").await;
    let refreshed = json!({"refreshToken": ann.refresh});
    let ann = Device::of(&service.client.post("/v1/auth/refresh", &refreshed).await);
    assert_eq!(service.client.usage(&ann).await.body["limit"], 5000);
}
