//! How a call to a model fails, and what that says of the provider.

use std::time::Duration;

use crate::breaker::Outcome;

/// Why a call gave no verdicts. Its text goes to the log: never anything that a user or a model wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// No connection, or one that broke.
    #[error("no connection, or one that broke")]
    Connection,
    /// Too many calls, by the provider's count.
    #[error("too many calls (429)")]
    RateLimited(Option<Duration>),
    /// An error of the provider: its status, and for how long it asked not to be called.
    #[error("status {0}")]
    Server(u16, Option<Duration>),
    /// The provider refused: a wrong key, an unknown model, a question that it does not take.
    #[error("refused with status {0}")]
    Refused(u16),
    /// An answer that is none.
    #[error("{0}")]
    Schema(&'static str),
    /// The provider was not asked.
    #[error("{0}")]
    Unasked(&'static str),
}

impl Failure {
    /// Whether the same call may succeed at once.
    #[must_use]
    pub const fn is_worth_a_retry(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Unasked(_))
    }

    /// Whether the posts of a call can have provoked it.
    #[must_use]
    pub const fn is_provocable(&self) -> bool {
        matches!(self, Self::Timeout | Self::Schema(_))
    }

    /// For how long the provider asked not to be called.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(wait) | Self::Server(_, wait) => *wait,
            _ => None,
        }
    }

    /// What it says of the provider.
    #[must_use]
    pub const fn outcome(&self, slow: bool) -> Outcome {
        match self {
            Self::Timeout => Outcome::Provoked { slow: true },
            Self::Schema(_) => Outcome::Provoked { slow },
            Self::Connection | Self::RateLimited(_) | Self::Server(..) => Outcome::Failed { slow },
            Self::Refused(_) | Self::Unasked(_) => Outcome::Neutral,
        }
    }
}
