//! The events under `events/`, one directory per function, and how each must be answered.

use std::path::PathBuf;

use serde_json::Value;

/// Stands in the events for a user's access token.
const ACCESS_TOKEN: &str = "${ACCESS_TOKEN}";

/// Every captured request with the status of its answer and, for an error, its code.
pub const EXPECTED: [(&str, u16, &str); 72] = [
    ("admin/audit-bearer", 401, "UNAUTHENTICATED"),
    ("admin/options-preflight", 204, ""),
    ("admin/stats-unsigned", 401, "UNAUTHENTICATED"),
    ("admin/tier-unsigned", 401, "UNAUTHENTICATED"),
    ("admin/usage-unsigned", 401, "UNAUTHENTICATED"),
    ("auth/jwks", 200, ""),
    ("auth/me-erase-no-token", 401, "UNAUTHENTICATED"),
    ("auth/me-export", 200, ""),
    ("auth/method-not-allowed", 405, "METHOD_NOT_ALLOWED"),
    ("auth/refresh-garbled", 401, "UNAUTHENTICATED"),
    ("auth/register", 201, ""),
    ("auth/register-known-device", 409, "CONFLICT"),
    ("auth/register-short-device", 400, "INVALID_REQUEST"),
    ("auth/register-unknown-field", 400, "INVALID_REQUEST"),
    ("auth/register-zeros", 400, "INVALID_REQUEST"),
    ("auth/revoke", 204, ""),
    ("auth/sessions", 200, ""),
    ("auth/sessions-end-unknown", 404, "NOT_FOUND"),
    ("chat/get", 405, "invalid_request"),
    ("chat/models", 200, ""),
    ("chat/no-token", 401, "invalid_api_key"),
    ("chat/responses", 404, "not_found"),
    ("chat/tools", 400, "invalid_request"),
    ("chat/unknown-assistant", 404, "model_not_found"),
    ("chat/unknown-model", 404, "model_not_found"),
    ("classify/base64-body", 200, ""),
    ("classify/batch", 200, ""),
    ("classify/duplicate-ids", 400, "INVALID_REQUEST"),
    ("classify/explain", 200, ""),
    ("classify/explain-twice", 400, "INVALID_REQUEST"),
    ("classify/fifty-one-posts", 400, "INVALID_REQUEST"),
    ("classify/garbled-token", 401, "UNAUTHENTICATED"),
    ("classify/get", 405, "METHOD_NOT_ALLOWED"),
    ("classify/idempotent", 200, ""),
    ("classify/lone-surrogate", 200, ""),
    ("classify/no-token", 401, "UNAUTHENTICATED"),
    ("classify/not-json", 400, "INVALID_REQUEST"),
    ("classify/options-preflight", 204, ""),
    ("classify/wrong-content-type", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("detect/batch", 200, ""),
    ("detect/device-with-spaces", 400, "INVALID_REQUEST"),
    ("detect/explained", 200, ""),
    ("detect/get", 405, "METHOD_NOT_ALLOWED"),
    ("detect/idempotent", 200, ""),
    ("detect/no-token", 401, "UNAUTHENTICATED"),
    ("detect/not-an-image", 422, "UNREADABLE_IMAGE"),
    ("detect/screenshot", 200, ""),
    ("detect/unknown-field", 400, "INVALID_REQUEST"),
    ("detect/wrong-content-type", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("health/deep-neither", 400, "INVALID_REQUEST"),
    ("health/head", 200, ""),
    ("health/health", 200, ""),
    ("health/shallow", 200, ""),
    ("health/unknown-path", 404, "NOT_FOUND"),
    ("jobs/no-token", 401, "UNAUTHENTICATED"),
    ("jobs/options-preflight", 204, ""),
    ("jobs/poll-unknown", 404, "NOT_FOUND"),
    ("jobs/put", 405, "METHOD_NOT_ALLOWED"),
    ("jobs/unknown-type", 400, "INVALID_REQUEST"),
    ("rank/brands", 200, ""),
    ("rank/explained", 200, ""),
    ("rank/get", 405, "METHOD_NOT_ALLOWED"),
    ("rank/no-token", 401, "UNAUTHENTICATED"),
    ("rank/one-item", 400, "INVALID_REQUEST"),
    ("rank/rerank", 200, ""),
    ("rank/rerank-no-documents", 400, "invalid_request"),
    ("rank/rerank-v2", 200, ""),
    ("usage/no-token", 401, "UNAUTHENTICATED"),
    ("usage/post", 405, "METHOD_NOT_ALLOWED"),
    ("usage/stats", 200, ""),
    ("usage/stats-no-day", 400, "INVALID_REQUEST"),
    ("usage/today", 200, ""),
];

/// Every event of quota-reset with the type of the error that it is answered with; empty if with none.
pub const SCHEDULED: [(&str, &str); 8] = [
    ("quota-reset/close", ""),
    ("quota-reset/close-not-over", "InvalidEvent"),
    ("quota-reset/reset", ""),
    ("quota-reset/reset-no-reason", "InvalidEvent"),
    ("quota-reset/statistics-close", ""),
    ("quota-reset/statistics-flush", ""),
    ("quota-reset/statistics-not-over", "InvalidEvent"),
    ("quota-reset/unknown-form", "InvalidEvent"),
];

/// Every event of key-rotation, in an order in which they can be sent, with the type of the error that it is answered with; empty if
/// with none.
pub const ROTATION: [(&str, &str); 7] = [
    ("key-rotation/another-secret", "InvalidEvent"),
    ("key-rotation/create-secret", ""),
    ("key-rotation/set-secret", ""),
    ("key-rotation/test-secret", ""),
    ("key-rotation/finish-secret", ""),
    ("key-rotation/unknown-form", "InvalidEvent"),
    ("key-rotation/withdraw-unknown-key", "InvalidEvent"),
];

/// Every event of worker and webhooks with the type of the error that it is answered with; empty if with none.
pub const QUEUED: [(&str, &str); 4] = [
    ("webhooks/unknown-form", "InvalidEvent"),
    ("webhooks/unreadable-message", ""),
    ("worker/unknown-form", "InvalidEvent"),
    ("worker/unreadable-message", ""),
];

/// A captured event.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Its function and case, such as `classify/batch`.
    pub name: &'static str,
    /// The status of its answer.
    pub status: u16,
    /// The code of the error that it is answered with; empty if with none.
    pub error: &'static str,
    text: String,
}

impl Captured {
    /// The function that it goes to.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The event as JSON text, with `token` as the user's.
    #[must_use]
    pub fn with_token(&self, token: &str) -> String {
        self.text.replace(ACCESS_TOKEN, token)
    }

    /// The event, with `token` as the user's.
    #[must_use]
    pub fn value(&self, token: &str) -> Value {
        serde_json::from_str(&self.with_token(token)).expect("events are JSON")
    }
}

/// All of them, in the order of [`EXPECTED`].
#[must_use]
pub fn all() -> Vec<Captured> {
    EXPECTED.iter().map(|(name, ..)| named(name)).collect()
}

/// One of them.
#[must_use]
pub fn named(name: &str) -> Captured {
    let (name, status, error) = *EXPECTED
        .iter()
        .find(|(expected, ..)| *expected == name)
        .unwrap_or_else(|| panic!("{name} is not among the expected events"));
    let text = text_of(name);
    Captured {
        name,
        status,
        error,
        text,
    }
}

/// The text of an event file, such as `quota-reset/close`.
#[must_use]
pub fn text_of(name: &str) -> String {
    let path = directory().join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files that are there, such as `classify/batch`, sorted.
#[must_use]
pub fn files() -> Vec<String> {
    let entries = |path: PathBuf| {
        std::fs::read_dir(path)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
    };
    let stem = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut names: Vec<String> = entries(directory())
        .flat_map(|function| {
            let of = stem(&function);
            entries(function).map(move |file| format!("{of}/{}", stem(&file)))
        })
        .collect();
    names.sort();
    names
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events")
}
