//! The queues on a port of this machine: for the AWS CLI, and for other instances.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::LocalQueues;
use super::wire::WireAnswer;

/// The largest request: a batch of messages, each character of which is escaped.
const LARGEST_REQUEST: usize = 8 * 1024 * 1024;

/// Queues on a port.
pub struct QueuePort {
    /// Where they listen.
    pub address: SocketAddr,
    serving: JoinHandle<()>,
}

impl QueuePort {
    /// Serves `queues` on the address `listen`; port 0 is a free one.
    ///
    /// # Errors
    /// When the port cannot be used.
    pub async fn serve(queues: LocalQueues, listen: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let queues = queues.clone();
                let service = service_fn(move |request| answer(queues.clone(), request, address));
                tokio::spawn(async move {
                    // An early end is the client's doing.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { address, serving })
    }
}

impl Drop for QueuePort {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    queues: LocalQueues,
    request: Request<Incoming>,
    address: SocketAddr,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let header = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let base = header(HOST.as_str()).map_or_else(|| format!("http://{address}"), |host| format!("http://{host}"));
    let target = header("x-amz-target").unwrap_or_default();
    let answer = match Limited::new(body, LARGEST_REQUEST).collect().await {
        Ok(body) => queues.answer(target, &body.to_bytes(), &base).await,
        Err(_) => WireAnswer::too_large(),
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Some(code) = answer.query_error {
        headers.insert("x-amzn-query-error", HeaderValue::from_static(code));
    }
    Ok(response)
}
