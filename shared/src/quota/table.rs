//! The quota table's calls: each one conditional, each one carried out once at most. [`super::store`] decides on their outcomes.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Update};

use serde::Serialize;

use super::counter_item::{read_settled, read_tokens, read_used};
use super::outage::ledger::Parcel;
use super::{Charge, Counter};
use crate::clock::Timestamp;
use crate::closing::Segment;
use crate::error::Outage;
use crate::ids::UserId;
use crate::plan::{Meter, Tier};
use crate::table::{self, Failure, Item, Table, number, read_text, text};
use crate::usage::{DayUse, MeterUse};

/// How long a counter is kept after its day, for the day's close.
const KEPT_AFTER_ITS_DAY: Duration = Duration::from_hours(72);

/// The whole batch fits.
pub(super) const FITS: &str = "attribute_not_exists(used) OR used <= :room";

pub(super) const ADD: &str = "SET used = if_not_exists(used, :zero) + :n, tier = :tier, #ttl = :ttl";

/// Counters, and the records of idempotency keys beside them.
#[derive(Debug)]
pub struct QuotaTable {
    pub(super) table: Table,
}

/// The table's answer to an addition.
#[derive(Debug, PartialEq, Eq)]
pub enum Added {
    /// Done; the units used now.
    Done(u64),
    /// It does not fit; the units used.
    Full(u64),
}

/// The content of a user's counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    meter: String,
    day: String,
    used: u64,
}

/// A write that gave no result.
#[derive(Debug)]
pub enum Unanswered {
    /// Other writes were at the same items, each time. Nothing was done, and the table is well.
    Contended,
    /// Nothing was done: the table was not called, or is too busy.
    Undone(Outage),
    /// It may or may not have been done.
    Lost(Outage),
}

impl<E: std::fmt::Debug> From<Failure<E>> for Unanswered {
    fn from(failure: Failure<E>) -> Self {
        match failure {
            Failure::Contended(_) => Self::Contended,
            Failure::Down(outage) => Self::Lost(outage),
            undone => Self::Undone(undone.into_outage()),
        }
    }
}

impl QuotaTable {
    /// Makes the client on the quota table.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns the units used of a counter.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn used(&self, counter: &Counter) -> Result<u64, Outage> {
        Ok(self.item(counter).await?.as_ref().and_then(read_used).unwrap_or(0))
    }

    /// Returns the whole item of a counter.
    pub(super) async fn item(&self, counter: &Counter) -> Result<Option<Item>, Outage> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .key("user", text(counter.user.as_str()))
            .key("meter#day", text(meter_and_day(counter)))
            .consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        Ok(output.item)
    }

    /// Returns how much of each of some counters is used, and of which kind, of 100 at most, in one call.
    ///
    /// # Errors
    /// When the table is down, or too busy to read them all.
    pub async fn used_of(&self, counters: &[Counter]) -> Result<Vec<MeterUse>, Outage> {
        if counters.is_empty() {
            return Ok(Vec::new());
        }
        let keys = counters.iter().map(|counter| {
            Item::from([
                ("user".to_owned(), text(counter.user.as_str())),
                ("meter#day".to_owned(), text(meter_and_day(counter))),
            ])
        });
        let read = self.table.read_all(keys.collect()).await?;
        let used = counters.iter().map(|counter| {
            let (user, key) = (counter.user.as_str(), meter_and_day(counter));
            let of_counter = |item: &&Item| {
                read_text(item, "user") == Some(user) && read_text(item, "meter#day") == Some(key.as_str())
            };
            let item = read.iter().find(of_counter);
            MeterUse {
                used: item.and_then(read_used).unwrap_or(0),
                tokens: item.and_then(read_tokens),
            }
        });
        Ok(used.collect())
    }

    /// Adds the units of a charge if no more than `room` is used.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn add(&self, charge: &Charge, room: u64) -> Result<Added, Unanswered> {
        let call = self
            .update(&charge.counter)
            .update_expression(ADD)
            .condition_expression(FITS)
            .expression_attribute_names("#ttl", table::TTL)
            .set_expression_attribute_values(Some(addition(charge, room)))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.table.write(|| call.clone().send()).await {
            Ok(output) => Ok(Added::Done(
                output.attributes().and_then(read_used).unwrap_or(charge.units),
            )),
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(error))) => {
                Ok(Added::Full(error.item().and_then(read_used).unwrap_or(charge.limit)))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Takes units back, and returns how many: none if the counter holds less, as after a reset.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn take_back(&self, counter: &Counter, units: u64) -> Result<u64, Unanswered> {
        let call = self
            .update(counter)
            .update_expression("SET used = used - :n")
            // Never below zero.
            .condition_expression("used >= :n")
            .expression_attribute_values(":n", number(units));
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(units),
            Err(Failure::Refused(_)) => Ok(0),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Returns a part of a transaction that takes units back, on the condition that the counter holds them.
    ///
    /// # Errors
    /// When it cannot be built: a defect.
    pub fn giving_back(&self, counter: &Counter, units: u64) -> Result<Update, Outage> {
        Update::builder()
            .table_name(self.table.name())
            .key("user", text(counter.user.as_str()))
            .key("meter#day", text(meter_and_day(counter)))
            .update_expression("SET used = used - :n")
            .condition_expression("used >= :n")
            .expression_attribute_values(":n", number(units))
            .build()
            .map_err(|error| Outage(error.to_string()))
    }

    /// Adds a parcel of an outage, unless that was done before; returns the units used with it.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn deliver(&self, parcel: &Parcel) -> Result<u64, Unanswered> {
        let call = self
            .update(&parcel.counter)
            .update_expression("SET tier = :tier, #ttl = :ttl, late = :true, #source = :number ADD used :n")
            // A source seals a parcel only once the one before is here.
            .condition_expression("attribute_not_exists(#source) OR #source < :number")
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_names("#source", format!("outage:{}", parcel.id.source))
            .expression_attribute_values(":n", number(parcel.units))
            .expression_attribute_values(":number", number(parcel.id.number))
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":tier", text(parcel.tier.as_str()))
            .expression_attribute_values(":ttl", expiry(&parcel.counter))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.table.write(|| call.clone().send()).await {
            Ok(output) => Ok(output.attributes().and_then(read_used).unwrap_or(parcel.units)),
            // It was added before, and the answer was lost.
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(refused))) => {
                Ok(refused.item().and_then(read_used).unwrap_or(parcel.units))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Returns one page of a day's counters, of all meters, in a segment of the table, from where the page before ended; and
    /// where this one does. Units that are held at `now` are not counted yet.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn page(
        &self,
        segment: Segment,
        from: Option<&str>,
        now: Timestamp,
    ) -> Result<(Vec<DayUse>, Option<String>), Outage> {
        let start = from.and_then(|place| {
            // User and sort key, which holds no line break. It may be another day's counter.
            let (user, sort) = place.split_once('\n')?;
            Some(Item::from([
                ("user".to_owned(), text(user)),
                ("meter#day".to_owned(), text(sort)),
            ]))
        });
        let counters: Item = Meter::daily()
            .map(|meter| (format!(":{meter}"), text(format!("{meter}#{}", segment.day))))
            .collect();
        let any: Vec<&str> = counters.keys().map(String::as_str).collect();
        let call = self
            .table
            .client()
            .scan()
            .table_name(self.table.name())
            .segment(i32::try_from(segment.number).unwrap_or(0))
            .total_segments(i32::try_from(segment.of).unwrap_or(1))
            .filter_expression(format!("#counter IN ({})", any.join(", ")))
            .expression_attribute_names("#counter", "meter#day")
            .set_expression_attribute_values(Some(counters))
            .consistent_read(true)
            .set_exclusive_start_key(start);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let uses = output
            .items()
            .iter()
            .filter_map(|item| read_day_use(item, now))
            .collect();
        let end = output
            .last_evaluated_key()
            .and_then(|key| Some(format!("{}\n{}", read_text(key, "user")?, read_text(key, "meter#day")?)));
        Ok((uses, end))
    }

    /// Returns all counters of a user that are still kept, in the order of their days.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn all_of(&self, user: &UserId) -> Result<Vec<Count>, Outage> {
        let items = self.table.partition(user.as_str()).await?;
        Ok(items.iter().filter_map(read_count).collect())
    }

    /// Deletes all counters of a user, and the records of idempotency keys; returns the number of items.
    ///
    /// # Errors
    /// When the table is down; the same call again deletes the rest.
    pub async fn erase(&self, user: &UserId) -> Result<usize, Outage> {
        self.table.delete_partition(user.as_str()).await
    }

    pub(super) fn update(&self, counter: &Counter) -> UpdateItemFluentBuilder {
        self.table
            .client()
            .update_item()
            .table_name(self.table.name())
            .key("user", text(counter.user.as_str()))
            .key("meter#day", text(meter_and_day(counter)))
    }
}

/// Returns the sort key of a counter.
pub(super) fn meter_and_day(counter: &Counter) -> String {
    format!("{}#{}", counter.meter, counter.day)
}

pub(super) fn expiry(counter: &Counter) -> AttributeValue {
    number(counter.day.next().start().plus(KEPT_AFTER_ITS_DAY).seconds())
}

pub(super) fn addition(charge: &Charge, room: u64) -> Item {
    Item::from([
        (":zero".to_owned(), number(0)),
        (":n".to_owned(), number(charge.units)),
        (":room".to_owned(), number(room)),
        (":tier".to_owned(), text(charge.tier.as_str())),
        (":ttl".to_owned(), expiry(&charge.counter)),
    ])
}

fn read_count(item: &Item) -> Option<Count> {
    let (meter, day) = read_text(item, "meter#day")?.split_once('#')?;
    Some(Count {
        meter: meter.to_owned(),
        day: day.to_owned(),
        used: read_used(item)?,
    })
}

fn read_day_use(item: &Item, now: Timestamp) -> Option<DayUse> {
    let (used, may_change) = read_settled(item, now)?;
    let (meter, _) = read_text(item, "meter#day")?.split_once('#')?;
    Some(DayUse {
        user: UserId::parse(read_text(item, "user")?)?,
        meter: Meter::parse(meter)?,
        tier: Tier::parse(read_text(item, "tier")?)?,
        used,
        tokens: read_tokens(item),
        late: may_change || item.contains_key("late"),
    })
}
