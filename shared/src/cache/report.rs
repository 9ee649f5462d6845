//! What the shared caches' provider says of them: kept some minutes, so that asking after one's health is no call of its API.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;

use crate::clock::Timestamp;
use crate::error::Outage;

/// How long an answer is good: limits change by deployment, a state seldom.
const GOOD_FOR: Duration = Duration::from_mins(5);

/// How long nobody asks again after a failure.
const QUIET_FOR: Duration = Duration::from_mins(1);

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
#[derive(Debug, Default)]
pub struct Reports(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    reports: Vec<Report>,
    asked_at: Timestamp,
    good_for: Duration,
}

impl Known {
    /// A clock that was set back makes it old.
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.asked_at <= now && now.since(self.asked_at) < self.good_for
    }
}

impl Reports {
    /// What was said lately, else what `ask` says now; others who want to know meanwhile wait for its answer. If it fails, what
    /// is known is that nothing is known, of each cache in `purposes`.
    pub async fn current(
        &self,
        purposes: &[Purpose],
        now: Timestamp,
        ask: impl Future<Output = Result<Vec<Report>, Outage>>,
    ) -> Vec<Report> {
        let mut known = self.0.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh(now)) {
            return known.reports.clone();
        }
        let (reports, good_for) = match ask.await {
            Ok(reports) => (reports, GOOD_FOR),
            Err(error) => {
                tracing::warn!(%error, "the shared cache could not be looked up by its name");
                (purposes.iter().map(|purpose| unknown(*purpose)).collect(), QUIET_FOR)
            }
        };
        *known = Some(Known {
            reports: reports.clone(),
            asked_at: now,
            good_for,
        });
        reports
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
