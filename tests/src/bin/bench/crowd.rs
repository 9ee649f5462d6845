//! Clients who ask on a schedule whatever the server answers, give up after ten seconds, and come again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shared::clock::Stopwatch;

use crate::load::{Connection, wait_until};
use crate::stats::{Samples, count, millis};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client's stack: it does little.
const STACK_BYTES: usize = 128 * 1024;

/// A load: the requests, their rate, the number of clients, the duration.
pub(crate) struct Crowd<'a> {
    pub(crate) address: SocketAddr,
    /// Sent in turn.
    pub(crate) requests: &'a [Vec<u8>],
    pub(crate) clients: usize,
    pub(crate) rate: f64,
    pub(crate) span: Duration,
}

/// The outcome of a load.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Answers of 200, in milliseconds from when the request was due.
    pub(crate) answered: Samples,
    /// Refusals, in milliseconds from when the request was sent: until then it waited for a client, not for the server.
    pub(crate) refused: Samples,
    /// Requests without an answer: it took too long, or the connection ended.
    pub(crate) gave_up: usize,
}

impl Outcome {
    fn append(&mut self, other: Self) {
        self.answered.append(other.answered);
        self.refused.append(other.refused);
        self.gave_up += other.gave_up;
    }
}

impl Crowd<'_> {
    /// Asks for the whole span.
    pub(crate) fn run(&self) -> Outcome {
        let (next, since) = (AtomicUsize::new(0), Stopwatch::start());
        let mut outcome = Outcome::default();
        std::thread::scope(|scope| {
            let client = || {
                let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
                thread.spawn_scoped(scope, || self.client(&next, since))
            };
            let clients: Vec<_> = (0..self.clients).map(|_| client().expect("a thread")).collect();
            for client in clients {
                outcome.append(client.join().expect("a client that ends well"));
            }
        });
        outcome
    }

    fn client(&self, next: &AtomicUsize, since: Stopwatch) -> Outcome {
        let mut outcome = Outcome::default();
        let mut connection = None;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = Duration::from_secs_f64(count(number) / self.rate);
            if due >= self.span || since.elapsed() >= self.span {
                return outcome;
            }
            wait_until(due, since);
            let sent = Stopwatch::start();
            let request = &self.requests[number % self.requests.len()];
            match self.ask(&mut connection, request) {
                Ok(200) => outcome.answered.push(millis(since.elapsed().saturating_sub(due))),
                Ok(503) => outcome.refused.push(millis(sent.elapsed())),
                Ok(status) => assert_eq!(status, 200, "request {number}"),
                Err(_) => {
                    connection = None;
                    outcome.gave_up += 1;
                }
            }
        }
    }

    fn ask(&self, connection: &mut Option<Connection>, request: &[u8]) -> std::io::Result<u16> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(self.address, PATIENCE)?),
        };
        connection.try_ask(request)
    }
}
