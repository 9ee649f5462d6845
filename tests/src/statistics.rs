//! Counting as requests do: an observation is counted, and slots that are due are written in passing.

use std::future::Future;

use shared::clock::Timestamp;
use shared::ids::UserId;
use shared::statistics::Observation;
use shared::statistics::store::{CountOutcome, Statistics};

/// The outcome of a request for statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// True if the cache was done without, although there is one.
    pub degraded: bool,
    /// Observations that are lost.
    pub lost: usize,
    /// Slots that were written.
    pub writes: usize,
}

/// Counts and delivers, one after the other.
pub trait CountAndDeliver {
    /// Counts some observations, then writes what is due.
    fn count_and_deliver(
        &self,
        user: &UserId,
        observations: &[Observation<'_>],
        now: Timestamp,
    ) -> impl Future<Output = Passage> + Send;
}

impl CountAndDeliver for Statistics {
    async fn count_and_deliver(&self, user: &UserId, observations: &[Observation<'_>], now: Timestamp) -> Passage {
        let CountOutcome { degraded, lost } = self.count(user, observations, now).await;
        Passage {
            degraded,
            lost,
            writes: self.deliver_if_due(now).await,
        }
    }
}
