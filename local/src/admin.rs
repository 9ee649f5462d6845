//! `clearview admin …`: signs and sends what an operator asks of a deployment.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command for a terminal: the answer is its output"
)]

mod ask;
mod client;
mod keys;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use shared::clock::Clock;

pub use ask::Ask;
use client::Client;

/// Exit code of an answer that repeating cannot change: a refusal, a user who is not there.
const REFUSED: u8 = 1;

/// Exit code of what may succeed later: no answer, 429, 5xx.
const UNAVAILABLE: u8 = 3;

/// Sends signed admin requests to a deployment; prints the answer, and why there is none
///
/// Exit codes: 0 done; 1 refused, or nothing to sign with; 2 a mistake in the command; 3 worth trying again.
#[derive(Debug, Clone, Args)]
pub struct AdminCommand {
    /// Address of the API: the output `ApiUrl` of the stack
    #[arg(long, env = "CLEARVIEW_URL", default_value = "http://127.0.0.1:3000", global = true)]
    url: String,

    /// File with the admins' keys, as their secret holds them: {"operator":"base64"} [default: `CLEARVIEW_ADMIN_KEYS`]
    #[arg(long, value_name = "FILE", global = true)]
    keys: Option<PathBuf>,

    /// Name of the key to sign with [default: the only one, else operator]
    #[arg(long, value_name = "NAME", global = true)]
    keyid: Option<String>,

    #[command(subcommand)]
    ask: Ask,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The answer, or what keeps the request from being sent.
    #[error("{0}")]
    Refused(String),
    /// No answer, or one that may be another in a while.
    #[error("{0}")]
    Unavailable(String),
}

impl AdminCommand {
    /// Carries the command out; the answer goes to standard output.
    pub async fn run(&self) -> ExitCode {
        match self.send().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("{failure}");
                ExitCode::from(match failure {
                    Failure::Refused(_) => REFUSED,
                    Failure::Unavailable(_) => UNAVAILABLE,
                })
            }
        }
    }

    async fn send(&self) -> Result<(), Failure> {
        let signer = keys::signer(self.keys.as_deref(), self.keyid.as_deref(), &Clock::system())?;
        let client = Client::new(&self.url, signer)?;
        let mut request = Some(self.ask.request()?);
        while let Some(asked) = request {
            let answer = client.send(&asked).await?;
            println!("{}", answer.text());
            request = self.ask.next(&asked, &answer);
        }
        Ok(())
    }
}
