//! The end of a call: status, headers and body of its answer, and its record.

use lambda_http::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Response};

use super::correlation::CORRELATION_ID;
use super::problem::ErrorForm;
use super::{Call, Reply, limits, openai_error, problem, whole_seconds};
use crate::app::App;
use crate::error::{DAILY, Error};
use crate::limits::Standing;
use crate::plan::Usage;
use crate::telemetry::{ErrorRecord, Http};

/// On every answer.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=63072000; includeSubDomains"),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

impl Call {
    /// Answers, and writes the record. A request that no limit has seen is counted for its address first.
    pub async fn close(mut self, app: &App, outcome: Result<Reply, Error>) -> Response<Body> {
        let outcome = self.count(app, outcome).await;
        self.answer(app, outcome)
    }

    fn answer(mut self, app: &App, outcome: Result<Reply, Error>) -> Response<Body> {
        let (status, mut headers, body) = match outcome {
            Ok(reply) => self.accept(app, reply),
            Err(error) => self.refuse(&error),
        };
        self.add_cors(app, &mut headers);
        limits::add(&mut headers, &self.standings, self.usage.as_ref(), self.now);
        if self.errors == ErrorForm::OpenAi {
            openai_error::name_request(&mut headers, &self.record.correlation_id);
        }
        self.record.http = Some(Http {
            method: self.method.to_string(),
            route: std::mem::take(&mut self.route),
            status: status.as_u16(),
        });
        self.record.failed = status.is_server_error().into();
        self.record.defects = (status == StatusCode::INTERNAL_SERVER_ERROR).into();
        self.record.quota_left_percent = self.usage.as_ref().map(left_percent);
        self.record.took(self.stopwatch);
        app.telemetry.emit(&mut self.record);
        // The headers say what GET would have.
        let body = body.filter(|_| self.method != Method::HEAD);
        let mut response = Response::new(body.map_or(Body::Empty, text_body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn accept(&mut self, app: &App, reply: Reply) -> (StatusCode, HeaderMap, Option<Vec<u8>>) {
        let mut headers = of_every_answer(reply.cache_control, &self.record.correlation_id);
        headers.extend(reply.headers);
        if reply.preflight {
            self.add_preflight(app, &mut headers);
        }
        if reply.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        }
        (self.record.outcome, self.record.level) = match self.record.degraded.as_slice() {
            [] => ("ok", "info"),
            _ => ("degraded", "warn"),
        };
        (reply.status, headers, reply.body)
    }

    fn refuse(&mut self, error: &Error) -> (StatusCode, HeaderMap, Option<Vec<u8>>) {
        let (parts, body) = refusal(error, &self.record.correlation_id).into_parts();
        let (status, mut headers) = (parts.status, parts.headers);
        if matches!(error, Error::MethodNotAllowed) {
            self.add_allow(&mut headers);
        }
        if let Error::QuotaExceeded { usage, .. } = error {
            self.usage = Some(usage.clone());
        }
        if let Error::ReducedCapacity {
            limit: DAILY,
            allows,
            retry_after,
        } = error
        {
            self.standings.push(Standing::of_the_day(*allows, *retry_after));
        }
        self.record.refused_by = error.refused_by();
        self.record.refusals = error.refused_by().map(|_| 1);
        self.record.outcome = if status.is_server_error() { "failed" } else { "refused" };
        self.record.level = match status {
            StatusCode::INTERNAL_SERVER_ERROR => "error",
            _ if status.is_server_error() => "warn",
            _ => "info",
        };
        self.record.error = Some(ErrorRecord {
            code: problem::status_and_code(error).1,
            retryable: error.retryable(),
            user_impact: error.user_impact(),
            cause: error.cause(),
        });
        let body = match self.errors {
            ErrorForm::Problem => body,
            ErrorForm::PacedProblem => problem::body(error, &self.record.correlation_id, true),
            ErrorForm::OpenAi => openai_error::recast(error, &mut headers),
        };
        (status, headers, Some(body))
    }

    pub(super) fn add_allow(&self, headers: &mut HeaderMap) {
        let names: Vec<&str> = self.allow.iter().map(Method::as_str).collect();
        if let Ok(allow) = HeaderValue::from_str(&names.join(", ")) {
            headers.insert(header::ALLOW, allow);
        }
    }
}

/// Returns the answer for `error`, without the parts that depend on the rest of the request: CORS, limits, allowed
/// methods.
#[must_use]
pub fn refusal(error: &Error, correlation_id: &str) -> Response<Vec<u8>> {
    let mut response = Response::new(problem::body(error, correlation_id, false));
    *response.status_mut() = problem::status_and_code(error).0;
    let headers = response.headers_mut();
    *headers = of_every_answer("no-store", correlation_id);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    if let Some(wait) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    if matches!(error, Error::Unauthenticated(_) | Error::TokenReused) {
        // RFC 9110 asks for a challenge with every 401.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

pub(super) fn of_every_answer(cache_control: &'static str, correlation_id: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(20);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    headers.extend(SECURITY);
    if let Ok(id) = HeaderValue::from_str(correlation_id) {
        headers.insert(CORRELATION_ID, id);
    }
    headers
}

/// JSON is text, which API Gateway passes on as it is; anything else would have to be base64.
fn text_body(bytes: Vec<u8>) -> Body {
    String::from_utf8(bytes).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
}

/// Returns the rest of a day's quota in per cent; a plan that allows nothing leaves nothing.
#[expect(clippy::cast_precision_loss, reason = "quotas are far below 2^52")]
pub(super) fn left_percent(usage: &Usage) -> f64 {
    let percent = usage.remaining() as f64 * 100.0 / usage.limit.max(1) as f64;
    (percent * 100.0).round() / 100.0
}
