//! Trips over networks, and how many of them a request makes one after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The trips over all networks that note them here. Its clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Trips(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    /// Counts what happens: a clock that knows only before and after.
    events: u64,
    trips: Vec<Trip>,
}

#[derive(Debug, Clone, Copy)]
struct Trip {
    began: u64,
    ended: Option<u64>,
}

impl Trips {
    /// Begins a trip. Returns its number.
    #[must_use]
    pub fn begin(&self) -> usize {
        let mut log = self.log();
        log.events += 1;
        let began = log.events;
        log.trips.push(Trip { began, ended: None });
        log.trips.len() - 1
    }

    /// Ends a trip.
    pub fn end(&self, number: usize) {
        let mut log = self.log();
        log.events += 1;
        let now = log.events;
        if let Some(trip) = log.trips.get_mut(number) {
            trip.ended = Some(now);
        }
    }

    /// Forgets all trips.
    pub fn forget(&self) {
        self.log().trips.clear();
    }

    /// Counts the trips.
    #[must_use]
    pub fn count(&self) -> usize {
        self.log().trips.len()
    }

    /// Counts the trips of the longest row in which each began after the one before had ended.
    #[must_use]
    pub fn in_a_row(&self) -> usize {
        let log = self.log();
        // They are in the order in which they began.
        let mut rows: Vec<usize> = Vec::with_capacity(log.trips.len());
        for trip in &log.trips {
            let before = log.trips.iter().zip(&rows);
            let ended = before.filter(|(other, _)| other.ended.is_some_and(|ended| ended < trip.began));
            rows.push(1 + ended.map(|(_, row)| *row).max().unwrap_or(0));
        }
        rows.into_iter().max().unwrap_or(0)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
