//! HTTP: the only place that knows status codes and headers. A handler opens a [`Call`], takes from it what it needs in the
//! order of the contract (route, size, content type, credential, body), and closes it with a [`Reply`] or an [`Error`].

mod answer;
mod capture;
mod correlation;
mod cors;
mod credential;
mod event;
mod json;
mod limits;
mod openai_error;
mod problem;
mod reply;
mod statistics;
mod streamed;

use std::time::Duration;

use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::Method;
use lambda_http::http::header::{self, HeaderMap, HeaderName};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt};

use crate::admission::{self, Admitted};
use crate::app::App;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Error;
use crate::identity::Principal;
use crate::limits::store::Rejection;
use crate::limits::{Origin, Standing};
use crate::plan::{Meter, Usage};
use crate::quota::idempotency::IdempotencyKey;
use crate::source::Source;
use crate::telemetry::trace::Trace;
use crate::telemetry::{Degraded, Record};

pub use bytes::Bytes;

pub use self::answer::refusal;
pub use self::capture::Media;
pub use self::correlation::correlation_id;
pub use self::cors::add_cors;
pub use self::event::{Verbatim, run, run_streamed, with_every_header};
pub use self::json::{parse, with_whole_characters};
pub use self::problem::ErrorOfOne;
pub use self::reply::{DayUsage, Reply};
pub use self::statistics::{StatisticsResponse, row_query};
pub use self::streamed::{AnswerBody, Pieces, Unfinished, buffered, unbuffered};

pub use crate::object::{Object, present};

use self::credential::Signed;
use self::problem::ErrorForm;

/// The largest body that a function reads, after base64 was taken off.
pub const LARGEST_BODY: usize = 4 * 1024 * 1024;

const FINGERPRINT: HeaderName = HeaderName::from_static("x-device-fingerprint");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// A method and path that a function answers, and the function's action for it.
pub type Route<A> = (Method, &'static str, A);

/// One request, from its arrival to its answer.
pub struct Call {
    /// The time of this request: the day of its charge, its token's age and its headers agree on it.
    pub now: Timestamp,
    /// The record that will be logged.
    pub record: Record,
    /// The daily quota, once it is known: it goes into the headers of every answer.
    pub usage: Option<Usage>,
    /// The standings of the limits that it met, for the headers too.
    standings: Vec<Standing>,
    source: Source,
    /// True if its address has yet to be counted: once, from the route on.
    uncounted: bool,
    stopwatch: Stopwatch,
    method: Method,
    /// The route's path as in the contract.
    route: String,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    path_parameters: Vec<(String, String)>,
    /// The parts that a signature can cover, if there is one.
    signed: Option<Signed>,
    /// True if the gateway has authenticated a caller by IAM: it does so on routes of that kind alone, and no client can say so.
    has_iam_caller: bool,
    body: Body,
    allow: Vec<Method>,
    /// The form of errors.
    errors: ErrorForm,
}

impl Call {
    /// Opens the call of a request.
    #[must_use]
    pub fn open(app: &App, endpoint: &'static str, request: Request) -> Self {
        let stopwatch = Stopwatch::start();
        let now = app.clock.now();
        let (route, source, has_iam_caller) = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => (
                // Without the stage, whatever that is called.
                context.resource_path.clone(),
                context.identity.source_ip.as_deref(),
                context.identity.user_arn.as_deref().is_some_and(|arn| !arn.is_empty()),
            ),
            _ => (None, None, false),
        };
        let address_block = app.telemetry.address_block(source);
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
            trace: Trace::of(amazon.as_deref(), w3c),
            address_block,
            ..Record::of(endpoint, correlation_id(&parts.headers), now)
        };
        Self {
            now,
            record,
            usage: None,
            standings: Vec::new(),
            source,
            uncounted: false,
            stopwatch,
            method: parts.method,
            route: route.unwrap_or_else(|| parts.uri.path().to_owned()),
            headers: parts.headers,
            query,
            path_parameters,
            signed,
            has_iam_caller,
            body,
            allow: Vec::new(),
            errors: ErrorForm::Problem,
        }
    }

    /// Reports whether the path, with whatever method, is one of those that mean `action`.
    #[must_use]
    pub fn is_for<A: PartialEq>(&self, routes: &[Route<A>], action: &A) -> bool {
        routes.iter().any(|(_, path, of)| *path == self.route && of == action)
    }

    /// Makes every error of this request one of `OpenAI`'s form.
    pub const fn use_openai_errors(&mut self) {
        self.errors = ErrorForm::OpenAi;
    }

    /// Returns the action of the request; `None` for a preflight (answer with [`Reply::preflight`]).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::MethodNotAllowed`], [`Error::PayloadTooLarge`].
    pub fn route<A: Copy>(&mut self, routes: &[Route<A>]) -> Result<Option<A>, Error> {
        let of_path = || routes.iter().filter(|(_, path, _)| *path == self.route);
        let mut allow: Vec<Method> = of_path().map(|(method, ..)| method.clone()).collect();
        if allow.is_empty() {
            // A path that nobody defined may hold anything: it is not logged.
            self.route.clear();
            return Err(Error::NotFound);
        }
        let is_head = self.method == Method::HEAD;
        let found = of_path()
            .find(|(method, ..)| *method == self.method || (is_head && *method == Method::GET))
            .map(|(.., action)| *action);
        if allow.contains(&Method::GET) {
            allow.push(Method::HEAD);
        }
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
        self.uncounted = found.is_some();
        Ok(found)
    }

    /// Takes the body, for [`parse`]; it is declared as JSON if it is not empty.
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

    /// Returns an open part of the route's path; empty if it has none of this name.
    #[must_use]
    pub fn path_parameter(&self, name: &str) -> &str {
        let mut named = self.path_parameters.iter().filter(|(named, _)| named == name);
        named.next().map_or("", |(_, value)| value)
    }

    /// Returns all values of a parameter of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Vec<&str> {
        let named = self.query.iter().filter(|(named, _)| named == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Admits a user's request that uses `units` of a meter; the standings of its limits go into the headers of every
    /// answer.
    ///
    /// # Errors
    /// As [`admission::enter`].
    pub async fn enter(
        &mut self,
        app: &App,
        principal: &Principal,
        meter: Meter,
        units: u64,
    ) -> Result<Admitted, Error> {
        let counted = std::mem::take(&mut self.uncounted);
        let entered = admission::enter(app, self.origin(counted), principal, meter, units).await;
        let admitted = entered.map_err(|rejection| self.note_rejection(rejection))?;
        self.note_passage(&admitted.standings, admitted.degraded);
        Ok(admitted)
    }

    /// Admits a request that asks for work to be done later; see [`admission::enter_later_work`].
    ///
    /// # Errors
    /// As [`admission::enter_later_work`].
    pub async fn enter_later_work(
        &mut self,
        app: &App,
        principal: &Principal,
        metered: (Meter, u64),
        log: (&'static str, u64),
    ) -> Result<Admitted, Error> {
        let counted = std::mem::take(&mut self.uncounted);
        let entered = admission::enter_later_work(app, self.origin(counted), principal, metered, log).await;
        let admitted = entered.map_err(|rejection| self.note_rejection(rejection))?;
        self.note_passage(&admitted.standings, admitted.degraded);
        Ok(admitted)
    }

    /// Counts a request by its address alone.
    ///
    /// # Errors
    /// As [`admission::visit`].
    pub async fn visit(&mut self, app: &App) -> Result<(), Error> {
        self.pass(app, false).await
    }

    /// Counts a request by its address, and as a registration.
    ///
    /// # Errors
    /// As [`admission::visit`].
    pub async fn register(&mut self, app: &App) -> Result<(), Error> {
        self.pass(app, true).await
    }

    async fn pass(&mut self, app: &App, registers: bool) -> Result<(), Error> {
        let counted = std::mem::take(&mut self.uncounted);
        let passed = admission::visit(app, &self.origin(counted), registers).await;
        let passage = passed.map_err(|rejection| self.note_rejection(rejection))?;
        self.note_passage(&passage.standings, passage.degraded);
        Ok(())
    }

    /// Returns the arrival, with the endpoint if the address is to be counted.
    const fn origin(&self, counts_address: bool) -> Origin<'_> {
        Origin {
            source: &self.source,
            endpoint: if counts_address {
                Some(self.record.endpoint)
            } else {
                None
            },
            now: self.now,
        }
    }

    fn note_passage(&mut self, standings: &[Standing], degraded: bool) {
        self.standings.extend_from_slice(standings);
        if degraded {
            self.record.note(Degraded::RateLimit);
        }
    }

    fn note_rejection(&mut self, rejection: Rejection) -> Error {
        self.standings.extend(rejection.standings);
        rejection.error
    }

    /// Counts the address of a request whose handler has ended before any limit: for its credential, most likely. Over the
    /// limit, that is the answer.
    async fn count(&mut self, app: &App, outcome: Result<Reply, Error>) -> Result<Reply, Error> {
        if self.uncounted && !matches!(outcome, Err(Error::UnsupportedMediaType | Error::UnsupportedImageType)) {
            self.visit(app).await?;
        }
        outcome
    }

    /// Returns the device fingerprint that the request sends.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.headers.get(FINGERPRINT).and_then(|value| value.to_str().ok())
    }

    /// Returns the idempotency key of the request, if it has one, with all that it stands for: method, path, query and body.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not of the form that the contract asks for, or there twice.
    pub fn idempotency_key(&self, body: &[u8]) -> Result<Option<IdempotencyKey>, Error> {
        let mut values = self.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let fits = |key: &&str| (1..=128).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b));
        let key = value.to_str().ok().filter(fits);
        let key = key.filter(|_| values.next().is_none()).ok_or_else(|| {
            Error::invalid(
                "Idempotency-Key",
                "must be there once, with 1 to 128 printable ASCII characters",
            )
        })?;
        // An event keeps no order of either, so neither may count.
        let sorted = |pairs: &[(String, String)]| {
            let mut pairs = pairs.to_vec();
            pairs.sort_unstable();
            pairs
        };
        let head = (
            self.method.as_str(),
            &self.route,
            sorted(&self.path_parameters),
            sorted(&self.query),
        );
        // As JSON, so that no two heads read the same. It ends where the body begins.
        let mut request = serde_json::to_vec(&head).map_err(|error| Error::Internal(Box::new(error)))?;
        request.extend_from_slice(body);
        Ok(Some(IdempotencyKey::of(key, &request)))
    }

    /// Reads a query parameter that is on or off; `default` if it is absent.
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
}

fn pairs(map: Option<&QueryMap>) -> Vec<(String, String)> {
    let pairs = map.into_iter().flat_map(QueryMap::iter);
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// True if a body is declared as `application/json`, in UTF-8 if a charset is named. Some clients spell that `utf8`.
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
            let charset = value.trim_matches('"');
            !name.eq_ignore_ascii_case("charset")
                || ["utf-8", "utf8"].iter().any(|utf8| charset.eq_ignore_ascii_case(utf8))
        })
}

/// Rounds up, so that a client that waits this long is not too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
