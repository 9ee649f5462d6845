//! The experiments table: what was asked when an experiment was submitted, and what came of it.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;

use super::{CategoryOutcome, Design, Experiment};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::UserId;
use crate::table::{self, Failure, Item, Table, number, read_number, read_text, text};

/// How long an experiment is kept.
pub const KEPT: Duration = Duration::from_hours(90 * 24);

/// The most experiments of a page.
const PAGE: i32 = 50;

/// The experiments table.
#[derive(Debug)]
pub struct ExperimentStore {
    table: Table,
}

/// A page of a user's experiments, the newest first.
#[derive(Debug)]
pub struct Page {
    /// The experiments.
    pub experiments: Vec<Experiment>,
    /// The last of them, if there are more.
    pub last: Option<String>,
}

impl ExperimentStore {
    /// Makes a store on `table`.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self { table }
    }

    /// Writes what was asked, unless the experiment is there.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn begin(&self, user: &UserId, experiment: &Experiment) -> Result<(), Outage> {
        self.put(user, experiment, "attribute_not_exists(#id)")
            .await
            .map(|_| ())
    }

    /// Writes what came of an experiment, unless that is known; returns whether it was written.
    ///
    /// # Errors
    /// When the table is down: it may have been written.
    pub async fn finish(&self, user: &UserId, experiment: &Experiment) -> Result<bool, Outage> {
        self.put(user, experiment, "attribute_not_exists(finishedAt)").await
    }

    async fn put(&self, user: &UserId, experiment: &Experiment, condition: &str) -> Result<bool, Outage> {
        let mut call = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .set_item(Some(write(user, experiment)?))
            .condition_expression(condition);
        if condition.contains("#id") {
            call = call.expression_attribute_names("#id", "id");
        }
        match self.table.write(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(PutItemError::ConditionalCheckFailedException(_))) => Ok(false),
            Err(failure) => Err(failure.into_outage()),
        }
    }

    /// Returns an experiment, by its id and the time of its submit.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn read(&self, user: &UserId, id: &str, created_at: Timestamp) -> Result<Option<Experiment>, Outage> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .set_key(Some(place(user, id, created_at)))
            .consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let Some(item) = output.item else { return Ok(None) };
        let read = read(&item).ok_or_else(|| Outage("an experiment's item is damaged".to_owned()))?;
        Ok(Some(read))
    }

    /// Returns a user's experiments, the newest first, from the one after `after` on.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn list(&self, user: &UserId, after: Option<(&str, Timestamp)>) -> Result<Page, Outage> {
        let call = self
            .table
            .client()
            .query()
            .table_name(self.table.name())
            .key_condition_expression("#user = :user")
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":user", text(user.as_str()))
            .scan_index_forward(false)
            .limit(PAGE)
            .set_exclusive_start_key(after.map(|(id, at)| place(user, id, at)));
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let more = output.last_evaluated_key.is_some();
        let experiments: Vec<Experiment> = output.items().iter().filter_map(read).collect();
        let last = experiments.last().filter(|_| more).map(|last| last.id.clone());
        Ok(Page { experiments, last })
    }

    /// Deletes an experiment; there may be none.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn delete(&self, user: &UserId, id: &str, created_at: Timestamp) -> Result<(), Outage> {
        let call = self
            .table
            .client()
            .delete_item()
            .table_name(self.table.name())
            .set_key(Some(place(user, id, created_at)));
        let deleted = self.table.write(|| call.clone().send()).await;
        deleted.map(|_| ()).map_err(Failure::into_outage)
    }

    /// Returns all experiments of a user.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn all_of(&self, user: &UserId) -> Result<Vec<Experiment>, Outage> {
        let items = self.table.partition(user.as_str()).await?;
        Ok(items.iter().filter_map(read).collect())
    }

    /// Deletes all experiments of a user; returns their number.
    ///
    /// # Errors
    /// When the table is down; the same call again deletes the rest.
    pub async fn erase(&self, user: &UserId) -> Result<usize, Outage> {
        self.table.delete_partition(user.as_str()).await
    }
}

/// The key of an experiment: by user, in the order of time.
fn place(user: &UserId, id: &str, created_at: Timestamp) -> Item {
    Item::from([
        ("user".to_owned(), text(user.as_str())),
        ("id".to_owned(), text(format!("{:013}#{id}", created_at.millis()))),
    ])
}

fn write(user: &UserId, experiment: &Experiment) -> Result<Item, Outage> {
    let json = |value: serde_json::Result<String>| value.map(text).map_err(|error| Outage(error.to_string()));
    let expires_at = experiment.created_at.plus(KEPT).seconds();
    let mut item = place(user, &experiment.id, experiment.created_at);
    item.insert("design".to_owned(), json(serde_json::to_string(&experiment.design))?);
    item.insert("createdAt".to_owned(), number(experiment.created_at.millis()));
    item.insert(table::TTL.to_owned(), number(expires_at));
    if let Some(at) = experiment.finished_at {
        item.insert("finishedAt".to_owned(), number(at.millis()));
        item.insert(
            "outcomes".to_owned(),
            json(serde_json::to_string(&experiment.categories))?,
        );
    }
    Ok(item)
}

fn read(item: &Item) -> Option<Experiment> {
    let (_, id) = read_text(item, "id")?.split_once('#')?;
    let outcomes = read_text(item, "outcomes").unwrap_or("[]");
    let categories: Vec<CategoryOutcome> = serde_json::from_str(outcomes).ok()?;
    let design: Design = serde_json::from_str(read_text(item, "design")?).ok()?;
    Some(Experiment {
        id: id.to_owned(),
        design,
        created_at: Timestamp::from_millis(read_number(item, "createdAt")?),
        finished_at: read_number(item, "finishedAt").map(Timestamp::from_millis),
        categories,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{PlacedItem, Progress};
    use super::*;

    #[test]
    fn an_experiment_reads_back_as_it_was_written() {
        let user = UserId::random().unwrap();
        let queued = Experiment {
            id: "exp_A".to_owned(),
            design: serde_json::from_str(r#"{"name":"n","items":["a","b"],"categories":["c"]}"#).unwrap(),
            created_at: Timestamp::from_seconds(1_800_000_000),
            finished_at: None,
            categories: Vec::new(),
        };
        let placed = PlacedItem {
            item: "a".to_owned(),
            rank: 1,
            reason: Some("why".to_owned()),
        };
        let done = Experiment {
            finished_at: Some(Timestamp::from_seconds(1_800_000_009)),
            categories: vec![CategoryOutcome {
                category: "c".to_owned(),
                status: Progress::Done,
                results: vec![placed],
                agreement: Some(0.5),
                source: Some("model".to_owned()),
            }],
            ..queued.clone()
        };
        for experiment in [queued, done] {
            assert_eq!(read(&write(&user, &experiment).unwrap()), Some(experiment));
        }
        assert_eq!(read(&Item::new()), None);
    }
}
