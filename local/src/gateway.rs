//! Does API Gateway's work: finds the function of a path, throttles, passes an event on, and answers by itself if it
//! must.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use hyper::body::Body as _;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Context, LambdaEvent, Request, RequestExt, Response as Answer, Service, service_fn};
use shared::app::App;
use shared::error::{Error, Outage};
use shared::http::{
    AnswerBody, Pieces, Route, Verbatim, add_cors, buffered, correlation_id, refusal, with_every_header,
};
use shared::ids::new_correlation_id;

use crate::capacity::Slot;
use crate::event::{self, Caller, Origin};
use crate::invocations;

mod throttle;

pub use throttle::Throttle;

/// How long a function may take: `timeoutInMillis` in openapi.yaml.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(9);

/// How long one may take whose answer comes piece by piece, until it begins.
const STREAM_TIMEOUT: Duration = Duration::from_secs(115);

type Handling<B> = Pin<Box<dyn Future<Output = Answer<B>> + Send>>;

/// Handles one request.
#[derive(Clone, Copy)]
enum Handle {
    /// And answers it whole.
    Whole(fn(Arc<App>, Request) -> Handling<Body>),
    /// And answers it piece by piece.
    Streamed(fn(Arc<App>, Request) -> Handling<AnswerBody>),
}

/// A function behind the gateway.
#[derive(Clone)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its methods and paths.
    pub routes: Vec<(Method, &'static str)>,
    handle: Handle,
}

impl Function {
    fn of<A>(name: &'static str, routes: impl IntoIterator<Item = Route<A>>, handle: Handle) -> Self {
        let routes = routes.into_iter().map(|(method, path, _)| (method, path)).collect();
        Self { name, routes, handle }
    }
}

/// Every function behind the gateway.
#[must_use]
pub fn functions() -> [Function; 9] {
    [
        Function::of(
            admin::NAME,
            admin::ROUTES,
            Handle::Whole(|app, request| Box::pin(async move { admin::handle(&app, request).await })),
        ),
        Function::of(
            auth::NAME,
            auth::ROUTES,
            Handle::Whole(|app, request| Box::pin(async move { auth::handle(&app, request).await })),
        ),
        Function::of(
            chat::NAME,
            chat::ROUTES,
            Handle::Streamed(|app, request| Box::pin(chat::handle(app, request))),
        ),
        Function::of(
            classify::NAME,
            classify::ROUTES,
            Handle::Whole(|app, request| Box::pin(async move { classify::handle(&app, request).await })),
        ),
        Function::of(
            detect::NAME,
            detect::ROUTES,
            Handle::Whole(|app, request| Box::pin(async move { detect::handle(&app, request).await })),
        ),
        Function::of(
            health::NAME,
            health::ROUTES,
            Handle::Whole(|app, request| Box::pin(async move { health::handle(&app, request).await })),
        ),
        Function::of(
            jobs::NAME,
            jobs::ROUTES,
            Handle::Whole(|app, request| Box::pin(async move { jobs::handle(&app, request).await })),
        ),
        Function::of(
            rank::NAME,
            rank::ROUTES,
            Handle::Whole(|app, request| Box::pin(async move { rank::handle(&app, request).await })),
        ),
        Function::of(
            usage::NAME,
            usage::ROUTES,
            Handle::Whole(|app, request| Box::pin(async move { usage::handle(&app, request).await })),
        ),
    ]
}

/// Every route: its method, its path, the name of its function.
pub fn routes() -> impl Iterator<Item = (Method, &'static str, &'static str)> {
    functions().into_iter().flat_map(|function| {
        let routes = function.routes.into_iter();
        routes.map(move |(method, path)| (method, path, function.name))
    })
}

/// The gateway.
pub struct Gateway {
    app: Arc<App>,
    functions: [Function; 9],
    throttle: Option<Throttle>,
}

impl Gateway {
    /// A gateway to the functions of `app`.
    #[must_use]
    pub fn new(app: App, throttle: Option<Throttle>) -> Self {
        Self {
            app: Arc::new(app),
            functions: functions(),
            throttle,
        }
    }

    /// The long-lived things behind it.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// Refuses a request before any work on it.
    #[must_use]
    pub fn shed(&self) -> Error {
        self.app.telemetry.figures.shed();
        Error::Overloaded
    }

    /// Answers a request by itself.
    #[must_use]
    pub fn refuse(&self, error: &Error, request: &HeaderMap) -> Response<Bytes> {
        refuse(error, request, &self.app.config.cors_origins)
    }

    /// Before the process ends, as the function does before its environment does.
    pub async fn settle(&self) {
        self.app.settle().await;
    }

    /// Finds the route and the function of a path, like `ANY` on each path: the function itself says which methods there are.
    fn find(&self, path: &str) -> Option<(&'static str, &Function, HashMap<String, String>)> {
        let of = |function: &Function| {
            let mut routes = function.routes.iter();
            routes.find_map(|(_, route)| Some((*route, event::path_parameters(route, path)?)))
        };
        self.functions.iter().find_map(|function| {
            let (route, parameters) = of(function)?;
            Some((route, function, parameters))
        })
    }

    /// Answers a request whose body has been read, and holds its `slot` until all work on it has ended.
    ///
    /// # Errors
    /// The gateway's own answer.
    pub(crate) async fn answer(
        &self,
        parts: &Parts,
        body: &Bytes,
        caller: Caller,
        slot: Slot,
    ) -> Result<Response<AnswerBody>, Error> {
        let path = parts.uri.path();
        if let Some(function) = invocations::invoked(&parts.method, path) {
            let answer = invocations::invoke(&self.app, function, body).await;
            return Ok(answer.map(AnswerBody::whole));
        }
        let (resource, function, path_parameters) = self.find(path).ok_or(Error::NotFound)?;
        if let Some(throttle) = &self.throttle {
            throttle.admit(resource)?;
        }
        let origin = Origin {
            resource,
            path_parameters,
            source_ip: caller.address.ip(),
            port: caller.port,
            request_id: &new_correlation_id(),
            now: self.app.clock.now(),
        };
        let event = event::of_request(parts, body, &origin).map_err(|error| Error::Internal(Box::new(error)))?;
        let app = Arc::clone(&self.app);
        match function.handle {
            Handle::Whole(handle) => {
                let invocation = async move { (answer(app, Handle::Whole(handle), event).await, slot) };
                let (answer, _) = invoke_within(INTEGRATION_TIMEOUT, invocation).await?;
                let answer = answer.map_err(|error| Error::Internal(Box::new(error)))?;
                let answer = event::to_response(&answer);
                let answer = answer.ok_or_else(|| defect("the function's answer is malformed"))?;
                Ok(answer.map(AnswerBody::whole))
            }
            Handle::Streamed(handle) => {
                let request = request_of(&event).map_err(|error| Error::Internal(Box::new(error)))?;
                let invocation = async move { (handle(app, request).await, slot) };
                let (answer, slot) = invoke_within(STREAM_TIMEOUT, invocation).await?;
                Ok(answer.map(|body| match body {
                    AnswerBody::Whole(bytes) => AnswerBody::Whole(bytes),
                    body @ AnswerBody::Pieces(_) => AnswerBody::Pieces(Box::new(Occupying { body, _slot: slot })),
                }))
            }
        }
    }
}

/// Invokes a function in a task of its own: it ends what it has begun although the client hangs up, and its panic is its own.
async fn invoke_within<T: Send + 'static>(
    limit: Duration,
    invocation: impl Future<Output = T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, tokio::spawn(invocation)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(defect("the function panicked")),
        Err(_) => Err(Error::Unavailable(Outage("the function took too long".to_owned()))),
    }
}

/// A body that holds its request's place in the server until it ends.
struct Occupying {
    body: AnswerBody,
    _slot: Slot,
}

impl Pieces for Occupying {
    fn poll_piece(&mut self, context: &mut std::task::Context<'_>) -> Poll<Option<Bytes>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.and_then(|Ok(frame)| frame.into_data().ok()))
    }
}

/// Returns what API Gateway answers by itself, in the form of every other error, which pages of `origins` may read.
#[must_use]
pub fn refuse(error: &Error, request: &HeaderMap, origins: &[String]) -> Response<Bytes> {
    let mut response = refusal(error, &correlation_id(request));
    add_cors(origins, request, response.headers_mut());
    response.map(Into::into)
}

fn defect(what: &str) -> Error {
    Error::Internal(Box::new(Outage(what.to_owned())))
}

/// Invokes the function `name` as the Lambda runtime does: event in, answer out, both JSON.
///
/// # Errors
/// When there is no such function, or the event is none of API Gateway's.
pub async fn invoke(app: Arc<App>, name: &str, event: String) -> Result<String, serde_json::Error> {
    let found = functions().into_iter().find(|function| function.name == name);
    let function = found.ok_or_else(|| serde::de::Error::custom(format!("there is no function {name}")))?;
    answer(app, function.handle, event).await
}

async fn answer(app: Arc<App>, handle: Handle, event: String) -> Result<String, serde_json::Error> {
    let mut adapter = Adapter::from(service_fn(move |request: Request| {
        let app = Arc::clone(&app);
        async move {
            let answer = match handle {
                Handle::Whole(handle) => handle(app, request).await,
                Handle::Streamed(handle) => buffered(handle(app, request).await).await,
            };
            Ok::<_, Infallible>(Verbatim(answer))
        }
    }));
    let Ok(answer) = adapter.call(event_of(&event)?).await;
    serde_json::to_string(&answer)
}

fn event_of(event: &str) -> Result<LambdaEvent<LambdaRequest>, serde_json::Error> {
    let request: LambdaRequest = serde_json::from_str(event)?;
    Ok(with_every_header(LambdaEvent::new(request, Context::default())))
}

/// Returns the request that a function is given of an event.
fn request_of(event: &str) -> Result<Request, serde_json::Error> {
    let LambdaEvent { payload, context } = event_of(event)?;
    Ok(Request::from(payload).with_lambda_context(context))
}
