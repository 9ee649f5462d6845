//! One connection through a proxy, and what is counted of all of them.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::refusal::{No, Refusal};
use crate::trips::Trips;

/// The connections through a proxy.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Connections {
    pub(super) open: usize,
    /// How many there have been.
    pub(super) accepted: u64,
    /// Of those, how many of the first are dead without either end knowing.
    pub(super) stranded: u64,
    /// Of those, how many of the first bring no replies.
    pub(super) deaf: u64,
    /// Requests passed on, as pieces: a large one counts more than once.
    pub(super) requests: u64,
    /// Requests that came, passed on or not, as pieces.
    pub(super) received: u64,
    /// Writes that hang, or whose answers do.
    pub(super) hung: u64,
}

/// One connection, counted for as long as it is open.
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) all: Arc<watch::Sender<Connections>>,
    pub(super) refusal: Arc<Mutex<Option<Refusal>>>,
    pub(super) trips: Arc<Mutex<Option<Trips>>>,
    /// The trip under way.
    pub(super) trip: Mutex<Option<usize>>,
    /// True if the next reply is lost.
    pub(super) loses_reply: AtomicBool,
    /// True if the next reply is held for ever.
    pub(super) holds_reply: AtomicBool,
}

impl Connection {
    pub(super) fn open(
        all: Arc<watch::Sender<Connections>>,
        refusal: Arc<Mutex<Option<Refusal>>>,
        trips: Arc<Mutex<Option<Trips>>>,
    ) -> Self {
        all.send_modify(|connections| {
            connections.open += 1;
            connections.accepted += 1;
        });
        let number = all.borrow().accepted;
        Self {
            number,
            all,
            refusal,
            trips,
            trip: Mutex::default(),
            loses_reply: AtomicBool::default(),
            holds_reply: AtomicBool::default(),
        }
    }

    pub(super) fn begin_trip(&self) {
        let mut trip = self.trip.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(trips)) = (*trip, &*self.trips.lock().unwrap_or_else(PoisonError::into_inner)) {
            *trip = Some(trips.begin());
        }
    }

    pub(super) fn end_trip(&self) {
        let mut trip = self.trip.lock().unwrap_or_else(PoisonError::into_inner);
        let trips = self.trips.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(number), Some(trips)) = (trip.take(), &*trips) {
            trips.end(number);
        }
    }

    pub(super) fn refuses(&self) -> bool {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.is_some_and(|refusal| refusal.left > 0)
    }

    pub(super) fn refusal_of(&self, request: &[u8]) -> Option<(No, Vec<u8>)> {
        let mut refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.as_mut()?.answer(request)
    }

    /// Holds what has come until the connection ends.
    pub(super) async fn hang(&self) {
        self.all.send_modify(|connections| connections.hung += 1);
        std::future::pending::<()>().await;
    }

    pub(super) fn is_stranded(&self) -> bool {
        self.number <= self.all.borrow().stranded
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.number <= self.all.borrow().deaf
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.send_modify(|connections| connections.open -= 1);
    }
}
