//! Counters in the quota table: one conditional write per charge, and what is done while the table is down.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use quick_cache::sync::Cache;

use super::ledger::{Ledger, Parcel};
use super::{Charge, Counter, Usage};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Outage};
use crate::identity::random_bytes;
use crate::table::{self, Failure, Table, number, read_number, text};

/// How long a count that was seen may refuse a charge without asking the table.
const REMEMBERED_FOR: Duration = Duration::from_mins(1);

/// How many users' counts are remembered.
const REMEMBERED_USERS: usize = 10_000;

/// How long a counter is kept after its day, for the day's close and for history.
const KEPT_AFTER_ITS_DAY: Duration = Duration::from_hours(168);

/// When a client that met a conservative limit should try again: as long as the table is skipped at the most.
const RETRY_REDUCED: Duration = Duration::from_secs(5);

/// Other users' parcels that one request delivers after an outage, so that no single one pays for all.
const PARCELS_PER_REQUEST: usize = 2;

/// The quota table.
#[derive(Debug)]
pub struct QuotaStore {
    table: Table,
    clock: Clock,
    fleet: u32,
    seen: Cache<Counter, Seen>,
    ledger: Mutex<Ledger>,
}

/// A count that the table has told.
#[derive(Debug, Clone, Copy)]
struct Seen {
    used: u64,
    at: Timestamp,
}

/// Units that were charged, and where: what a refund needs.
#[derive(Debug)]
#[must_use = "units that nobody could judge are refunded"]
pub struct Receipt {
    counter: Counter,
    in_ledger: bool,
}

/// A charge that was admitted.
#[derive(Debug)]
pub struct Charged {
    /// How much is used now.
    pub usage: Usage,
    /// Whether the table was down, so that this instance admitted the charge by itself.
    pub degraded: bool,
    /// For a refund.
    pub receipt: Receipt,
}

impl QuotaStore {
    /// A store on `table`, for an instance among `fleet`.
    #[must_use]
    pub fn new(table: Table, clock: Clock, fleet: u32) -> Self {
        Self {
            table,
            clock,
            fleet,
            seen: Cache::new(REMEMBERED_USERS),
            ledger: Mutex::default(),
        }
    }

    /// Charges all units or none.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`] when they do not fit; [`Error::ReducedCapacity`] when the table is down and they do not fit into
    /// what this instance may admit by itself.
    pub async fn charge(&self, charge: &Charge, now: Timestamp) -> Result<Charged, Error> {
        let Some(room) = charge.room() else {
            let used = self.used(&charge.counter).await.unwrap_or(0);
            return Err(exceeded(charge, used, now));
        };
        if let Some(used) = self.remembered(&charge.counter)
            && used > room
        {
            return Err(exceeded(charge, used, now));
        }
        if self.deliver(&charge.counter).await.is_err() {
            return self.admit_alone(charge);
        }
        match self.write(charge, room).await {
            Ok(used) => {
                self.remember(&charge.counter, used);
                self.deliver_others().await;
                Ok(charged(charge, used, false))
            }
            Err(Failure::Refused(used)) => {
                self.remember(&charge.counter, used);
                Err(exceeded(charge, used, now))
            }
            Err(Failure::Down(_)) => self.admit_alone(charge),
        }
    }

    /// Gives back `units` of a charge. At most once: an answer that is lost is not asked for again, or it might count twice.
    pub async fn refund(&self, receipt: Receipt, units: u64) {
        if receipt.in_ledger {
            self.ledger().refund(&receipt.counter, units);
            return;
        }
        let call = self
            .update(&receipt.counter)
            .update_expression("SET used = used - :n")
            // Never below zero.
            .condition_expression("used >= :n")
            .expression_attribute_values(":n", number(units));
        // Whether or not it came through: what was seen is no longer sure, so it must not refuse anybody.
        let _ = self.table.call(call.send()).await;
        self.doubt(&receipt.counter);
    }

    /// How much of a counter is used.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn used(&self, counter: &Counter) -> Result<u64, Outage> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .key("user", text(counter.user.as_str()))
            .key("meter#day", text(meter_and_day(counter)))
            .consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let used = output.item.and_then(|item| read_number(&item, "used")).unwrap_or(0);
        self.remember(counter, used);
        Ok(used)
    }

    /// The conditional write; the count after it, or the count that refused it.
    async fn write(&self, charge: &Charge, room: u64) -> Result<u64, Failure<u64>> {
        let call = self
            .update(&charge.counter)
            .update_expression("SET used = if_not_exists(used, :zero) + :n, tier = :tier, #ttl = :ttl")
            // The whole batch fits.
            .condition_expression("attribute_not_exists(used) OR used <= :room")
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":n", number(charge.units))
            .expression_attribute_values(":room", number(room))
            .expression_attribute_values(":tier", text(charge.tier.as_str()))
            .expression_attribute_values(":ttl", expiry(&charge.counter))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.table.call(call.send()).await {
            Ok(output) => Ok(output
                .attributes()
                .and_then(|item| read_number(item, "used"))
                .unwrap_or(charge.units)),
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(error))) => Err(Failure::Refused(
                error
                    .item()
                    .and_then(|item| read_number(item, "used"))
                    .unwrap_or(charge.limit),
            )),
            Err(failure) => Err(Failure::Down(failure.into_outage())),
        }
    }

    /// Admits a charge against what this instance may admit by itself. Also where the write's answer was lost: the table
    /// may then count the units twice, so that a user can lose a batch but never gain one.
    fn admit_alone(&self, charge: &Charge) -> Result<Charged, Error> {
        let used = self.seen.get(&charge.counter).map_or(0, |seen| seen.used);
        let left = charge.limit.saturating_sub(used);
        self.ledger()
            .admit(charge, left, self.fleet)
            .map(|admitted| charged(charge, used.saturating_add(admitted), true))
            .ok_or(Error::ReducedCapacity {
                retry_after: RETRY_REDUCED,
            })
    }

    /// Adds to the table what was admitted for a counter while it was down.
    async fn deliver(&self, counter: &Counter) -> Result<(), Outage> {
        let parcels = {
            let mut ledger = self.ledger();
            if ledger.is_empty() {
                return Ok(());
            }
            let id = random_bytes::<12>().map_err(|error| Outage(error.to_string()))?;
            ledger.seal(counter, || crate::identity::sha256(&id))
        };
        for parcel in parcels {
            self.send(&parcel).await?;
            self.ledger().confirm(&parcel);
            self.doubt(&parcel.counter);
        }
        Ok(())
    }

    async fn deliver_others(&self) {
        for _ in 0..PARCELS_PER_REQUEST {
            let Some(counter) = self.ledger().any() else { return };
            if self.deliver(&counter).await.is_err() {
                return;
            }
        }
    }

    async fn send(&self, parcel: &Parcel) -> Result<(), Outage> {
        let call = self
            .update(&parcel.counter)
            .update_expression("SET tier = :tier, #ttl = :ttl ADD used :n, outages :ids")
            // This parcel was not added before.
            .condition_expression("attribute_not_exists(outages) OR NOT contains(outages, :id)")
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_values(":n", number(parcel.units))
            .expression_attribute_values(":id", text(&parcel.id))
            .expression_attribute_values(":ids", AttributeValue::Ss(vec![parcel.id.clone()]))
            .expression_attribute_values(":tier", text(parcel.tier.as_str()))
            .expression_attribute_values(":ttl", expiry(&parcel.counter));
        match self.table.call(call.send()).await {
            // Refused: it was added before, and the answer was lost.
            Ok(_) | Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(_))) => Ok(()),
            Err(failure) => Err(failure.into_outage()),
        }
    }

    fn update(&self, counter: &Counter) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.table
            .client()
            .update_item()
            .table_name(self.table.name())
            .key("user", text(counter.user.as_str()))
            .key("meter#day", text(meter_and_day(counter)))
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

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn meter_and_day(counter: &Counter) -> String {
    format!("{}#{}", counter.meter, counter.day)
}

fn expiry(counter: &Counter) -> AttributeValue {
    number(counter.day.next().start().plus(KEPT_AFTER_ITS_DAY).seconds())
}

fn usage(charge: &Charge, used: u64) -> Usage {
    Usage {
        tier: charge.tier.clone(),
        used,
        limit: charge.limit,
        reset_at: charge.counter.day.next().start(),
    }
}

fn charged(charge: &Charge, used: u64, in_ledger: bool) -> Charged {
    Charged {
        usage: usage(charge, used),
        degraded: in_ledger,
        receipt: Receipt {
            counter: charge.counter.clone(),
            in_ledger,
        },
    }
}

fn exceeded(charge: &Charge, used: u64, now: Timestamp) -> Error {
    let usage = usage(charge, used);
    let retry_after = usage.reset_at.since(now);
    Error::QuotaExceeded { usage, retry_after }
}
