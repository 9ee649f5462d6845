//! Does API Gateway's work: finds the function of a path, throttles, passes an event on, and answers by itself if it
//! must.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Context, LambdaEvent, Request, Response as Answer, Service, service_fn};
use shared::app::App;
use shared::error::{Error, Outage};
use shared::http::{Route, Verbatim, add_cors, correlation_id, refusal, with_every_header};
use shared::ids::new_correlation_id;

use crate::capacity::Slot;
use crate::event::{self, Caller, Origin};
use crate::invocations;

mod throttle;

pub use throttle::Throttle;

/// How long a function may take: `timeoutInMillis` in openapi.yaml.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(9);

/// Handles one request.
type Handle = fn(Arc<App>, Request) -> Pin<Box<dyn Future<Output = Answer<Body>> + Send>>;

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
pub fn functions() -> [Function; 8] {
    [
        Function::of(admin::NAME, admin::ROUTES, |app, request| {
            Box::pin(async move { admin::handle(&app, request).await })
        }),
        Function::of(auth::NAME, auth::ROUTES, |app, request| {
            Box::pin(async move { auth::handle(&app, request).await })
        }),
        Function::of(classify::NAME, classify::ROUTES, |app, request| {
            Box::pin(async move { classify::handle(&app, request).await })
        }),
        Function::of(detect::NAME, detect::ROUTES, |app, request| {
            Box::pin(async move { detect::handle(&app, request).await })
        }),
        Function::of(health::NAME, health::ROUTES, |app, request| {
            Box::pin(async move { health::handle(&app, request).await })
        }),
        Function::of(jobs::NAME, jobs::ROUTES, |app, request| {
            Box::pin(async move { jobs::handle(&app, request).await })
        }),
        Function::of(rank::NAME, rank::ROUTES, |app, request| {
            Box::pin(async move { rank::handle(&app, request).await })
        }),
        Function::of(usage::NAME, usage::ROUTES, |app, request| {
            Box::pin(async move { usage::handle(&app, request).await })
        }),
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
    functions: [Function; 8],
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
    ) -> Result<Response<Bytes>, Error> {
        let path = parts.uri.path();
        if let Some(function) = invocations::invoked(&parts.method, path) {
            return Ok(invocations::invoke(&self.app, function, body).await);
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
        // A task of its own: it ends what it has begun although the client hangs up, and its panic is its own.
        let invocation = answer(Arc::clone(&self.app), function.handle, event);
        let invocation = tokio::spawn(async move {
            let answer = invocation.await;
            drop(slot);
            answer
        });
        match tokio::time::timeout(INTEGRATION_TIMEOUT, invocation).await {
            Ok(Ok(answer)) => {
                let answer = answer.map_err(|error| Error::Internal(Box::new(error)))?;
                event::to_response(&answer).ok_or_else(|| defect("the function's answer is malformed"))
            }
            Ok(Err(_)) => Err(defect("the function panicked")),
            Err(_) => Err(Error::Unavailable(Outage("the function took too long".to_owned()))),
        }
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
    let request: LambdaRequest = serde_json::from_str(&event)?;
    let mut adapter = Adapter::from(service_fn(move |request: Request| {
        let answer = handle(Arc::clone(&app), request);
        async move { Ok::<_, Infallible>(Verbatim(answer.await)) }
    }));
    let event = with_every_header(LambdaEvent::new(request, Context::default()));
    let Ok(answer) = adapter.call(event).await;
    serde_json::to_string(&answer)
}
