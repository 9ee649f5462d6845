//! Assistants in force: those of the settings, and those of the settings table laid over them. The table is read once a
//! minute, so that a change takes effect within a minute everywhere, without a deployment.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::assistants::{Assistant, Assistants};
use crate::config::providers::ProviderSettings;
use crate::error::Outage;
use crate::refreshed::{Refreshed, Rule, WhileUnreadable};
use crate::table::{Failure, Table, read_text, text};

/// As with plans.
const RULE: Rule = Rule {
    every: Duration::from_secs(30),
    good_for: Duration::from_mins(1),
    retry_after: Duration::from_secs(30),
    while_unreadable: WhileUnreadable::Keep,
};

/// The item that holds them.
const ITEM: &str = "assistants";

/// The start of the attribute's name; the assistant's follows.
const PREFIX: &str = "assistant:";

/// The assistants in force.
#[derive(Debug)]
pub struct AssistantStore {
    table: Table,
    settings: ProviderSettings,
    known: Refreshed<Assistants>,
}

impl AssistantStore {
    /// Makes the store on the settings table, over the assistants of `settings`.
    #[must_use]
    pub fn new(table: Table, settings: ProviderSettings) -> Self {
        Self {
            table,
            settings,
            known: Refreshed::new(RULE),
        }
    }

    /// Returns the assistants in force at `now`: read from the table first if they may be a minute old. While the table is down,
    /// returns those that were last read, or those of the settings.
    pub async fn current(&self, now: Timestamp) -> Arc<Assistants> {
        let current = self.known.current(now, || self.read()).await;
        current.unwrap_or_else(|_| Arc::new(self.settings.assistants.clone()))
    }

    async fn read(&self) -> Result<Assistants, Outage> {
        let call = self
            .table
            .client()
            .get_item()
            .table_name(self.table.name())
            .key("name", text(ITEM))
            .consistent_read(true);
        let output = self.table.call(call.send()).await.map_err(Failure::into_outage)?;
        let stored = output.item.unwrap_or_default();
        let usable = stored.keys().filter_map(|attribute| {
            let name = attribute.strip_prefix(PREFIX)?;
            let assistant = Assistant::parse(name, read_text(&stored, attribute)?);
            let assistant = assistant.and_then(|assistant| {
                let lacking = self.settings.lacking(&assistant.chains);
                lacking.map_or(Ok(assistant), |problem| Err(problem.to_string()))
            });
            // One that cannot be used is passed over: that of the settings stays in force.
            assistant
                .inspect_err(|problem| tracing::error!(problem, "a stored assistant cannot be used"))
                .ok()
        });
        Ok(usable.fold(self.settings.assistants.clone(), Assistants::with))
    }
}
