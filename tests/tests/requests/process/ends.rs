//! How a server ends, and that a log which nobody takes neither stops it nor keeps it from its end.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::json;
use shared::clock::Clock;
use tests::client::Client;
use tests::proxy::{Mode, Proxy};
use tests::service::TableService;

/// The capacity of a pipe on Linux without a reader.
const PIPE_BYTES: usize = 64 * 1024;

/// The longest that a server may take to end.
const LONGEST_END: Duration = Duration::from_secs(30);

/// The state of standard output and standard error once the server has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outputs {
    Read,
    Closed,
    Full,
}

struct Started {
    client: Client,
    process: Child,
    /// Both ends of both outputs, as far as they are kept open.
    _pipes: Vec<(PipeReader, PipeWriter)>,
}

fn start(variables: &[(&str, &str)], before: &[&str], outputs: Outputs) -> Started {
    let (stdout, stderr) = (pipe().unwrap(), pipe().unwrap());
    let program = tests::program::path_of("clearview");
    let words = [before, &[program.to_str().unwrap(), "--port", "0"]].concat();
    let process = Command::new(words[0])
        .args(&words[1..])
        .envs(variables.iter().copied())
        .env("CLEARVIEW_LOG", "info")
        .stdout(stdout.1.try_clone().unwrap())
        .stderr(stderr.1.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut greeting = BufReader::new(stderr.0.try_clone().unwrap()).lines();
    let first = greeting.next().unwrap().unwrap();
    let address = first.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
    let client = Client::to(address.unwrap().parse().unwrap());
    greeting.find(|line| line.as_ref().unwrap().contains("/v1/usage"));
    let mut pipes = vec![stdout, stderr];
    match outputs {
        Outputs::Read => {}
        Outputs::Closed => pipes.clear(),
        Outputs::Full => {
            // The greeting ends with an empty line, which may have been read or not.
            for (_, writer) in &mut pipes {
                writer.write_all(&vec![b'-'; PIPE_BYTES - 1]).unwrap();
            }
        }
    }
    drop(greeting);
    Started {
        client,
        process,
        _pipes: pipes,
    }
}

impl Started {
    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    async fn ended(mut self) -> std::process::ExitStatus {
        let ended = tokio::task::spawn_blocking(move || self.process.wait().unwrap());
        tokio::time::timeout(LONGEST_END, ended)
            .await
            .expect("it ends")
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_takes_stops_no_request_and_no_settling() {
    for (outputs, signal) in [
        (Outputs::Read, "-HUP"),
        (Outputs::Closed, "-TERM"),
        (Outputs::Full, "-HUP"),
        (Outputs::Full, "-INT"),
    ] {
        let tables = TableService::start().await;
        let network = Proxy::to(tables.address()).await;
        let endpoint = format!("http://{}", network.address);
        let variables = [
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("CLEARVIEW_IP_PER_MINUTE", "100000"),
        ];
        let server = start(&variables, &[], outputs);
        let ann = server.client.register("ann").await;
        for _ in 0..300 {
            assert_eq!(server.client.get("/health?deep=false").await.status, 200, "{outputs:?}");
        }
        server.client.classify(&ann, "Hide crypto", &["a", "b", "c"]).await;
        network.set(Mode::Cut);
        let alone = server.client.classify(&ann, "Hide crypto", &["a", "b"]).await;
        assert_eq!(alone.body["degraded"], json!(["quota"]), "{alone:?}");
        network.set(Mode::Pass);
        server.signal(signal);
        let status = server.ended().await;
        assert!(status.success(), "{outputs:?} {signal}: {status}");
        let used = tables.tables().used(&ann.user, Clock::system().now()).await;
        assert_eq!(used, 5, "{outputs:?} {signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_to_outlive_its_terminal_does() {
    let server = start(&[], &["nohup"], Outputs::Read);
    server.signal("-HUP");
    assert_eq!(server.client.get("/health?deep=false").await.status, 200);
    server.signal("-TERM");
    assert!(server.ended().await.success());
}
