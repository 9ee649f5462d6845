//! The built programs as processes of their own. `make test` builds them before it runs the tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// The path of a built program of this workspace.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn path_of(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let path = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target/debug/deps")
        .join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --workspace --bins`",
        path.display()
    );
    path
}

/// The local server as a process.
pub struct LocalServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it said when it started.
    pub greeting: Vec<String>,
    process: Child,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl LocalServer {
    /// Starts it on a free port with further arguments and variables, and waits for its greeting.
    ///
    /// # Panics
    /// When it ends without one.
    pub async fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(path_of("local"))
            .args(["--port", "0"])
            .args(arguments)
            .envs(variables.iter().copied())
            .env("CLEARVIEW_LOG", "off")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let mut stderr = BufReader::new(process.stderr.take().expect("its standard error")).lines();
        let mut greeting = Vec::new();
        while let Some(line) = stderr.next_line().await.expect("text") {
            let last = line.contains("/v1/usage");
            greeting.push(line);
            if last {
                break;
            }
        }
        let first = greeting.first().expect("a greeting");
        let address = first
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(' ').next()?.parse().ok());
        Self {
            address: address.unwrap_or_else(|| panic!("no address in {greeting:?}")),
            greeting,
            process,
            stderr,
        }
    }

    /// Ctrl-C; how it ended.
    ///
    /// # Panics
    /// When it cannot be told to end.
    pub async fn interrupt(mut self) -> ExitStatus {
        let id = self.process.id().expect("a running process").to_string();
        let told = Command::new("kill").args(["-INT", &id]).status().await.expect("kill");
        assert!(told.success());
        while let Ok(Some(_)) = self.stderr.next_line().await {}
        self.process.wait().await.expect("its end")
    }
}
