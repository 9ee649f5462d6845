//! The progress of closes, beside what they write: a lease for each day, and a checkpoint for each segment.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::{Checkpoint, RunningSum, Segment};
use crate::clock::{Day, Timestamp};
use crate::error::Outage;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

/// How long progress is kept after its day.
const KEPT_DAYS: u32 = 7;

/// The progress of closes, in a table with a sort key.
#[derive(Debug, Clone, Copy)]
pub struct CloseProgress<'a>(&'a Table);

impl<'a> CloseProgress<'a> {
    /// Returns that in `table`.
    #[must_use]
    pub const fn of(table: &'a Table) -> Self {
        Self(table)
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
            .set_key(Some(self.key(day, "lease".to_owned())))
            .update_expression("SET #holder = :holder, #until = :until, #ttl = :ttl")
            // It is free, or its time is over, or it is ours.
            .condition_expression("attribute_not_exists(#holder) OR #until <= :now OR #holder = :holder")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#ttl", table::TTL)
            .expression_attribute_values(":holder", text(owner))
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":ttl", expiry(day))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.0.write(|| call.clone().send()).await {
            Ok(_) => Ok(Ok(())),
            Err(Failure::Refused(UpdateItemError::ConditionalCheckFailedException(error))) => {
                let until = error.item().and_then(|item| read_number(item, "until"));
                Ok(Err(Timestamp::from_millis(until.unwrap_or(now.millis()))))
            }
            Err(failure) => Err(failure.into_outage()),
        }
    }

    /// Returns the progress of a segment.
    ///
    /// # Errors
    /// When the table is down, or holds something else there: a close that took this for its start would never end.
    pub async fn checkpoint<T: RunningSum>(&self, segment: Segment) -> Result<Checkpoint<T>, Outage> {
        let call = self
            .0
            .client()
            .get_item()
            .table_name(self.0.name())
            .set_key(Some(self.key(segment.day, segment_key(segment))))
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
    pub async fn note<T: RunningSum>(
        &self,
        segment: Segment,
        before: u64,
        checkpoint: &Checkpoint<T>,
    ) -> Result<bool, Outage> {
        let totals = serde_json::to_string(&checkpoint.totals).map_err(|error| Outage(error.to_string()))?;
        let mut call = self
            .0
            .client()
            .put_item()
            .table_name(self.0.name())
            .set_item(Some(self.key(segment.day, segment_key(segment))))
            .item("pages", number(checkpoint.pages))
            .item("done", AttributeValue::Bool(checkpoint.done))
            .item("totals", text(totals))
            .item(table::TTL, expiry(segment.day))
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

    fn key(self, day: Day, sort: String) -> Item {
        let schema = self.0.schema();
        let range = schema.range.map(|range| (range.to_owned(), text(sort)));
        let hash = (schema.hash.to_owned(), text(format!("close#{day}")));
        [hash].into_iter().chain(range).collect()
    }
}

fn segment_key(segment: Segment) -> String {
    format!("{}#segment#{:03}of{:03}", segment.close, segment.number, segment.of)
}

fn expiry(day: Day) -> AttributeValue {
    number(day.plus(KEPT_DAYS).start().seconds())
}

fn read_checkpoint<T: RunningSum>(item: &Item) -> Option<Checkpoint<T>> {
    Some(Checkpoint {
        pages: read_number(item, "pages")?,
        next: read_text(item, "next").map(str::to_owned),
        done: item.get("done")?.as_bool().copied().ok()?,
        totals: serde_json::from_str(read_text(item, "totals")?).ok()?,
    })
}
