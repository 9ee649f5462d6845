//! HTTP: the only place that knows status codes and headers. A handler opens a [`Call`], takes from it what it needs in the
//! order of the contract (route, size, content type, credential, body), and closes it with a [`Reply`] or an [`Error`].

mod credential;
mod event;
mod json;
mod limits;
mod problem;

use std::time::Duration;

use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use lambda_http::http::{Method, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use serde::Serialize;

use crate::admission::{self, Entrance};
use crate::app::App;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::{DAILY, Error};
use crate::ids::random_bytes;
use crate::plan::{Tier, Usage};
use crate::quota::replay::IdempotencyKey;
use crate::rate_limit::store::Admitted;
use crate::rate_limit::{Source, Standing};
use crate::telemetry::trace::Trace;
use crate::telemetry::{self, ErrorRecord, Record, VERSION};

pub use self::event::{run, with_every_header};
pub use self::json::{Object, parse, present};

use self::credential::Signed;

/// The largest body that a function reads, after base64 was taken off.
pub const LARGEST_BODY: usize = 4 * 1024 * 1024;

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const FINGERPRINT: HeaderName = HeaderName::from_static("x-device-fingerprint");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

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

/// A method and path that a function answers, and what that is to it.
pub type Route<A> = (Method, &'static str, A);

/// One request, from its arrival to its answer.
pub struct Call {
    /// The time of this request: the day of its charge, its token's age and its headers agree on it.
    pub now: Timestamp,
    /// What will be logged.
    pub record: Record,
    /// The daily quota, once it is known: it goes into the headers of every answer.
    pub usage: Option<Usage>,
    /// How the limits stand that it met: likewise.
    standings: Vec<Standing>,
    source: Source,
    stopwatch: Stopwatch,
    method: Method,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    path_parameters: Vec<(String, String)>,
    /// What a signature covers, if there is one.
    signed: Option<Signed>,
    body: Body,
    allow: Vec<Method>,
}

/// What a handler answers.
pub struct Reply {
    status: StatusCode,
    body: Option<Vec<u8>>,
    content_type: &'static str,
    cache_control: &'static str,
    preflight: bool,
}

impl Reply {
    /// `value` as JSON.
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

    /// 200, with a text of another type than JSON.
    #[must_use]
    pub fn text(content_type: &'static str, text: String) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(text.into_bytes()),
            content_type,
            ..Self::empty()
        }
    }

    /// 204, without a body.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            content_type: "application/json",
            cache_control: "no-store",
            preflight: false,
        }
    }

    /// The answer to a browser that asks whether it may call.
    #[must_use]
    pub fn preflight() -> Self {
        Self {
            preflight: true,
            ..Self::empty()
        }
    }

    /// The same, for everybody to keep for 5 minutes.
    #[must_use]
    pub fn public(self) -> Self {
        Self {
            cache_control: "public, max-age=300",
            ..self
        }
    }
}

/// A quota as answers show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowance<'a> {
    tier: &'a Tier,
    used: u64,
    limit: u64,
    remaining: u64,
    reset_at: String,
}

impl<'a> Allowance<'a> {
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

impl Call {
    /// Takes a request in.
    #[must_use]
    pub fn open(app: &App, endpoint: &'static str, request: Request) -> Self {
        let stopwatch = Stopwatch::start();
        let now = app.clock.now();
        let (route, source) = match request.request_context_ref() {
            // Without the stage, whatever that is called.
            Some(RequestContext::ApiGatewayV1(context)) => {
                (context.resource_path.clone(), context.identity.source_ip.as_deref())
            }
            _ => (None, None),
        };
        let source = Source::of(source);
        let query = pairs(request.query_string_parameters_ref());
        let path_parameters = pairs(request.path_parameters_ref());
        let signed = Signed::collect(&request, &query);
        let amazon = request
            .lambda_context_ref()
            .and_then(|context| context.xray_trace_id.clone());
        let (parts, body) = request.into_parts();
        let w3c = parts.headers.get(TRACE_PARENT).and_then(|value| value.to_str().ok());
        let record = Record {
            time: now.to_string(),
            time_millis: now.millis(),
            trace: Trace::of(amazon.as_deref(), w3c),
            correlation_id: correlation_id(&parts.headers),
            endpoint,
            method: parts.method.to_string(),
            route: route.unwrap_or_else(|| parts.uri.path().to_owned()),
            version: VERSION,
            ..Record::default()
        };
        Self {
            now,
            record,
            usage: None,
            standings: Vec::new(),
            source,
            stopwatch,
            method: parts.method,
            headers: parts.headers,
            query,
            path_parameters,
            signed,
            body,
            allow: Vec::new(),
        }
    }

    /// What is asked for; `None` for a preflight (answer with [`Reply::preflight`]).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::MethodNotAllowed`], [`Error::PayloadTooLarge`].
    pub fn route<A: Copy>(&mut self, routes: &[Route<A>]) -> Result<Option<A>, Error> {
        let of_path = || routes.iter().filter(|(_, path, _)| *path == self.record.route);
        let mut allow: Vec<Method> = of_path().map(|(method, ..)| method.clone()).collect();
        if allow.is_empty() {
            // A path that nobody defined may hold anything: it is not logged.
            self.record.route.clear();
            return Err(Error::NotFound);
        }
        let found = of_path()
            .find(|(method, ..)| *method == self.method)
            .map(|(.., action)| *action);
        allow.push(Method::OPTIONS);
        self.allow = allow;
        if found.is_none() && self.method != Method::OPTIONS {
            return Err(Error::MethodNotAllowed);
        }
        if self.body.len() > LARGEST_BODY {
            return Err(Error::PayloadTooLarge {
                limit_bytes: LARGEST_BODY,
            });
        }
        Ok(found)
    }

    /// The body, for [`parse`]; declared as JSON if it is not empty. There is none left after this.
    ///
    /// # Errors
    /// [`Error::UnsupportedMediaType`].
    pub fn take_json(&mut self) -> Result<Body, Error> {
        if self.body.is_empty() || declares_json(&self.headers) {
            Ok(std::mem::take(&mut self.body))
        } else {
            Err(Error::UnsupportedMediaType)
        }
    }

    /// A part of the path that the route leaves open; empty if it has none of this name.
    #[must_use]
    pub fn path_parameter(&self, name: &str) -> &str {
        let mut named = self.path_parameters.iter().filter(|(named, _)| named == name);
        named.next().map_or("", |(_, value)| value)
    }

    /// All values of a parameter of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Vec<&str> {
        let named = self.query.iter().filter(|(named, _)| named == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Lets the request on if its limits do; how they stand goes into the headers of every answer.
    ///
    /// # Errors
    /// As [`admission::limit`].
    pub async fn admit(&mut self, app: &App, entrance: Entrance<'_>) -> Result<Admitted, Error> {
        match admission::limit(app, &self.source, entrance, self.now).await {
            Ok(admitted) => {
                self.standings.clone_from(&admitted.standings);
                if admitted.degraded {
                    self.record.degraded.push("rateLimit");
                }
                Ok(admitted)
            }
            Err(refused) => {
                self.standings = refused.standings;
                Err(refused.error)
            }
        }
    }

    /// What the request says of its device.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.headers.get(FINGERPRINT).and_then(|value| value.to_str().ok())
    }

    /// The idempotency key of the request, if it has one.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not of the form that the contract asks for.
    pub fn idempotency_key(&self, body: &[u8]) -> Result<Option<IdempotencyKey>, Error> {
        let Some(value) = self.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        let fits = |key: &&str| (1..=128).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b));
        let key = value
            .to_str()
            .ok()
            .filter(fits)
            .ok_or_else(|| Error::invalid("Idempotency-Key", "must have 1 to 128 printable ASCII characters"))?;
        Ok(Some(IdempotencyKey::of(key, body)))
    }

    /// A query parameter that is on or off; `default` where it is absent.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is neither `true` nor `false`, or there twice.
    pub fn switch(&self, name: &str, default: bool) -> Result<bool, Error> {
        match self.query(name).as_slice() {
            [] => Ok(default),
            ["true"] => Ok(true),
            ["false"] => Ok(false),
            _ => Err(Error::invalid(format!("?{name}"), "must be true or false, once")),
        }
    }

    /// Answers, and writes the record.
    #[must_use]
    pub fn close(mut self, app: &App, outcome: Result<Reply, Error>) -> Response<Body> {
        let mut headers = HeaderMap::with_capacity(20);
        let (status, body, cache_control) = match outcome {
            Ok(reply) => {
                if reply.preflight {
                    self.add_preflight(&mut headers);
                }
                if reply.body.is_some() {
                    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
                }
                (self.record.outcome, self.record.level) = match self.record.degraded.as_slice() {
                    [] => ("ok", "info"),
                    _ => ("degraded", "warn"),
                };
                (reply.status, reply.body, reply.cache_control)
            }
            Err(error) => {
                let (status, body) = self.refuse(&error, &mut headers);
                (status, Some(body), "no-store")
            }
        };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        headers.extend(SECURITY);
        self.add_cors(app, &mut headers);
        limits::add(&mut headers, &self.standings, self.usage.as_ref(), self.now);
        if let Ok(id) = HeaderValue::from_str(&self.record.correlation_id) {
            headers.insert(CORRELATION_ID, id);
        }
        self.record.status = status.as_u16();
        self.record.failed = status.is_server_error().into();
        self.record.defects = (status == StatusCode::INTERNAL_SERVER_ERROR).into();
        self.record.quota_left_percent = self.usage.as_ref().map(left_percent);
        self.record.duration_ms = telemetry::millis(self.stopwatch.elapsed());
        app.telemetry.emit(&mut self.record);
        let mut response = Response::new(body.map_or(Body::Empty, text_body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// The problem that tells of an error, with the headers that belong to it.
    fn refuse(&mut self, error: &Error, headers: &mut HeaderMap) -> (StatusCode, Vec<u8>) {
        let (status, code) = problem::status_and_code(error);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(wait) = error.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if matches!(error, Error::MethodNotAllowed) {
            self.add_allow(headers);
        }
        if matches!(error, Error::Unauthenticated(_) | Error::TokenReused) {
            // RFC 9110 asks for a challenge with every 401.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
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
            code,
            retryable: error.retryable(),
            user_impact: error.user_impact(),
            cause: error.cause(),
        });
        (status, problem::body(error, &self.record.correlation_id))
    }

    fn add_allow(&self, headers: &mut HeaderMap) {
        let names: Vec<&str> = self.allow.iter().map(Method::as_str).collect();
        if let Ok(allow) = HeaderValue::from_str(&names.join(", ")) {
            headers.insert(header::ALLOW, allow);
        }
    }

    fn add_preflight(&self, headers: &mut HeaderMap) {
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
    fn add_cors(&self, app: &App, headers: &mut HeaderMap) {
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

/// What a gateway answers by itself, in the form of every other error. It knows the request's headers alone.
#[must_use]
pub fn gateway_answer(error: &Error, request: &HeaderMap) -> Response<Vec<u8>> {
    let id = correlation_id(request);
    let mut response = Response::new(problem::body(error, &id));
    *response.status_mut() = problem::status_and_code(error).0;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(SECURITY);
    if let Some(wait) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(CORRELATION_ID, id);
    }
    response
}

fn drop_preflight(headers: &mut HeaderMap) {
    headers.remove(header::ACCESS_CONTROL_ALLOW_METHODS);
    headers.remove(header::ACCESS_CONTROL_ALLOW_HEADERS);
    headers.remove(header::ACCESS_CONTROL_MAX_AGE);
}

fn pairs(map: Option<&QueryMap>) -> Vec<(String, String)> {
    let pairs = map.into_iter().flat_map(QueryMap::iter);
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// JSON is text, which API Gateway passes on as it is; anything else would have to be base64.
fn text_body(bytes: Vec<u8>) -> Body {
    String::from_utf8(bytes).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
}

/// The client's own name for the request if it may be one, else a new one.
fn correlation_id(headers: &HeaderMap) -> String {
    let fits = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let own = headers.get(CORRELATION_ID).and_then(|id| id.to_str().ok()).filter(fits);
    own.map_or_else(new_correlation_id, str::to_owned)
}

/// 32 hexadecimal digits.
#[must_use]
pub fn new_correlation_id() -> String {
    // Without random bytes the request is still worth answering; it just cannot be found by this name.
    let bytes = random_bytes::<16>().unwrap_or_default();
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// `application/json`, in UTF-8 if a charset is named.
fn declares_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let mut parts = value.to_str().unwrap_or_default().split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
            !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// The part of a day's quota that is left, in per cent; a plan that allows nothing leaves nothing.
#[expect(clippy::cast_precision_loss, reason = "quotas are far below 2^52")]
fn left_percent(usage: &Usage) -> f64 {
    let percent = usage.remaining() as f64 * 100.0 / usage.limit.max(1) as f64;
    (percent * 100.0).round() / 100.0
}

/// Rounded up: a client that waits as long as it is told is not too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
