//! `clearview doctor`: reads a deployed stack and reports its faults; reads an account before the first deployment and reports
//! what will not fit.
//!
//! It asks through the AWS CLI, which knows the operator's profiles, sign-ins and regions. Nothing is changed. Each check is a
//! pure function over the values that were read.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command for a terminal: what it finds is its output"
)]

mod account;
mod aws;
mod data;
mod edge;
mod functions;
mod probe;
mod stack;
mod watching;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fmt, fs};

use clap::Args;
use futures_util::future::join_all;
use futures_util::join;
use serde_json::Value;

use aws::Aws;
use stack::Stack;

/// Exit code if there are faults.
const FAULTS: u8 = 1;

/// Exit code if something could not be read.
const UNREAD: u8 = 3;

/// Reads a deployed stack through the AWS CLI and reports its faults; changes nothing
///
/// Exit codes: 0 no faults; 1 faults; 2 a mistake in the command; 3 something could not be read.
#[derive(Debug, Clone, Args)]
pub struct DoctorCommand {
    /// Name of the stack
    #[arg(long, default_value = "clearview")]
    stack: String,

    /// Read the account before the first deployment instead, and report what will not fit
    #[arg(long)]
    before: bool,

    /// The value of the parameter Stage of the coming deployment, with --before
    #[arg(long, default_value = "live", value_name = "STAGE")]
    stage: String,

    /// SAM's own file, with the parameters that will be deployed, with --before
    #[arg(long, default_value = "samconfig.toml", value_name = "FILE")]
    config_file: PathBuf,

    /// Address of the API [default: the output `ApiUrl` of the stack]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// No fault.
    Well(String),
    /// A fault, and what to do.
    Fault(String),
    /// It could not be read, and why.
    Unread(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well(what) => write!(f, "ok     {what}"),
            Self::Fault(what) => write!(f, "FAULT  {what}"),
            Self::Unread(what) => write!(f, "?      {what}"),
        }
    }
}

/// Turns the faults of a check into findings: without faults, one that says `well`.
pub(crate) fn findings(well: &str, faults: Vec<String>) -> Vec<Finding> {
    if faults.is_empty() {
        vec![Finding::Well(well.to_owned())]
    } else {
        faults.into_iter().map(Finding::Fault).collect()
    }
}

impl DoctorCommand {
    /// Runs the command; its findings go to standard output.
    pub async fn run(&self) -> ExitCode {
        let aws = Aws::new();
        let found = if self.before {
            let settings = fs::read_to_string(&self.config_file).unwrap_or_default();
            account::check(&aws, &self.stage, &settings).await
        } else {
            match Stack::read(&aws, &self.stack).await {
                Ok(stack) => self.check(&aws, &stack).await,
                Err(problem) => vec![Finding::Unread(format!("stack {}: {problem}", self.stack))],
            }
        };
        for finding in &found {
            println!("{finding}");
        }
        let any = |is: fn(&Finding) -> bool| found.iter().any(is);
        if any(|finding| matches!(finding, Finding::Fault(_))) {
            eprintln!("There are faults; docs/OPERATIONS.md explains each part.");
            ExitCode::from(FAULTS)
        } else if any(|finding| matches!(finding, Finding::Unread(_))) {
            ExitCode::from(UNREAD)
        } else {
            ExitCode::SUCCESS
        }
    }

    async fn check(&self, aws: &Aws, stack: &Stack) -> Vec<Finding> {
        let url = self.url.as_deref().unwrap_or_else(|| stack.output("ApiUrl"));
        let (functions, data, edge, watching, probes) = join!(
            functions::check(aws, stack),
            data::check(aws, stack),
            edge::check(aws, stack),
            watching::check(aws, stack),
            probe::check(url),
        );
        [vec![stack.status()], functions, data, edge, watching, probes].concat()
    }
}

/// Checks each of several things, and collects their faults.
async fn of_each<T>(
    aws: &Aws,
    well: &str,
    things: &[T],
    command: impl Fn(&T) -> String,
    fault: impl Fn(&T, &Value) -> Option<String>,
) -> Vec<Finding> {
    let answers = join_all(things.iter().map(|thing| aws.ask(command(thing)))).await;
    let (mut faults, mut unread) = (Vec::new(), Vec::new());
    for (thing, answer) in things.iter().zip(answers) {
        match answer {
            Ok(answer) => faults.extend(fault(thing, &answer)),
            Err(problem) => unread.push(Finding::Unread(problem)),
        }
    }
    let found = if faults.is_empty() && !unread.is_empty() {
        Vec::new()
    } else {
        findings(well, faults)
    };
    [found, unread].concat()
}
