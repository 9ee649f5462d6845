//! The parts of the service that a request can do without.

use serde::Serialize;

/// A part of the service that was down, and was done without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Degraded {
    /// A layer of the cache.
    Cache,
    /// The quota table.
    Quota,
    /// The identity table: a token counts although it has expired.
    Auth,
    /// The cache of the limits.
    RateLimit,
    /// Every configured provider of a model.
    Model,
    /// The better model, or every paid one: the day's limit on spending is near or reached.
    Spend,
    /// The counts of what users see.
    Statistics,
    /// A table, as health finds it.
    Table,
}

impl Degraded {
    /// All of them; health alone says the last.
    pub const ALL: [Self; 8] = [
        Self::Cache,
        Self::Quota,
        Self::Auth,
        Self::RateLimit,
        Self::Model,
        Self::Spend,
        Self::Statistics,
        Self::Table,
    ];

    /// Its name in answers and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Quota => "quota",
            Self::Auth => "auth",
            Self::RateLimit => "rateLimit",
            Self::Model => "model",
            Self::Spend => "spend",
            Self::Statistics => "statistics",
            Self::Table => "table",
        }
    }

    /// Its metric, which is there, as 1, when something was done without.
    #[must_use]
    pub const fn metric(self) -> &'static str {
        match self {
            Self::Cache => "degradedCache",
            Self::Quota => "degradedQuota",
            Self::Auth => "degradedAuth",
            Self::RateLimit => "degradedRateLimit",
            Self::Model => "degradedModel",
            Self::Spend => "degradedSpend",
            Self::Statistics => "degradedStatistics",
            Self::Table => "degradedTable",
        }
    }
}
