//! Plans in the settings table: one item, an attribute per tier. They are read at most every half minute, so that a change
//! takes effect within a minute everywhere, without a deployment.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_dynamodb::types::ReturnValue;

use crate::clock::Timestamp;
use crate::error::Outage;
use crate::plan::{Fault, Plan, Plans, Tier};
use crate::table::{Failure, Item, Table, read_text, text};

/// From this age on, a request reads the plans again while it waits for other things.
const REFRESH_AFTER: Duration = Duration::from_secs(30);

/// From this age on, a request waits for them first.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// The item that holds them.
const ITEM: &str = "plans";

/// The start of the attribute's name; the tier follows.
const PREFIX: &str = "tier:";

/// The plans in force.
#[derive(Debug)]
pub struct PlanStore {
    table: Table,
    defaults: Plans,
    known: RwLock<Known>,
}

#[derive(Debug)]
struct Known {
    plans: Arc<Plans>,
    asked_at: Option<Timestamp>,
}

/// How urgently the plans should be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Not at all.
    Fresh,
    /// Beside something else.
    Ageing,
    /// Before they are used.
    Old,
}

/// Returns the age of plans requested at `asked_at`. A clock that was set back makes them old.
fn age(asked_at: Option<Timestamp>, now: Timestamp) -> Age {
    match asked_at {
        Some(at) if at <= now && now.since(at) < REFRESH_AFTER => Age::Fresh,
        Some(at) if at <= now && now.since(at) < GOOD_FOR => Age::Ageing,
        _ => Age::Old,
    }
}

impl PlanStore {
    /// Makes the store on the settings table, over `defaults`.
    #[must_use]
    pub fn new(table: Table, defaults: Plans) -> Self {
        let known = Known {
            plans: Arc::new(defaults.clone()),
            asked_at: None,
        };
        Self {
            table,
            defaults,
            known: RwLock::new(known),
        }
    }

    /// Returns the plans in force at `now`: read from the table first if they may be a minute old. While the table is down,
    /// returns those that were last read.
    pub async fn current(&self, now: Timestamp) -> Arc<Plans> {
        if self.age(now) == Age::Old {
            self.refresh(now).await;
        }
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner).plans)
    }

    /// Reads the plans again if they are no longer fresh; to be awaited beside something else.
    pub async fn keep_fresh(&self, now: Timestamp) {
        if self.age(now) != Age::Fresh {
            self.refresh(now).await;
        }
    }

    fn age(&self, now: Timestamp) -> Age {
        age(self.known.read().unwrap_or_else(PoisonError::into_inner).asked_at, now)
    }

    async fn refresh(&self, now: Timestamp) {
        // Noted before the answer: while the table is down not every request calls it, and others do not call it meanwhile.
        self.known.write().unwrap_or_else(PoisonError::into_inner).asked_at = Some(now);
        match self.read().await {
            Ok(plans) => self.known.write().unwrap_or_else(PoisonError::into_inner).plans = Arc::new(plans),
            Err(error) => tracing::debug!(%error, "the plans could not be read"),
        }
    }

    /// Returns the plans as the table has them now.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn read(&self) -> Result<Plans, Outage> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .key("name", text(ITEM))
            .consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let stored = output.item.unwrap_or_default();
        Ok(stored
            .keys()
            .filter_map(|name| stored_plan(&stored, name))
            .fold(self.defaults.clone(), |plans, (tier, plan)| plans.with(tier, plan)))
    }

    /// Stores the plan of a tier; returns the one before, as JSON.
    ///
    /// # Errors
    /// When the table is down: the plan may be stored or not, and storing it again does no harm.
    pub async fn put(&self, tier: &Tier, plan: &Plan) -> Result<Option<String>, Outage> {
        let json = serde_json::to_string(plan).map_err(|error| Outage(error.to_string()))?;
        let name = format!("{PREFIX}{tier}");
        let call = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .key("name", text(ITEM))
            .update_expression("SET #tier = :plan")
            .expression_attribute_names("#tier", &name)
            .expression_attribute_values(":plan", text(json))
            .return_values(ReturnValue::UpdatedOld);
        let output = self
            .table
            .write(|| call.clone().send())
            .await
            .map_err(Failure::into_outage)?;
        let before = output.attributes.unwrap_or_default();
        Ok(read_text(&before, &name).map(str::to_owned))
    }
}

/// Reads the plan in one attribute. A part that cannot be used is passed over: there the default stays in force.
fn stored_plan(item: &Item, name: &str) -> Option<(Tier, Plan)> {
    let tier = Tier::parse(name.strip_prefix(PREFIX)?)?;
    match serde_json::from_str(read_text(item, name)?) {
        Ok(json) => {
            let (plan, faults) = Plan::read(json);
            for Fault { pointer, detail } in faults {
                tracing::error!(%tier, pointer, detail, "a stored plan cannot be used as it is");
            }
            Some((tier, plan))
        }
        Err(error) => {
            tracing::error!(%tier, %error, "a stored plan cannot be used");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_in_force_within_a_minute_and_read_at_most_every_half() {
        let at = |seconds: i64| Timestamp::from_seconds(1000 + seconds);
        for (now, expected) in [
            (0, Age::Fresh),
            (29, Age::Fresh),
            (30, Age::Ageing),
            (59, Age::Ageing),
            (60, Age::Old),
            (-1, Age::Old),
        ] {
            assert_eq!(age(Some(at(0)), at(now)), expected, "{now}");
        }
        assert_eq!(age(None, at(0)), Age::Old);
    }
}
