//! `ElastiCache`'s API for tests, as far as looking a serverless cache up by its name: the Query protocol, form in and XML out.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// The name of the one cache that there is.
pub const NAME: &str = "clearview-test";

/// The behaviour of the service.
#[derive(Debug, Clone)]
pub enum Api {
    /// Tells of the cache [`NAME`] in this state, at this address; of every other name, that there is no such cache.
    Knows(&'static str, SocketAddr),
    /// Refuses every call as one too many.
    Throttles,
    /// Never answers.
    Hangs,
    /// Answers 200 with what is no answer.
    Babbles,
}

/// A running service.
pub struct ElastiCache {
    /// Where it listens.
    pub address: SocketAddr,
    api: Arc<Mutex<Api>>,
    calls: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl ElastiCache {
    /// On a free port.
    pub async fn start(api: Api) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (api, calls) = (Arc::new(Mutex::new(api)), Arc::new(AtomicUsize::new(0)));
        let (script, counted) = (Arc::clone(&api), Arc::clone(&calls));
        let accepting = tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, counted) = (Arc::clone(&script), Arc::clone(&counted));
                let service = service_fn(move |request| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let api = script.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    async move { Ok::<_, Infallible>(answer(api, request).await) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            api,
            calls,
            accepting,
        }
    }

    /// Where it listens, as a setting.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on.
    pub fn set(&self, api: Api) {
        *self.api.lock().unwrap_or_else(PoisonError::into_inner) = api;
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for ElastiCache {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(api: Api, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await.expect("a whole request").to_bytes();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let member = |name: &str| {
        let found = form.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(member("Action"), Some("DescribeServerlessCaches"));
    assert_eq!(member("Version"), Some("2015-02-02"));
    let (status, xml) = match api {
        Api::Knows(state, address) if member("ServerlessCacheName") == Some(NAME) => (200, found(state, address)),
        Api::Knows(..) => (404, refusal("ServerlessCacheNotFoundFault", "There is no such cache.")),
        Api::Throttles => (400, refusal("Throttling", "Rate exceeded")),
        Api::Hangs => std::future::pending().await,
        Api::Babbles => (200, "<DescribeServerlessCachesResponse><ServerlessCac".to_owned()),
    };
    let response = Response::builder().status(status).header("content-type", "text/xml");
    response.body(Full::new(xml.into())).expect("an answer")
}

fn found(state: &str, address: SocketAddr) -> String {
    format!(
        r#"<DescribeServerlessCachesResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/">
  <DescribeServerlessCachesResult><ServerlessCaches><member>
    <ServerlessCacheName>{NAME}</ServerlessCacheName>
    <Status>{state}</Status>
    <Engine>valkey</Engine>
    <CacheUsageLimits>
      <DataStorage><Maximum>5</Maximum><Unit>GB</Unit></DataStorage>
      <ECPUPerSecond><Maximum>2000</Maximum></ECPUPerSecond>
    </CacheUsageLimits>
    <Endpoint><Address>{}</Address><Port>{}</Port></Endpoint>
  </member></ServerlessCaches></DescribeServerlessCachesResult>
  <ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata>
</DescribeServerlessCachesResponse>"#,
        address.ip(),
        address.port()
    )
}

fn refusal(code: &str, message: &str) -> String {
    format!(
        r#"<ErrorResponse xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/">
  <Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>
  <RequestId>00000000-0000-4000-8000-000000000000</RequestId>
</ErrorResponse>"#
    )
}
