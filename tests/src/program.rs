//! The built programs as processes of their own. `make test` builds them before it runs the tests.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// The path of a built program of this workspace.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn path_of(name: &str) -> PathBuf {
    let path = profile_directory().join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --workspace --bins`",
        path.display()
    );
    path
}

/// The directory of everything that is built.
///
/// # Panics
/// When this program was moved.
#[must_use]
pub fn target_directory() -> PathBuf {
    profile_directory().parent().expect("target").to_owned()
}

/// Where programs of this program's profile are built, such as `target/debug`: a test lies one deeper, a program in it.
fn profile_directory() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    let directory = this.parent().expect("its directory");
    let profile = if directory.ends_with("deps") {
        directory.parent().expect("target/debug")
    } else {
        directory
    };
    profile.to_owned()
}

/// The local server as a process.
pub struct LocalServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The lines that it printed at its start.
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
        let variables = [variables, &[("CLEARVIEW_LOG", "off")]].concat();
        Self::spawn(arguments, &variables, Stdio::null()).await
    }

    /// The same, with what it logs in the file `log`.
    ///
    /// # Panics
    /// When it ends without a greeting, or the file cannot be made.
    pub async fn start_logged(log: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let file = File::create(log).expect("a file for the log");
        Self::spawn(arguments, variables, file.into()).await
    }

    async fn spawn(arguments: &[&str], variables: &[(&str, &str)], stdout: Stdio) -> Self {
        let mut process = Command::new(path_of("clearview"))
            .args(["--port", "0"])
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(stdout)
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

    /// The endpoint of its tables, of its own or of a service.
    ///
    /// # Panics
    /// When its greeting does not say.
    #[must_use]
    pub fn tables(&self) -> String {
        let told = self.greeting.first().and_then(|line| line.split("tables on ").nth(1));
        told.expect("a greeting").trim_end_matches(')').to_owned()
    }

    /// The process's id, for `/proc`.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id().expect("a running process")
    }

    /// Stops it from answering, without closing anything.
    ///
    /// # Panics
    /// When it cannot be told to.
    pub async fn freeze(&self) {
        self.signal("-STOP").await;
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it cannot be told to.
    pub async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.process_id().to_string();
        let told = Command::new("kill").args([signal, &id]).status().await.expect("kill");
        assert!(told.success(), "{signal}");
    }

    /// Ctrl-C; how it ended.
    ///
    /// # Panics
    /// When it cannot be told to end.
    pub async fn interrupt(mut self) -> ExitStatus {
        self.signal("-INT").await;
        while let Ok(Some(_)) = self.stderr.next_line().await {}
        self.process.wait().await.expect("its end")
    }
}
