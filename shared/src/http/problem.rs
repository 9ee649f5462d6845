//! Errors as RFC 9457 problems.

use lambda_http::http::StatusCode;
use serde::Serialize;

use super::whole_seconds;
use crate::error::{Error, Violation};

/// The body of an error.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    error: &'static str,
    retryable: bool,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// The same for a device that sends captures.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_capture_ms: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Violation],
}

/// The form of a request's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorForm {
    /// RFC 9457.
    Problem,
    /// The same, with the time of the next capture.
    PacedProblem,
    /// `OpenAI`'s.
    OpenAi,
}

/// An error about one of several things, which others of the same answer do not share.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorOfOne {
    error: &'static str,
    detail: String,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl ErrorOfOne {
    /// Shows `error`.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        Self {
            error: status_and_code(error).1,
            detail: sentence(&error.to_string()),
            retryable: error.retryable(),
            retry_after_ms: retry_after_ms(error),
        }
    }
}

/// Returns the time after which trying again makes sense: as long as the header says, which is in whole seconds.
fn retry_after_ms(error: &Error) -> Option<u64> {
    error.retry_after().map(|wait| whole_seconds(wait).saturating_mul(1000))
}

/// Returns the status, and the code that a client switches on.
pub(super) const fn status_and_code(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID_REQUEST"),
        Error::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        Error::TokenReused => (StatusCode::UNAUTHORIZED, "TOKEN_REUSED"),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        Error::NotFound | Error::Unknown { .. } => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        Error::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
        Error::PayloadTooLarge { .. } | Error::UploadNeeded { .. } => {
            (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE")
        }
        Error::UnsupportedMediaType | Error::UnsupportedImageType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE")
        }
        Error::UnreadableImage(_) => (StatusCode::UNPROCESSABLE_ENTITY, "UNREADABLE_IMAGE"),
        Error::Conflict { .. } | Error::ConversationBusy { .. } | Error::DeviceKnown => {
            (StatusCode::CONFLICT, "CONFLICT")
        }
        Error::IdempotencyMismatch => (StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_MISMATCH"),
        Error::RateLimitExceeded { .. } => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
        Error::QuotaExceeded { .. } => (StatusCode::TOO_MANY_REQUESTS, "QUOTA_EXCEEDED"),
        Error::ReducedCapacity { .. } | Error::Overloaded | Error::Backlog { .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "REDUCED_CAPACITY")
        }
        Error::ModelUnavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "MODEL_UNAVAILABLE"),
        Error::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    }
}

/// Returns RFC 9110's name of a status. Two of the http crate's are older.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Content Too Large",
        StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
        status => status.canonical_reason().unwrap_or("Error"),
    }
}

/// Makes a sentence of an error's text, which begins in lower case as in a log line.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

/// Returns the problem of `error` as JSON. One that `paces` says when the next capture is wanted.
pub(super) fn body(error: &Error, correlation_id: &str, paces: bool) -> Vec<u8> {
    let (status, code) = status_and_code(error);
    let retry_after_ms = retry_after_ms(error);
    let problem = Problem {
        r#type: "about:blank",
        title: title(status),
        status: status.as_u16(),
        detail: sentence(&error.to_string()),
        error: code,
        retryable: error.retryable(),
        correlation_id,
        retry_after_ms,
        next_capture_ms: retry_after_ms.filter(|_| paces),
        errors: match error {
            Error::Invalid(violations) => violations,
            _ => &[],
        },
    };
    serde_json::to_vec(&problem).unwrap_or_default()
}
