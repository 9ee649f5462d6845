//! Every way in which a request can fail, in the terms of the product. `http.rs` gives each a status code.

use std::time::Duration;

use serde::Serialize;

use crate::plan::Usage;

/// A fault of a value in the request, and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    pub pointer: String,
    /// The fault, in words for the client's developer.
    pub detail: String,
}

impl Violation {
    /// Creates a violation at `pointer`.
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

/// A store or a provider that did not answer, or not sensibly. Its text goes to the log, never to a client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Outage(pub String);

/// The policy name of the day's quota.
pub const DAILY: &str = "daily";

/// The reason why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request breaks a rule that the client can read in the contract.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    /// No credential, or a bad one. The cause is for the log alone, so that a client cannot learn which check failed.
    #[error("a valid credential is required")]
    Unauthenticated(&'static str),
    /// A spent refresh token was shown again: its whole session is revoked.
    #[error("this refresh token was used before; its session is revoked")]
    TokenReused,
    /// The user's plan has none of this meter.
    #[error("this plan has no {0}")]
    Forbidden(&'static str),
    /// Nothing exists at this path.
    #[error("nothing exists at this path")]
    NotFound,
    /// Something that the request names does not exist.
    #[error("{what}")]
    Unknown {
        /// The thing that is missing, and where to look instead.
        what: &'static str,
        /// Its code in `OpenAI`'s form.
        code: &'static str,
    },
    /// The path exists, but not with this method.
    #[error("this path does not support this method")]
    MethodNotAllowed,
    /// The body is larger than a request may be.
    #[error("the body is larger than {limit_bytes} bytes")]
    PayloadTooLarge {
        /// The most bytes that are accepted.
        limit_bytes: usize,
    },
    /// A part of the body is larger than may travel with it.
    #[error("the image has more than {limit_bytes} characters of base64: send it by POST /v1/uploads")]
    UploadNeeded {
        /// The most characters that are accepted.
        limit_bytes: usize,
    },
    /// The content type or coding of the body is not one that this endpoint reads.
    #[error("the body must be application/json in UTF-8, plain or compressed with gzip or deflate")]
    UnsupportedMediaType,
    /// The body is no image that can be judged. Nothing was charged.
    #[error("the image {0}")]
    UnreadableImage(String),
    /// The content type of the body is not one of an image that is read, nor JSON.
    #[error("the body must be image/jpeg, image/png, image/webp, or application/json in UTF-8")]
    UnsupportedImageType,
    /// Another request of this user is in the way: the first with the same idempotency key, or one that is charged to the same
    /// counter.
    #[error("another request of this user is under way; try again soon")]
    Conflict {
        /// The time after which trying again makes sense.
        retry_after: Duration,
    },
    /// A reply of this conversation is under way.
    #[error("a reply of this conversation is under way; try again when it has ended")]
    ConversationBusy {
        /// The time after which trying again makes sense.
        retry_after: Duration,
    },
    /// The device is registered, and the request does not prove that it comes from it.
    #[error("this device is registered: send its recoverySecret or a live refreshToken, or make a new device id")]
    DeviceKnown,
    /// This idempotency key was used for another request.
    #[error("this idempotency key was used with another request")]
    IdempotencyMismatch,
    /// More requests than are admitted at a time.
    #[error("too many requests at once")]
    RateLimitExceeded {
        /// The limit that refused: `ip`, `burst`, or `gateway`.
        limit: &'static str,
        /// The time after which trying again makes sense.
        retry_after: Duration,
    },
    /// The batch does not fit into the rest of the day's quota.
    #[error("the daily quota does not allow this batch")]
    QuotaExceeded {
        /// The units used, and the limit.
        usage: Usage,
        /// The time until the next day starts.
        retry_after: Duration,
    },
    /// The store of a limit is down, and the request exceeds the share that may be admitted without it.
    #[error("the service has reduced capacity at the moment; try again soon")]
    ReducedCapacity {
        /// The limit that refused: `ip`, `burst` or [`DAILY`].
        limit: &'static str,
        /// The limit in normal times.
        allows: u64,
        /// The time after which trying again makes sense.
        retry_after: Duration,
    },
    /// More requests than this server works on at a time. Nothing was done for this one.
    #[error("the server has more requests than it can answer at the moment; try again soon")]
    Overloaded,
    /// More work waits than can be done in an hour.
    #[error("more jobs wait than can be done soon; try again later")]
    Backlog {
        /// The time after which trying again makes sense.
        retry_after: Duration,
    },
    /// No configured model answered, and nothing honest can stand in. Nothing was charged.
    #[error("no model could answer; nothing was charged; try again soon")]
    ModelUnavailable(#[source] Outage),
    /// A dependency that this endpoint needs is down.
    #[error("this part of the service is unavailable at the moment; try again soon")]
    Unavailable(#[from] Outage),
    /// A defect of ours.
    #[error("something went wrong on our side")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Creates an error of a single violation.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::at(pointer, detail)])
    }

    /// True if the same request can succeed later without being changed.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::ConversationBusy { .. }
            | Self::RateLimitExceeded { .. }
            | Self::QuotaExceeded { .. }
            | Self::ReducedCapacity { .. }
            | Self::Overloaded
            | Self::Backlog { .. }
            | Self::ModelUnavailable(_)
            | Self::Unavailable(_) => true,
            Self::Invalid(_)
            | Self::DeviceKnown
            | Self::IdempotencyMismatch
            | Self::Unauthenticated(_)
            | Self::TokenReused
            | Self::Forbidden(_)
            | Self::NotFound
            | Self::Unknown { .. }
            | Self::MethodNotAllowed
            | Self::PayloadTooLarge { .. }
            | Self::UploadNeeded { .. }
            | Self::UnsupportedMediaType
            | Self::UnsupportedImageType
            | Self::UnreadableImage(_)
            | Self::Internal(_) => false,
        }
    }

    /// Returns the impact on the user, for the log: none, if the app made a mistake; a wait; a new sign-in; no answer.
    #[must_use]
    pub const fn user_impact(&self) -> &'static str {
        match self {
            Self::Invalid(_)
            | Self::Forbidden(_)
            | Self::NotFound
            | Self::Unknown { .. }
            | Self::MethodNotAllowed
            | Self::PayloadTooLarge { .. }
            | Self::UploadNeeded { .. }
            | Self::UnsupportedMediaType
            | Self::UnsupportedImageType
            | Self::UnreadableImage(_)
            | Self::IdempotencyMismatch => "none",
            Self::Conflict { .. }
            | Self::ConversationBusy { .. }
            | Self::RateLimitExceeded { .. }
            | Self::QuotaExceeded { .. }
            | Self::ReducedCapacity { .. }
            | Self::Overloaded
            | Self::Backlog { .. }
            | Self::ModelUnavailable(_)
            | Self::Unavailable(_) => "mustWait",
            Self::Unauthenticated(_) | Self::TokenReused | Self::DeviceKnown => "signedOut",
            Self::Internal(_) => "failed",
        }
    }

    /// Returns how long the client should wait, if waiting helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Conflict { retry_after }
            | Self::ConversationBusy { retry_after }
            | Self::RateLimitExceeded { retry_after, .. }
            | Self::QuotaExceeded { retry_after, .. }
            | Self::ReducedCapacity { retry_after, .. }
            | Self::Backlog { retry_after } => Some(*retry_after),
            Self::Overloaded => Some(Duration::from_secs(1)),
            // Longer than a dependency is skipped after a failure, so that a retry finds it probed.
            Self::ModelUnavailable(_) | Self::Unavailable(_) => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// Returns the limit that refused the request, if one did.
    #[must_use]
    pub const fn refused_by(&self) -> Option<&'static str> {
        match self {
            Self::RateLimitExceeded { limit, .. } | Self::ReducedCapacity { limit, .. } => Some(limit),
            Self::QuotaExceeded { .. } => Some(DAILY),
            _ => None,
        }
    }

    /// Returns the cause for the log, which the client does not get.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Unauthenticated(cause) => Some((*cause).to_owned()),
            Self::ModelUnavailable(outage) | Self::Unavailable(outage) => Some(outage.to_string()),
            Self::Internal(source) => Some(source.to_string()),
            // Only the number: a pointer may hold a field name, and a detail a value, that the user wrote.
            Self::Invalid(violations) => Some(format!("{} violations", violations.len())),
            _ => None,
        }
    }
}
