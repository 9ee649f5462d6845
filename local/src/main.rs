//! `cargo run -p local`: ClearView on this machine.
#![expect(
    clippy::print_stderr,
    reason = "a program for a terminal: what it says beside its log"
)]

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use local::command_line::{Command, CommandLine};
use local::gateway::functions;
use local::options::Options;
use local::server::Server;
use local::state::StartError;
use local::verify;
use shared::clock::Clock;
use shared::config::Config;
use shared::telemetry::{self, VERSION};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let CommandLine { command, options } = CommandLine::parse();
    let done = match &command {
        Some(Command::Admin(admin)) => return admin.run().await,
        Some(Command::Doctor(doctor)) => return doctor.run().await,
        Some(Command::EvaluateImages(evaluate)) => return evaluate.run().await,
        Some(Command::VerifyAudit { file }) => verify::export(file).map(|(said, intact)| {
            eprintln!("{said}");
            if intact { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }),
        None => run(&options).await.map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed.
            let _ = match &command {
                None => writeln!(std::io::stderr(), "ClearView cannot start: {error}"),
                Some(_) => writeln!(std::io::stderr(), "{error}"),
            };
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), StartError> {
    let config = Config::from_env().map_err(|error| StartError(error.to_string()))?;
    let behind_the_gateway = functions().map(|function| function.name);
    let log = telemetry::init_in_background(&config, &[&behind_the_gateway[..], &[quota_reset::NAME]].concat());
    let outcome = serve(options, config).await;
    log.finish();
    outcome
}

/// Answers requests until a signal ends the server.
async fn serve(options: &Options, config: Config) -> Result<(), StartError> {
    let unusable = |error| StartError(format!("signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    // `nohup` ignores SIGHUP; a listener would undo that.
    let hang_up = (!ignores_hang_up()).then(|| signal(SignalKind::hangup()));
    let hang_up = hang_up.transpose().map_err(unusable)?;
    let server = Server::start(options, config, Clock::system()).await?;
    say(greeting(options, &server));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = received(hang_up) => {}
    }
    say("Stopping.".to_owned());
    server.stop().await;
    Ok(())
}

async fn received(signal: Option<Signal>) {
    match signal {
        Some(mut signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// True if this process was started with SIGHUP ignored, as far as the system can say.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

/// Writes to standard error, because the log has standard output. Nothing waits for it: it may be closed, or a pipe without a
/// reader.
fn say(text: String) {
    std::thread::spawn(move || writeln!(std::io::stderr(), "{text}"));
}

fn greeting(options: &Options, server: &Server) -> String {
    let url = format!("http://{}", server.address);
    let kept = match &options.data_dir {
        Some(directory) => format!("kept in {}", directory.display()),
        None => "in memory".to_owned(),
    };
    let console = if options.has_console() {
        format!("Open {url} in a browser to try it, watch it and break it.\n")
    } else {
        String::new()
    };
    format!(
        r#"ClearView {VERSION} answers on {url}  (state {kept}; tables on {tables})
{console}
Try it in another terminal; Ctrl-C here ends it:

TOKEN=$(curl -s {url}/v1/auth/register -H 'Content-Type: application/json' -d '{{"deviceId":"my-very-first-device","recoverySecret":"a-secret-that-only-this-device-keeps"}}' | sed 's/.*"accessToken":"\([^"]*\)".*/\1/')
curl -s '{url}/v1/classify?explain=true' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{{"preference":"Hide crypto and diet ads, but keep recipes","posts":[{{"id":"1","text":"Buy Bitcoin now, crypto is going to the moon"}},{{"id":"2","text":"My sourdough starter turned five today"}}]}}'
curl -s {url}/v1/usage -H "Authorization: Bearer $TOKEN"
"#,
        tables = server.table_endpoint,
    )
}
