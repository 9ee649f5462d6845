//! Secrets Manager for tests: moto's, a process of its own. `make venv` installs it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use aws_sdk_secretsmanager::Client;
use shared::config::Config;
use shared::secrets;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Serves until its standard input ends.
const SERVE: &str = "
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f'{host}:{port}', flush=True)
sys.stdin.read()
";

/// A running Secrets Manager, empty at first.
pub struct SecretsManager {
    /// Where it listens.
    pub address: SocketAddr,
    client: Client,
    _process: Child,
}

/// The Python of the project's virtual environment.
#[must_use]
pub fn python() -> PathBuf {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    assert!(python.exists(), "{} is not there: run `make venv`", python.display());
    python
}

impl SecretsManager {
    /// On a free port.
    pub async fn start() -> Self {
        let mut process = Command::new(python())
            .args(["-c", SERVE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Python starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its standard output")).lines();
        let address = loop {
            let line = lines.next_line().await.expect("text").expect("an address");
            if let Ok(address) = line.parse() {
                break address;
            }
        };
        let settings = [
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", format!("http://{address}")),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        let config = Config::read(|name| {
            let found = settings.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.clone())
        });
        let client = secrets::client(&config.expect("settings"));
        Self {
            address,
            client,
            _process: process,
        }
    }

    /// Where it listens, as a setting.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The SDK's client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Makes a secret as the template does, from one random master; its ARN.
    pub async fn create(&self, name: &str, text: &str) -> String {
        let created = self.client.create_secret().name(name).secret_string(text).send().await;
        created.expect("Secrets Manager answers").arn.expect("an ARN")
    }

    /// The version of a secret that is in force.
    pub async fn read(&self, arn: &str) -> String {
        let read = secrets::read(&self.client, arn).await;
        read.expect("Secrets Manager answers").expose().to_owned()
    }
}
