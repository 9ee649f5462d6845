//! A request as the event that API Gateway makes of it (REST API, Lambda proxy), and a function's answer as a response.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use aws_lambda_events::query_map::QueryMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use shared::clock::Timestamp;

/// The types whose bodies are base64 in events: `x-amazon-apigateway-binary-media-types` in openapi.yaml.
pub const BINARY: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The body of a response: whole, or as it comes.
pub(crate) type ServerBody = UnsyncBoxBody<Bytes, Infallible>;

/// The two ends of a connection, as an event names them.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The other end.
    pub address: SocketAddr,
    /// The port at this end.
    pub port: u16,
}

/// The parts of an event beyond the request itself.
#[derive(Debug, Clone)]
pub struct Origin<'a> {
    /// The path of its route in the API's definition.
    pub resource: &'a str,
    /// The values of the open parts of the route's path.
    pub path_parameters: HashMap<String, String>,
    /// The sender: the connection's other end, whatever the headers say.
    pub source_ip: IpAddr,
    /// The port that it arrived at.
    pub port: u16,
    /// The gateway's own id for it.
    pub request_id: &'a str,
    /// The time of its arrival.
    pub now: Timestamp,
}

/// Returns the values of the open parts of `route`, such as `/v1/users/{userId}`, in `path`; `None` if it is no path of
/// this route.
#[must_use]
pub fn path_parameters(route: &str, path: &str) -> Option<HashMap<String, String>> {
    let (mut parts, mut parameters) = (path.split('/'), HashMap::new());
    for wanted in route.split('/') {
        let part = parts.next()?;
        match wanted.strip_prefix('{').and_then(|open| open.strip_suffix('}')) {
            Some(_) if part.is_empty() => return None,
            Some(name) => drop(parameters.insert(name.to_owned(), part.to_owned())),
            None if part != wanted => return None,
            None => {}
        }
    }
    parts.next().is_none().then_some(parameters)
}

/// Builds the event of a request, as JSON.
///
/// # Errors
/// When a part of it has no JSON form.
pub fn of_request(parts: &Parts, body: &Bytes, origin: &Origin<'_>) -> Result<String, serde_json::Error> {
    let path = parts.uri.path().to_owned();
    let headers = forwarded(&parts.headers, origin);
    let query: QueryMap = parts.uri.query().unwrap_or_default().parse().unwrap_or_default();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .map(str::to_owned);

    let mut event = ApiGatewayProxyRequest::default();
    event.resource = Some(origin.resource.to_owned());
    event.path = Some(path.clone());
    event.path_parameters.clone_from(&origin.path_parameters);
    event.http_method = parts.method.clone();
    event.multi_value_headers = headers.clone();
    event.headers = headers;
    event.multi_value_query_string_parameters = query.clone();
    event.query_string_parameters = query;

    let context = &mut event.request_context;
    context.resource_path = Some(origin.resource.to_owned());
    context.http_method = parts.method.clone();
    // As behind a domain of one's own: without the stage.
    context.path = Some(path);
    context.stage = Some("local".to_owned());
    context.domain_name = host;
    context.protocol = Some(format!("{:?}", parts.version));
    context.request_id = Some(origin.request_id.to_owned());
    context.request_time_epoch = origin.now.millis();
    context.request_time = Some(origin.now.to_string());
    context.apiid = Some("local".to_owned());
    context.account_id = Some("000000000000".to_owned());
    context.identity.source_ip = Some(origin.source_ip.to_string());
    context.identity.user_agent = parts
        .headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .map(str::to_owned);

    if !body.is_empty() {
        let is_text = !is_binary(&parts.headers);
        if let Some(text) = std::str::from_utf8(body).ok().filter(|_| is_text) {
            event.body = Some(text.to_owned());
        } else {
            event.body = Some(STANDARD.encode(body));
            event.is_base64_encoded = true;
        }
    }
    serde_json::to_string(&event)
}

/// Reports whether a body is of a type that the gateway passes on as base64, whatever its bytes.
fn is_binary(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim();
    BINARY.iter().any(|binary| binary.eq_ignore_ascii_case(essence))
}

/// The request's headers with those that a gateway adds.
fn forwarded(headers: &HeaderMap, origin: &Origin<'_>) -> HeaderMap {
    let mut forwarded = HeaderMap::with_capacity(headers.len() + 3);
    for (name, value) in headers {
        forwarded.append(name, as_text(value));
    }
    let came_through = forwarded.get(&FORWARDED_FOR).and_then(|value| value.to_str().ok());
    let chain = match came_through {
        Some(before) => format!("{before}, {}", origin.source_ip),
        None => origin.source_ip.to_string(),
    };
    if let Ok(chain) = HeaderValue::from_str(&chain) {
        forwarded.insert(FORWARDED_FOR, chain);
    }
    forwarded.insert(FORWARDED_PORT, HeaderValue::from(origin.port));
    forwarded.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    forwarded
}

/// Returns a value as an event can hold it, which is text: bytes that are no UTF-8 stand for the characters of ISO 8859-1.
fn as_text(value: &HeaderValue) -> HeaderValue {
    if std::str::from_utf8(value.as_bytes()).is_ok() {
        return value.clone();
    }
    let text: String = value.as_bytes().iter().copied().map(char::from).collect();
    HeaderValue::from_str(&text).unwrap_or_else(|_| value.clone())
}

/// Turns a function's answer, as JSON, into a response; `None` if API Gateway would call it malformed.
#[must_use]
pub fn to_response(answer: &str) -> Option<Response<Bytes>> {
    let answer: ApiGatewayProxyResponse = serde_json::from_str(answer).ok()?;
    let body = match answer.body {
        None | Some(lambda_http::Body::Empty) => Bytes::new(),
        Some(lambda_http::Body::Text(text)) if answer.is_base64_encoded => STANDARD.decode(text).ok()?.into(),
        Some(lambda_http::Body::Text(text)) => text.into(),
        Some(lambda_http::Body::Binary(bytes)) => bytes.into(),
        Some(_) => return None,
    };
    let mut response = Response::new(body);
    *response.status_mut() = u16::try_from(answer.status_code)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok())?;
    let headers = response.headers_mut();
    headers.extend(answer.headers);
    // Where both name a header, the one with all values counts.
    headers.extend(answer.multi_value_headers);
    Some(response)
}
