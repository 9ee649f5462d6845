//! Requests to a server over many connections, as fast as it answers them (closed loop) or on a schedule of their own (open loop).
//!
//! In an open loop a request's time counts from when it was due, not from when a connection was free for it: a server that stalls
//! delays those behind, and their wait is its own (no coordinated omission).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use shared::clock::Stopwatch;

use crate::stats::{Samples, count, millis};

/// How long a server may take to answer one request.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Each connection sends its next as soon as it has its answer.
    Closed,
    /// So many in a second, evenly.
    Open(f64),
}

/// The requests to send, the number of connections, the duration.
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    /// Sent in turn.
    pub(crate) requests: &'a [Vec<u8>],
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) span: Duration,
}

/// The outcome of a load. Every request was answered with 2xx, or refused for reduced capacity.
pub(crate) struct Answered {
    /// In milliseconds.
    pub(crate) latencies: Samples,
    /// How many were refused: both stores failed a request at once, and its user was not known here.
    pub(crate) refused: usize,
    pub(crate) span: Duration,
}

impl Answered {
    /// Ends the run if a request was refused.
    pub(crate) fn all_answered(self) -> Self {
        assert_eq!(self.refused, 0, "refused for reduced capacity");
        self
    }

    pub(crate) fn per_second(&self) -> f64 {
        count(self.latencies.len()) / self.span.as_secs_f64()
    }
}

/// A POST with a JSON body, ready to be sent.
pub(crate) fn post(path: &str, token: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Load<'_> {
    /// Every request is answered with 2xx, or the run ends.
    pub(crate) fn run(&self) -> Answered {
        self.run_through().all_answered()
    }

    /// The same, but that some may be refused for reduced capacity. Threads and blocking sockets: a timer that is exact to some
    /// 50 µs, and little CPU beside the server's.
    pub(crate) fn run_through(&self) -> Answered {
        let next = AtomicUsize::new(0);
        let since = Stopwatch::start();
        let mut latencies = Samples::default();
        let mut refused = 0;
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.connections)
                .map(|_| scope.spawn(|| self.work(&next, since)))
                .collect();
            for worker in workers {
                let (answered, not) = worker.join().expect("a worker that ends well");
                latencies.append(answered);
                refused += not;
            }
        });
        Answered {
            latencies,
            refused,
            span: since.elapsed(),
        }
    }

    fn work(&self, next: &AtomicUsize, since: Stopwatch) -> (Samples, usize) {
        let mut connection = Connection::to(self.address);
        let (mut latencies, mut refused) = (Samples::default(), 0);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = match self.pace {
                Pace::Closed => since.elapsed(),
                Pace::Open(rate) => Duration::from_secs_f64(count(number) / rate),
            };
            if due >= self.span {
                return (latencies, refused);
            }
            wait_until(due, since);
            let status = connection.ask(&self.requests[number % self.requests.len()]);
            if !(200..300).contains(&status) {
                let body = String::from_utf8_lossy(&connection.body);
                assert!(body.contains("REDUCED_CAPACITY"), "request {number}: {status} {body}");
                refused += 1;
            }
            latencies.push(millis(since.elapsed().saturating_sub(due)));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a schedule is kept, not an event waited for")]
pub(crate) fn wait_until(due: Duration, since: Stopwatch) {
    let early = due.saturating_sub(since.elapsed());
    if !early.is_zero() {
        std::thread::sleep(early);
    }
}

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    fn to(address: SocketAddr) -> Self {
        Self::open(address, LONGEST_ANSWER).expect("a connection")
    }

    /// Opens a connection whose answers may take up to `patience`.
    pub(crate) fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: BufReader::new(stream),
            line: String::new(),
            body: Vec::new(),
        })
    }

    fn ask(&mut self, request: &[u8]) -> u16 {
        self.try_ask(request).expect("an answer")
    }

    /// Sends a request and reads its answer whole; the status.
    pub(crate) fn try_ask(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.get_mut().write_all(request)?;
        let status = self
            .read_line()?
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut length = 0;
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        status.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn read_line(&mut self) -> io::Result<&str> {
        self.line.clear();
        if self.stream.read_line(&mut self.line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.line.trim_end())
    }
}
