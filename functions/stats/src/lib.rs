//! `GET /v1/stats`: how often what was seen on a user's devices, by hour or day.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Call, Reply, Route, StatisticsResponse};
use shared::plan::Meter;
use shared::telemetry::Degraded;

/// The name of this function.
pub const NAME: &str = "stats";

/// The route that this function answers.
pub const ROUTES: [Route<()>; 1] = [(Method::GET, "/v1/stats", ())];

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, NAME, request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    if call.route(&ROUTES)?.is_none() {
        return Ok(Reply::preflight());
    }
    let principal = call.principal(app).await?;
    let query = http::row_query(call, true)?;
    // It costs nothing, and looks at the limit by minute.
    call.enter(app, &principal, Meter::Images, 0).await?;
    let (page, cache_is_away) = app
        .statistics
        .rows_of(&principal.user, &query, call.now)
        .await
        .map_err(Error::Unavailable)?;
    if cache_is_away {
        call.record.note(Degraded::Statistics);
    }
    Reply::json(
        StatusCode::OK,
        &StatisticsResponse::of(&query, &page, &call.record.degraded),
    )
}
