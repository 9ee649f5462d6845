//! Admission while the quota table does not answer, and the delivery of the units admitted without it.
//!
//! The [`shadow`] count in the limits' cache decides for the whole fleet; while it cannot, each process decides within its share.
//! Either way the process that admitted a charge remembers it in its [`ledger`], and adds it to the table when that is back, or
//! before the process ends. Units that a process has not delivered when it crashes are not counted.

pub mod keys;
pub mod ledger;
pub mod shadow;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;

use self::ledger::Ledger;
use self::shadow::{Admission, Reservation, Shadow};
use super::table::{QuotaTable, Unanswered};
use super::{Charge, Counter};
use crate::error::Outage;
use crate::ids::random_bytes;

/// Other users' counters that a process delivers after one charge, so that no request pays for all.
const COUNTERS_PER_REQUEST: usize = 2;

/// Counters that are delivered at once before a process ends.
const COUNTERS_AT_ONCE: usize = 25;

/// Lambda ends a process half a second after it has told it to end.
const SETTLE_WITHIN: Duration = Duration::from_millis(450);

/// How long after a delivery that failed the next is tried: the table may be skipped for a moment.
const SETTLE_AGAIN: Duration = Duration::from_millis(25);

/// The parcels that can wait for a counter at any time: the one that may have been sent, and the one that the rest will make.
const PARCELS_AT_A_TIME: usize = 2;

/// The substitute for the quota table.
#[derive(Debug)]
pub struct Fallback {
    ledger: Mutex<Ledger>,
    /// Names this process's parcels.
    source: OnceLock<String>,
    shadow: Option<Shadow>,
    fleet: u32,
}

impl Fallback {
    /// For a fleet of so many processes.
    #[must_use]
    pub fn new(shadow: Option<Shadow>, fleet: u32) -> Self {
        Self {
            ledger: Mutex::default(),
            source: OnceLock::new(),
            shadow,
            fleet,
        }
    }

    /// Admits a charge without the table: within 80 % of the limit for the whole fleet, where the charge was reserved and the
    /// cache answers; else within this process's share of 80 % of what was left when `seen` units were used. Returns the units
    /// used as far as can be told, or `None`.
    pub async fn admit(&self, charge: &Charge, reservation: Option<Reservation>, seen: u64) -> Option<u64> {
        let left = charge.limit.saturating_sub(seen);
        if let Some(shadow) = &self.shadow
            && reservation.is_some_and(|reservation| reservation.known)
        {
            match shadow.admit(charge).await {
                Ok(Admission::Done(used)) => {
                    self.ledger().note(charge, left, self.fleet);
                    return Some(used);
                }
                Ok(Admission::Full) => return None,
                // Should the answer be lost, the units count here and in the shadow: the fleet is more careful.
                Ok(Admission::Unknown) | Err(_) => {}
            }
        }
        let admitted = self.ledger().admit(charge, left, self.fleet)?;
        Some(seen.saturating_add(admitted))
    }

    /// Notes units that were used beyond what was admitted: the table is to have them too.
    pub fn owe(&self, charge: &Charge, seen: u64) {
        let left = charge.limit.saturating_sub(seen);
        self.ledger().note(charge, left, self.fleet);
    }

    /// Takes back units that were admitted so, and returns how many. Those that may be in the table already stay charged. They
    /// stay in the shadow count, which can only make it more careful.
    pub fn refund(&self, counter: &Counter, units: u64) -> u64 {
        self.ledger().refund(counter, units)
    }

    /// Adds to the table what waits here for a counter. Returns what is used with it, if there was anything.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn deliver(&self, table: &QuotaTable, counter: &Counter) -> Result<Option<u64>, Unanswered> {
        if self.ledger().is_empty() {
            return Ok(None);
        }
        let source = self.source().map_err(Unanswered::Undone)?;
        let mut used = None;
        for _ in 0..PARCELS_AT_A_TIME {
            let Some(parcel) = self.ledger().seal(counter, source) else {
                break;
            };
            used = Some(table.deliver(&parcel).await?);
            self.ledger().confirm(&parcel);
        }
        Ok(used)
    }

    /// Delivers a few other counters of this process, whose users may not come back to it. Returns those that were brought up to
    /// date, and what is used of each.
    pub async fn deliver_others(&self, table: &QuotaTable) -> Vec<(Counter, u64)> {
        let mut delivered = Vec::new();
        for _ in 0..COUNTERS_PER_REQUEST {
            let next = self.ledger().counters().next().cloned();
            let Some(counter) = next else { break };
            match self.deliver(table, &counter).await {
                Ok(used) => delivered.extend(used.map(|used| (counter, used))),
                Err(_) => break,
            }
        }
        delivered
    }

    /// Delivers all that waits before the process ends, or says in the log that it is lost.
    pub async fn settle(&self, table: &QuotaTable) {
        let settled = async {
            while !self.deliver_all(table).await {
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
        };
        if tokio::time::timeout(SETTLE_WITHIN, settled).await.is_err() {
            tracing::error!("units that were admitted without the quota table are lost");
        }
    }

    /// Returns whether that was all.
    async fn deliver_all(&self, table: &QuotaTable) -> bool {
        let waiting: Vec<Counter> = self.ledger().counters().cloned().collect();
        let mut delivered = true;
        for some in waiting.chunks(COUNTERS_AT_ONCE) {
            let deliveries = some.iter().map(|counter| self.deliver(table, counter));
            delivered &= join_all(deliveries).await.iter().all(Result::is_ok);
        }
        delivered
    }

    /// Tells the shadow what the table holds besides a charge, if the cache did not know of the day.
    pub async fn learn(&self, counter: &Counter, reservation: Option<Reservation>, others: u64) {
        if let Some(shadow) = &self.shadow
            && reservation.is_some_and(|reservation| !reservation.known)
        {
            // Should this be lost, the next charge tells it.
            let _ = shadow.learn(counter, others).await;
        }
    }

    /// The counter was set to zero.
    pub async fn start_over(&self, counter: &Counter) {
        if let Some(shadow) = &self.shadow {
            let _ = shadow.forget(counter).await;
        }
    }

    fn source(&self) -> Result<&str, Outage> {
        if let Some(source) = self.source.get() {
            return Ok(source);
        }
        let bytes = random_bytes::<12>().map_err(|error| Outage(error.to_string()))?;
        Ok(self.source.get_or_init(|| URL_SAFE_NO_PAD.encode(bytes)))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
