//! A network between two parties that fails on demand: a TCP proxy.

mod connection;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::connection::{Connection, Connections};
pub use crate::refusal::No;
use crate::refusal::{Refusal, is_whole};
use crate::trips::Trips;

/// The behaviour of the network.
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

impl Mode {
    /// Every way in which a network is no use to a client that waits for less than 200 ms.
    pub const BROKEN: [Self; 7] = [
        Self::Cut,
        Self::Freeze,
        Self::Delay(Duration::from_millis(200)),
        Self::LoseRequests,
        Self::LoseReplies,
        Self::Garbage,
        Self::Error500,
    ];
}

/// The longest that a connection may take to end once it is cut.
const LONGEST_END: Duration = Duration::from_secs(10);

/// A proxy in front of one address.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    mode: watch::Sender<Mode>,
    connections: Arc<watch::Sender<Connections>>,
    refusal: Arc<Mutex<Option<Refusal>>>,
    trips: Arc<Mutex<Option<Trips>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// In front of `target`, passing everything on.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (mode, modes) = watch::channel(Mode::Pass);
        let connections = Arc::new(watch::Sender::default());
        let counted = Arc::clone(&connections);
        let refusal = Arc::new(Mutex::default());
        let refused = Arc::clone(&refusal);
        let trips = Arc::<Mutex<Option<Trips>>>::default();
        let noted = Arc::clone(&trips);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let connection = Connection::open(Arc::clone(&counted), Arc::clone(&refused), Arc::clone(&noted));
                tokio::spawn(connect(client, target, modes.clone(), connection));
            }
        });
        Self {
            address,
            mode,
            connections,
            refusal,
            trips,
            accepting,
        }
    }

    /// Notes trips from now on: each from a piece that is sent while a connection is silent to the first piece that comes back.
    pub fn note(&self, trips: &Trips) {
        *self.trips.lock().unwrap_or_else(PoisonError::into_inner) = Some(trips.clone());
    }

    /// Answers the next writes to a table that hold some text, `times` of them, in the table's place.
    pub fn refuse(&self, holding: &'static str, no: No, times: u32) {
        let left = times;
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(Refusal { holding, no, left });
    }

    /// Returns the number of those writes that have not come yet.
    #[must_use]
    pub fn left_to_refuse(&self) -> u32 {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.map_or(0, |refusal| refusal.left)
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Cuts every connection, and passes everything on again once none is left.
    ///
    /// # Panics
    /// When one stays.
    pub async fn cut_once(&self) {
        self.set(Mode::Cut);
        let mut connections = self.connections.subscribe();
        let none_left = connections.wait_for(|connections| connections.open == 0);
        let ended = tokio::time::timeout(LONGEST_END, none_left).await.is_ok();
        assert!(ended, "connections outlive the cut");
        self.set(Mode::Pass);
    }

    /// The connections that are open now are dead from now on without either end knowing, as when a frozen environment was
    /// given up by the other side: what is sent on them never arrives, and ends them. New ones are sound.
    pub fn strand(&self) {
        self.connections
            .send_modify(|connections| connections.stranded = connections.accepted);
    }

    /// The connections that are open now pass requests on, and end when the reply to one comes. New ones are sound.
    pub fn deafen(&self) {
        self.connections
            .send_modify(|connections| connections.deaf = connections.accepted);
    }

    /// Waits until so many requests in all have been passed on.
    ///
    /// # Panics
    /// Never: the proxy outlives the wait.
    pub async fn passed_on(&self, requests: u64) {
        let mut connections = self.connections.subscribe();
        let passed = connections
            .wait_for(|connections| connections.requests >= requests)
            .await;
        assert!(passed.is_ok());
    }

    /// Waits until so many requests in all have come, whatever became of them.
    ///
    /// # Panics
    /// Never: the proxy outlives the wait.
    pub async fn received(&self, requests: u64) {
        let mut connections = self.connections.subscribe();
        let came = connections
            .wait_for(|connections| connections.received >= requests)
            .await;
        assert!(came.is_ok());
    }

    /// Waits until a write hangs, or the answer to one that is done.
    ///
    /// # Panics
    /// Never: the proxy outlives the wait.
    pub async fn hung(&self) {
        let mut connections = self.connections.subscribe();
        let hung = connections.wait_for(|connections| connections.hung > 0).await;
        assert!(hung.is_ok());
    }

    /// How many requests have been passed on, as pieces.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.connections.borrow().requests
    }

    /// How many connections there have been.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.connections.borrow().accepted
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.connections.borrow().open
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect(client: TcpStream, target: SocketAddr, modes: watch::Receiver<Mode>, connection: Connection) {
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
    let (answers, own) = mpsc::unbounded_channel();
    tokio::select! {
        () = requests(from_client, to_server, modes.clone(), (&connection, answers)) => {}
        () = replies(from_server, to_client, modes, (&connection, own)) => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    (connection, answers): (&Connection, mpsc::UnboundedSender<Vec<u8>>),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(mut length @ 1..) = from.read(&mut buffer).await {
        if connection.is_stranded() {
            return;
        }
        connection.all.send_modify(|connections| connections.received += 1);
        connection.begin_trip();
        if connection.refuses() {
            while !is_whole(&buffer[..length])
                && let Ok(more @ 1..) = from.read(&mut buffer[length..]).await
            {
                length += more;
            }
            match connection.refusal_of(&buffer[..length]) {
                Some((No::Silence, _)) => return,
                Some((No::Hang, _)) => connection.hang().await,
                Some((No::LostReply, _)) => connection.loses_reply.store(true, Ordering::Relaxed),
                Some((No::HungReply, _)) => connection.holds_reply.store(true, Ordering::Relaxed),
                Some((_, answer)) => match answers.send(answer) {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                None => {}
            }
        }
        // Nothing passes a network that is cut, not even before the task that watches over it has woken.
        if matches!(hold(&mut modes).await, Mode::Cut | Mode::LoseRequests)
            || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
        connection.all.send_modify(|connections| connections.requests += 1);
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    (connection, mut own): (&Connection, mpsc::UnboundedReceiver<Vec<u8>>),
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = tokio::select! {
            Some(answer) = own.recv() => {
                if to.write_all(&answer).await.is_err() {
                    return;
                }
                continue;
            }
            read = from.read(&mut buffer) => read.unwrap_or(0),
        };
        if length == 0 || connection.is_deaf() || connection.loses_reply.load(Ordering::Relaxed) {
            return;
        }
        if connection.holds_reply.load(Ordering::Relaxed) {
            connection.hang().await;
        }
        let reply: &[u8] = match hold(&mut modes).await {
            Mode::Cut | Mode::LoseReplies => return,
            Mode::Garbage => b"\x00\xffthis is no HTTP at all\r\n\r\n",
            Mode::Error500 => b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\n{}",
            _ => &buffer[..length],
        };
        connection.end_trip();
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
