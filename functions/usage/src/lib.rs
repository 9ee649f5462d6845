//! `GET /v1/usage`: how much of today's quota is used, and what was used on the days before.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::app::App;
use shared::error::Error;
use shared::http::{Allowance, Call, Reply, Route};
use shared::ids::UserId;
use shared::plan::{Meter, Usage};
use shared::quota::Counter;
use shared::usage::HistoryEntry;

/// What this function answers.
pub const ROUTES: [Route<()>; 1] = [(Method::GET, "/v1/usage", ())];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    user_id: &'a UserId,
    day: String,
    #[serde(flatten)]
    usage: Allowance<'a>,
    history: Vec<HistoryEntry>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, "usage", request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome)
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    if call.route(&ROUTES)?.is_none() {
        return Ok(Reply::preflight());
    }
    let principal = call.principal(app).await?;
    let day = call.now.day();
    let counter = Counter {
        user: principal.user.clone(),
        meter: Meter::Posts,
        day,
    };
    let (used, history) = tokio::try_join!(app.quota.used(&counter), app.usage.history(&principal.user, day))
        .map_err(Error::Unavailable)?;
    let usage = Usage {
        limit: app
            .plans
            .current(call.now)
            .await
            .allowance(&principal.tier, Meter::Posts)
            .per_day,
        tier: principal.tier,
        used,
        reset_at: day.next().start(),
    };
    let answer = Answer {
        user_id: &principal.user,
        day: day.to_string(),
        usage: Allowance::of(&usage),
        history,
    };
    Reply::json(StatusCode::OK, &answer)
}
