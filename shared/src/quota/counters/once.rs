//! Additions that are made once per idempotency key: counter and record of the key change in one transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use super::{ADD, CounterTable, FITS, Silence, addition, meter_and_day, read_used};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::UserId;
use crate::quota::replay::{IdempotencyKey, Record};
use crate::quota::{Charge, Counter};
use crate::table::{self, Failure, Item, number, read_number, read_text, text};

/// What the table said to an addition that is made once per idempotency key.
#[derive(Debug, PartialEq, Eq)]
pub enum AddedOnce {
    /// Done, and recorded.
    Done,
    /// It does not fit; so much is used.
    Full(u64),
    /// The key is known.
    Known(Record),
    /// Another transaction was at it; nothing was done.
    Contended,
}

/// A record to be written with an addition.
#[derive(Debug)]
pub struct Recording<'a> {
    /// For this key.
    pub key: &'a IdempotencyKey,
    /// In place of this record, which must still be there unchanged; or of none.
    pub before: Option<&'a Record>,
    /// With this content.
    pub after: &'a Record,
}

impl CounterTable {
    /// Adds a charge, unless it does not fit, in one transaction with the record of an idempotency key.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn add_once(
        &self,
        charge: &Charge,
        room: u64,
        recording: &Recording<'_>,
        now: Timestamp,
    ) -> Result<AddedOnce, Silence> {
        let user = &charge.counter.user;
        let add = Update::builder()
            .table_name(self.0.name())
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
            .table_name(self.0.name())
            .set_item(Some(write_record(user, recording.key, recording.after)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match recording.before {
            // Nobody has used the key, or not lately.
            None => put
                .condition_expression("attribute_not_exists(body) OR expiresAt <= :now")
                .expression_attribute_values(":now", number(now.millis())),
            // Nobody has charged the rest meanwhile.
            Some(before) => put
                .condition_expression("body = :body AND charged = :charged")
                .expression_attribute_values(":body", text(&before.body))
                .expression_attribute_values(":charged", number(before.charged)),
        };
        let put = put.build().map_err(unbuilt)?;
        let call = self
            .0
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(add).build());
        match self.0.call(call.send()).await {
            Ok(_) => Ok(AddedOnce::Done),
            Err(Failure::Refused(TransactWriteItemsError::TransactionCanceledException(canceled))) => {
                let refused = |n: usize| {
                    let reason = canceled.cancellation_reasons().get(n)?;
                    (reason.code() == Some("ConditionalCheckFailed")).then(|| reason.item())
                };
                // The record first: a replay is answered although nothing is left.
                Ok(match (refused(0), refused(1)) {
                    (Some(record), _) => record
                        .and_then(read_record)
                        .map_or(AddedOnce::Contended, AddedOnce::Known),
                    (None, Some(counter)) => AddedOnce::Full(counter.and_then(read_used).unwrap_or(charge.limit)),
                    (None, None) => AddedOnce::Contended,
                })
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Ends the first run of an idempotency key, and takes units back that it was charged.
    ///
    /// # Errors
    /// When the table is down: then the run counts as under way until its time is over.
    pub async fn end_run(&self, counter: &Counter, key: &str, units: u64) -> Result<(), Outage> {
        let of_record = record_key(key);
        if units == 0 {
            let call = self
                .0
                .client()
                .update_item()
                .table_name(self.0.name())
                .key("user", text(counter.user.as_str()))
                .key("meter#day", text(of_record))
                .update_expression("SET busyUntil = :zero")
                // No record is made by ending its run.
                .condition_expression("attribute_exists(body)")
                .expression_attribute_values(":zero", number(0));
            return match self.0.call(call.send()).await {
                Ok(_) | Err(Failure::Refused(_)) => Ok(()),
                Err(failure) => Err(failure.into_outage()),
            };
        }
        let update = |key: String, expression: &str, condition: &str| {
            Update::builder()
                .table_name(self.0.name())
                .key("user", text(counter.user.as_str()))
                .key("meter#day", text(key))
                .update_expression(expression)
                .condition_expression(condition)
                .expression_attribute_values(":n", number(units))
        };
        let take = update(meter_and_day(counter), "SET used = used - :n", "used >= :n").build();
        let end = update(
            of_record,
            "SET charged = charged - :n, busyUntil = :zero",
            "charged >= :n",
        )
        .expression_attribute_values(":zero", number(0))
        .build();
        let (take, end) = (take.map_err(unbuilt_outage)?, end.map_err(unbuilt_outage)?);
        let call = self
            .0
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(take).build())
            .transact_items(TransactWriteItem::builder().update(end).build());
        match self.0.call(call.send()).await {
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure.into_outage()),
        }
    }
}

fn record_key(key: &str) -> String {
    format!("idempotency#{key}")
}

fn write_record(user: &UserId, key: &IdempotencyKey, record: &Record) -> Item {
    Item::from([
        ("user".to_owned(), text(user.as_str())),
        ("meter#day".to_owned(), text(record_key(&key.key))),
        ("body".to_owned(), text(&record.body)),
        ("charged".to_owned(), number(record.charged)),
        ("busyUntil".to_owned(), number(record.busy_until.millis())),
        ("expiresAt".to_owned(), number(record.expires_at.millis())),
        (table::TTL.to_owned(), number(record.expires_at.seconds())),
    ])
}

fn read_record(item: &Item) -> Option<Record> {
    Some(Record {
        body: read_text(item, "body")?.to_owned(),
        charged: read_number(item, "charged")?,
        busy_until: Timestamp::from_millis(read_number(item, "busyUntil")?),
        expires_at: Timestamp::from_millis(read_number(item, "expiresAt")?),
    })
}

fn unbuilt_outage(error: impl std::fmt::Display) -> Outage {
    Outage(format!("a call could not be built: {error}"))
}

fn unbuilt(error: impl std::fmt::Display) -> Silence {
    Silence {
        outage: unbuilt_outage(error),
        ambiguous: false,
    }
}
