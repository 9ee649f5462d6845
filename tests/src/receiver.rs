//! A receiver of webhooks: notes what comes, and answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reqwest::header::HeaderMap;
use tokio::net::TcpListener;

/// A request that came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Received {
    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// How the next request is answered.
#[derive(Debug, Clone)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// A header.
    pub header: Option<(&'static str, String)>,
    /// True for a body that never ends.
    pub endless: bool,
}

impl From<u16> for Told {
    fn from(status: u16) -> Self {
        Self {
            status,
            header: None,
            endless: false,
        }
    }
}

#[derive(Default)]
struct Notes {
    received: Vec<Received>,
    told: VecDeque<Told>,
}

/// A running receiver.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    notes: Arc<Mutex<Notes>>,
}

impl Receiver {
    /// On a free port. It answers 204 unless it is told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let notes = Arc::<Mutex<Notes>>::default();
        let shared = Arc::clone(&notes);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = Arc::clone(&shared);
                let service = service_fn(move |request| answer(Arc::clone(&notes), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, notes }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says how the next request is answered.
    pub fn tell(&self, told: impl Into<Told>) {
        self.notes.lock().expect("notes").told.push_back(told.into());
    }

    /// The requests that have come so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.notes.lock().expect("notes").received.clone()
    }
}

async fn answer(
    notes: Arc<Mutex<Notes>>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let told = {
        let mut notes = notes.lock().expect("notes");
        notes.received.push(Received {
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        notes.told.pop_front().unwrap_or_else(|| 204_u16.into())
    };
    let body = if told.endless {
        StreamBody::new(stream::repeat_with(|| {
            Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))
        }))
        .boxed_unsync()
    } else {
        Empty::new().boxed_unsync()
    };
    let mut response = Response::builder().status(told.status);
    if let Some((name, value)) = told.header {
        response = response.header(name, value);
    }
    Ok(response.body(body).expect("an answer"))
}
