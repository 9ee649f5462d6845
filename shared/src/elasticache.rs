//! Caches of `ElastiCache` by their names: their state, limits and addresses. Only with the feature `elasticache` is
//! its API called.

#[cfg(feature = "elasticache")]
mod api;

use std::time::Duration;

use serde::Serialize;

use crate::refreshed::{Rule, WhileUnreadable};

#[cfg(feature = "elasticache")]
pub use self::api::{endpoint, named, report};

/// Limits change by deployment, and a state seldom; a failed look-up counts as unknown.
pub(crate) const RULE: Rule = Rule {
    every: Duration::from_mins(5),
    good_for: Duration::from_mins(5),
    retry_after: Duration::from_mins(1),
    while_unreadable: WhileUnreadable::FailClosed,
};

/// The use of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// Verdicts, and limits too if they have no cache of their own.
    Shared,
    /// Limits and revoked sessions alone.
    Limits,
}

/// A report of one cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its use.
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
    /// Returns the report on a cache that `ElastiCache` did not report on.
    #[must_use]
    pub fn unknown(purpose: Purpose) -> Self {
        Self {
            purpose,
            state: "unknown".to_owned(),
            data_storage_max_gb: None,
            ecpu_per_second_max: None,
        }
    }

    /// True if requests may find the cache missing. An unknown state is no reason to think so: the probes show if it
    /// answers.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        !["available", "modifying", "unknown"].contains(&self.state.as_str())
    }
}
