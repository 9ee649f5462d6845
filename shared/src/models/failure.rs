//! Failures of calls to models, and what each says of the provider.

use std::time::Duration;

use super::breaker::CallOutcome;

/// The longest wait before a retry: within it, a provider's own wish to be left alone is waited for.
pub const LONGEST_BACKOFF: Duration = Duration::from_millis(200);

/// Why a call gave no answer. Its text goes to the log: never anything that a user or a model wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// No connection was made: nothing was asked.
    #[error("no connection")]
    Unreachable,
    /// A connection that broke: the question may have been read.
    #[error("a connection that broke")]
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
    /// The provider refused because of what the content says, or how long it is.
    #[error("the content was refused with status {0}")]
    Content(u16),
    /// The provider refused the image: too large, unsupported, broken, or against its policy. It says nothing of the provider.
    #[error("the image was refused with status {0}")]
    Image(u16),
    /// An answer that is none.
    #[error("{0}")]
    Schema(&'static str),
    /// The provider was not asked.
    #[error("{0}")]
    Unasked(&'static str),
}

impl Failure {
    /// Reports whether the same provider may be asked again at once about `items` texts or images.
    #[must_use]
    pub fn is_worth_a_retry(&self, items: usize) -> bool {
        match self {
            Self::Refused(_) | Self::Unasked(_) | Self::Image(_) => false,
            // The same item is refused again; half of several may be free of it.
            Self::Content(_) => items > 1,
            // Another provider, or the stand-in, is there before the wait is over.
            Self::RateLimited(wait) | Self::Server(_, wait) => wait.is_none_or(|wait| wait <= LONGEST_BACKOFF),
            Self::Timeout | Self::Unreachable | Self::Connection | Self::Schema(_) => true,
        }
    }

    /// Reports whether one item can be the cause, so that a retry asks about the halves.
    #[must_use]
    pub const fn is_about_content(&self) -> bool {
        matches!(self, Self::Schema(_) | Self::Content(_))
    }

    /// Reports whether the content of a call can have provoked it.
    #[must_use]
    pub const fn is_provocable(&self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::Schema(_) | Self::Content(_) | Self::Refused(400 | 422)
        )
    }

    /// Reports whether the model may have read the question, so that it is paid for.
    #[must_use]
    pub const fn may_cost(&self) -> bool {
        match self {
            Self::Timeout | Self::Connection | Self::Schema(_) | Self::Content(_) => true,
            // An answer that is a refusal was read and written.
            Self::Image(status) => *status < 300,
            Self::Unreachable | Self::RateLimited(_) | Self::Server(..) | Self::Refused(_) | Self::Unasked(_) => false,
        }
    }

    /// For how long the provider asked not to be called.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(wait) | Self::Server(_, wait) => *wait,
            _ => None,
        }
    }

    /// The status of a refusal that an operator has to look at.
    #[must_use]
    pub const fn refusal(&self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(*status),
            _ => None,
        }
    }

    /// Returns what it says of the provider.
    #[must_use]
    pub const fn outcome(&self, slow: bool) -> CallOutcome {
        match self {
            Self::Timeout => CallOutcome::Provoked { slow: true },
            // A refusal without a known cause may be about the content: nobody can shut a provider with such content.
            Self::Schema(_) | Self::Content(_) | Self::Refused(400 | 422) => CallOutcome::Provoked { slow },
            Self::Unreachable | Self::Connection | Self::RateLimited(_) | Self::Server(..) | Self::Refused(_) => {
                CallOutcome::Failed { slow }
            }
            // Users who send broken images could shut a provider otherwise.
            Self::Unasked(_) | Self::Image(_) => CallOutcome::Neutral,
        }
    }
}
