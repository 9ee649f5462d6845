//! README and QUICKSTART as a newcomer follows them: each command is run in one shell, and prints what the page shows.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};

use serde_json::Value;
use tests::definitions::text_of;
use tests::program::path_of;
use tokio::process::Command;

/// Marks the end of a block's output.
const END: &str = "@@ end of the block";

/// `make` as the shell knows it: it starts the server with the variables that are set, and ends the one before.
const MAKE: &str = r#"
set -euo pipefail
make() {
    stop
    : >said
    local options=${2-}
    # Words of the options are apart.
    "$SERVER" --port "$PORT" ${options#ARGS=} >/dev/null 2>said &
    pid=$!
    until grep -q /v1/usage said; do kill -0 $pid; sleep 0.05; done
}
stop() { if [ -n "${pid:-}" ]; then kill -INT $pid; wait $pid || true; pid=; fi; }
trap stop EXIT
"#;

/// Members that differ with each run.
const OF_THE_DAY: [&str; 12] = [
    "resetAt",
    "submittedAt",
    "finishedAt",
    "userId",
    "accessToken",
    "refreshToken",
    "signingKey",
    "preferenceVersion",
    "rankingVersion",
    "correlationId",
    "created",
    "day",
];

struct Block<'a> {
    language: &'a str,
    text: String,
}

/// The blocks of code of a page.
fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    language,
                    text: String::new(),
                });
            }
            (None, Some(block)) => writeln!(block.text, "{line}").unwrap(),
            (None, None) => {}
        }
    }
    found
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs the commands of a page one after the other: what each block prints.
async fn run(commands: &[String]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let server = path_of("clearview");
    let mut script = MAKE.to_owned();
    for block in commands {
        let block = block
            .replace("127.0.0.1:3000", &format!("127.0.0.1:{port}"))
            .replace("target/debug/clearview", "\"$SERVER\"")
            .replace("@tests/node/", "@$NODE/");
        write!(script, "{block}\necho\necho '{END}'\n").unwrap();
    }
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(directory.path())
        .env("SERVER", server)
        .env("PORT", &port)
        .env("NODE", concat!(env!("CARGO_MANIFEST_DIR"), "/node"))
        .env("CLEARVIEW_LOG", "off")
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{said}");
    let parts = printed.split(END).map(|part| part.trim().to_owned());
    parts.take(commands.len()).collect()
}

/// The greeting of a server, with its port as the pages have it.
async fn greeting() -> String {
    let server = tests::program::LocalServer::start(&[], &[]).await;
    let port = server.address.port().to_string();
    server.greeting.join("\n").replace(&port, "3000")
}

/// A command without the spaces and line ends that only make it readable.
fn in_one_line(command: &str) -> String {
    command.replace("\\\n", "").split_whitespace().collect()
}

/// True if a value is what a page shows. Members of the day need only be there, and a text that is cut with `…` begins so.
fn is_as_shown(shown: &Value, found: &Value) -> bool {
    match (shown, found) {
        (Value::Object(shown), Value::Object(found)) => {
            shown.len() == found.len()
                && shown.iter().all(|(name, shown)| {
                    let found = found.get(name);
                    found.is_some_and(|found| OF_THE_DAY.contains(&name.as_str()) || is_as_shown(shown, found))
                })
        }
        (Value::Array(shown), Value::Array(found)) => {
            shown.len() == found.len() && shown.iter().zip(found).all(|(shown, found)| is_as_shown(shown, found))
        }
        (Value::String(shown), Value::String(found)) => match shown.split_once('…') {
            Some((start, end)) => found.starts_with(start) && found.ends_with(end),
            None => shown == found,
        },
        (shown, found) => shown == found,
    }
}

/// The last JSON that a block printed.
fn last_json(printed: &str) -> Value {
    let of_lines = printed.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    of_lines.unwrap_or_else(|| serde_json::from_str(printed).unwrap_or_default())
}

/// Checks that a text is as a page shows it, line by line. A line may be cut with `…`.
fn check_lines(shown: &str, printed: &str) {
    let printed: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    let shown: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(shown.len(), printed.len(), "{printed:#?}");
    for (shown, printed) in shown.iter().zip(printed) {
        let is_as_shown = match shown.split_once('…') {
            Some((start, _)) => printed.starts_with(start),
            None => *shown == printed,
        };
        assert!(is_as_shown, "{shown}\nbut it is\n{printed}");
    }
}

#[tokio::test]
async fn the_first_page_shows_the_greeting_and_the_answer_that_there_are() {
    let page = text_of("README.md");
    let blocks = blocks(&page);
    let shown = blocks
        .iter()
        .find(|block| block.text.starts_with("ClearView "))
        .unwrap();
    let greeting = greeting().await;
    let mut lines = greeting.lines();
    for shown in shown.text.lines().filter(|line| !line.is_empty()) {
        // A line may be cut, and names a port that was free.
        let start = shown.split(['…', '(']).next().unwrap().trim_end();
        assert!(lines.any(|line| line.starts_with(start)), "{shown}\n{greeting}");
    }
    let commands: Vec<String> = blocks
        .iter()
        .filter(|block| block.language == "sh")
        .map(|block| block.text.clone())
        .collect();
    assert_eq!(commands.len(), 2, "one that starts the server, one that asks it");
    // The server suggests the same to those who do not read the page.
    let curls: Vec<&str> = greeting.lines().filter(|line| line.contains("curl")).collect();
    assert_eq!(in_one_line(&commands[1]), in_one_line(&curls[..2].join("")));
    let printed = run(&commands).await;
    let answer = blocks.iter().find(|block| block.language == "json").unwrap();
    let shown: Value = serde_json::from_str(&answer.text).unwrap();
    let found = last_json(printed.last().unwrap());
    assert!(is_as_shown(&shown, &found), "{shown:#}\nbut it is\n{found:#}");
}

#[tokio::test]
async fn every_command_of_the_quick_start_runs_and_prints_what_is_shown() {
    let page = text_of("docs/QUICKSTART.md");
    let blocks = blocks(&page);
    let commands: Vec<String> = ["make run\n".to_owned()]
        .into_iter()
        .chain(
            blocks
                .iter()
                .filter(|block| block.language == "sh")
                .map(|block| block.text.clone()),
        )
        .collect();
    let printed = run(&commands).await;
    let (mut at, mut compared) = (0, 0);
    for block in &blocks {
        match block.language {
            "sh" => at += 1,
            "json" => {
                let shown: Value = serde_json::from_str(&block.text).unwrap();
                let found = last_json(&printed[at]);
                assert!(is_as_shown(&shown, &found), "{shown:#}\nbut it is\n{found:#}");
                compared += 1;
            }
            "text" => {
                check_lines(&block.text, &printed[at]);
                compared += 1;
            }
            _ => {}
        }
    }
    assert!(at >= 8 && compared >= 7, "{at} commands, {compared} answers");
    // A command that was refused prints a problem, and only the one of the page about errors should.
    let refused = printed.iter().filter(|text| text.contains("\"retryable\"")).count();
    assert_eq!(refused, 1, "{printed:#?}");
}
