//! The answers of handlers.

use lambda_http::http::StatusCode;
use lambda_http::http::header::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::error::Error;
use crate::plan::{Tier, Usage};

/// The answer of a handler.
pub struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Option<Vec<u8>>,
    pub(super) content_type: &'static str,
    pub(super) cache_control: &'static str,
    pub(super) preflight: bool,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// Answers `value` as JSON.
    ///
    /// # Errors
    /// When it has no JSON form: a defect.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|error| Error::Internal(Box::new(error)))?;
        Ok(Self {
            status,
            body: Some(body),
            ..Self::empty()
        })
    }

    /// Answers 200 with a text of another type than JSON.
    #[must_use]
    pub fn text(content_type: &'static str, text: String) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(text.into_bytes()),
            content_type,
            ..Self::empty()
        }
    }

    /// Answers 204, without a body.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            content_type: "application/json",
            cache_control: "no-store",
            preflight: false,
            headers: Vec::new(),
        }
    }

    /// Answers a browser's preflight.
    #[must_use]
    pub fn preflight() -> Self {
        Self {
            preflight: true,
            ..Self::empty()
        }
    }

    /// Returns the same answer with more headers, none of which it has.
    #[must_use]
    pub fn with_headers(self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self { headers, ..self }
    }

    /// Returns the same answer with another header, unless that cannot be one.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers
            .extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// Returns the same answer, which everybody may keep for 5 minutes.
    #[must_use]
    pub fn public(self) -> Self {
        Self {
            cache_control: "public, max-age=300",
            ..self
        }
    }
}

/// The use of a day as answers show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DayUsage<'a> {
    tier: &'a Tier,
    used: u64,
    limit: u64,
    remaining: u64,
    reset_at: String,
}

impl<'a> DayUsage<'a> {
    /// Shows `usage`.
    #[must_use]
    pub fn of(usage: &'a Usage) -> Self {
        Self {
            tier: &usage.tier,
            used: usage.used,
            limit: usage.limit,
            remaining: usage.remaining(),
            reset_at: usage.reset_at.to_string(),
        }
    }
}
