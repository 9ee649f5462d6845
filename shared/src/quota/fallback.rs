//! What stands in for the quota table while it does not answer, and brings it up to date afterwards: the fleet's ledger in the
//! limits' cache; without it, this process's own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::counters::CounterTable;
use super::ledger::Ledger;
use super::outage::{Admission, OutageLedger, Reservation};
use super::{Charge, Counter};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::identity::sha256;
use crate::ids::random_bytes;

/// Other users' counters that one request delivers after an outage, so that no single one pays for all.
const COUNTERS_PER_REQUEST: usize = 2;

/// Both ledgers.
#[derive(Debug)]
pub struct Fallback {
    own: Mutex<Ledger>,
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

    /// Takes back units that were admitted so. Those that may be in the table already stay charged.
    pub async fn refund(&self, counter: &Counter, units: u64, held: Held) {
        match (held, &self.shared) {
            (Held::Shared, Some(shared)) if units > 0 => {
                // At most once: an answer that is lost is not asked for again.
                let _ = shared.refund(counter, units).await;
            }
            (Held::Here, _) => self.own().refund(counter, units),
            (Held::Shared, _) => {}
        }
    }

    /// Adds to the table what was admitted for the counter of a charge meanwhile; what is used with it, if there was anything.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn deliver(
        &self,
        counters: &CounterTable,
        charge: &Charge,
        reservation: Option<&Reservation>,
    ) -> Result<Option<u64>, Outage> {
        let mut used = self.deliver_own(counters, &charge.counter).await?;
        let Some((shared, reservation)) = self.shared.as_ref().zip(reservation) else {
            return Ok(used);
        };
        for waiting in &reservation.waiting {
            used = Some(counters.deliver(&waiting.parcel(charge)).await?);
            // Should this be lost, the parcel is sent again, and changes nothing.
            let _ = shared.confirm(&charge.counter, std::slice::from_ref(&waiting.id)).await;
        }
        Ok(used)
    }

    /// The same for a few other counters, whose users may not come back; those that were brought up to date, and what is used
    /// of each.
    pub async fn deliver_others(&self, counters: &CounterTable, now: Timestamp) -> Vec<(Counter, u64)> {
        let mut delivered = Vec::new();
        for _ in 0..COUNTERS_PER_REQUEST {
            let Some(counter) = self.own().any() else { break };
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

    async fn deliver_own(&self, counters: &CounterTable, counter: &Counter) -> Result<Option<u64>, Outage> {
        let parcels = {
            let mut ledger = self.own();
            if ledger.is_empty() {
                return Ok(None);
            }
            let id = new_id()?;
            ledger.seal(counter, || id)
        };
        let mut used = None;
        for parcel in parcels {
            used = Some(counters.deliver(&parcel).await?);
            self.own().confirm(&parcel);
        }
        Ok(used)
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
) -> Result<Option<u64>, Outage> {
    let used = deliver_shared(shared, counters, counter).await?;
    let crossed_off = shared.cross_off(counter).await;
    crossed_off.map_err(crate::valkey::Failure::into_outage)?;
    match deliver_shared(shared, counters, counter).await {
        Ok(later) => Ok(later.or(used)),
        Err(outage) => {
            // Without this, the user's own next charge of that day delivers them.
            let _ = shared.note(counter).await;
            Err(outage)
        }
    }
}

async fn deliver_shared(
    shared: &OutageLedger,
    counters: &CounterTable,
    counter: &Counter,
) -> Result<Option<u64>, Outage> {
    let mut used = None;
    let parcels = shared.seal(counter, &new_id()?).await;
    for parcel in parcels.map_err(crate::valkey::Failure::into_outage)? {
        used = Some(counters.deliver(&parcel).await?);
        let confirmed = shared.confirm(counter, std::slice::from_ref(&parcel.id)).await;
        confirmed.map_err(crate::valkey::Failure::into_outage)?;
    }
    Ok(used)
}

fn new_id() -> Result<String, Outage> {
    let id = random_bytes::<12>().map_err(|error| Outage(error.to_string()))?;
    Ok(sha256(&id))
}
