//! What browsers are told: which origins may call, with what, and read what.

use lambda_http::http::header::{self, HeaderMap, HeaderValue};

use super::Call;
use crate::app::App;

impl Call {
    pub(super) fn add_preflight(&self, headers: &mut HeaderMap) {
        self.add_allow(headers);
        if let Some(allow) = headers.get(header::ALLOW).cloned() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow);
        }
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "authorization, content-digest, content-type, idempotency-key, signature, signature-input, x-correlation-id, x-device-fingerprint",
            ),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }

    /// Lets a browser read the answer if its page's origin is one of those configured, exactly.
    pub(super) fn add_cors(&self, app: &App, headers: &mut HeaderMap) {
        if app.config.cors_origins.is_empty() {
            drop_preflight(headers);
            return;
        }
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        match self.headers.get(header::ORIGIN) {
            Some(origin)
                if app
                    .config
                    .cors_origins
                    .iter()
                    .any(|listed| listed.as_bytes() == origin.as_bytes()) =>
            {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(
                    header::ACCESS_CONTROL_EXPOSE_HEADERS,
                    HeaderValue::from_static("x-correlation-id, ratelimit, ratelimit-policy, retry-after"),
                );
            }
            _ => drop_preflight(headers),
        }
    }
}

fn drop_preflight(headers: &mut HeaderMap) {
    headers.remove(header::ACCESS_CONTROL_ALLOW_METHODS);
    headers.remove(header::ACCESS_CONTROL_ALLOW_HEADERS);
    headers.remove(header::ACCESS_CONTROL_MAX_AGE);
}
