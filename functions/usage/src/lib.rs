//! `GET /v1/usage`: how much of today's quota is used, and what was used on the days before.

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::admission::{self, Entrance};
use shared::app::App;
use shared::error::Error;
use shared::http::{Allowance, Call, Reply, Route};
use shared::ids::UserId;
use shared::plan::{Meter, Usage};
use shared::rate_limit::store::Admitted;
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
    burst: Burst,
    history: Vec<HistoryEntry>,
}

#[derive(Serialize)]
struct Burst {
    limit: u64,
    remaining: u64,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, "usage", request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    if call.route(&ROUTES)?.is_none() {
        return Ok(Reply::preflight());
    }
    let principal = call.principal(app).await?;
    let admitted = call.admit(app, Entrance::Look(&principal, Meter::Posts)).await?;
    let counter = admission::counter(&principal, Meter::Posts, call.now);
    let day = counter.day;
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
        burst: burst(&admitted),
        history,
    };
    let reply = Reply::json(StatusCode::OK, &answer);
    call.usage = Some(usage);
    reply
}

fn burst(admitted: &Admitted) -> Burst {
    let standing = admitted
        .standings
        .iter()
        .find(|standing| standing.policy.name == "burst");
    Burst {
        limit: standing.map_or(0, |standing| standing.policy.limit),
        remaining: standing.map_or(0, |standing| standing.remaining),
    }
}
