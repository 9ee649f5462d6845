//! The jobs table: what came of a job. The first who writes it wins; what is to be given back is given back in the same
//! transaction.

use std::io::{Read as _, Write as _};

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;

use super::id::JobId;
use super::job::JobFault;
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::UserId;
use crate::quota::table::QuotaTable;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

/// The condition of every write: nobody was first.
const FIRST: &str = "attribute_not_exists(#job)";

/// The largest result that is read back: many times what a job can have.
const LARGEST_RESULT: u64 = 4 * 1024 * 1024;

/// The jobs table.
#[derive(Debug)]
pub struct JobStore {
    table: Table,
}

/// The outcome of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was done; its result as JSON.
    Done(String),
    /// It failed.
    Failed(JobFault),
}

/// A job that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The outcome.
    pub ending: Ending,
    /// When.
    pub at: Timestamp,
}

/// The fate of an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was written, and so many units were given back.
    First {
        /// Units given back.
        refunded: u64,
    },
    /// Somebody else was first: this one is dropped.
    Late,
}

/// A job in the export of its user.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownJob {
    job_id: String,
    status: &'static str,
    finished_at: String,
}

impl JobStore {
    /// Makes a store on `table`.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self { table }
    }

    /// Returns what came of a job; `None` as long as nobody knows.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn read(&self, user: &UserId, job: &JobId) -> Result<Option<Ended>, Outage> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .key("user", text(user.as_str()))
            .key("job", text(job.as_str()))
            .consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let Some(item) = output.item else { return Ok(None) };
        read_ended(&item)
            .map(Some)
            .ok_or_else(|| Outage("a job's item is damaged".to_owned()))
    }

    /// Writes what came of a job, unless that is known, and gives `unused` of its units back in the same transaction. Once
    /// `quota` holds fewer (after a reset, or an erasure), nothing is given back.
    ///
    /// # Errors
    /// When a table is down: it may have been written.
    pub async fn finish(
        &self,
        (user, job): (&UserId, &JobId),
        ended: &Ended,
        unused: u16,
        quota: &QuotaTable,
    ) -> Result<Finish, Outage> {
        let unused = unused.min(job.charged);
        let item = write_ended(user, job, ended)?;
        if unused == 0 {
            return self.put(item).await;
        }
        let put = Put::builder()
            .table_name(self.table.name())
            .set_item(Some(item.clone()))
            .condition_expression(FIRST)
            .expression_attribute_names("#job", "job")
            .build()
            .map_err(|error| Outage(error.to_string()))?;
        let refund = quota.giving_back(&job.counter(user), unused.into())?;
        let call = self
            .table
            .client()
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(refund).build());
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(Finish::First {
                refunded: unused.into(),
            }),
            Err(Failure::Refused(error)) if is_refused(&error, 0) => Ok(Finish::Late),
            Err(Failure::Refused(error)) if is_refused(&error, 1) => self.put(item).await,
            Err(failure) => Err(failure.into_outage()),
        }
    }

    async fn put(&self, item: Item) -> Result<Finish, Outage> {
        let call = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .set_item(Some(item))
            .condition_expression(FIRST)
            .expression_attribute_names("#job", "job");
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(Finish::First { refunded: 0 }),
            Err(Failure::Refused(PutItemError::ConditionalCheckFailedException(_))) => Ok(Finish::Late),
            Err(failure) => Err(failure.into_outage()),
        }
    }

    /// Deletes what came of one job.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn forget(&self, user: &UserId, job: &JobId) -> Result<(), Outage> {
        let call = self
            .table
            .client()
            .delete_item()
            .table_name(self.table.name())
            .key("user", text(user.as_str()))
            .key("job", text(job.as_str()));
        let deleted = self.table.write(|| call.clone().send()).await;
        deleted.map(|_| ()).map_err(Failure::into_outage)
    }

    /// Returns the jobs of a user that have ended and are still kept.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn all_of(&self, user: &UserId) -> Result<Vec<ShownJob>, Outage> {
        let items = self.table.partition(user.as_str()).await?;
        let shown = items.iter().filter_map(|item| {
            Some(ShownJob {
                job_id: read_text(item, "job")?.to_owned(),
                status: if item.contains_key("fault") { "failed" } else { "done" },
                finished_at: Timestamp::from_millis(read_number(item, "finishedAt")?).to_string(),
            })
        });
        Ok(shown.collect())
    }

    /// Deletes all jobs of a user; returns their number.
    ///
    /// # Errors
    /// When the table is down; the same call again deletes the rest.
    pub async fn erase(&self, user: &UserId) -> Result<usize, Outage> {
        self.table.delete_partition(user.as_str()).await
    }
}

fn write_ended(user: &UserId, job: &JobId, ended: &Ended) -> Result<Item, Outage> {
    let mut item = Item::from([
        ("user".to_owned(), text(user.as_str())),
        ("job".to_owned(), text(job.as_str())),
        ("finishedAt".to_owned(), number(ended.at.millis())),
        (table::TTL.to_owned(), number(job.kept_until().seconds())),
    ]);
    match &ended.ending {
        Ending::Done(result) => {
            let packed = pack(result).map_err(|error| Outage(format!("a result cannot be packed: {error}")))?;
            item.insert("result".to_owned(), AttributeValue::B(Blob::new(packed)));
        }
        Ending::Failed(fault) => {
            let fault = serde_json::to_value(fault).unwrap_or_default();
            item.insert("fault".to_owned(), text(fault.as_str().unwrap_or_default()));
        }
    }
    Ok(item)
}

fn read_ended(item: &Item) -> Option<Ended> {
    let ending = match (item.get("result"), read_text(item, "fault")) {
        (Some(packed), None) => Ending::Done(unpack(packed.as_b().ok()?.as_ref()).ok()?),
        (None, Some(fault)) => Ending::Failed(serde_json::from_value(fault.into()).ok()?),
        _ => return None,
    };
    Some(Ended {
        ending,
        at: Timestamp::from_millis(read_number(item, "finishedAt")?),
    })
}

fn pack(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn unpack(packed: &[u8]) -> std::io::Result<String> {
    let mut text = String::new();
    DeflateDecoder::new(packed)
        .take(LARGEST_RESULT)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Returns whether the write at `place` of a transaction met a condition that did not hold.
fn is_refused(error: &TransactWriteItemsError, place: usize) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else {
        return false;
    };
    let reason = canceled.cancellation_reasons().get(place);
    reason.and_then(|reason| reason.code()) == Some("ConditionalCheckFailed")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;
    use crate::jobs::job::Kind;

    #[test]
    fn every_ending_reads_back() {
        let user = UserId::random().unwrap();
        let at = Timestamp::from_seconds(1_800_000_000);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let job = JobId::new(&key, &user, (Kind::Rank, 1), &[0; 16], at);
        let endings = [
            Ending::Done(format!("{{\"x\":\"{}\"}}", "ab".repeat(100_000))),
            Ending::Failed(JobFault::Expired),
            Ending::Failed(JobFault::ModelUnavailable),
        ];
        for ending in endings {
            let ended = Ended { ending, at };
            let item = write_ended(&user, &job, &ended).unwrap();
            assert_eq!(read_ended(&item), Some(ended));
        }
        assert_eq!(read_ended(&Item::new()), None);
    }
}
