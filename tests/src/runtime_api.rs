//! Lambda's side of a function: the built binary in environments of its own, and the Runtime API that it asks for events.
//!
//! A [`Function`] is the deployed program. Each [`Environment`] is one process of it with its own Runtime API, as in Lambda: it
//! is started, invoked, frozen, thawed and told to end. A step that hangs is given up after [`LONGEST_WAIT`].

mod process;
mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;
use shared::clock::Stopwatch;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::process::Process;
use self::server::{Load, RuntimeApi};
use crate::program::path_of;

/// The longest that anything may take which normally takes milliseconds.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The `Timeout` of the functions in template.yaml: an event's deadline is that much later than its delivery.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// A function as it is deployed: a program and its settings.
#[derive(Debug, Clone)]
pub struct Function {
    name: String,
    program: PathBuf,
    variables: BTreeMap<String, String>,
    concurrency: u32,
}

/// Why an environment did not come up.
#[derive(Debug)]
pub enum InitFailure {
    /// It said so itself (`/init/error`).
    Reported(Diagnostic),
    /// It ended instead of asking for an event; what it had said until then.
    Exited(ExitStatus, Vec<String>),
    /// It did nothing of either.
    TimedOut,
}

/// Why an invocation gave no answer.
#[derive(Debug)]
pub enum InvokeFailure {
    /// The function reported a failure, and goes on with the next event.
    Reported(Diagnostic),
    /// The process ended.
    Exited(ExitStatus),
    /// It did not answer.
    TimedOut,
}

/// A function's report of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its `errorType`.
    pub error_type: String,
    /// Its `errorMessage`.
    pub message: String,
}

impl Function {
    /// The function whose binary this build has made, with the variables that Lambda sets and no log. Nothing of this process's
    /// own environment reaches it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self::at(name, path_of(name))
    }

    /// The same with the binary at `program`.
    #[must_use]
    pub fn at(name: &str, program: PathBuf) -> Self {
        let function = Self {
            name: name.to_owned(),
            program,
            variables: BTreeMap::new(),
            concurrency: 1,
        };
        [
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_SESSION_TOKEN", "test"),
            ("_HANDLER", "bootstrap"),
            ("TZ", ":UTC"),
            ("CLEARVIEW_LOG", "off"),
        ]
        .into_iter()
        .fold(function, |function, (name, value)| function.with(name, value))
    }

    /// With an environment variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// With its tables at `address`.
    #[must_use]
    pub fn with_tables_at(self, address: SocketAddr) -> Self {
        self.with("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{address}"))
    }

    /// With up to `events` at a time in one environment, as on managed instances.
    #[must_use]
    pub fn with_concurrency(mut self, events: u32) -> Self {
        self.concurrency = events;
        self.with("AWS_LAMBDA_MAX_CONCURRENCY", events.to_string())
    }

    /// Starts one environment of it; it waits for its first event when this returns.
    ///
    /// # Errors
    /// [`InitFailure`].
    pub async fn start(&self) -> Result<Environment, InitFailure> {
        let runtime_api = RuntimeApi::start(&self.name, TIME_LIMIT).await;
        let mut variables = self.variables.clone();
        variables.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), runtime_api.address.to_string());
        let stopwatch = Stopwatch::start();
        let process = Process::start(&self.program, &variables);
        let mut load = runtime_api.load();
        let init = tokio::select! {
            biased;
            asked = timeout(LONGEST_WAIT, load.wait_for(|load| load.polls > 0 || load.init_error.is_some())) => {
                asked.map(|load| load.expect("the Runtime API runs").init_error.clone())
            }
            status = process.exited() => return Err(InitFailure::Exited(status, process.whole_log().await)),
        };
        match init {
            Ok(None) => Ok(Environment {
                init_duration: stopwatch.elapsed(),
                concurrency: self.concurrency as usize,
                runtime_api,
                process,
            }),
            Ok(Some(diagnostic)) => Err(InitFailure::Reported(diagnostic)),
            Err(_) => Err(InitFailure::TimedOut),
        }
    }
}

/// One running process of a function. Dropped, it is killed.
#[derive(Debug)]
pub struct Environment {
    /// From the start of the process to its first request for an event.
    pub init_duration: Duration,
    concurrency: usize,
    runtime_api: RuntimeApi,
    process: Process,
}

impl Environment {
    /// Hands an event over and waits for the answer. Called again meanwhile, the events wait for each other, or are in flight
    /// together as far as the function's concurrency allows.
    ///
    /// # Errors
    /// [`InvokeFailure`].
    pub async fn invoke(&self, event: impl AsRef<[u8]>) -> Result<Value, InvokeFailure> {
        self.invoke_within(LONGEST_WAIT, event).await
    }

    /// The same for an event whose answer may take up to `limit`.
    ///
    /// # Errors
    /// [`InvokeFailure`].
    pub async fn invoke_within(&self, limit: Duration, event: impl AsRef<[u8]>) -> Result<Value, InvokeFailure> {
        let answer = self.runtime_api.submit(event.as_ref().to_vec(), None);
        tokio::select! {
            biased;
            answer = timeout(limit, answer) => match answer {
                Ok(Ok(Ok(answer))) => Ok(serde_json::from_slice(&answer).expect("an answer in JSON")),
                Ok(Ok(Err(diagnostic))) => Err(InvokeFailure::Reported(diagnostic)),
                Ok(Err(_)) | Err(_) => Err(InvokeFailure::TimedOut),
            },
            status = self.process.exited() => Err(InvokeFailure::Exited(status)),
        }
    }

    /// Hands an event over whose answer is streamed. Returns its pieces as they come, the head in the first of them.
    #[must_use]
    pub fn stream(&self, event: impl AsRef<[u8]>) -> mpsc::UnboundedReceiver<Bytes> {
        let (pieces, receiver) = mpsc::unbounded_channel();
        drop(self.runtime_api.submit(event.as_ref().to_vec(), Some(pieces)));
        receiver
    }

    /// Waits until this many events are in flight: delivered, and not answered.
    pub async fn has_in_flight(&self, events: usize) {
        self.reaches("events in flight", |load| load.in_flight == events).await;
    }

    /// How many more events it asks for now.
    #[must_use]
    pub fn open_polls(&self) -> usize {
        self.runtime_api.load().borrow().polls
    }

    /// Waits until it has asked for as many events as it takes at a time: all that it had to do is done.
    pub async fn is_idle(&self) {
        self.reaches("open polls", |load| load.polls == self.concurrency).await;
    }

    async fn reaches(&self, what: &str, state: impl Fn(&Load) -> bool) {
        let mut load: watch::Receiver<Load> = self.runtime_api.load();
        let reached = timeout(LONGEST_WAIT, load.wait_for(|load| state(load))).await.is_ok();
        assert!(
            reached,
            "{what}: {:?}; it said {:?}",
            *load.borrow(),
            self.process.log()
        );
    }

    /// Stops the process as Lambda does once it is idle. It has stopped when this returns.
    pub async fn freeze(&self) {
        self.is_idle().await;
        self.process.signal("STOP").await;
        self.process.reaches_state(|state| state == 'T').await;
    }

    /// Lets a frozen process go on.
    pub async fn thaw(&self) {
        self.process.signal("CONT").await;
        self.process.reaches_state(|state| state != 'T').await;
    }

    /// Tells the process to end (SIGTERM); how it did.
    ///
    /// # Panics
    /// When it does not.
    pub async fn terminate(self) -> ExitStatus {
        self.process.signal("TERM").await;
        timeout(LONGEST_WAIT, self.process.exited())
            .await
            .expect("the process ends when it is told to")
    }

    /// The process's id, for `/proc`.
    #[must_use]
    pub const fn process_id(&self) -> u32 {
        self.process.id
    }

    /// The lines that it has written so far, to standard output and standard error.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// Waits for a line of its log that `is_it` accepts.
    ///
    /// # Panics
    /// When there is none.
    pub async fn logged(&self, is_it: impl Fn(&str) -> bool) -> String {
        self.process.logged(is_it).await
    }

    /// The extensions that it has registered.
    #[must_use]
    pub fn extensions(&self) -> Vec<String> {
        self.runtime_api.load().borrow().extensions.clone()
    }
}
