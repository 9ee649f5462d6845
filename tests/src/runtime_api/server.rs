//! The Runtime API and the Extensions API as a server: what the AWS documentation says of each path, and nothing else.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::response::Builder;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::ids::new_correlation_id;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::Diagnostic;

/// How an invocation ended: the answer as it was sent, or what was reported.
type Outcome = Result<Bytes, Diagnostic>;

/// The state of an environment, as far as its Runtime API can see.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// Requests for an event that wait for one.
    pub(super) polls: usize,
    /// Events that were delivered and are not answered.
    pub(super) in_flight: usize,
    /// Why it could not start, if it said so.
    pub(super) init_error: Option<Diagnostic>,
    /// The names of registered extensions.
    pub(super) extensions: Vec<String>,
}

/// A Runtime API for one environment.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    queue: mpsc::UnboundedSender<Invocation>,
    load: watch::Receiver<Load>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Invocation {
    event: Vec<u8>,
    answer: oneshot::Sender<Outcome>,
    pieces: Option<mpsc::UnboundedSender<Bytes>>,
}

/// The parts of an invocation that wait for its answer.
struct Waiting {
    answer: oneshot::Sender<Outcome>,
    /// Told of a streamed answer piece by piece.
    pieces: Option<mpsc::UnboundedSender<Bytes>>,
}

/// The end of the head of a streamed answer.
const END_OF_HEAD: [u8; 8] = [0; 8];

struct State {
    function: String,
    time_limit: Duration,
    /// Polls take turns in the order in which they came.
    queue: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    in_flight: Mutex<HashMap<String, Waiting>>,
    load: watch::Sender<Load>,
}

impl RuntimeApi {
    /// On a free port, for one environment of `function`.
    pub(super) async fn start(function: &str, time_limit: Duration) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (queue, events) = mpsc::unbounded_channel();
        let (load_now, load) = watch::channel(Load::default());
        let state = Arc::new(State {
            function: function.to_owned(),
            time_limit,
            queue: AsyncMutex::new(events),
            in_flight: Mutex::default(),
            load: load_now,
        });
        let accepting = tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let state = Arc::clone(&state);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(state.serve(request).await) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            queue,
            load,
            accepting,
        }
    }

    /// Queues an event; what comes back is how it ended.
    pub(super) fn submit(
        &self,
        event: Vec<u8>,
        pieces: Option<mpsc::UnboundedSender<Bytes>>,
    ) -> oneshot::Receiver<Outcome> {
        let (answer, outcome) = oneshot::channel();
        self.queue
            .send(Invocation { event, answer, pieces })
            .expect("the Runtime API runs");
        outcome
    }

    pub(super) fn load(&self) -> watch::Receiver<Load> {
        self.load.clone()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let extension = header(&request, "lambda-extension-name");
        let streams = header(&request, "lambda-runtime-function-response-mode").as_deref() == Some("streaming");
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let pieces = match steps.as_slice() {
            [.., id, "response"] if streams => self.in_flight().get_mut(*id).and_then(|waiting| waiting.pieces.take()),
            _ => None,
        };
        let Some(body) = read(request.into_body(), pieces).await else {
            return refusal(StatusCode::BAD_REQUEST, "InvalidRequest");
        };
        match (&method, steps.as_slice()) {
            (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => self.next().await,
            (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "response"]) if streams => {
                self.finish(id, Ok(as_whole(&body)))
            }
            (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "response"]) => self.finish(id, Ok(body)),
            (&Method::POST, ["2018-06-01", "runtime", "invocation", id, "error"]) => {
                self.finish(id, Err(diagnostic(&body)))
            }
            (&Method::POST, ["2018-06-01", "runtime", "init", "error"]) => {
                self.load.send_modify(|load| load.init_error = Some(diagnostic(&body)));
                accepted()
            }
            (&Method::POST, ["2020-01-01", "extension", "register"]) => self.register(extension),
            // Nobody here subscribes to anything: no event ever comes.
            (&Method::GET, ["2020-01-01", "extension", "event", "next"]) => std::future::pending().await,
            _ => refusal(StatusCode::NOT_FOUND, "NotFound"),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let invocation = {
            let _open = Poll::open(self);
            self.queue.lock().await.recv().await
        };
        let Some(Invocation { event, answer, pieces }) = invocation else {
            // The environment is being dropped.
            return std::future::pending().await;
        };
        let hex = new_correlation_id();
        let id = format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        );
        let now = Clock::system().now();
        self.in_flight().insert(id.clone(), Waiting { answer, pieces });
        self.load.send_modify(|load| load.in_flight += 1);
        reply(
            Response::builder()
                .header("Content-Type", "application/json")
                .header(
                    "Lambda-Runtime-Deadline-Ms",
                    now.plus(self.time_limit).millis().to_string(),
                )
                .header("Lambda-Runtime-Invoked-Function-Arn", self.arn())
                .header(
                    "Lambda-Runtime-Trace-Id",
                    format!(
                        "Root=1-{:08x}-{};Parent={};Sampled=0",
                        now.seconds(),
                        &hex[..24],
                        &hex[16..]
                    ),
                )
                .header("Lambda-Runtime-Aws-Request-Id", id),
            event,
        )
    }

    fn arn(&self) -> String {
        format!("arn:aws:lambda:us-east-1:123456789012:function:{}", self.function)
    }

    fn finish(&self, id: &str, outcome: Outcome) -> Response<Full<Bytes>> {
        let Some(Waiting { answer, .. }) = self.in_flight().remove(id) else {
            return refusal(StatusCode::BAD_REQUEST, "InvalidRequestID");
        };
        self.load.send_modify(|load| load.in_flight -= 1);
        // The caller may have given up.
        let _ = answer.send(outcome);
        accepted()
    }

    fn register(&self, extension: Option<String>) -> Response<Full<Bytes>> {
        let Some(name) = extension else {
            return refusal(StatusCode::BAD_REQUEST, "InvalidExtensionName");
        };
        if self.load.borrow().polls > 0 {
            // The first request for an event has ended the init phase.
            return refusal(StatusCode::FORBIDDEN, "InitHasEnded");
        }
        self.load.send_modify(|load| load.extensions.push(name));
        let about = json!({
            "functionName": self.function,
            "functionVersion": "$LATEST",
            "handler": "bootstrap",
            "accountId": "123456789012",
        });
        reply(
            Response::builder().header("Lambda-Extension-Identifier", new_correlation_id()),
            about.to_string(),
        )
    }

    fn in_flight(&self) -> std::sync::MutexGuard<'_, HashMap<String, Waiting>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a poll for as long as it waits, also if its connection ends.
struct Poll<'a>(&'a State);

impl<'a> Poll<'a> {
    fn open(state: &'a State) -> Self {
        state.load.send_modify(|load| load.polls += 1);
        Self(state)
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        self.0.load.send_modify(|load| load.polls -= 1);
    }
}

/// Reads a body, and passes each piece on as it comes; `None` if it broke.
async fn read(mut body: Incoming, pieces: Option<mpsc::UnboundedSender<Bytes>>) -> Option<Bytes> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame.ok()?.into_data() {
            whole.extend_from_slice(&piece);
            let _ = pieces.as_ref().map(|pieces| pieces.send(piece));
        }
    }
    Some(whole.into())
}

/// Returns a streamed answer in the form of one that is whole, as API Gateway reads both.
fn as_whole(streamed: &[u8]) -> Bytes {
    let mut windows = streamed.windows(END_OF_HEAD.len());
    let at = windows
        .position(|window| window == END_OF_HEAD)
        .expect("the end of the head");
    let mut answer: Value = serde_json::from_slice(&streamed[..at]).expect("a head in JSON");
    let headers = answer["headers"].as_object().into_iter().flatten();
    for (name, value) in headers {
        assert!(value.is_string(), "{name} is there twice, and the gateway reads one");
    }
    let body = std::str::from_utf8(&streamed[at + END_OF_HEAD.len()..]).expect("a text");
    answer["body"] = body.into();
    answer["isBase64Encoded"] = false.into();
    answer.to_string().into()
}

fn header(request: &Request<Incoming>, name: &str) -> Option<String> {
    let value = request.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn diagnostic(body: &[u8]) -> Diagnostic {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Diagnostic {
        error_type: member("errorType"),
        message: member("errorMessage"),
    }
}

fn accepted() -> Response<Full<Bytes>> {
    reply(
        Response::builder().status(StatusCode::ACCEPTED),
        json!({"status": "OK"}).to_string(),
    )
}

fn refusal(status: StatusCode, error_type: &str) -> Response<Full<Bytes>> {
    reply(
        Response::builder().status(status),
        json!({"errorType": error_type, "errorMessage": error_type}).to_string(),
    )
}

fn reply(builder: Builder, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    builder.body(Full::new(body.into())).expect("headers of ours")
}
