//! `POST /v1/jobs` submits work that is done later; `GET /v1/jobs/{jobId}` says what came of it.

mod poll;
mod submit;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use shared::app::App;
use shared::error::Error;
use shared::http::{Call, Reply, Route};

/// The name of this function.
pub const NAME: &str = "jobs";

/// The action of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Submits a job.
    Submit,
    /// Shows a job.
    Poll,
}

/// The routes of this function.
pub const ROUTES: [Route<Action>; 2] = [
    (Method::POST, "/v1/jobs", Action::Submit),
    (Method::GET, "/v1/jobs/{jobId}", Action::Poll),
];

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, NAME, request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    match call.route(&ROUTES)? {
        None => Ok(Reply::preflight()),
        Some(Action::Submit) => submit::answer(app, call).await,
        Some(Action::Poll) => poll::answer(app, call).await,
    }
}
