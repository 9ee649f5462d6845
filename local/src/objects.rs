//! An object store for uploads that speaks S3's protocol on a port of this machine, as far as ClearView and its clients use it:
//! signed URLs for PUT, GET, HEAD, DELETE and the list of a bucket. It refuses what S3 refuses.

mod refusal;
mod shelf;
mod signature;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use shared::clock::Clock;
use shared::config::{AwsCredentials, Config, Secret};
use shared::http::add_cors;
use shared::ids::new_correlation_id;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::refusal::Refusal;
use self::shelf::{Label, Shelf};
use self::signature::Query;
use crate::state::StartError;

/// The bucket's name.
pub const BUCKET: &str = "clearview-uploads";

/// The largest object: S3 takes 5 GB, this machine has less.
const LARGEST_OBJECT: usize = 64 * 1024 * 1024;

/// How long a client may take to send one.
const SLOWEST_SENDER: Duration = Duration::from_mins(1);

/// The interval at which old objects are removed.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// How long requests under way may take at the end.
const LONGEST_GOODBYE: Duration = Duration::from_secs(5);

const CHECKSUM: &str = "x-amz-checksum-sha256";

/// A running object store.
#[derive(Debug)]
pub struct Objects {
    /// Where it listens.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    /// Removed with its content at the end, if it is not to be kept.
    _directory: Option<TempDir>,
}

/// The store, as each connection shares it.
struct Store {
    shelf: Shelf,
    credentials: AwsCredentials,
    region: String,
    origins: Vec<String>,
    clock: Clock,
}

impl Objects {
    /// Starts it, in `data_dir` or in a directory that ends with it, on the address `listen`; port 0 is a free one. Directs
    /// `config` to it.
    ///
    /// # Errors
    /// When the directory or the port cannot be used.
    pub async fn start(
        data_dir: Option<&Path>,
        listen: SocketAddr,
        config: &mut Config,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let named = |cause: std::io::Error| StartError(format!("the object store: {cause}"));
        let (directory, temporary) = if let Some(directory) = data_dir {
            (directory.join("uploads"), None)
        } else {
            let temporary = TempDir::with_prefix("clearview-uploads-").map_err(named)?;
            (temporary.path().to_owned(), Some(temporary))
        };
        std::fs::create_dir_all(&directory).map_err(named)?;
        let listener = TcpListener::bind(listen).await;
        let unusable = |cause| {
            StartError(format!(
                "--object-port {}: cannot listen on {listen}: {cause}",
                listen.port()
            ))
        };
        let listener = listener.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        // Those of the environment can be given to another instance too.
        let credentials = config.credentials.clone().unwrap_or_else(|| AwsCredentials {
            access_key_id: "local".to_owned(),
            secret_access_key: Secret::new(new_correlation_id()),
            session_token: None,
        });
        let host = match address.ip() {
            ip if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        config.objects.bucket = Some(BUCKET.to_owned());
        config.objects.endpoint = Some(format!("http://{}", SocketAddr::new(host, address.port())));
        config.objects.credentials = Some(credentials.clone());
        let store = Arc::new(Store {
            shelf: Shelf(directory),
            credentials,
            region: config.region.clone(),
            origins: config.cors_origins.clone(),
            clock,
        });
        let (stop, stopped) = oneshot::channel();
        Ok(Self {
            address,
            stop,
            sweeping: tokio::spawn(sweep(Arc::clone(&store))),
            serving: tokio::spawn(serve(listener, store, stopped)),
            _directory: temporary,
        })
    }

    /// Lets the requests under way end.
    pub async fn stop(self) {
        self.sweeping.abort();
        let _ = self.stop.send(());
        let _ = self.serving.await;
    }
}

async fn sweep(store: Arc<Store>) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        let (shelf, now) = (store.shelf.clone(), store.clock.now());
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || shelf.sweep(now)).await {
            tracing::warn!(%error, "old uploads could not be removed");
        }
    }
}

async fn serve(listener: TcpListener, store: Arc<Store>, mut stopped: oneshot::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stopped => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let store = Arc::clone(&store);
        let service = service_fn(move |request| {
            let store = Arc::clone(&store);
            async move { Ok::<_, std::convert::Infallible>(store.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(SLOWEST_SENDER)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // An early end is the client's doing.
            let _ = connection.await;
        });
    }
    let _ = tokio::time::timeout(LONGEST_GOODBYE, graceful.shutdown()).await;
}

impl Store {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let mut response = self.handle(&parts, body).await.unwrap_or_else(Refusal::answer);
        // As the rule of the template's bucket.
        add_cors(&self.origins, &parts.headers, response.headers_mut());
        response
    }

    async fn handle(&self, parts: &Parts, body: Incoming) -> Result<Response<Full<Bytes>>, Refusal> {
        if parts.method == Method::OPTIONS {
            return Ok(preflight());
        }
        let query = signature::query(parts.uri.query().unwrap_or_default());
        signature::check(parts, &query, (&self.credentials, &self.region), self.clock.now())?;
        let path = parts.uri.path().strip_prefix('/').unwrap_or_default();
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket != BUCKET {
            return Err(Refusal::NO_BUCKET);
        }
        match (&parts.method, key) {
            (&Method::GET, "") => self.list(&query),
            (_, "") => Err(Refusal::METHOD),
            (&Method::PUT, key) => self.put(parts, key, body).await,
            (&Method::GET | &Method::HEAD, key) => self.get(parts, &query, key),
            (&Method::DELETE, key) => {
                self.shelf.delete(key).map_err(|error| broken(&error))?;
                Ok(answer(StatusCode::NO_CONTENT, "", Bytes::new()))
            }
            _ => Err(Refusal::METHOD),
        }
    }

    async fn put(&self, parts: &Parts, key: &str, body: Incoming) -> Result<Response<Full<Bytes>>, Refusal> {
        let length = text(parts, header::CONTENT_LENGTH.as_str()).ok_or(Refusal::NO_LENGTH)?;
        let length: usize = length.parse().map_err(|_| Refusal::NO_LENGTH)?;
        if length > LARGEST_OBJECT {
            return Err(Refusal::TOO_LARGE);
        }
        let body = tokio::time::timeout(SLOWEST_SENDER, Limited::new(body, LARGEST_OBJECT).collect()).await;
        let body = body
            .map_err(|_| Refusal::INCOMPLETE)?
            .map_err(|_| Refusal::INCOMPLETE)?
            .to_bytes();
        let sha256 = STANDARD.encode(digest::digest(&digest::SHA256, &body));
        if text(parts, CHECKSUM).is_some_and(|announced| announced != sha256) {
            return Err(Refusal::DIGEST);
        }
        let label = Label {
            key: key.to_owned(),
            content_type: text(parts, header::CONTENT_TYPE.as_str())
                .unwrap_or_default()
                .to_owned(),
            sha256,
            bytes: body.len(),
            at: self.clock.now(),
        };
        match text(parts, header::IF_NONE_MATCH.as_str()) {
            Some("*") => {}
            // Nobody here replaces an object.
            _ => return Err(Refusal::ACCESS_DENIED),
        }
        if !self.shelf.put_new(&label, &body).map_err(|error| broken(&error))? {
            return Err(Refusal::PRECONDITION);
        }
        Ok(labelled(answer(StatusCode::OK, "", Bytes::new()), &label))
    }

    fn get(&self, parts: &Parts, query: &Query, key: &str) -> Result<Response<Full<Bytes>>, Refusal> {
        let (label, content) = self
            .shelf
            .get(key)
            .map_err(|error| broken(&error))?
            .ok_or(Refusal::NO_KEY)?;
        if text(parts, header::IF_MATCH.as_str()).is_some_and(|etag| etag != label.etag()) {
            return Err(Refusal::PRECONDITION);
        }
        let mut response = labelled(answer(StatusCode::OK, &label.content_type, content.into()), &label);
        if query.get("x-amz-checksum-mode").is_some_and(|mode| mode == "ENABLED") {
            set(&mut response, CHECKSUM, &label.sha256);
        }
        Ok(response)
    }

    fn list(&self, query: &Query) -> Result<Response<Full<Bytes>>, Refusal> {
        if query.get("list-type").map(String::as_str) != Some("2") {
            return Err(Refusal::METHOD);
        }
        let prefix = query.get("prefix").map(String::as_str).unwrap_or_default();
        let labels = self.shelf.list(prefix).map_err(|error| broken(&error))?;
        let entries = labels.iter().take(1000).map(|label| {
            format!(
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                label.key,
                label.at,
                label.etag().replace('"', "&quot;"),
                label.bytes
            )
        });
        let xml = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>{BUCKET}</Name>{}</ListBucketResult>"#,
            entries.collect::<String>()
        );
        Ok(answer(StatusCode::OK, "application/xml", xml.into()))
    }
}

fn broken(error: &std::io::Error) -> Refusal {
    tracing::warn!(%error, "the directory of uploads cannot be used");
    Refusal::BROKEN
}

fn text<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

fn set(response: &mut Response<Full<Bytes>>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn labelled(mut response: Response<Full<Bytes>>, label: &Label) -> Response<Full<Bytes>> {
    set(&mut response, header::ETAG.as_str(), &label.etag());
    response
}

fn answer(status: StatusCode, content_type: &str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    if !content_type.is_empty() {
        set(&mut response, "content-type", content_type);
    }
    response
}

fn preflight() -> Response<Full<Bytes>> {
    let mut response = answer(StatusCode::OK, "", Bytes::new());
    set(&mut response, "access-control-allow-methods", "PUT");
    let headers = "content-type, if-none-match, x-amz-checksum-sha256";
    set(&mut response, "access-control-allow-headers", headers);
    response
}
