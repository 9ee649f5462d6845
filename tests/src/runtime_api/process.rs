//! The process of an environment: its signals, its state, its log, its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::LONGEST_WAIT;

/// How often the kernel is asked for the state of a process; it tells nobody by itself.
const LOOK_EVERY: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: u32,
    exit: watch::Receiver<Option<ExitStatus>>,
    log: watch::Receiver<Log>,
    /// Owns the child, which is killed with it.
    keeper: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    /// Of two: standard output and standard error.
    streams_ended: u8,
}

impl Process {
    /// Starts `program` with these variables and no others.
    pub(super) fn start(program: &Path, variables: &BTreeMap<String, String>) -> Self {
        let mut child = Command::new(program)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let id = child.id().expect("a running process");
        let (lines, log) = watch::channel(Log::default());
        tokio::spawn(collect(
            child.stdout.take().expect("its standard output"),
            lines.clone(),
        ));
        tokio::spawn(collect(child.stderr.take().expect("its standard error"), lines));
        let (ended, exit) = watch::channel(None);
        let keeper = tokio::spawn(async move {
            let status = child.wait().await.expect("its end");
            ended.send_replace(Some(status));
        });
        Self { id, exit, log, keeper }
    }

    /// Waits for the end of the process.
    pub(super) async fn exited(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        let status = exit.wait_for(Option::is_some).await.expect("the keeper tells");
        status.expect("a status")
    }

    pub(super) async fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.id.to_string()])
            .status()
            .await
            .expect("kill");
        assert!(status.success(), "no process {} to send {signal}", self.id);
    }

    /// Waits until the process is in a state (`R`, `S`, `T`, …; proc(5)) that `is_it` accepts.
    pub(super) async fn reaches_state(&self, is_it: impl Fn(char) -> bool) {
        let reached = async {
            while !is_it(self.state()) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let in_time = timeout(LONGEST_WAIT, reached).await.is_ok();
        assert!(in_time, "process {} stays in state {}", self.id, self.state());
    }

    fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id)).expect("a running process");
        // The name before it, in parentheses, may hold anything.
        let after_name = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.trim_start().chars().next());
        after_name.expect("a state")
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.log.borrow().lines.clone()
    }

    /// Everything that it said until it ended.
    pub(super) async fn whole_log(&self) -> Vec<String> {
        let mut log = self.log.clone();
        // A process that inherited its standard output and lives on must not keep this waiting for ever.
        let _ = timeout(LONGEST_WAIT, log.wait_for(|log| log.streams_ended == 2)).await;
        self.log()
    }

    pub(super) async fn logged(&self, is_it: impl Fn(&str) -> bool) -> String {
        let mut log = self.log.clone();
        let find = |log: &Log| log.lines.iter().find(|line| is_it(line)).cloned();
        let found = timeout(LONGEST_WAIT, log.wait_for(|log| find(log).is_some())).await;
        let line = match found {
            Ok(Ok(log)) => find(&log),
            _ => None,
        };
        line.unwrap_or_else(|| panic!("no such line in {:?}", self.log()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn collect(stream: impl AsyncRead + Unpin, log: watch::Sender<Log>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.send_modify(|log| log.lines.push(line));
    }
    log.send_modify(|log| log.streams_ended += 1);
}
