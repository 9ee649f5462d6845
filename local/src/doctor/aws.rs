//! The AWS CLI, asked for JSON.

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Semaphore;

/// The most commands at a time: each is a process.
const AT_ONCE: usize = 4;

/// The AWS CLI with the operator's own settings: `AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`.
pub(super) struct Aws(Semaphore);

impl Aws {
    pub(super) const fn new() -> Self {
        Self(Semaphore::const_new(AT_ONCE))
    }

    /// Returns the answer to a command such as `lambda list-functions`, whose words have no spaces; `Null` for an empty one.
    ///
    /// # Errors
    /// The CLI's message, in one line.
    pub(super) async fn ask(&self, command: impl Into<String>) -> Result<Value, String> {
        let command = command.into();
        let _turn = self.0.acquire().await.map_err(|error| error.to_string())?;
        let output = Command::new("aws")
            .args(command.split_whitespace())
            .args(["--output", "json"])
            .output()
            .await;
        let output = output.map_err(|error| format!("the AWS CLI (aws) cannot be run: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let line = said.lines().rfind(|line| !line.trim().is_empty());
            return Err(format!("aws {command}: {}", line.unwrap_or("no reason given").trim()));
        }
        if output.stdout.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("aws {command}: {error}"))
    }
}
