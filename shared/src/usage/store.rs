//! The usage table: rows of closed days, and the progress of closes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};

use super::{Checkpoint, DayUse, HISTORY_DAYS, HistoryEntry, Row, Segment, Totals};
use crate::clock::{Day, Timestamp};
use crate::error::Outage;
use crate::ids::UserId;
use crate::money::Tokens;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

/// The most items of one `BatchWriteItem`.
const ROWS_PER_WRITE: usize = 25;

/// How long rows and progress are kept beyond the days that are shown.
const MARGIN_DAYS: u32 = 7;

/// The sort key. A row of a user has day and meter there, the totals of a day the day alone: they are written together.
const SORT: &str = "day#meter";

/// The user name of the rows of totals.
const TOTAL: &str = "total";

/// The usage table.
#[derive(Debug)]
pub struct UsageTable(Table);

impl UsageTable {
    /// Makes the client on `table`.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self(table)
    }

    /// Returns a user's use of closed days, the oldest first: those of the 90 days before `today`.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn history(&self, user: &UserId, today: Day) -> Result<Vec<HistoryEntry>, Outage> {
        let call = self
            .0
            .client()
            .query()
            .table_name(self.0.name())
            .key_condition_expression("#user = :user AND #day BETWEEN :first AND :end")
            .expression_attribute_names("#user", "user")
            .expression_attribute_names("#day", SORT)
            .expression_attribute_values(":user", text(user.as_str()))
            .expression_attribute_values(":first", text(today.minus(HISTORY_DAYS).to_string()))
            // Before any of today's, which have a meter behind the day.
            .expression_attribute_values(":end", text(today.to_string()));
        // 90 days of a few rows of 100 bytes are one page.
        let output = self.0.call(call.send()).await.map_err(Failure::into_outage)?;
        Ok(super::history(output.items().iter().filter_map(read_row)))
    }

    /// Writes the rows of users for a closed day, all of them.
    ///
    /// # Errors
    /// When the table is down, or does not take them all in time.
    pub async fn write_rows(&self, day: Day, rows: &[DayUse]) -> Result<(), Outage> {
        for chunk in rows.chunks(ROWS_PER_WRITE) {
            let mut waiting = Vec::with_capacity(chunk.len());
            for row in chunk {
                let put = PutRequest::builder()
                    .set_item(Some(write_row(day, row)))
                    .build()
                    .map_err(|error| Outage(error.to_string()))?;
                waiting.push(WriteRequest::builder().put_request(put).build());
            }
            self.0.write_all(waiting).await?;
        }
        Ok(())
    }

    /// Deletes all rows of a user; returns their number.
    ///
    /// # Errors
    /// When the table is down; the same call again deletes the rest.
    pub async fn erase(&self, user: &UserId) -> Result<usize, Outage> {
        self.0.delete_partition(user.as_str()).await
    }

    /// Takes the close of a day for `owner` until `until`, unless another has it.
    ///
    /// # Errors
    /// When the table is down. `Ok(Err(until))` is the time until which another has it.
    pub async fn lease(
        &self,
        day: Day,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<(), Timestamp>, Outage> {
        let call = self
            .0
            .client()
            .update_item()
            .table_name(self.0.name())
            .key("user", text(progress_key(day)))
            .key(SORT, text("lease"))
            .update_expression("SET #owner = :owner, #until = :until, #ttl = :ttl")
            // It is free, or its time is over, or it is ours.
            .condition_expression("attribute_not_exists(#owner) OR #until <= :now OR #owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":ttl", expiry(day, MARGIN_DAYS))
            .return_values_on_condition_check_failure(
                aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
            );
        match self.0.write(|| call.clone().send()).await {
            Ok(_) => Ok(Ok(())),
            Err(Failure::Refused(
                aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(error),
            )) => {
                let until = error.item().and_then(|item| read_number(item, "until"));
                Ok(Err(Timestamp::from_millis(until.unwrap_or(now.millis()))))
            }
            Err(failure) => Err(failure.into_outage()),
        }
    }

    /// Returns the progress of the close of a segment.
    ///
    /// # Errors
    /// When the table is down, or holds something else there: a close that took this for its start would never end.
    pub async fn checkpoint(&self, segment: Segment) -> Result<Checkpoint, Outage> {
        let call = self
            .0
            .client()
            .get_item()
            .table_name(self.0.name())
            .key("user", text(progress_key(segment.day)))
            .key(SORT, text(segment_key(segment)))
            .consistent_read(true);
        let output = self.0.call(call.send()).await.map_err(Failure::into_outage)?;
        let Some(item) = output.item else {
            return Ok(Checkpoint::default());
        };
        read_checkpoint(&item).ok_or_else(|| Outage(format!("{}: the checkpoint makes no sense", segment_key(segment))))
    }

    /// Notes that a segment has come one page further than `before`. Returns `false` if another run was quicker: its note
    /// counts.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn note(&self, segment: Segment, before: u64, checkpoint: &Checkpoint) -> Result<bool, Outage> {
        let totals = serde_json::to_string(&checkpoint.totals).map_err(|error| Outage(error.to_string()))?;
        let mut call = self
            .0
            .client()
            .put_item()
            .table_name(self.0.name())
            .item("user", text(progress_key(segment.day)))
            .item(SORT, text(segment_key(segment)))
            .item("pages", number(checkpoint.pages))
            .item("done", aws_sdk_dynamodb::types::AttributeValue::Bool(checkpoint.done))
            .item("totals", text(totals))
            .item(table::TTL, expiry(segment.day, MARGIN_DAYS))
            // No other run has come further meanwhile.
            .condition_expression("attribute_not_exists(pages) OR pages = :before")
            .expression_attribute_values(":before", number(before));
        if let Some(next) = &checkpoint.next {
            call = call.item("next", text(next));
        }
        match self.0.write(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => Err(failure.into_outage()),
        }
    }

    /// Returns the totals of a day, if it is closed.
    ///
    /// # Errors
    /// When the table is down, or holds something else there.
    pub async fn totals(&self, day: Day) -> Result<Option<Totals>, Outage> {
        let call = self
            .0
            .client()
            .get_item()
            .table_name(self.0.name())
            .key("user", text(TOTAL))
            .key(SORT, text(day.to_string()))
            .consistent_read(true);
        let output = self.0.call(call.send()).await.map_err(Failure::into_outage)?;
        let tiers = output.item().and_then(|item| read_text(item, "tiers"));
        tiers
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| Outage(format!("the totals of {day}: {error}")))
    }

    /// Writes the totals of a closed day, as the close of this time has counted them. Returns `false` if a later one has: its
    /// totals stay.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn write_totals(&self, day: Day, close: Timestamp, totals: &Totals) -> Result<bool, Outage> {
        let json = serde_json::to_string(totals).map_err(|error| Outage(error.to_string()))?;
        let call = self
            .0
            .client()
            .put_item()
            .table_name(self.0.name())
            .item("user", text(TOTAL))
            .item(SORT, text(day.to_string()))
            .item("tiers", text(json))
            .item("close", number(close.millis()))
            // No later close has counted more.
            .condition_expression("attribute_not_exists(#close) OR #close <= :close")
            .expression_attribute_names("#close", "close")
            .expression_attribute_values(":close", number(close.millis()));
        match self.0.write(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(failure) => Err(failure.into_outage()),
        }
    }
}

fn progress_key(day: Day) -> String {
    format!("close#{day}")
}

fn segment_key(segment: Segment) -> String {
    format!("{}#segment#{:03}of{:03}", segment.close, segment.number, segment.of)
}

fn expiry(day: Day, days: u32) -> aws_sdk_dynamodb::types::AttributeValue {
    number(day.plus(days).start().seconds())
}

fn write_row(day: Day, row: &DayUse) -> Item {
    let mut item = HashMap::from([
        ("user".to_owned(), text(row.user.as_str())),
        (SORT.to_owned(), text(format!("{day}#{}", row.meter))),
        ("used".to_owned(), number(row.used)),
        ("tier".to_owned(), text(row.tier.as_str())),
        (table::TTL.to_owned(), expiry(day, HISTORY_DAYS + MARGIN_DAYS)),
    ]);
    if let Some(tokens) = row.tokens {
        item.insert("in".to_owned(), number(tokens.input));
        item.insert("out".to_owned(), number(tokens.output));
    }
    item
}

fn read_row(item: &Item) -> Option<Row> {
    let (day, meter) = read_text(item, SORT)?.split_once('#')?;
    Some(Row {
        day: day.to_owned(),
        meter: meter.to_owned(),
        used: read_number(item, "used")?,
        tokens: read_number(item, "in")
            .zip(read_number(item, "out"))
            .map(|(input, output)| Tokens { input, output }),
    })
}

fn read_checkpoint(item: &Item) -> Option<Checkpoint> {
    Some(Checkpoint {
        pages: read_number(item, "pages")?,
        next: read_text(item, "next").map(str::to_owned),
        done: item.get("done")?.as_bool().copied().ok()?,
        totals: serde_json::from_str(read_text(item, "totals")?).ok()?,
    })
}
