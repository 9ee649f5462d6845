//! One signed request over HTTP or HTTPS, and its answer.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, Uri};
use serde_json::Value;

use super::AdminFailure;
use crate::outbound::Outbound;
use crate::signer::Signer;

/// A deployment's address and the signer for it.
pub(super) struct Client {
    http: Outbound,
    scheme: String,
    authority: Authority,
    /// The start of every path, such as the stage of an API in AWS.
    prefix: String,
    signer: Signer,
}

/// A request before it is signed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UnsignedRequest {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) body: Option<Value>,
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct AdminResponse {
    body: Bytes,
    json: Option<Value>,
}

impl AdminResponse {
    /// Returns the body for people: JSON is indented.
    pub(super) fn text(&self) -> String {
        match &self.json {
            Some(json) => format!("{json:#}"),
            None => String::from_utf8_lossy(&self.body).trim_end().to_owned(),
        }
    }

    /// Returns where the next page starts.
    pub(super) fn cursor(&self) -> Option<&str> {
        let json = self.json.as_ref()?;
        json.get("cursor").or_else(|| json.get("next"))?.as_str()
    }
}

impl Client {
    /// # Errors
    /// The address is no URL.
    pub(super) fn new(url: &str, signer: Signer) -> Result<Self, AdminFailure> {
        let refused = |problem: &str| AdminFailure::Refused(format!("--url {url}: {problem}"));
        let uri: Uri = url.parse().map_err(|_| refused("no URL"))?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused("not of the form https://host/stage"));
        };
        Ok(Self {
            http: Outbound::new().map_err(AdminFailure::Refused)?,
            scheme: scheme.to_owned(),
            authority: authority.clone(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            signer,
        })
    }

    /// Signs and sends a request.
    ///
    /// # Errors
    /// No answer in time, or one that refuses.
    pub(super) async fn send(&self, request: &UnsignedRequest) -> Result<AdminResponse, AdminFailure> {
        let answer = self.http.send(self.signed(request)?).await;
        judged(answer.map_err(AdminFailure::Unavailable)?)
    }

    fn signed(&self, request: &UnsignedRequest) -> Result<Request<Full<Bytes>>, AdminFailure> {
        let target = format!("{}{}", self.prefix, request.target);
        let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
        let authority = self.authority.as_str();
        let headers = self
            .signer
            .sign(request.method.as_str(), authority, &target, body.as_bytes());
        let mut http = Request::builder()
            .method(&request.method)
            .uri(format!("{}://{authority}{target}", self.scheme));
        for (name, value) in headers.pairs() {
            http = http.header(name, value);
        }
        if !body.is_empty() {
            http = http.header("content-type", "application/json");
        }
        http.body(Full::from(body))
            .map_err(|_| AdminFailure::Refused(format!("{:?} is not a path", request.target)))
    }
}

/// Separates a good answer from a refusal, and from a failure that may pass.
fn judged(answer: Response<Bytes>) -> Result<AdminResponse, AdminFailure> {
    let (status, body) = (answer.status(), answer.into_body());
    let json: Option<Value> = serde_json::from_slice(&body).ok();
    if status.is_success() {
        return Ok(AdminResponse { body, json });
    }
    let problem = json.unwrap_or_default();
    let part = |name: &str| problem[name].as_str().unwrap_or("?").to_owned();
    let mut said = format!(
        "{} {}: {} (correlation id {})",
        status.as_u16(),
        part("error"),
        part("detail"),
        part("correlationId")
    );
    for wrong in problem["errors"].as_array().into_iter().flatten() {
        said = format!("{said}\n  {}: {}", wrong["pointer"], wrong["detail"]);
    }
    if status.is_server_error() || status == hyper::StatusCode::TOO_MANY_REQUESTS {
        Err(AdminFailure::Unavailable(said))
    } else {
        Err(AdminFailure::Refused(said))
    }
}
