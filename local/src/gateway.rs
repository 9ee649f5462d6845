//! Does API Gateway's work: finds the function of a path, throttles, passes an event on, and answers by itself if it
//! must.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Response};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent, Service, service_fn};
use shared::app::App;
use shared::error::{Error, Outage};
use shared::http::{Verbatim, add_cors, correlation_id, new_correlation_id, refusal, with_every_header};

use crate::capacity::Slot;
use crate::event::{self, Caller, Origin};
use crate::invocations;

mod throttle;

pub use throttle::Throttle;

/// How long a function may take: `timeoutInMillis` in openapi.yaml.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(9);

/// A function behind the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Operators' changes and reports.
    Admin,
    /// Registration, refresh, revocation, public keys.
    Auth,
    /// Verdicts.
    Classify,
    /// Health.
    Health,
    /// Quota.
    Usage,
}

/// Every route: its method, its path, its function. The functions' own tables, put together.
pub fn routes() -> impl Iterator<Item = (Method, &'static str, Function)> {
    let admin = admin::ROUTES
        .into_iter()
        .map(|(method, path, _)| (method, path, Function::Admin));
    let auth = auth::ROUTES
        .into_iter()
        .map(|(method, path, _)| (method, path, Function::Auth));
    let classify = classify::ROUTES
        .into_iter()
        .map(|(method, path, ())| (method, path, Function::Classify));
    let health = health::ROUTES
        .into_iter()
        .map(|(method, path, _)| (method, path, Function::Health));
    let usage = usage::ROUTES
        .into_iter()
        .map(|(method, path, ())| (method, path, Function::Usage));
    admin.chain(auth).chain(classify).chain(health).chain(usage)
}

/// The gateway.
pub struct Gateway {
    app: Arc<App>,
    routes: Vec<(&'static str, Function)>,
    throttle: Option<Throttle>,
}

impl Gateway {
    /// A gateway to the functions of `app`.
    #[must_use]
    pub fn new(app: App, throttle: Option<Throttle>) -> Self {
        Self {
            app: Arc::new(app),
            // Like `ANY` on each path: which methods there are, the function says.
            routes: routes().map(|(_, path, function)| (path, function)).collect(),
            throttle,
        }
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
        self.app.quota.settle().await;
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
        let matching = self.routes.iter().find_map(|(route, function)| {
            let parameters = event::path_parameters(route, path)?;
            Some((*route, *function, parameters))
        });
        let (resource, function, path_parameters) = matching.ok_or(Error::NotFound)?;
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
        let invocation = invoke(Arc::clone(&self.app), function, event);
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

/// One invocation, as the Lambda runtime makes it: event in, answer out, both JSON.
///
/// # Errors
/// When the event is none of API Gateway's.
pub async fn invoke(app: Arc<App>, function: Function, event: String) -> Result<String, serde_json::Error> {
    let request: LambdaRequest = serde_json::from_str(&event)?;
    let mut adapter = Adapter::from(service_fn(move |request: lambda_http::Request| {
        let app = Arc::clone(&app);
        async move {
            Ok::<_, Infallible>(Verbatim(match function {
                Function::Admin => admin::handle(&app, request).await,
                Function::Auth => auth::handle(&app, request).await,
                Function::Classify => classify::handle(&app, request).await,
                Function::Health => health::handle(&app, request).await,
                Function::Usage => usage::handle(&app, request).await,
            }))
        }
    }));
    let event = with_every_header(LambdaEvent::new(request, Context::default()));
    let Ok(answer) = adapter.call(event).await;
    serde_json::to_string(&answer)
}
