//! Charges: what was seen may refuse one without asking, the table decides, and the fleet's ledger stands in for it, or an
//! allowance in process.

use std::time::Duration;

use quick_cache::sync::Cache;

use super::counters::{Added, AddedOnce, CounterTable, Recording, Silence};
use super::fallback::{Fallback, Held};
use super::outage::{OutageLedger, Reservation};
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

/// How many users' counts are remembered, and how many idempotency keys of an outage.
const REMEMBERED: usize = 10_000;

/// When a client that met a conservative limit should try again: as long as the table is skipped at the most.
const RETRY_REDUCED: Duration = Duration::from_secs(5);

/// How often a transaction that met another one is tried.
const ATTEMPTS: u32 = 4;

/// How long one waits for the other, times the attempt.
const CONTENTION_WAIT: Duration = Duration::from_millis(10);

/// By how much the first run of an idempotency key may outlast its own deadline before it is taken for dead.
const RUN_GRACE: Duration = Duration::from_secs(2);

/// Who may use how much.
#[derive(Debug)]
pub struct QuotaStore {
    counters: CounterTable,
    clock: Clock,
    longest_run: Duration,
    seen: Cache<Counter, Seen>,
    fallback: Fallback,
    /// Idempotency keys whose charge waits in the ledger, with their bodies.
    keys_in_ledger: Cache<String, String>,
}

/// A count that the table has told.
#[derive(Debug, Clone, Copy)]
struct Seen {
    used: u64,
    at: Timestamp,
}

/// Units that were charged, and where: what a refund needs.
#[derive(Debug)]
#[must_use = "a charge is finished when its units have been judged or not"]
pub struct Receipt {
    counter: Counter,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Table,
    TableOnce {
        key: String,
    },
    Ledger(Held),
    /// Nothing was charged by this run.
    Nowhere,
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

impl Charged {
    /// Returns the outcome of a charge to a meter that is not counted by day: nothing is written, nothing is used.
    #[must_use]
    pub fn uncounted(charge: &Charge) -> Self {
        charged(charge, 0, Certainty::Sure, Place::Nowhere)
    }
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
            keys_in_ledger: Cache::new(REMEMBERED),
        }
    }

    /// Charges all units or none; with an idempotency key, once. `reserved` is what the limits' round trip did for the charge.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`] when they do not fit; [`Error::ReducedCapacity`] when the table is down and they do not fit into
    /// what may be admitted without it; [`Error::Conflict`] and [`Error::IdempotencyMismatch`] of a key.
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
        if self.deliver(charge, reserved).await.is_err() {
            return self.admit_alone(charge, reserved, Certainty::Alone).await;
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
            Err(silence) => self.admit_alone(charge, reserved, certainty(&silence)).await,
        }
    }

    async fn charge_once(
        &self,
        charge: &Charge,
        key: &IdempotencyKey,
        reserved: Option<&Reservation>,
        now: Timestamp,
    ) -> Result<Charged, Error> {
        if let Some(replay) = self.replay_of_ledger(charge, key) {
            return replay;
        }
        if self.deliver(charge, reserved).await.is_err() {
            return self.admit_key_alone(charge, key, reserved, Certainty::Alone).await;
        }
        let after = Record {
            body: key.body.clone(),
            charged: charge.units,
            busy_until: now.plus(self.longest_run),
            expires_at: now.plus(replay::REMEMBERED_FOR),
        };
        let mut before: Option<Record> = None;
        for attempt in 1..=ATTEMPTS {
            let rest = charge.beyond(before.as_ref().map_or(0, |record| record.charged));
            let room = self.room(&rest, now).await?;
            let recording = Recording {
                key,
                before: before.as_ref(),
                after: &after,
            };
            match self.counters.add_once(&rest, room, &recording, now).await {
                Ok(AddedOnce::Done) => {
                    // A transaction does not tell the count that it leaves.
                    let used = self.used(&charge.counter).await.unwrap_or(rest.units);
                    let others = used.saturating_sub(rest.units);
                    self.fallback.learn(&charge.counter, reserved, others).await;
                    self.deliver_others(now).await;
                    let key = key.key.clone();
                    return Ok(charged(charge, used, Certainty::Sure, Place::TableOnce { key }));
                }
                Ok(AddedOnce::Full(used)) => {
                    self.remember(&charge.counter, used);
                    return Err(exceeded(charge, used, now));
                }
                Ok(AddedOnce::Known(record)) => match replay::decide(key, Some(&record), now) {
                    Request::Mismatch => return Err(Error::IdempotencyMismatch),
                    Request::UnderWay(wait) => return Err(Error::Conflict { retry_after: wait }),
                    Request::Replay(paid) if paid >= charge.units => {
                        let used = self.used(&charge.counter).await.unwrap_or(paid);
                        return Ok(charged(charge, used, Certainty::Sure, Place::Nowhere));
                    }
                    Request::Replay(_) => before = Some(record),
                    Request::First => before = None,
                },
                Ok(AddedOnce::Contended) => tokio::time::sleep(CONTENTION_WAIT * attempt).await,
                Err(silence) => return self.admit_key_alone(charge, key, reserved, certainty(&silence)).await,
            }
        }
        Err(Error::Conflict {
            retry_after: Duration::from_secs(1),
        })
    }

    /// Ends a charge: gives back the units that nobody could judge. At most once: an answer that is lost is not asked for
    /// again, or they might be given back twice. Returns how many were given back.
    pub async fn finish(&self, receipt: Receipt, unjudged: u64) -> u64 {
        let counter = &receipt.counter;
        match &receipt.place {
            Place::Nowhere => return 0,
            Place::Ledger(held) => self.fallback.refund(counter, unjudged, *held).await,
            // Whether or not it comes through: what was seen is no longer sure, so it must not refuse anybody.
            Place::TableOnce { key } => {
                let _ = self.counters.end_run(counter, key, unjudged).await;
                self.doubt(counter);
            }
            Place::Table if unjudged > 0 => {
                let _ = self.counters.take_back(counter, unjudged).await;
                self.doubt(counter);
            }
            Place::Table => {}
        }
        unjudged
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

    /// Admits a charge without the table. Also where the write's answer was lost: the table may then count the units twice, so
    /// that a user can lose a batch but never gain one.
    async fn admit_alone(
        &self,
        charge: &Charge,
        reserved: Option<&Reservation>,
        certainty: Certainty,
    ) -> Result<Charged, Error> {
        let seen = self.seen.get(&charge.counter).map_or(0, |seen| seen.used);
        let admitted = self.fallback.admit(charge, reserved, seen).await;
        admitted
            .map(|(used, held)| charged(charge, used, certainty, Place::Ledger(held)))
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
        certainty: Certainty,
    ) -> Result<Charged, Error> {
        let charged = self.admit_alone(charge, reserved, certainty).await?;
        self.keys_in_ledger.insert(ledger_key(charge, key), key.body.clone());
        Ok(charged)
    }

    fn replay_of_ledger(&self, charge: &Charge, key: &IdempotencyKey) -> Option<Result<Charged, Error>> {
        let body = self.keys_in_ledger.get(&ledger_key(charge, key))?;
        if body != key.body {
            return Some(Err(Error::IdempotencyMismatch));
        }
        let used = self.seen.get(&charge.counter).map_or(charge.units, |seen| seen.used);
        Some(Ok(charged(charge, used, Certainty::Alone, Place::Nowhere)))
    }

    /// Adds to the table what was admitted for a counter while it was down.
    async fn deliver(&self, charge: &Charge, reserved: Option<&Reservation>) -> Result<(), Outage> {
        if let Some(used) = self.fallback.deliver(&self.counters, charge, reserved).await? {
            // What an instance may admit alone next time is reckoned from a count that knows of the parcels.
            self.remember(&charge.counter, used);
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
    fn doubt(&self, counter: &Counter) {
        if let Some(seen) = self.seen.get(counter) {
            let at = Timestamp::from_millis(i64::MIN / 2);
            self.seen.insert(counter.clone(), Seen { at, ..seen });
        }
    }
}

fn ledger_key(charge: &Charge, key: &IdempotencyKey) -> String {
    format!("{}#{}", charge.counter.user, key.key)
}

const fn certainty(silence: &Silence) -> Certainty {
    if silence.ambiguous {
        Certainty::Ambiguous
    } else {
        Certainty::Alone
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
            place,
        },
    }
}

fn exceeded(charge: &Charge, used: u64, now: Timestamp) -> Error {
    let usage = usage(charge, used);
    let retry_after = usage.reset_at.since(now);
    Error::QuotaExceeded { usage, retry_after }
}
