//! Errors in `OpenAI`'s form, for the routes that its clients and those of its relatives call.

use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::{problem, whole_seconds};
use crate::error::Error;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The longest wait that a client is told of: some sleep for however long they are told.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Adds the request's id under the name that these clients log.
pub(super) fn name_request(headers: &mut HeaderMap, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Returns the body of an error, and changes the headers of a problem to those of this form.
pub(super) fn recast(error: &Error, headers: &mut HeaderMap) -> Vec<u8> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(header::RETRY_AFTER);
    let wait = error.retry_after();
    if let Some(wait) = wait.filter(|wait| *wait <= LONGEST_WAIT) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    if wait.is_some_and(|wait| wait > LONGEST_WAIT) || !error.retryable() {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    let (kind, code) = kind_and_code(error);
    let (message, param) = match error {
        Error::Invalid(violations) => {
            let first = violations.first();
            let message = first.map(|one| format!("{}: {}", one.pointer, one.detail));
            (message, first.map(|one| one.pointer.trim_start_matches('/')))
        }
        _ => (None, None),
    };
    let message = message.unwrap_or_else(|| error.to_string());
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
        .to_string()
        .into_bytes()
}

fn kind_and_code(error: &Error) -> (&'static str, &'static str) {
    match error {
        Error::Unauthenticated(_) => ("authentication_error", "invalid_api_key"),
        Error::Forbidden(_) => ("permission_error", "forbidden"),
        Error::RateLimitExceeded { .. } => ("rate_limit_error", "rate_limit_exceeded"),
        Error::QuotaExceeded { .. } => ("rate_limit_error", "insufficient_quota"),
        Error::Conflict { .. } => ("invalid_request_error", "conflict"),
        Error::ConversationBusy { .. } => ("invalid_request_error", "conversation_busy"),
        Error::IdempotencyMismatch => ("invalid_request_error", "idempotency_mismatch"),
        Error::NotFound => ("invalid_request_error", "not_found"),
        Error::Unknown { code, .. } => ("invalid_request_error", code),
        error if problem::status_and_code(error).0 < StatusCode::INTERNAL_SERVER_ERROR => {
            ("invalid_request_error", "invalid_request")
        }
        _ => ("server_error", "server_error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &Error) -> (serde_json::Value, HeaderMap) {
        let mut headers = HeaderMap::new();
        let body = recast(error, &mut headers);
        (serde_json::from_slice(&body).unwrap(), headers)
    }

    #[test]
    fn an_invalid_member_is_named() {
        let (body, headers) = refused(&Error::invalid("/documents/3", "must have 1 to 4000 characters"));
        assert_eq!(
            body,
            json!({"error": {
                "message": "/documents/3: must have 1 to 4000 characters",
                "type": "invalid_request_error",
                "param": "documents/3",
                "code": "invalid_request",
            }})
        );
        assert_eq!(headers[SHOULD_RETRY], "false");
    }

    #[test]
    fn a_client_is_never_told_to_wait_for_more_than_a_minute() {
        for (seconds, told, retries) in [(7, Some("7"), None), (60, Some("60"), None), (61, None, Some("false"))] {
            let (body, headers) = refused(&Error::RateLimitExceeded {
                limit: "burst",
                retry_after: Duration::from_secs(seconds),
            });
            assert_eq!(body["error"]["code"], "rate_limit_exceeded");
            let header = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(header(header::RETRY_AFTER).as_deref(), told, "{seconds}");
            assert_eq!(header(SHOULD_RETRY).as_deref(), retries, "{seconds}");
        }
    }
}
