//! The correlation id, by which client and log name a request.

use lambda_http::http::header::{HeaderMap, HeaderName};

use crate::ids::new_correlation_id;

pub(super) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Returns the client's own id for the request if it is valid, else a new one.
#[must_use]
pub fn correlation_id(headers: &HeaderMap) -> String {
    let fits = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let own = headers.get(CORRELATION_ID).and_then(|id| id.to_str().ok()).filter(fits);
    own.map_or_else(new_correlation_id, str::to_owned)
}
