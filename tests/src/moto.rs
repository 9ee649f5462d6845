//! AWS's services as moto, a server of another maker, has them: a process of its own. `make venv` installs it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

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

/// A running moto, empty at first.
pub struct Moto {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Child,
}

/// The Python of the project's virtual environment.
#[must_use]
pub fn python() -> PathBuf {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    assert!(python.exists(), "{} is not there: run `make venv`", python.display());
    python
}

impl Moto {
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
        loop {
            let line = lines.next_line().await.expect("text").expect("an address");
            if let Ok(address) = line.parse() {
                return Self {
                    address,
                    _process: process,
                };
            }
        }
    }
}
