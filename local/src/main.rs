//! `cargo run -p local`: ClearView on this machine.
#![expect(
    clippy::print_stderr,
    reason = "a program for a terminal: what it says beside its log"
)]

use std::process::ExitCode;

use clap::Parser;
use local::options::{Command, CommandLine, Options};
use local::server::Server;
use local::state::StartError;
use local::verify;
use shared::clock::Clock;
use shared::config::Config;
use shared::telemetry::{self, VERSION};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let CommandLine { command, options } = CommandLine::parse();
    let done = match &command {
        Some(Command::Admin(admin)) => return admin.run().await,
        Some(Command::Doctor(doctor)) => return doctor.run().await,
        Some(Command::VerifyAudit { file }) => verify::export(file).map(|(said, intact)| {
            eprintln!("{said}");
            if intact { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }),
        None => run(&options).await.map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            match &command {
                None => eprintln!("ClearView cannot start: {error}"),
                Some(_) => eprintln!("{error}"),
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), StartError> {
    let config = Config::from_env().map_err(|error| StartError(error.to_string()))?;
    telemetry::init(&config);
    let unusable = |error| StartError(format!("signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let server = Server::start(options, config, Clock::system()).await?;
    greet(options, &server);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("Stopping.");
    server.stop().await;
    Ok(())
}

/// To standard error, as the log has standard output.
fn greet(options: &Options, server: &Server) {
    let url = format!("http://{}", server.address);
    let kept = match &options.data_dir {
        Some(directory) => format!("kept in {}", directory.display()),
        None => "in memory".to_owned(),
    };
    eprintln!(
        r#"ClearView {VERSION} answers on {url}  (state {kept}; tables on {tables})

Try it in another terminal; Ctrl-C here ends it:

TOKEN=$(curl -s {url}/v1/auth/register -H 'Content-Type: application/json' -d '{{"deviceId":"my-very-first-device"}}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
curl -s '{url}/v1/classify?explain=true' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"preference":"Hide crypto and diet ads, but keep recipes","posts":[{{"id":"1","text":"Buy Bitcoin now, crypto is going to the moon"}},{{"id":"2","text":"My sourdough starter turned five today"}}]}}'
curl -s {url}/v1/usage -H "Authorization: Bearer $TOKEN"
"#,
        tables = server.table_endpoint,
    );
}
