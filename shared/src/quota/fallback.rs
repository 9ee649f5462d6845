//! What stands in for the quota table while it does not answer, and brings it up to date afterwards: the fleet's ledger in the
//! limits' cache; without it, this process's own.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::counters::{CounterTable, Silence};
use super::ledger::{Ledger, Parcel};
use super::outage::{Admission, OutageLedger, Reservation, Waiting};
use super::{Charge, Counter};
use crate::clock::Timestamp;
use crate::digest::sha256_base64url;
use crate::error::Outage;
use crate::ids::random_bytes;
use crate::valkey::Failure;

/// Other users' counters that one request delivers after an outage, so that no single one pays for all.
const COUNTERS_PER_REQUEST: usize = 2;

/// Counters that are delivered at once before a process ends.
const COUNTERS_AT_ONCE: usize = 25;

/// Lambda ends a process half a second after it has told it to end.
const SETTLE_WITHIN: Duration = Duration::from_millis(450);

/// How long after a delivery that failed the next is tried: the table may be skipped for a moment.
const SETTLE_AGAIN: Duration = Duration::from_millis(25);

/// What waits for a counter at any time: the parcel that may have been sent, and the one that the rest will make.
const PARCELS_AT_A_TIME: usize = 2;

/// Both ledgers.
#[derive(Debug)]
pub struct Fallback {
    own: Mutex<Ledger>,
    /// Names this process's parcels.
    source: OnceLock<String>,
    shared: Option<OutageLedger>,
    fleet: u32,
}

/// Where units wait that were admitted without the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// In this process.
    Here,
    /// In the limits' cache.
    Shared,
}

impl Fallback {
    /// For a fleet of so many instances.
    #[must_use]
    pub fn new(shared: Option<OutageLedger>, fleet: u32) -> Self {
        Self {
            own: Mutex::default(),
            source: OnceLock::new(),
            shared,
            fleet,
        }
    }

    /// Admits a charge without the table: within 80 % of the limit for the whole fleet, where the charge was reserved and the
    /// cache answers; else within this process's share of 80 % of what was left when `seen` units were used. The units used
    /// as far as can be told, or `None`.
    pub async fn admit(&self, charge: &Charge, reservation: Option<&Reservation>, seen: u64) -> Option<(u64, Held)> {
        if let Some(shared) = &self.shared
            && reservation.is_some_and(|reservation| reservation.known)
        {
            match shared.admit(charge).await {
                Ok(Admission::Done(used)) => return Some((used, Held::Shared)),
                Ok(Admission::Full) => return None,
                // Should the answer be lost, the units count twice: a user may lose a batch and never gains one.
                Ok(Admission::Unknown) | Err(_) => {}
            }
        }
        let left = charge.limit.saturating_sub(seen);
        let admitted = self.own().admit(charge, left, self.fleet)?;
        Some((seen.saturating_add(admitted), Held::Here))
    }

    /// Takes back units that were admitted so, and returns how many. Those that may be in the table already stay charged.
    pub async fn refund(&self, counter: &Counter, units: u64, held: Held) -> u64 {
        match (held, &self.shared) {
            (_, _) if units == 0 => 0,
            // At most once: if the answer is lost, nobody knows.
            (Held::Shared, Some(shared)) => shared.refund(counter, units).await.unwrap_or(0),
            (Held::Here, _) => self.own().refund(counter, units),
            (Held::Shared, None) => 0,
        }
    }

    /// Adds to the table what was admitted for the counter of a charge meanwhile; what is used with it, if there was anything.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn deliver(
        &self,
        counters: &CounterTable,
        charge: &Charge,
        reservation: Option<&Reservation>,
    ) -> Result<Option<u64>, Silence> {
        let mut used = self.deliver_own(counters, &charge.counter).await?;
        let Some((shared, reservation)) = self.shared.as_ref().zip(reservation) else {
            return Ok(used);
        };
        let mut next = reservation.waiting.clone();
        for place in 1..=PARCELS_AT_A_TIME {
            let Some(waiting) = next.take() else { break };
            let parcel = waiting.parcel(&charge.counter, &charge.tier);
            let (now_used, confirmed) = send(shared, counters, &parcel).await?;
            used = Some(now_used);
            next = match confirmed {
                Ok(next) => next,
                // Units wait behind it that the table must know of before the charge.
                Err(failure) if place == 1 && reservation.unsent > 0 => return Err(unanswered(failure)),
                // The parcel is sent again, and changes nothing.
                Err(_) => None,
            };
        }
        Ok(used)
    }

    /// The same for a few other counters, whose users may not come back; those that were brought up to date, and what is used
    /// of each.
    pub async fn deliver_others(&self, counters: &CounterTable, now: Timestamp) -> Vec<(Counter, u64)> {
        let mut delivered = Vec::new();
        for _ in 0..COUNTERS_PER_REQUEST {
            let next = self.own().counters().next().cloned();
            let Some(counter) = next else { break };
            match self.deliver_own(counters, &counter).await {
                Ok(used) => delivered.extend(used.map(|used| (counter, used))),
                Err(_) => return delivered,
            }
        }
        if let Some(shared) = &self.shared {
            for counter in shared.draw(COUNTERS_PER_REQUEST, now).await.unwrap_or_default() {
                // What fails stays on the list, for the next request.
                if let Ok(used) = deliver_and_cross_off(shared, counters, &counter).await {
                    delivered.extend(used.map(|used| (counter, used)));
                }
            }
        }
        delivered
    }

    /// Delivers what waits in this process before it ends, or says in the log that it is lost.
    pub async fn settle(&self, counters: &CounterTable) {
        let settled = async {
            while !self.deliver_all_own(counters).await {
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
        };
        if tokio::time::timeout(SETTLE_WITHIN, settled).await.is_err() {
            tracing::error!("units that were admitted without the quota table are lost");
        }
    }

    /// Whether that was all.
    async fn deliver_all_own(&self, counters: &CounterTable) -> bool {
        let waiting: Vec<Counter> = self.own().counters().cloned().collect();
        let mut delivered = true;
        for some in waiting.chunks(COUNTERS_AT_ONCE) {
            let deliveries = some.iter().map(|counter| self.deliver_own(counters, counter));
            delivered &= join_all(deliveries).await.iter().all(Result::is_ok);
        }
        delivered
    }

    /// The table has told, for the first time since the cache knows of the day, what it holds besides a charge.
    pub async fn learn(&self, counter: &Counter, reservation: Option<&Reservation>, others: u64) {
        if let Some(shared) = &self.shared
            && reservation.is_some_and(|reservation| !reservation.known)
        {
            // Should this be lost, the next charge tells it.
            let _ = shared.learn(counter, others).await;
        }
    }

    /// The counter was set to zero.
    pub async fn start_over(&self, counter: &Counter) {
        if let Some(shared) = &self.shared {
            let _ = shared.start_over(counter).await;
        }
    }

    async fn deliver_own(&self, counters: &CounterTable, counter: &Counter) -> Result<Option<u64>, Silence> {
        if self.own().is_empty() {
            return Ok(None);
        }
        let source = self.source().map_err(Silence::Undone)?;
        let mut used = None;
        for _ in 0..PARCELS_AT_A_TIME {
            let Some(parcel) = self.own().seal(counter, source) else {
                break;
            };
            used = Some(counters.deliver(&parcel).await?);
            self.own().confirm(&parcel);
        }
        Ok(used)
    }

    fn source(&self) -> Result<&str, Outage> {
        if let Some(source) = self.source.get() {
            return Ok(source);
        }
        let source = new_source()?;
        Ok(self.source.get_or_init(|| source))
    }

    fn own(&self) -> MutexGuard<'_, Ledger> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Once more after it is off the list: whoever admits units puts the counter there after that.
async fn deliver_and_cross_off(
    shared: &OutageLedger,
    counters: &CounterTable,
    counter: &Counter,
) -> Result<Option<u64>, Silence> {
    let used = deliver_shared(shared, counters, counter).await?;
    let crossed_off = shared.cross_off(counter).await;
    crossed_off.map_err(unanswered)?;
    match deliver_shared(shared, counters, counter).await {
        Ok(later) => Ok(later.or(used)),
        Err(silence) => {
            // Without this, the user's own next charge of that day delivers them.
            let _ = shared.note(counter).await;
            Err(silence)
        }
    }
}

async fn deliver_shared(
    shared: &OutageLedger,
    counters: &CounterTable,
    counter: &Counter,
) -> Result<Option<u64>, Silence> {
    let mut used = None;
    let source = new_source().map_err(Silence::Undone)?;
    let mut next = shared.seal(counter, &source).await.map_err(unanswered)?;
    for _ in 0..PARCELS_AT_A_TIME {
        let Some(parcel) = next.take() else { break };
        let (now_used, confirmed) = send(shared, counters, &parcel).await?;
        used = Some(now_used);
        let waiting = confirmed.map_err(unanswered)?;
        next = waiting.map(|waiting| waiting.parcel(counter, &parcel.tier));
    }
    match next {
        None => Ok(used),
        Some(_) => Err(Silence::Undone(Outage(
            "units are admitted without the table meanwhile".to_owned(),
        ))),
    }
}

/// Adds a parcel to the table, then takes it from the ledger; what is used now, and the parcel to send next.
async fn send(
    shared: &OutageLedger,
    counters: &CounterTable,
    parcel: &Parcel,
) -> Result<(u64, Result<Option<Waiting>, Failure>), Silence> {
    let used = counters.deliver(parcel).await?;
    Ok((used, shared.confirm(&parcel.counter, &parcel.id).await))
}

/// The limits' cache did not answer: units wait behind the parcel, and the table must not be asked before it has them.
fn unanswered(failure: Failure) -> Silence {
    Silence::Undone(failure.into_outage())
}

fn new_source() -> Result<String, Outage> {
    let source = random_bytes::<12>().map_err(|error| Outage(error.to_string()))?;
    Ok(sha256_base64url(&source))
}
