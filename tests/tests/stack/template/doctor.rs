//! `clearview doctor`: finds nothing wrong with the template's stack in moto, and each of the ways in which that was bent.

use std::process::Stdio;

use tests::moto::python;
use tests::program::path_of;
use tests::service::Service;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/serve_stack.py");

/// The stack in moto, served.
struct Deployed {
    endpoint: String,
    bends: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Deployed {
    async fn with(parameters: &[&str]) -> Self {
        let mut process = Command::new(python())
            .arg(SCRIPT)
            .args(parameters)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.next_line().await.unwrap().expect("an address");
        let port = address.rsplit(':').next().unwrap();
        Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            bends: process.stdin.take().unwrap(),
            lines,
            _process: process,
        }
    }

    async fn bend(&mut self, way: &str) {
        self.bends.write_all(format!("{way}\n").as_bytes()).await.unwrap();
        assert_eq!(self.lines.next_line().await.unwrap().as_deref(), Some("bent"), "{way}");
    }

    /// The exit code of the doctor, and what it says.
    async fn doctor(&self, words: &[&str]) -> (i32, Vec<String>) {
        let tools = python().parent().unwrap().to_owned();
        let path = format!("{}:/usr/bin:/bin", tools.display());
        let output = Command::new(path_of("clearview"))
            .arg("doctor")
            .args(words)
            .env("PATH", path)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            // A call that moto does not support fails at once.
            .env("AWS_MAX_ATTEMPTS", "1")
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), said.lines().map(str::to_owned).collect())
    }
}

fn faults(said: &[String]) -> Vec<&str> {
    said.iter().filter_map(|line| line.strip_prefix("FAULT  ")).collect()
}

/// Of what moto does not have: composite alarms, ElastiCache, metrics of services.
fn is_motos(line: &str) -> bool {
    let composites = ["wake-somebody", "work-lost", "money", "look-in-the-morning"];
    composites
        .iter()
        .any(|name| line.contains(&format!("clearview-live-{name} is missing")))
}

#[tokio::test]
async fn a_stack_as_it_should_be_has_no_fault_and_each_bend_is_found() {
    let service = Service::start().await;
    let url = format!("http://{}", service.client.authority());
    let mut stack = Deployed::with(&["AlarmEmail=operator@example.com"]).await;
    let (_, said) = stack.doctor(&["--url", &url]).await;
    let real: Vec<&str> = faults(&said).into_iter().filter(|line| !is_motos(line)).collect();
    assert!(real.is_empty(), "{said:#?}");
    for part in [
        "stack clearview: CREATE_COMPLETE",
        "secrets",
        "gateway",
        "firewall",
        "schedule",
        "budget",
        "API: health",
        "API: refusals",
    ] {
        assert!(said.contains(&format!("ok     {part}")), "{part}: {said:#?}");
    }
    for line in said.iter().filter(|line| line.starts_with('?')) {
        assert!(
            ["elasticache", "get-account-settings", "has no metric by"]
                .iter()
                .any(|known| line.contains(known)),
            "{line}"
        );
    }

    stack.bend("all").await;
    let (code, said) = stack.doctor(&["--url", &url]).await;
    assert_eq!(code, 1);
    let found = faults(&said);
    for (bend, words) in [
        ("recovery", "IdentityTable cannot be restored"),
        ("expiry", "QuotaTable keeps expired items"),
        ("alarm", "clearview-live-error-rate is missing"),
        ("silence", "clearview-live-hit-rate tells nobody"),
        ("nobody", "UrgentTopic has no subscriber"),
        ("log", "/clearview/live/auth is kept for ever"),
        ("settings", "UsageFunction uses tables under"),
        ("switch", "AuthFunction is switched off"),
        ("secret", "AdminKeysSecret will be deleted"),
        ("firewall-log", "the firewall writes no log"),
        ("letters", "clearview-live-dead-letters is in ALARM"),
        (
            "schedule",
            "a schedule of the day's close or of statistics is switched off",
        ),
        ("throttle", "the gateway admits 5"),
        ("budget", "the budget clearview-live is missing"),
    ] {
        assert!(found.iter().any(|line| line.contains(words)), "{bend}: {said:#?}");
    }
}

#[tokio::test]
async fn where_there_is_no_stack_it_says_so_and_before_the_first_what_is_in_its_way() {
    let account = Deployed::with(&["--left-behind", "clearview-live-quota"]).await;
    let before = ["--before", "--config-file", "/nowhere"];
    let ((code, said), (code_of_none, said_of_none)) =
        tokio::join!(account.doctor(&before), account.doctor(&["--stack", "nowhere"]));
    assert_eq!(code, 1, "{said:#?}");
    let found = faults(&said);
    for words in [
        "an earlier stack are in the way: clearview-live-quota",
        "no budget tells anybody",
    ] {
        assert!(found.iter().any(|line| line.contains(words)), "{words}: {said:#?}");
    }
    for part in [
        "account 123456789012",
        "the network will be in us-east-1a and us-east-1b",
    ] {
        let well = format!("ok     {part}");
        assert!(said.iter().any(|line| line.starts_with(&well)), "{part}: {said:#?}");
    }
    assert_eq!(code_of_none, 3, "{said_of_none:#?}");
    assert!(
        said_of_none[0].starts_with("?      stack nowhere: "),
        "{said_of_none:#?}"
    );
}
