//! Charges: what was seen may refuse one without asking, the table decides, and the fleet's ledger stands in for it, or an
//! allowance in process.

use std::time::Duration;

use quick_cache::sync::Cache;

use super::counters::{Added, AddedOnce, CounterTable, Recording, Silence};
use super::fallback::Fallback;
use super::outage::{OutageLedger, Reservation};
use super::outage_keys::OutageKeys;
use super::refund::{Place, Receipt};
use super::replay::{self, IdempotencyKey, Record, Request};
use super::{Charge, Counter};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::error::{DAILY, Error, Outage};
use crate::plan::Usage;
use crate::table::Table;
use crate::valkey::Valkey;

/// How long a count that was seen may refuse a charge without asking the table.
const REMEMBERED_FOR: Duration = Duration::from_mins(1);

/// How many users' counts are remembered.
const REMEMBERED: usize = 10_000;

/// When a client that met a conservative limit should try again: as long as the table is skipped at the most.
const RETRY_REDUCED: Duration = Duration::from_secs(5);

/// How often a charge with an idempotency key is tried whose record changed since it was read.
const ATTEMPTS: u32 = 4;

/// By how much the first run of an idempotency key may outlast its own deadline before it is taken for dead.
const RUN_GRACE: Duration = Duration::from_secs(2);

/// Who may use how much.
#[derive(Debug)]
pub struct QuotaStore {
    pub(super) counters: CounterTable,
    clock: Clock,
    longest_run: Duration,
    seen: Cache<Counter, Seen>,
    pub(super) fallback: Fallback,
    pub(super) outage_keys: OutageKeys,
}

/// A count that the table has told.
#[derive(Debug, Clone, Copy)]
struct Seen {
    used: u64,
    at: Timestamp,
}

/// Whether the table knows of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It does.
    Sure,
    /// It does not yet: it was not asked.
    Alone,
    /// Nobody knows: it was asked, and its answer was lost.
    Ambiguous,
}

/// A charge that was admitted.
#[derive(Debug)]
pub struct Charged {
    /// How much is used now.
    pub usage: Usage,
    /// Whether the table knows of it.
    pub certainty: Certainty,
    /// For [`QuotaStore::finish`].
    pub receipt: Receipt,
}

impl QuotaStore {
    /// A store on the quota table, with a ledger for its outages in the cache of the limits.
    #[must_use]
    pub fn new(table: Table, limits: Option<Valkey>, clock: Clock, config: &Config) -> Self {
        Self {
            counters: CounterTable::new(table),
            clock,
            longest_run: config.request_timeout + RUN_GRACE,
            seen: Cache::new(REMEMBERED),
            fallback: Fallback::new(limits.map(OutageLedger::new), config.fleet_size),
            outage_keys: OutageKeys::default(),
        }
    }

    /// Charges all units or none; with an idempotency key, once. `reserved` is what the limits' round trip did for the charge.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`] when they do not fit; [`Error::ReducedCapacity`] when the table is down and they do not fit into
    /// what may be admitted without it; [`Error::Conflict`] when other writes were at the counter each time, or the key's first
    /// run is under way; [`Error::IdempotencyMismatch`] of a key.
    pub async fn charge(
        &self,
        charge: &Charge,
        key: Option<&IdempotencyKey>,
        reserved: Option<&Reservation>,
        now: Timestamp,
    ) -> Result<Charged, Error> {
        match key {
            None => self.charge_plainly(charge, reserved, now).await,
            Some(key) => self.charge_once(charge, key, reserved, now).await,
        }
    }

    async fn charge_plainly(
        &self,
        charge: &Charge,
        reserved: Option<&Reservation>,
        now: Timestamp,
    ) -> Result<Charged, Error> {
        let room = self.room(charge, now).await?;
        if let Some(used) = self.remembered(&charge.counter)
            && used > room
        {
            return Err(exceeded(charge, used, now));
        }
        if let Err(silence) = self.deliver(charge, reserved).await {
            return self.admit_alone(charge, reserved, &silence).await;
        }
        match self.counters.add(charge, room).await {
            Ok(Added::Done(used)) => {
                self.remember(&charge.counter, used);
                let others = used.saturating_sub(charge.units);
                self.fallback.learn(&charge.counter, reserved, others).await;
                self.deliver_others(now).await;
                Ok(charged(charge, used, Certainty::Sure, Place::Table))
            }
            Ok(Added::Full(used)) => {
                self.remember(&charge.counter, used);
                Err(exceeded(charge, used, now))
            }
            Err(silence) => self.admit_alone(charge, reserved, &silence).await,
        }
    }

    async fn charge_once(
        &self,
        charge: &Charge,
        key: &IdempotencyKey,
        reserved: Option<&Reservation>,
        now: Timestamp,
    ) -> Result<Charged, Error> {
        let request = self.outage_keys.decide(&charge.counter.user, key, now);
        let Some(mut due) = request.due(charge.units) else {
            return self.known_here(charge, key, &request);
        };
        if let Err(silence) = self.deliver(charge, reserved).await {
            return self.admit_key_alone(charge, key, reserved, &silence, now).await;
        }
        let after = Record::of_run(key, charge.units, now, self.longest_run);
        let mut before: Option<Record> = None;
        for _ in 0..ATTEMPTS {
            let rest = charge.of(due);
            let room = self.room(&rest, now).await?;
            let recording = Recording {
                key,
                before: before.as_ref(),
                after: &after,
            };
            match self.counters.add_once(&rest, room, &recording, now).await {
                Ok(AddedOnce::Done) => {
                    // A transaction does not tell the count that it leaves.
                    let used = self.used(&charge.counter).await.unwrap_or(due);
                    let others = used.saturating_sub(due);
                    self.fallback.learn(&charge.counter, reserved, others).await;
                    self.deliver_others(now).await;
                    let key = key.key.clone();
                    return Ok(charged(&rest, used, Certainty::Sure, Place::TableOnce { key }));
                }
                Ok(AddedOnce::Full(used)) => {
                    self.remember(&charge.counter, used);
                    return Err(exceeded(charge, used, now));
                }
                Ok(AddedOnce::Known(record)) => {
                    let request = replay::decide(key, record.as_ref(), now);
                    let Some(rest) = request.due(charge.units) else {
                        let used = self.used(&charge.counter).await.unwrap_or(0);
                        return replayed(charge, &request, used, Certainty::Sure);
                    };
                    due = due.min(rest);
                    before = record.filter(|_| request != Request::First);
                }
                Err(silence) => return self.admit_key_alone(charge, key, reserved, &silence, now).await,
            }
        }
        Err(contended())
    }

    /// Before a process ends: delivers what waits in it alone, as far as half a second goes. What the table does not have by then
    /// is lost.
    pub async fn settle(&self) {
        self.fallback.settle(&self.counters).await;
    }

    /// How much of a counter is used.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn used(&self, counter: &Counter) -> Result<u64, Outage> {
        let used = self.counters.used(counter).await?;
        self.remember(counter, used);
        Ok(used)
    }

    /// Sets a counter to zero; what it held.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn reset(&self, counter: &Counter) -> Result<u64, Outage> {
        let before = self.counters.reset(counter).await?;
        self.doubt(counter);
        self.fallback.start_over(counter).await;
        Ok(before)
    }

    /// The counters themselves, for the day's close.
    #[must_use]
    pub const fn counters(&self) -> &CounterTable {
        &self.counters
    }

    /// The most that may be used for a charge to fit.
    async fn room(&self, charge: &Charge, now: Timestamp) -> Result<u64, Error> {
        if let Some(room) = charge.room() {
            return Ok(room);
        }
        let used = self.used(&charge.counter).await.unwrap_or(0);
        Err(exceeded(charge, used, now))
    }

    /// Admits a charge without the table, unless that is well. Also where the write's answer was lost: the table may then count
    /// the units twice, so that a user can lose a batch but never gain one.
    async fn admit_alone(
        &self,
        charge: &Charge,
        reserved: Option<&Reservation>,
        silence: &Silence,
    ) -> Result<Charged, Error> {
        let certainty = match silence {
            Silence::Contended => return Err(contended()),
            Silence::Undone(_) => Certainty::Alone,
            Silence::Lost(_) => Certainty::Ambiguous,
        };
        let seen = self.seen.get(&charge.counter).map_or(0, |seen| seen.used);
        let admitted = self.fallback.admit(charge, reserved, seen).await;
        admitted
            .map(|(used, held)| charged(charge, used, certainty, Place::Ledger { held, key: None }))
            .ok_or(Error::ReducedCapacity {
                limit: DAILY,
                allows: charge.limit,
                retry_after: RETRY_REDUCED,
            })
    }

    /// The same, remembered here: while the table is down a replay is known to the instance that it reaches again.
    async fn admit_key_alone(
        &self,
        charge: &Charge,
        key: &IdempotencyKey,
        reserved: Option<&Reservation>,
        silence: &Silence,
        now: Timestamp,
    ) -> Result<Charged, Error> {
        let user = &charge.counter.user;
        let run = Record::of_run(key, charge.units, now, self.longest_run);
        let request = self.outage_keys.begin(user, key, run, now);
        let Some(due) = request.due(charge.units) else {
            return self.known_here(charge, key, &request);
        };
        let mut admitted = self.admit_alone(&charge.of(due), reserved, silence).await;
        match &mut admitted {
            Ok(charged) => {
                self.outage_keys.admitted(user, &key.key, charged.usage.used);
                if let Place::Ledger { key: ended, .. } = &mut charged.receipt.place {
                    *ended = Some(key.key.clone());
                }
            }
            Err(_) => self.outage_keys.end(user, &key.key, due),
        }
        admitted
    }

    /// Answers a request that need not be charged, as this instance remembers its key from an outage.
    fn known_here(&self, charge: &Charge, key: &IdempotencyKey, request: &Request) -> Result<Charged, Error> {
        let seen = self.seen.get(&charge.counter).map(|seen| seen.used);
        let used = seen.max(self.outage_keys.used(&charge.counter, &key.key)).unwrap_or(0);
        replayed(charge, request, used, Certainty::Alone)
    }

    /// Adds to the table what was admitted for a counter while it was down. Whatever became of that, the charge was not made.
    async fn deliver(&self, charge: &Charge, reserved: Option<&Reservation>) -> Result<(), Silence> {
        match self.fallback.deliver(&self.counters, charge, reserved).await {
            // What an instance may admit alone next time is reckoned from a count that knows of the parcels.
            Ok(Some(used)) => self.remember(&charge.counter, used),
            Ok(None) => {}
            Err(Silence::Contended) => return Err(Silence::Contended),
            Err(Silence::Undone(outage) | Silence::Lost(outage)) => return Err(Silence::Undone(outage)),
        }
        Ok(())
    }

    async fn deliver_others(&self, now: Timestamp) {
        for (counter, used) in self.fallback.deliver_others(&self.counters, now).await {
            self.remember(&counter, used);
        }
    }

    fn remembered(&self, counter: &Counter) -> Option<u64> {
        let seen = self.seen.get(counter)?;
        (self.clock.now().since(seen.at) < REMEMBERED_FOR).then_some(seen.used)
    }

    fn remember(&self, counter: &Counter, used: u64) {
        let at = self.clock.now();
        self.seen.insert(counter.clone(), Seen { used, at });
    }

    /// Keeps what was seen for an outage, but lets it refuse nobody.
    pub(super) fn doubt(&self, counter: &Counter) {
        if let Some(seen) = self.seen.get(counter) {
            let at = Timestamp::from_millis(i64::MIN / 2);
            self.seen.insert(counter.clone(), Seen { at, ..seen });
        }
    }
}

fn usage(charge: &Charge, used: u64) -> Usage {
    Usage {
        tier: charge.tier.clone(),
        used,
        limit: charge.limit,
        reset_at: charge.counter.day.next().start(),
    }
}

fn charged(charge: &Charge, used: u64, certainty: Certainty, place: Place) -> Charged {
    Charged {
        usage: usage(charge, used),
        certainty,
        receipt: Receipt {
            counter: charge.counter.clone(),
            units: charge.units,
            place,
        },
    }
}

/// Answers a request that is not the first with its key, and need not be charged.
fn replayed(charge: &Charge, request: &Request, used: u64, certainty: Certainty) -> Result<Charged, Error> {
    match request {
        Request::Mismatch => Err(Error::IdempotencyMismatch),
        Request::UnderWay => Err(contended()),
        Request::First | Request::Replay(_) => Ok(charged(&charge.of(0), used, certainty, Place::Nowhere)),
    }
}

const fn contended() -> Error {
    Error::Conflict {
        retry_after: replay::RETRY_AFTER,
    }
}

fn exceeded(charge: &Charge, used: u64, now: Timestamp) -> Error {
    let usage = usage(charge, used);
    let retry_after = usage.reset_at.since(now);
    Error::QuotaExceeded { usage, retry_after }
}
