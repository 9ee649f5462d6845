//! `POST /v1/jobs` submits work that is done later; `GET /v1/jobs/{jobId}` says what came of it. `/v1/uploads` takes what is too
//! large for that, and `/v1/experiments` what is kept for longer.

mod experiments;
mod poll;
mod submit;
mod uploads;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use shared::app::App;
use shared::error::Error;
use shared::http::{Call, Reply, Route};

/// The name of this function.
pub const NAME: &str = "jobs";

/// Submits of a user in any 60 seconds, of jobs and experiments together.
pub(crate) const PER_MINUTE: u64 = 10;

/// The action of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Submits a job.
    Submit,
    /// Shows a job.
    Poll,
    /// Lets a client upload.
    Upload,
    /// Submits an experiment.
    StartExperiment,
    /// Lists experiments.
    ListExperiments,
    /// Shows an experiment.
    ShowExperiment,
    /// Deletes an experiment.
    DeleteExperiment,
    /// Compares two experiments.
    CompareExperiments,
}

/// The routes of this function.
pub const ROUTES: [Route<Action>; 8] = [
    (Method::POST, "/v1/jobs", Action::Submit),
    (Method::GET, "/v1/jobs/{jobId}", Action::Poll),
    (Method::POST, "/v1/uploads", Action::Upload),
    (Method::POST, "/v1/experiments", Action::StartExperiment),
    (Method::GET, "/v1/experiments", Action::ListExperiments),
    (Method::GET, "/v1/experiments/{experimentId}", Action::ShowExperiment),
    (
        Method::DELETE,
        "/v1/experiments/{experimentId}",
        Action::DeleteExperiment,
    ),
    (
        Method::GET,
        "/v1/experiments/{experimentId}/compare/{other}",
        Action::CompareExperiments,
    ),
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
        Some(Action::Upload) => uploads::answer(app, call).await,
        Some(Action::StartExperiment) => experiments::start(app, call).await,
        Some(Action::ListExperiments) => experiments::list(app, call).await,
        Some(Action::ShowExperiment) => experiments::show(app, call).await,
        Some(Action::DeleteExperiment) => experiments::delete(app, call).await,
        Some(Action::CompareExperiments) => experiments::compare_two(app, call).await,
    }
}
