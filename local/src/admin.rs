//! `clearview admin …`: signs and sends an operator's requests to a deployment.

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

pub use ask::AdminCall;
use client::Client;

/// Exit code of an answer that repeating cannot change: a refusal, an unknown user.
const REFUSED: u8 = 1;

/// Exit code of a request that may succeed later: no answer, 429, 5xx.
const UNAVAILABLE: u8 = 3;

/// Sends signed admin requests to a deployment; prints the answer, or the reason why there is none
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
    ask: AdminCall,
}

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminFailure {
    /// A refusal, or a reason why the request cannot be sent.
    #[error("{0}")]
    Refused(String),
    /// No answer, or a failure that may pass.
    #[error("{0}")]
    Unavailable(String),
}

impl AdminCommand {
    /// Runs the command; the answer goes to standard output.
    pub async fn run(&self) -> ExitCode {
        match self.send().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("{failure}");
                ExitCode::from(match failure {
                    AdminFailure::Refused(_) => REFUSED,
                    AdminFailure::Unavailable(_) => UNAVAILABLE,
                })
            }
        }
    }

    async fn send(&self) -> Result<(), AdminFailure> {
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
