//! The record of one request, or of one event.

use serde::Serialize;
use serde_json::Value;

use super::attestation::AttestationOutcome;
use super::cost::Measured;
use super::degraded::Degraded;
use super::trace::Trace;
use super::work::{StatisticsCounts, Work};
use super::{VERSION, millis};
use crate::clock::{Stopwatch, Timestamp};
use crate::ids::UserId;
use crate::plan::Tier;

/// The record of one request or event. It never holds a token, an address, or a user's text.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When it came, RFC 3339.
    pub time: String,
    /// The same in milliseconds since 1970, for the metrics.
    #[serde(skip)]
    pub time_millis: i64,
    /// `info`, or `error` for a defect, or `warn` where a dependency was missed.
    pub level: &'static str,
    /// The request's correlation id, which the client has too.
    pub correlation_id: String,
    /// The trace that it is part of.
    #[serde(flatten)]
    pub trace: Trace,
    /// The function.
    pub endpoint: &'static str,
    /// The part that only a request has.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// From its arrival to its answer.
    pub duration_ms: f64,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Keyed hash of the block of addresses that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_block: Option<String>,
    /// The tier of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The attestation of a registration, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation: Option<AttestationOutcome>,
    /// The work of a workload.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// Its counts in statistics.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<StatisticsCounts>,
    /// The result of an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Value>,
    /// The degraded modes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<Degraded>,
    /// `ok`, `degraded`, `refused` (the client's fault) or `failed` (ours).
    pub outcome: &'static str,
    /// 1 for an answer of 500 or above or an event that was not handled, else 0.
    pub failed: u8,
    /// 1 for a defect of ours (500), else 0.
    pub defects: u8,
    /// The rest of the day's quota in per cent, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_left_percent: Option<f64>,
    /// The limit that refused it: `ip`, `burst` or `daily`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<&'static str>,
    /// 1 if a limit refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusals: Option<u8>,
    /// Its cost, models included, in millionths of a US dollar at list prices.
    pub cost_micro_usd: f64,
    /// The error, if it was not answered as asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// The version that answered.
    pub version: &'static str,
}

/// A request's part of a [`Record`].
#[derive(Debug, Default, Serialize)]
pub struct Http {
    /// The request's method, if it is one that exists.
    pub method: String,
    /// The route's path as in the contract; empty for a path that nobody defined, which may hold anything.
    pub route: String,
    /// The answer's status code.
    pub status: u16,
}

/// An error in a [`Record`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorRecord {
    /// The code that the client got.
    pub code: &'static str,
    /// True if the same request can succeed later.
    pub retryable: bool,
    /// The impact on the user: `none` (the app's mistake), `mustWait`, `signedOut`, `failed`.
    pub user_impact: &'static str,
    /// The cause, which the client does not get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Signals: events that belong to no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A provider's circuit breaker has opened.
    BreakerOpened,
    /// The audit log does not hold together.
    AuditChainBroken,
    /// A day was closed.
    DayClosed,
    /// Slots of statistics are not written 10 minutes after their end.
    StatisticsOverdue,
}

impl Signal {
    /// All signals.
    pub const ALL: [Self; 4] = [
        Self::BreakerOpened,
        Self::AuditChainBroken,
        Self::DayClosed,
        Self::StatisticsOverdue,
    ];

    /// Returns its name in the log, which is its metric's name too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BreakerOpened => "breakerOpened",
            Self::AuditChainBroken => "auditChainBroken",
            Self::DayClosed => "dayClosed",
            Self::StatisticsOverdue => "statisticsOverdue",
        }
    }
}

impl Record {
    /// Starts the record of what came to a function at `now`.
    #[must_use]
    pub fn of(endpoint: &'static str, correlation_id: String, now: Timestamp) -> Self {
        Self {
            time: now.to_string(),
            time_millis: now.millis(),
            level: "info",
            correlation_id,
            endpoint,
            version: VERSION,
            ..Self::default()
        }
    }

    /// Says of a part of the service that it was done without.
    pub fn note(&mut self, degraded: Degraded) {
        if !self.degraded.contains(&degraded) {
            self.degraded.push(degraded);
        }
    }

    /// Says how long it took.
    pub fn took(&mut self, stopwatch: Stopwatch) {
        self.duration_ms = millis(stopwatch.elapsed());
    }

    /// Returns the resources that its cost is computed from. An event did not come through the gateway.
    pub(super) fn measured(&self) -> Measured {
        let (writes, reads) = self.work.as_ref().map_or((0, 0), Work::table_units);
        Measured {
            millis: self.duration_ms,
            through_gateway: self.http.is_some(),
            writes,
            reads,
            model_nano_usd: self.work.as_ref().map_or(0, |work| work.models.nano_dollars),
        }
    }
}
