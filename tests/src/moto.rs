//! AWS's services as moto, a server of another maker, has them.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::secrets_manager::python;

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
