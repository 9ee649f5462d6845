//! HTTP and HTTPS requests to a deployment.

use std::fmt::Display;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use shared::tls;

/// Longer than any request of the service may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// A client that trusts the certificate authorities of this machine.
#[derive(Debug, Clone)]
pub(crate) struct Outbound(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Outbound {
    /// # Errors
    /// TLS cannot be used on this machine.
    pub(crate) fn new() -> Result<Self, String> {
        let tls = tls::client(tls::system_roots()).map_err(|error| error.to_string())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The reason why there is no answer in time, in words.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let silent = |why: &dyn Display| format!("{host} does not answer: {why}");
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| silent(&error))?;
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| silent(&error))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        let done = tokio::time::timeout(DEADLINE, exchange).await;
        done.unwrap_or_else(|_| Err(silent(&"not within 30 s")))
    }
}
