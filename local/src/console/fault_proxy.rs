//! A network that fails on demand: it stands between this process and a service that it reaches over TCP.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::trouble::Trouble;

/// The most that is passed on at a time.
const PIECE: usize = 16 * 1024;

/// A way to one service.
pub(super) struct FaultProxy {
    /// The address it listens on.
    pub(super) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts one on a free port, to a host and a port.
    ///
    /// # Errors
    /// When there is no free port.
    pub(super) async fn start(target: (String, u16), trouble: watch::Receiver<Trouble>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(connect(client, target.clone(), trouble.clone()));
            }
        });
        Ok(Self { address, accepting })
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect(client: TcpStream, (host, port): (String, u16), mut trouble: watch::Receiver<Trouble>) {
    if *trouble.borrow() == Trouble::Gone {
        return;
    }
    let Ok(server) = TcpStream::connect((host.as_str(), port)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, trouble.clone()) => {}
        () = pass(from_server, to_client, trouble.clone()) => {}
        _ = trouble.wait_for(|trouble| *trouble == Trouble::Gone) => {}
    }
}

/// Passes on what comes, and holds it while the network is frozen.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut trouble: watch::Receiver<Trouble>) {
    let mut buffer = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if trouble.wait_for(|trouble| *trouble != Trouble::Frozen).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service that says everything back.
    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        port
    }

    async fn say(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
        stream.write_all(text).await.unwrap();
        let mut heard = vec![0; text.len()];
        stream.read_exact(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test]
    async fn a_frozen_network_holds_what_comes_and_one_that_is_gone_ends_connections() {
        let trouble = watch::Sender::new(Trouble::None);
        let target = ("127.0.0.1".to_owned(), echo().await);
        let proxy = FaultProxy::start(target, trouble.subscribe()).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(say(&mut stream, b"one").await, b"one");
        trouble.send_replace(Trouble::Frozen);
        let mut held = Box::pin(say(&mut stream, b"two"));
        let soon = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, &mut held).await.is_err());
        trouble.send_replace(Trouble::None);
        assert_eq!(held.await, b"two", "late, and whole");
        trouble.send_replace(Trouble::Gone);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
        let mut refused = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(refused.read(&mut [0; 8]).await.unwrap_or(0), 0);
        trouble.send_replace(Trouble::None);
        let mut again = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(say(&mut again, b"three").await, b"three");
    }
}
