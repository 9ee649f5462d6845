//! Changes of one user: tier, quota, sessions, erasure.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::account::{self, Note};
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Call, Reply};
use shared::ids::UserId;
use shared::plan::{Meter, Tier};

use crate::{Noted, note};

/// The most characters of a reason.
const LONGEST_REASON: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedTier {
    tier: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetRequest {
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangedTier<'a> {
    user_id: &'a UserId,
    tier: &'a Tier,
    before: &'a Tier,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResetResponse<'a> {
    user_id: &'a UserId,
    before: BTreeMap<Meter, u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Revoked<'a> {
    user_id: &'a UserId,
    revoked_sessions: usize,
}

/// Returns the user of the path. An id that cannot exist is not found.
fn user(call: &Call) -> Result<UserId, Error> {
    UserId::parse(call.path_parameter("userId")).ok_or(Error::NotFound)
}

/// Changes the tier; it takes effect at the user's next refresh.
pub(crate) async fn set_tier(app: &App, call: &Call, admin: &str, body: &[u8]) -> Result<Reply, Error> {
    let user = user(call)?;
    let asked: AskedTier = http::parse(body)?;
    let plans = app.plans.read().await.map_err(Error::Unavailable)?;
    let tier = Tier::parse(&asked.tier).filter(|tier| plans.has(tier));
    let tier = tier.ok_or_else(|| Error::invalid("/tier", "there is no plan for this tier"))?;
    let before = app.identity.set_tier(&user, &tier).await?.ok_or(Error::NotFound)?;
    let noted = Noted {
        action: "user.tier",
        target: user.as_str(),
        before: json!(before),
        after: json!(tier),
        reason: None,
    };
    note(app, call, admin, noted).await?;
    let changed = ChangedTier {
        user_id: &user,
        tier: &tier,
        before: &before,
    };
    Reply::json(StatusCode::OK, &changed)
}

pub(crate) async fn reset_quota(app: &App, call: &Call, admin: &str, body: &[u8]) -> Result<Reply, Error> {
    let user = user(call)?;
    let asked: ResetRequest = http::parse(body)?;
    if !(1..=LONGEST_REASON).contains(&asked.reason.chars().count()) {
        let bound = format!("must have 1 to {LONGEST_REASON} characters");
        return Err(Error::invalid("/reason", bound));
    }
    app.identity.tier(&user).await?.ok_or(Error::NotFound)?;
    let before = account::reset_day(app, &user, call.now.day())
        .await
        .map_err(Error::Unavailable)?;
    let noted = Noted {
        action: "quota.reset",
        target: user.as_str(),
        before: json!({"used": before}),
        after: json!({"used": {}}),
        reason: Some(&asked.reason),
    };
    note(app, call, admin, noted).await?;
    let reset = ResetResponse { user_id: &user, before };
    Reply::json(StatusCode::OK, &reset)
}

/// Ends all sessions, and denies their access tokens.
pub(crate) async fn revoke(app: &App, call: &Call, admin: &str) -> Result<Reply, Error> {
    let user = user(call)?;
    let account = app.identity.account(&user).await?.ok_or(Error::NotFound)?;
    let living: Vec<_> = account
        .sessions
        .iter()
        .filter(|session| session.lives(call.now))
        .collect();
    for session in &living {
        account::end_session(app, &user, &session.id, call.now).await?;
    }
    let ids: Vec<_> = living.iter().map(|session| session.id.as_str()).collect();
    let noted = Noted {
        action: "user.revoke",
        target: user.as_str(),
        before: json!({"sessions": ids}),
        after: json!({"sessions": []}),
        reason: None,
    };
    note(app, call, admin, noted).await?;
    let revoked = Revoked {
        user_id: &user,
        revoked_sessions: ids.len(),
    };
    Reply::json(StatusCode::OK, &revoked)
}

pub(crate) async fn erase(app: &App, call: &Call, admin: &str) -> Result<Reply, Error> {
    let user = user(call)?;
    let note = Note {
        actor: admin,
        correlation_id: &call.record.correlation_id,
        now: call.now,
    };
    account::erase(app, &user, None, note).await?;
    Ok(Reply::empty())
}
