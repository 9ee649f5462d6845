//! Additions that are made once per idempotency key: counter and record of the key change in one transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use super::counter_item::read_used;
use super::idempotency::{IdempotencyKey, KeyRecord};
use super::table::{ADD, FITS, QuotaTable, Unanswered, addition, meter_and_day};
use super::{Charge, Counter};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::UserId;
use crate::table::{self, Failure, Item, number, read_number, read_text, text};

/// The table's answer to an addition that is made once per idempotency key.
#[derive(Debug, PartialEq, Eq)]
pub enum AddedOnce {
    /// Done, and recorded.
    Done,
    /// It does not fit; the units used.
    Full(u64),
    /// The key's record is not as it was read: this is what it is now, if there is one.
    Known(Option<KeyRecord>),
}

/// A record to be written with an addition.
#[derive(Debug)]
pub struct Recording<'a> {
    /// For this key.
    pub key: &'a IdempotencyKey,
    /// In place of this record, which must still be there unchanged; or of none.
    pub before: Option<&'a KeyRecord>,
    /// With this content.
    pub after: &'a KeyRecord,
}

impl QuotaTable {
    /// Adds a charge, unless it does not fit, in one transaction with the record of an idempotency key.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn add_once(
        &self,
        charge: &Charge,
        room: u64,
        recording: &Recording<'_>,
        now: Timestamp,
    ) -> Result<AddedOnce, Unanswered> {
        let user = &charge.counter.user;
        let add = Update::builder()
            .table_name(self.table.name())
            .key("user", text(user.as_str()))
            .key("meter#day", text(meter_and_day(&charge.counter)))
            .update_expression(ADD)
            .condition_expression(FITS)
            .expression_attribute_names("#ttl", table::TTL)
            .set_expression_attribute_values(Some(addition(charge, room)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(unbuilt)?;
        let put = Put::builder()
            .table_name(self.table.name())
            .set_item(Some(write_record(user, recording.key, recording.after)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match recording.before {
            // Nobody has used the key, or not lately.
            None => put
                .condition_expression("attribute_not_exists(digest) OR expiresAt <= :now")
                .expression_attribute_values(":now", number(now.millis())),
            // Nobody has charged the rest meanwhile.
            Some(before) => put
                .condition_expression("digest = :digest AND charged = :charged")
                .expression_attribute_values(":digest", text(&before.request))
                .expression_attribute_values(":charged", number(before.charged)),
        };
        let put = put.build().map_err(unbuilt)?;
        let call = self
            .table
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(add).build());
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(AddedOnce::Done),
            // The record first: a replay is answered although nothing is left.
            Err(Failure::Refused(error)) => Ok(match refusals(&error).as_slice() {
                [Some(Met(record)), _] => AddedOnce::Known(record.and_then(read_record)),
                [_, Some(Met(counter))] => AddedOnce::Full(counter.and_then(read_used).unwrap_or(charge.limit)),
                _ => return Err(Unanswered::Contended),
            }),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Returns the time at which the run began that an idempotency key was last charged for; `None` if nobody remembers it.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn run_of(&self, user: &UserId, key: &str) -> Result<Option<Timestamp>, Outage> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .key("user", text(user.as_str()))
            .key("meter#day", text(record_key(key)))
            .consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        Ok(output
            .item
            .as_ref()
            .and_then(read_record)
            .map(|record| record.charged_at()))
    }

    /// Ends the run of an idempotency key.
    ///
    /// # Errors
    /// [`Unanswered`]: then the run counts as under way until its time is over.
    pub async fn end_run(&self, user: &UserId, key: &str) -> Result<(), Unanswered> {
        let call = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .key("user", text(user.as_str()))
            .key("meter#day", text(record_key(key)))
            .update_expression("SET busyUntil = :zero")
            // No record is made by ending its run.
            .condition_expression("attribute_exists(digest)")
            .expression_attribute_values(":zero", number(0));
        match self.table.write(|| call.clone().send()).await {
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Ends the run of an idempotency key, and takes units back that this run was charged. Returns how many: none if the
    /// counter holds less, as after a reset; then the run has not ended.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn take_back_once(&self, counter: &Counter, key: &str, units: u64) -> Result<u64, Unanswered> {
        let update = |key: String, expression: &str, condition: &str| {
            Update::builder()
                .table_name(self.table.name())
                .key("user", text(counter.user.as_str()))
                .key("meter#day", text(key))
                .update_expression(expression)
                .condition_expression(condition)
                .expression_attribute_values(":n", number(units))
        };
        let take = update(meter_and_day(counter), "SET used = used - :n", "used >= :n").build();
        let end = update(
            record_key(key),
            "SET charged = charged - :n, busyUntil = :zero",
            "charged >= :n",
        )
        .expression_attribute_values(":zero", number(0))
        .build();
        let (take, end) = (take.map_err(unbuilt)?, end.map_err(unbuilt)?);
        let call = self
            .table
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(take).build())
            .transact_items(TransactWriteItem::builder().update(end).build());
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(units),
            Err(Failure::Refused(error)) if refusals(&error).first().is_some_and(Option::is_some) => Ok(0),
            // The record is gone, and the counter still holds the units.
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The item that a refused write met, if there is one.
struct Met<'a>(Option<&'a Item>);

/// Returns, for each write of a transaction, what it met if its condition did not hold.
fn refusals(error: &TransactWriteItemsError) -> Vec<Option<Met<'_>>> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else {
        return Vec::new();
    };
    let reasons = canceled.cancellation_reasons().iter();
    let refused = reasons.map(|reason| (reason.code() == Some("ConditionalCheckFailed")).then(|| Met(reason.item())));
    refused.collect()
}

fn record_key(key: &str) -> String {
    format!("idempotency#{key}")
}

fn write_record(user: &UserId, key: &IdempotencyKey, record: &KeyRecord) -> Item {
    Item::from([
        ("user".to_owned(), text(user.as_str())),
        ("meter#day".to_owned(), text(record_key(&key.key))),
        ("digest".to_owned(), text(&record.request)),
        ("charged".to_owned(), number(record.charged)),
        ("busyUntil".to_owned(), number(record.busy_until.millis())),
        ("expiresAt".to_owned(), number(record.expires_at.millis())),
        (table::TTL.to_owned(), number(record.expires_at.seconds())),
    ])
}

fn read_record(item: &Item) -> Option<KeyRecord> {
    Some(KeyRecord {
        request: read_text(item, "digest")?.to_owned(),
        charged: read_number(item, "charged")?,
        busy_until: Timestamp::from_millis(read_number(item, "busyUntil")?),
        expires_at: Timestamp::from_millis(read_number(item, "expiresAt")?),
    })
}

fn unbuilt(error: impl std::fmt::Display) -> Unanswered {
    Unanswered::Undone(Outage(format!("a call could not be built: {error}")))
}
