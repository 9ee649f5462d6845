//! Plans in the settings table: one item, an attribute per tier. They are read at most every half minute, so that a change
//! takes effect within a minute everywhere, without a deployment.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::ReturnValue;

use crate::clock::Timestamp;
use crate::error::Outage;
use crate::plan::{Fault, Plan, Plans, Tier};
use crate::refreshed::{Refreshed, Rule, WhileUnreadable};
use crate::table::{Failure, Item, Table, read_text, text};

/// A request reads plans again beside other waits after 30 seconds, and waits for them after a minute.
const RULE: Rule = Rule {
    every: Duration::from_secs(30),
    good_for: Duration::from_mins(1),
    retry_after: Duration::from_secs(30),
    while_unreadable: WhileUnreadable::Keep,
};

/// The item that holds them.
const ITEM: &str = "plans";

/// The start of the attribute's name; the tier follows.
const PREFIX: &str = "tier:";

/// The plans in force.
#[derive(Debug)]
pub struct PlanStore {
    table: Table,
    defaults: Arc<Plans>,
    known: Refreshed<Plans>,
}

impl PlanStore {
    /// Makes the store on the settings table, over `defaults`.
    #[must_use]
    pub fn new(table: Table, defaults: Plans) -> Self {
        Self {
            table,
            defaults: Arc::new(defaults),
            known: Refreshed::new(RULE),
        }
    }

    /// Returns the plans in force at `now`: read from the table first if they may be a minute old. While the table is down,
    /// returns those that were last read, or the defaults.
    pub async fn current(&self, now: Timestamp) -> Arc<Plans> {
        let current = self.known.current(now, || self.read()).await;
        current.unwrap_or_else(|_| Arc::clone(&self.defaults))
    }

    /// Reads the plans again if they are no longer fresh; to be awaited beside something else.
    pub async fn keep_fresh(&self, now: Timestamp) {
        self.known.keep_fresh(now, || self.read()).await;
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
            .fold(Plans::clone(&self.defaults), |plans, (tier, plan)| {
                plans.with(tier, plan)
            }))
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
