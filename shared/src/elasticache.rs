//! What the shared caches' provider says of them: kept some minutes, so that asking after one's health is no call of its API.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::error::Outage;
use crate::refreshed::{Refreshed, Rule, WhileUnreadable};

/// Limits change by deployment, a state seldom; what cannot be looked up is unknown.
const RULE: Rule = Rule {
    every: Duration::from_mins(5),
    good_for: Duration::from_mins(5),
    retry_after: Duration::from_mins(1),
    while_unreadable: WhileUnreadable::FailClosed,
};

/// What a cache is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// Verdicts, and limits too where they have no cache of their own.
    Shared,
    /// Limits and revoked sessions alone.
    Limits,
}

/// What is known of one cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What it is used for.
    pub purpose: Purpose,
    /// `available`, `modifying` or another word of its provider; `absent` if there is none of its name, `unknown` if the
    /// provider did not say.
    pub state: String,
    /// The most that it may hold, in gigabytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_storage_max_gb: Option<i32>,
    /// The most processing units that it may use in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecpu_per_second_max: Option<i32>,
}

impl Report {
    /// Whether requests may find the cache missing. What nobody could say is no reason to think so: the probes say whether it
    /// answers.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        !["available", "modifying", "unknown"].contains(&self.state.as_str())
    }
}

/// The last answer, of all caches together.
#[derive(Debug)]
pub struct Reports(Refreshed<Vec<Report>>);

impl Default for Reports {
    fn default() -> Self {
        Self(Refreshed::new(RULE))
    }
}

impl Reports {
    /// Returns the last reports, or what `ask` says now. While it fails, nothing is known of each cache in `purposes`.
    pub async fn current(
        &self,
        purposes: &[Purpose],
        now: Timestamp,
        ask: impl AsyncFnOnce() -> Result<Vec<Report>, Outage>,
    ) -> Vec<Report> {
        match self.0.current(now, ask).await {
            Ok(reports) => reports.to_vec(),
            Err(_) => purposes.iter().map(|purpose| unknown(*purpose)).collect(),
        }
    }
}

fn unknown(purpose: Purpose) -> Report {
    Report {
        purpose,
        state: "unknown".to_owned(),
        data_storage_max_gb: None,
        ecpu_per_second_max: None,
    }
}
