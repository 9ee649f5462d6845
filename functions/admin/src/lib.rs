//! `/v1/admin/*`: changes and reports for operators. Every request is signed with an admin's key, and every change is noted.

mod audit;
mod plans;
mod stats;
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

/// The operations of this function.
#[derive(Debug, Clone, Copy)]
pub enum AdminAction {
    /// Puts a user on another tier.
    SetTier,
    /// Starts a user's day over.
    ResetQuota,
    /// Ends all sessions of a user.
    RevokeUser,
    /// Erases everything kept about a user.
    EraseUser,
    /// Shows the plan of a tier.
    Plan,
    /// Replaces the plan of a tier.
    SetPlan,
    /// Lists the changes of a day.
    Audit,
    /// Shows the totals of a day, by tier and meter.
    Usage,
    /// Shows statistics over all users.
    Stats,
}

/// The name of this function.
pub const NAME: &str = "admin";

/// The routes that this function answers.
pub const ROUTES: [Route<AdminAction>; 9] = [
    (Method::PUT, "/v1/admin/users/{userId}/tier", AdminAction::SetTier),
    (
        Method::POST,
        "/v1/admin/users/{userId}/quota/reset",
        AdminAction::ResetQuota,
    ),
    (Method::POST, "/v1/admin/users/{userId}/revoke", AdminAction::RevokeUser),
    (Method::DELETE, "/v1/admin/users/{userId}", AdminAction::EraseUser),
    (Method::GET, "/v1/admin/plans/{tier}", AdminAction::Plan),
    (Method::PUT, "/v1/admin/plans/{tier}", AdminAction::SetPlan),
    (Method::GET, "/v1/admin/audit", AdminAction::Audit),
    (Method::GET, "/v1/admin/usage", AdminAction::Usage),
    (Method::GET, "/v1/admin/stats", AdminAction::Stats),
];

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, NAME, request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let Some(action) = call.route(&ROUTES)? else {
        return Ok(Reply::preflight());
    };
    let body = call.take_json()?;
    let admin = format!("admin:{}", call.admin(app).await?);
    match action {
        AdminAction::SetTier => users::set_tier(app, call, &admin, &body).await,
        AdminAction::ResetQuota => users::reset_quota(app, call, &admin, &body).await,
        AdminAction::RevokeUser => users::revoke(app, call, &admin).await,
        AdminAction::EraseUser => users::erase(app, call, &admin).await,
        AdminAction::Plan => plans::show(app, call).await,
        AdminAction::SetPlan => plans::set(app, call, &admin, &body).await,
        AdminAction::Audit => audit::list(app, call, &admin).await,
        AdminAction::Usage => usage::show(app, call).await,
        AdminAction::Stats => stats::show(app, call).await,
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

/// A change as the audit log has it.
struct Noted<'a> {
    action: &'static str,
    target: &'a str,
    before: Value,
    after: Value,
    reason: Option<&'a str>,
}

/// Notes a change that was made. If that fails, the request fails: sent again, it changes nothing and is noted.
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
