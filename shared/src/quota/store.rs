//! Charges: a remembered count may refuse one without a call; otherwise the table decides, and while it is down its
//! [`Fallback`].

use std::time::Duration;

use quick_cache::sync::Cache;

use super::charged::{charged, contended, exceeded, replayed, usage};
use super::idempotency::{self, IdempotencyKey, KeyRecord, Request};
use super::idempotency_table::{AddedOnce, Recording};
use super::outage::Fallback;
use super::outage::keys::OutageKeys;
use super::outage::shadow::{Reservation, Shadow};
use super::receipt::ChargePlace;
use super::table::{Added, QuotaTable, Unanswered};
use super::{Charge, Counter};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::error::{DAILY, Error, Outage};
use crate::plan::Usage;
use crate::table::Table;
use crate::usage::MeterUse;
use crate::valkey::Valkey;

pub use super::charged::{Certainty, Charged};

/// How long a remembered count may refuse a charge without asking the table.
const REMEMBERED_FOR: Duration = Duration::from_mins(1);

/// The most users whose counts are remembered.
const REMEMBERED: usize = 10_000;

/// `Retry-After` for reduced capacity: the longest time for which the table is skipped.
const RETRY_REDUCED: Duration = Duration::from_secs(5);

/// How often a charge with an idempotency key is tried if its record changes meanwhile.
const ATTEMPTS: u32 = 4;

/// The time by which the first run of an idempotency key may outlast its deadline before it counts as dead.
const RUN_GRACE: Duration = Duration::from_secs(2);

/// The counters of use, and the substitute for their table.
#[derive(Debug)]
pub struct QuotaStore {
    pub(super) table: QuotaTable,
    clock: Clock,
    longest_run: Duration,
    seen: Cache<Counter, Seen>,
    pub(super) fallback: Fallback,
    pub(super) outage_keys: OutageKeys,
}

/// A count that the table has answered.
#[derive(Debug, Clone, Copy)]
struct Seen {
    used: u64,
    at: Timestamp,
}

impl QuotaStore {
    /// Makes a store on the quota table, with the shadow count for its outages in the cache of the limits.
    #[must_use]
    pub fn new(table: Table, limits: Option<Valkey>, clock: Clock, config: &Config) -> Self {
        Self {
            table: QuotaTable::new(table),
            clock,
            longest_run: config.request_timeout + RUN_GRACE,
            seen: Cache::new(REMEMBERED),
            fallback: Fallback::new(limits.map(Shadow::new), config.fleet_size),
            outage_keys: OutageKeys::default(),
        }
    }

    /// Charges all units or none; with an idempotency key, once. `reservation` is what the round trip of the limits did for it.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`] when they do not fit; [`Error::ReducedCapacity`] when the table is down and they do not fit into
    /// what may be admitted without it; [`Error::Conflict`] when other writes were at the counter each time, or the key's first
    /// run is under way; [`Error::IdempotencyMismatch`] of a key.
    pub async fn charge(
        &self,
        charge: &Charge,
        key: Option<&IdempotencyKey>,
        reservation: Option<Reservation>,
        now: Timestamp,
    ) -> Result<Charged, Error> {
        if let Some(key) = key {
            return self.charge_once(charge, key, reservation, now).await;
        }
        let counter = &charge.counter;
        let room = self.room(charge, now).await?;
        if let Some(used) = self.remembered(counter)
            && used > room
        {
            return Err(exceeded(charge, used, now));
        }
        if let Err(unanswered) = self.deliver(counter).await {
            return self.admit_alone(charge, reservation, &unanswered).await;
        }
        match self.table.add(charge, room).await {
            Ok(Added::Done(used)) => {
                self.remember(counter, used);
                let others = used.saturating_sub(charge.units);
                self.fallback.learn(counter, reservation, others).await;
                self.deliver_others().await;
                Ok(charged(charge, used, Certainty::Sure, ChargePlace::Table))
            }
            Ok(Added::Full(used)) => {
                self.remember(counter, used);
                Err(exceeded(charge, used, now))
            }
            Err(unanswered) => self.admit_alone(charge, reservation, &unanswered).await,
        }
    }

    async fn charge_once(
        &self,
        charge: &Charge,
        key: &IdempotencyKey,
        reservation: Option<Reservation>,
        now: Timestamp,
    ) -> Result<Charged, Error> {
        let counter = &charge.counter;
        let request = self.outage_keys.decide(&counter.user, key, now);
        let Some(mut due) = request.due(charge.units) else {
            return self.known_here(charge, key, &request);
        };
        if let Err(unanswered) = self.deliver(counter).await {
            return self.admit_key_alone(charge, key, reservation, &unanswered, now).await;
        }
        let after = KeyRecord::of_run(key, charge.units, now, self.longest_run);
        let mut before: Option<KeyRecord> = None;
        for _ in 0..ATTEMPTS {
            let rest = charge.of(due);
            let room = self.room(&rest, now).await?;
            let recording = Recording {
                key,
                before: before.as_ref(),
                after: &after,
            };
            match self.table.add_once(&rest, room, &recording, now).await {
                Ok(AddedOnce::Done) => {
                    // A transaction does not return the new count.
                    let used = self.used(counter).await.unwrap_or(due);
                    let others = used.saturating_sub(due);
                    self.fallback.learn(counter, reservation, others).await;
                    self.deliver_others().await;
                    let key = key.key.clone();
                    return Ok(charged(&rest, used, Certainty::Sure, ChargePlace::TableOnce { key }));
                }
                Ok(AddedOnce::Full(used)) => {
                    self.remember(counter, used);
                    return Err(exceeded(charge, used, now));
                }
                Ok(AddedOnce::Known(record)) => {
                    let request = idempotency::decide(key, record.as_ref(), now);
                    let Some(rest) = request.due(charge.units) else {
                        let used = self.used(counter).await.unwrap_or(0);
                        return replayed(charge, &request, used, Certainty::Sure);
                    };
                    due = due.min(rest);
                    before = record.filter(|_| request != Request::First);
                }
                Err(unanswered) => return self.admit_key_alone(charge, key, reservation, &unanswered, now).await,
            }
        }
        Err(contended())
    }

    /// Delivers the units that wait in this process before it ends, within half a second. The rest is lost.
    pub async fn settle(&self) {
        self.fallback.settle(&self.table).await;
    }

    /// Returns the units used of a counter.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn used(&self, counter: &Counter) -> Result<u64, Outage> {
        let used = self.table.used(counter).await?;
        self.remember(counter, used);
        Ok(used)
    }

    /// Returns the use of a charge's counter as this process has seen it within the last minute, if it has.
    #[must_use]
    pub fn usage_seen(&self, of: &Charge) -> Option<Usage> {
        self.remembered(&of.counter).map(|used| usage(of, used))
    }

    /// Returns how much of each of some counters is used, and of which kind, of 100 at most, in one call.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn used_of(&self, counters: &[Counter]) -> Result<Vec<MeterUse>, Outage> {
        let used = self.table.used_of(counters).await?;
        for (counter, used) in counters.iter().zip(&used) {
            self.remember(counter, used.used);
        }
        Ok(used)
    }

    /// Sets a counter to zero; returns the units it held.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn reset(&self, counter: &Counter) -> Result<u64, Outage> {
        let before = self.table.reset(counter).await?;
        self.doubt(counter);
        self.fallback.start_over(counter).await;
        Ok(before)
    }

    /// Returns the table itself, for the day's close and for a user's export.
    #[must_use]
    pub const fn table(&self) -> &QuotaTable {
        &self.table
    }

    /// Returns the most units that may be used for a charge to fit.
    async fn room(&self, charge: &Charge, now: Timestamp) -> Result<u64, Error> {
        if let Some(room) = charge.room() {
            return Ok(room);
        }
        let used = self.used(&charge.counter).await.unwrap_or(0);
        Err(exceeded(charge, used, now))
    }

    /// Notes units that a run has used beyond those that it was admitted with while the table was down.
    pub(super) fn owe(&self, charge: &Charge) {
        if charge.units > 0 {
            let seen = self.seen.get(&charge.counter).map_or(0, |seen| seen.used);
            self.fallback.owe(charge, seen);
        }
    }

    /// Admits a charge without the table, unless that is up. If a write's answer was lost, it may count the units twice.
    pub(super) async fn admit_alone(
        &self,
        charge: &Charge,
        reservation: Option<Reservation>,
        unanswered: &Unanswered,
    ) -> Result<Charged, Error> {
        let certainty = match unanswered {
            Unanswered::Contended => return Err(contended()),
            Unanswered::Undone(_) => Certainty::NotInTable,
            Unanswered::Lost(_) => Certainty::Ambiguous,
        };
        let seen = self.seen.get(&charge.counter).map_or(0, |seen| seen.used);
        let used = self.fallback.admit(charge, reservation, seen).await;
        used.map(|used| charged(charge, used, certainty, ChargePlace::InProcess { key: None }))
            .ok_or(Error::ReducedCapacity {
                limit: DAILY,
                allows: charge.limit,
                retry_after: RETRY_REDUCED,
            })
    }

    /// Does the same, and remembers the key here: while the table is down, only the process that a replay reaches again
    /// knows it.
    async fn admit_key_alone(
        &self,
        charge: &Charge,
        key: &IdempotencyKey,
        reservation: Option<Reservation>,
        unanswered: &Unanswered,
        now: Timestamp,
    ) -> Result<Charged, Error> {
        let user = &charge.counter.user;
        let run = KeyRecord::of_run(key, charge.units, now, self.longest_run);
        let request = self.outage_keys.begin(user, key, run, now);
        let Some(due) = request.due(charge.units) else {
            return self.known_here(charge, key, &request);
        };
        let mut outcome = self.admit_alone(&charge.of(due), reservation, unanswered).await;
        match &mut outcome {
            Ok(charged) => {
                let count = charged.usage.as_ref().map_or(0, |usage| usage.used);
                self.outage_keys.admitted(user, &key.key, count);
                charged.receipt.place = ChargePlace::InProcess {
                    key: Some(key.key.clone()),
                };
            }
            Err(_) => self.outage_keys.end(user, &key.key, due),
        }
        outcome
    }

    /// Answers a request that need not be charged, as this process remembers its key from an outage.
    fn known_here(&self, charge: &Charge, key: &IdempotencyKey, request: &Request) -> Result<Charged, Error> {
        let seen = self.seen.get(&charge.counter).map(|seen| seen.used);
        let used = seen.max(self.outage_keys.used(&charge.counter, &key.key)).unwrap_or(0);
        replayed(charge, request, used, Certainty::NotInTable)
    }

    /// Adds the units admitted for a counter while the table was down. The charge was not made in any case.
    pub(super) async fn deliver(&self, counter: &Counter) -> Result<(), Unanswered> {
        match self.fallback.deliver(&self.table, counter).await {
            // The share of the next outage is computed from a count that includes the parcels.
            Ok(Some(used)) => self.remember(counter, used),
            Ok(None) => {}
            Err(Unanswered::Contended) => return Err(Unanswered::Contended),
            Err(Unanswered::Undone(outage) | Unanswered::Lost(outage)) => return Err(Unanswered::Undone(outage)),
        }
        Ok(())
    }

    pub(super) async fn deliver_others(&self) {
        for (counter, used) in self.fallback.deliver_others(&self.table).await {
            self.remember(&counter, used);
        }
    }

    fn remembered(&self, counter: &Counter) -> Option<u64> {
        let seen = self.seen.get(counter)?;
        (self.clock.now().since(seen.at) < REMEMBERED_FOR).then_some(seen.used)
    }

    pub(super) fn remember(&self, counter: &Counter, used: u64) {
        let at = self.clock.now();
        self.seen.insert(counter.clone(), Seen { used, at });
    }

    /// Keeps the remembered count for an outage, but it refuses nobody.
    pub(super) fn doubt(&self, counter: &Counter) {
        if let Some(seen) = self.seen.get(counter) {
            let at = Timestamp::from_millis(i64::MIN / 2);
            self.seen.insert(counter.clone(), Seen { at, ..seen });
        }
    }
}
