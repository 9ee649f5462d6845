//! A network between two parties that fails on demand: a TCP proxy.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes everything on.
    Pass,
    /// Refuses and cuts every connection: the other party is gone.
    Cut,
    /// Accepts and holds everything until the mode changes: the other party is frozen.
    Freeze,
    /// Passes everything on, each piece this much later.
    Delay(Duration),
    /// Cuts a connection when a request comes: it never arrives.
    LoseRequests,
    /// Passes requests on, and cuts the connection when the reply comes: it arrived, and nobody learns it.
    LoseReplies,
    /// Answers every request with bytes that make no sense.
    Garbage,
    /// Answers every request with HTTP 500.
    Error500,
}

/// A proxy in front of one address.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// In front of `target`, passing everything on.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (mode, modes) = watch::channel(Mode::Pass);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, target, modes.clone()));
            }
        });
        Self {
            address,
            mode,
            accepting,
        }
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect(client: TcpStream, target: SocketAddr, modes: watch::Receiver<Mode>) {
    if *modes.borrow() == Mode::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = modes.clone();
    tokio::select! {
        () = requests(from_client, to_server, modes.clone()) => {}
        () = replies(from_server, to_client, modes) => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if hold(&mut modes).await == Mode::LoseRequests || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let reply: &[u8] = match hold(&mut modes).await {
            Mode::LoseReplies => return,
            Mode::Garbage => b"\x00\xffthis is no HTTP at all\r\n\r\n",
            Mode::Error500 => b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\n{}",
            _ => &buffer[..length],
        };
        if to.write_all(reply).await.is_err() {
            return;
        }
    }
}

/// Waits as long as the network holds things; the mode after that.
async fn hold(modes: &mut watch::Receiver<Mode>) -> Mode {
    loop {
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Freeze => {
                if modes.changed().await.is_err() {
                    return Mode::Cut;
                }
            }
            Mode::Delay(span) => {
                tokio::time::sleep(span).await;
                return mode;
            }
            mode => return mode,
        }
    }
}
