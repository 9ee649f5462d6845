//! The HTTP client under the AWS SDK and under the calls to models: HTTP/1.1 over rustls, with connections kept and shared.
//!
//! The SDK's own client brings HTTP/2 and proxies along, a third of a megabyte that no endpoint of ours speaks. This one is
//! made of the same libraries. Callers set the deadlines, and nothing that was sent is retried here.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector as Connector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector, HttpInfo, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lambda_http::http::Extensions;
use rustls::RootCertStore;

use crate::tls;

/// An idle connection older than this is not used again: its other end may be gone since the environment was frozen.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// The time limit of a connection attempt. Without a route a packet is dropped and not refused: a name that answers over IPv4
/// alone would otherwise cost a call all of its time.
const CONNECT: Duration = Duration::from_secs(1);

type Hyper = Client<HttpsConnector<HttpConnector>, SdkBody>;

/// The client. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Http1 {
    /// The trusted authorities.
    roots: fn() -> RootCertStore,
    /// Made at the first call: a process that makes none never reads a root. A problem with it is the error of each call.
    client: Arc<OnceLock<Result<Hyper, rustls::Error>>>,
}

impl Http1 {
    pub(crate) fn new(roots: fn() -> RootCertStore) -> Self {
        Self {
            roots,
            client: Arc::default(),
        }
    }

    fn connect(&self) -> Result<Hyper, rustls::Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client((self.roots)())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build(connector))
    }
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http1")
    }
}

impl HttpClient for Http1 {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl Connector for Http1 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = match self.client.get_or_init(|| self.connect()) {
            Ok(client) => client,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.clone().into()))),
        };
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let captured = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || connection(&captured));
        }
        let answer = client.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Lets the SDK keep a connection from further use after a failed call.
fn connection(captured: &CaptureConnection) -> Option<ConnectionMetadata> {
    captured.connection_metadata().as_ref()?;
    let captured = captured.clone();
    let ends = ends(&captured);
    let poison = move || {
        if let Some(connection) = captured.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    let mut metadata = ConnectionMetadata::builder().proxied(false).poison_fn(poison);
    metadata.set_local_addr(ends.map(|ends| ends.local_addr()));
    Some(metadata.build())
}

/// Returns the two ends of a connection.
fn ends(captured: &CaptureConnection) -> Option<HttpInfo> {
    let mut extras = Extensions::new();
    captured.connection_metadata().as_ref()?.get_extras(&mut extras);
    extras.remove()
}

/// True if a call failed before there was a connection, so that nothing can have been sent.
pub(crate) fn is_unconnected(error: &ConnectorError) -> bool {
    let source = std::error::Error::source(error);
    let error = source.and_then(|source| source.downcast_ref::<hyper_util::client::legacy::Error>());
    error.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpStream};

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// An address that takes no further connection, and drops each attempt as a network without a route does. It lasts as long as
    /// what it comes with.
    fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // Nobody accepts: soon there is no more room to wait in.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            waiting.push(stream);
            assert!(waiting.len() < 1000, "connections are always taken here");
        }
        (address, listener, waiting)
    }

    #[tokio::test]
    async fn an_address_without_a_route_is_given_up_before_the_call_is() {
        let (address, _listener, _waiting) = black_hole();
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(format!("http://{address}/")).unwrap();
        let call = Http1::new(RootCertStore::empty).call(request);
        // The system itself would try for two minutes.
        let ended = tokio::time::timeout(CONNECT * 10, call).await;
        let error = ended.expect("the connection has a time limit of its own").unwrap_err();
        assert!(is_unconnected(&error), "{error:?}");
    }
}
