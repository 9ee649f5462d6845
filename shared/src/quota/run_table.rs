//! Runs of an idempotency key that keep what they gave, so that a request which is sent again gets the same once more, for nothing.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::idempotency::IdempotencyKey;
use super::table::{QuotaTable, Unanswered};
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::table::{self, Failure, Item, number, read_text, text};

/// The largest outcome that is kept.
pub const LARGEST_OUTCOME: usize = 64 * 1024;

/// A run of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRun {
    /// The user.
    pub user: UserId,
    /// The key, and the request that it stands for.
    pub key: IdempotencyKey,
    /// Names the run.
    pub id: String,
    /// Until then nobody else may run.
    pub busy_until: Timestamp,
    /// From then on the key may be used again.
    pub expires_at: Timestamp,
}

/// The beginning of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStart {
    /// It may go on.
    First,
    /// Another one is under way.
    UnderWay,
    /// The key stands for another request.
    Mismatch,
    /// Another one gave this.
    Done(Vec<u8>),
}

impl QuotaTable {
    /// Begins a run, unless another one has begun.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn begin_run(&self, run: &KeyRun, now: Timestamp) -> Result<RunStart, Unanswered> {
        let mut item = key_of(run);
        item.extend([
            ("digest".to_owned(), text(&run.key.request)),
            ("run".to_owned(), text(&run.id)),
            ("busyUntil".to_owned(), number(run.busy_until.millis())),
            ("expiresAt".to_owned(), number(run.expires_at.millis())),
            (table::TTL.to_owned(), number(run.expires_at.seconds())),
        ]);
        let call = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .set_item(Some(item))
            // Nobody has used the key, or not lately; or who did gave up; or it was this run.
            .condition_expression(
                "attribute_not_exists(digest) OR expiresAt <= :now OR #run = :run \
                 OR (digest = :digest AND busyUntil <= :now AND attribute_not_exists(#outcome))",
            )
            .expression_attribute_names("#run", "run")
            .expression_attribute_names("#outcome", "outcome")
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":run", text(&run.id))
            .expression_attribute_values(":digest", text(&run.key.request))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match self.table.write_repeatable(|| call.clone().send()).await {
            Ok(_) => Ok(RunStart::First),
            Err(Failure::Refused(PutItemError::ConditionalCheckFailedException(error))) => {
                Ok(error.item().map_or(RunStart::UnderWay, |met| read_start(met, run)))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Keeps what a run gave, for the runs that follow.
    ///
    /// # Errors
    /// [`Unanswered`]: then the same request runs again once this one's time is over.
    pub async fn keep_outcome(&self, run: &KeyRun, outcome: &[u8]) -> Result<(), Unanswered> {
        if outcome.len() > LARGEST_OUTCOME {
            return self.forget_run(run).await;
        }
        let call = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(key_of(run)))
            .update_expression("SET #outcome = :outcome")
            .condition_expression("#run = :run")
            .expression_attribute_names("#run", "run")
            .expression_attribute_names("#outcome", "outcome")
            .expression_attribute_values(":run", text(&run.id))
            .expression_attribute_values(":outcome", AttributeValue::B(Blob::new(outcome)));
        match self.table.write_repeatable(|| call.clone().send()).await {
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// Forgets a run that gave nothing: the same request runs again at once.
    ///
    /// # Errors
    /// [`Unanswered`]: then it does once this one's time is over.
    pub async fn forget_run(&self, run: &KeyRun) -> Result<(), Unanswered> {
        let call = self
            .table
            .client()
            .delete_item()
            .table_name(self.table.name())
            .set_key(Some(key_of(run)))
            .condition_expression("#run = :run")
            .expression_attribute_names("#run", "run")
            .expression_attribute_values(":run", text(&run.id));
        match self.table.write_repeatable(|| call.clone().send()).await {
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }
}

fn key_of(run: &KeyRun) -> Item {
    Item::from([
        ("user".to_owned(), text(run.user.as_str())),
        ("meter#day".to_owned(), text(format!("run#{}", run.key.key))),
    ])
}

/// Reads what a run has met.
fn read_start(met: &Item, run: &KeyRun) -> RunStart {
    if read_text(met, "digest") != Some(run.key.request.as_str()) {
        return RunStart::Mismatch;
    }
    match met.get("outcome").and_then(|outcome| outcome.as_b().ok()) {
        Some(outcome) => RunStart::Done(outcome.clone().into_inner()),
        None => RunStart::UnderWay,
    }
}
