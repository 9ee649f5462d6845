//! The kinds of jobs, how soon they are wanted, and why they fail. Pure.

use serde::{Deserialize, Serialize};

use crate::plan::Meter;

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Posts under a preference.
    Classify,
    /// Items for a query.
    Rank,
    /// An image.
    Detect,
    /// Items for several queries; submitted and shown by a path of its own.
    #[serde(skip_deserializing)]
    Experiment,
}

impl Kind {
    /// Returns the meter that it is charged to.
    #[must_use]
    pub const fn meter(self) -> Meter {
        match self {
            Self::Classify => Meter::Posts,
            Self::Rank | Self::Experiment => Meter::Rankings,
            Self::Detect => Meter::Images,
        }
    }

    /// Returns the workload whose use case does it.
    #[must_use]
    pub const fn workload(self) -> &'static str {
        match self {
            Self::Classify => "classify",
            Self::Rank | Self::Experiment => "rank",
            Self::Detect => "detect",
        }
    }

    /// Returns its byte in names of jobs.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Classify => 1,
            Self::Rank => 2,
            Self::Experiment => 3,
            Self::Detect => 4,
        }
    }

    /// Returns the kind of a byte.
    #[must_use]
    pub const fn of_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Classify),
            2 => Some(Self::Rank),
            3 => Some(Self::Experiment),
            4 => Some(Self::Detect),
            _ => None,
        }
    }
}

/// The reason why a job has failed, as its client reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobFault {
    /// It was not done in its time.
    Expired,
    /// No model answered, however often it was tried.
    ModelUnavailable,
    /// A worker cannot read it, or its upload is gone.
    InvalidRequest,
    /// It is no image that can be judged.
    UnreadableImage,
    /// The queue took it, and nobody knows whether it will be delivered.
    Unavailable,
    /// A defect of ours.
    Internal,
}

impl JobFault {
    /// Returns a sentence for the client's developer.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Expired => "The job was not done in its time; nothing was charged.",
            Self::ModelUnavailable => "No model could answer; nothing was charged.",
            Self::InvalidRequest => "The job or its upload could not be read; nothing was charged.",
            Self::UnreadableImage => "The image is not one that can be judged; nothing was charged.",
            Self::Unavailable => "The queue did not answer; nothing was charged.",
            Self::Internal => "Something went wrong on our side; nothing was charged.",
        }
    }

    /// Returns whether the same job can succeed later.
    #[must_use]
    pub const fn retryable(self) -> bool {
        !matches!(self, Self::InvalidRequest | Self::UnreadableImage | Self::Internal)
    }
}

/// How soon a job is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody waits.
    #[default]
    Normal,
    /// Nobody waits: it has a tenth of the workers.
    Low,
}
