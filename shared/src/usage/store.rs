//! The usage table: rows of closed days, and the progress of closes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};

use super::{DayUse, HISTORY_DAYS, HistoryEntry, Row, Totals};
use crate::clock::{Day, Timestamp};
use crate::closing::store::CloseProgress;
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

    /// Returns the progress of closes, which is kept beside what they write.
    #[must_use]
    pub const fn closes(&self) -> CloseProgress<'_> {
        CloseProgress::of(&self.0)
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
