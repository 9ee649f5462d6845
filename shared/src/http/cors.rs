//! CORS: the origins that may call, the headers they may send, and those they may read.

use lambda_http::http::header::{self, HeaderMap, HeaderValue};

use super::Call;
use crate::app::App;

/// Headers that a page may send: those that the functions read, and those that OpenAI's SDKs send by themselves (`*` is
/// no wildcard in a name).
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "authorization, content-digest, content-encoding, content-type, idempotency-key, openai-beta, openai-organization, \
     openai-project, signature, signature-input, traceparent, tracestate, user-agent, x-correlation-id, x-device-fingerprint, x-stainless-arch, x-stainless-async, \
     x-stainless-custom-poll-interval, x-stainless-helper-method, x-stainless-lang, x-stainless-os, \
     x-stainless-package-version, x-stainless-poll-helper, x-stainless-raw-response, x-stainless-read-timeout, \
     x-stainless-retry-count, x-stainless-runtime, x-stainless-runtime-version, x-stainless-timeout",
);

/// Headers of an answer that a page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-clearview-degraded, x-clearview-source, x-correlation-id, x-request-id, x-should-retry, ratelimit, ratelimit-policy, \
     retry-after",
);

impl Call {
    /// Adds the headers that answer a preflight.
    pub(super) fn add_preflight(&self, app: &App, headers: &mut HeaderMap) {
        self.add_allow(headers);
        if listed(&app.config.cors_origins, &self.headers).is_none() {
            return;
        }
        if let Some(allow) = headers.get(header::ALLOW).cloned() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow);
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }

    pub(super) fn add_cors(&self, app: &App, headers: &mut HeaderMap) {
        add_cors(&app.config.cors_origins, &self.headers, headers);
    }
}

/// Lets a browser read the answer to `request` if its page's origin is one of those configured, exactly.
pub fn add_cors(origins: &[String], request: &HeaderMap, answer: &mut HeaderMap) {
    if origins.is_empty() {
        return;
    }
    answer.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = listed(origins, request) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn listed<'a>(origins: &[String], request: &'a HeaderMap) -> Option<&'a HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    let is_listed = origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes());
    is_listed.then_some(origin)
}
