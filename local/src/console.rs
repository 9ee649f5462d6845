//! The console: a page at `/` that shows what the service does and lets its stand-ins fail. It is for the person at this machine:
//! there is none unless the server listens on loopback, and it answers nobody who came by another name than this machine's.

mod access;
mod assets;
mod board;
mod fault_proxy;
mod faults;
mod stream;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

pub(crate) use self::faults::Faults;
use self::faults::StandIn;
use self::stream::EventStream;
use self::watch::Watch;
use crate::capacity::Capacity;
use crate::event::ServerBody;
use crate::gateway::Gateway;
use crate::trouble::Trouble;

/// The paths of the console, besides `/`.
const PREFIX: &str = "/console/";

/// The largest body of a request to it.
const LARGEST_ORDER: usize = 1024;

/// On every answer. Scripts, styles and data come from here alone; pictures also from the page itself, which shows those that
/// were dropped on it.
const SECURITY: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The console of a server.
pub(crate) struct Console {
    watch: Arc<Watch>,
}

/// A change of one stand-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    part: StandIn,
    trouble: Trouble,
}

impl Console {
    /// Opens the console of a gateway, which begins to watch its requests.
    pub(crate) fn open(gateway: &Gateway, capacity: &Arc<Capacity>, faults: Faults) -> Self {
        let watch = Watch::over(gateway, Arc::clone(capacity), faults);
        Self { watch }
    }

    /// True if a path is the console's.
    pub(crate) fn has(path: &str) -> bool {
        path == "/" || path.starts_with(PREFIX)
    }

    /// Ends the pages' streams, which would otherwise last as long as the pages.
    pub(crate) fn close(&self) {
        self.watch.close();
    }

    /// Answers a request to a path of the console.
    pub(crate) async fn answer(&self, parts: &Parts, from: SocketAddr, body: Incoming) -> Response<ServerBody> {
        if let Err(reason) = access::check(parts, from.ip()) {
            return refusal(StatusCode::FORBIDDEN, reason);
        }
        let path = parts.uri.path();
        let name = path.strip_prefix(PREFIX).unwrap_or_default();
        match (&parts.method, name) {
            (&Method::GET, "events") => events(stream::open(Arc::clone(&self.watch))),
            (&Method::GET, "state") => data(&self.watch.description()),
            (&Method::PUT, "faults") => self.change(body).await,
            (&Method::GET, _) if name.starts_with("requests/") => self.request(name),
            (&Method::GET | &Method::HEAD, _) => match assets::find(path) {
                Some((kind, bytes)) => page(kind, bytes),
                None => refusal(StatusCode::NOT_FOUND, "The console has no such file."),
            },
            _ => refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "The console does not take this method here.",
            ),
        }
    }

    /// Shows the record of one of the last requests, by its correlation id.
    fn request(&self, name: &str) -> Response<ServerBody> {
        let id = name.trim_start_matches("requests/");
        match self.watch.board.row(id) {
            Some(row) => data(&json!(row)),
            None => refusal(StatusCode::NOT_FOUND, "None of the last requests has this id."),
        }
    }

    async fn change(&self, body: Incoming) -> Response<ServerBody> {
        let Ok(body) = Limited::new(body, LARGEST_ORDER).collect().await else {
            return refusal(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is too large, or did not arrive whole.",
            );
        };
        let order: FaultOrder = match serde_json::from_slice(&body.to_bytes()) {
            Ok(order) => order,
            Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        match self.watch.faults.set(order.part, order.trouble) {
            Ok(()) => data(&self.watch.description()),
            Err(reason) => refusal(StatusCode::CONFLICT, reason),
        }
    }
}

fn page(kind: &'static str, bytes: &'static [u8]) -> Response<ServerBody> {
    with_headers(
        StatusCode::OK,
        kind,
        Full::from(Bytes::from_static(bytes)).boxed_unsync(),
    )
}

fn data(value: &serde_json::Value) -> Response<ServerBody> {
    let body = Full::from(value.to_string()).boxed_unsync();
    with_headers(StatusCode::OK, "application/json", body)
}

fn refusal(status: StatusCode, detail: &str) -> Response<ServerBody> {
    let problem = json!({"title": "The console refused this", "status": status.as_u16(), "detail": detail});
    let body = Full::from(problem.to_string()).boxed_unsync();
    with_headers(status, "application/problem+json", body)
}

fn events(events: EventStream) -> Response<ServerBody> {
    with_headers(StatusCode::OK, "text/event-stream", events.boxed_unsync())
}

fn with_headers(status: StatusCode, kind: &'static str, body: ServerBody) -> Response<ServerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in SECURITY {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
