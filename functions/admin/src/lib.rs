//! `/v1/admin/*`: what operators change and look at. Every request is signed with an admin's key, and every change is noted.

mod audit;
mod plans;
mod usage;
mod users;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use serde_json::Value;
use shared::app::App;
use shared::audit::Change;
use shared::clock::Day;
use shared::error::Error;
use shared::http::{Call, Reply, Route};

/// What is asked of this function.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// Another tier for a user.
    SetTier,
    /// A user's day starts over.
    ResetQuota,
    /// All sessions of a user end.
    RevokeUser,
    /// Nothing is kept of a user.
    EraseUser,
    /// The plan of a tier.
    Plan,
    /// Another plan for a tier.
    SetPlan,
    /// What was changed on a day.
    Audit,
    /// Use of a day, by tier and meter.
    Usage,
}

/// What this function answers.
pub const ROUTES: [Route<Action>; 8] = [
    (Method::PUT, "/v1/admin/users/{userId}/tier", Action::SetTier),
    (Method::POST, "/v1/admin/users/{userId}/quota/reset", Action::ResetQuota),
    (Method::POST, "/v1/admin/users/{userId}/revoke", Action::RevokeUser),
    (Method::DELETE, "/v1/admin/users/{userId}", Action::EraseUser),
    (Method::GET, "/v1/admin/plans/{tier}", Action::Plan),
    (Method::PUT, "/v1/admin/plans/{tier}", Action::SetPlan),
    (Method::GET, "/v1/admin/audit", Action::Audit),
    (Method::GET, "/v1/admin/usage", Action::Usage),
];

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, "admin", request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome)
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let Some(action) = call.route(&ROUTES)? else {
        return Ok(Reply::preflight());
    };
    let body = call.take_json()?;
    let admin = format!("admin:{}", call.admin(app).await?);
    match action {
        Action::SetTier => users::set_tier(app, call, &admin, &body).await,
        Action::ResetQuota => users::reset_quota(app, call, &admin, &body).await,
        Action::RevokeUser => users::revoke(app, call, &admin).await,
        Action::EraseUser => users::erase(app, call, &admin).await,
        Action::Plan => plans::show(app, call).await,
        Action::SetPlan => plans::set(app, call, &admin, &body).await,
        Action::Audit => audit::list(app, call, &admin).await,
        Action::Usage => usage::show(app, call).await,
    }
}

/// Reads the day that a query names.
fn day(call: &Call) -> Result<Day, Error> {
    let day = match call.query("day").as_slice() {
        [day] => Day::parse(day),
        _ => None,
    };
    day.ok_or_else(|| Error::invalid("?day", "must be a day such as 2026-11-21, once"))
}

/// What is noted of a change.
struct Noted<'a> {
    action: &'static str,
    target: &'a str,
    before: Value,
    after: Value,
    reason: Option<&'a str>,
}

/// Notes a change that was made. If it cannot be noted, the request has failed: made again it changes nothing, and is noted.
async fn note(app: &App, call: &Call, admin: &str, noted: Noted<'_>) -> Result<(), Error> {
    let change = Change {
        actor: admin,
        action: noted.action,
        target: noted.target,
        before: noted.before,
        after: noted.after,
        reason: noted.reason,
        correlation_id: &call.record.correlation_id,
    };
    app.audit.note(&change, call.now).await
}
