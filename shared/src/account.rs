//! Data of one user in all tables: shown to the user, erased, or, of today's use, set to zero.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::App;
use crate::audit::Change;
use crate::clock::{Day, Timestamp};
use crate::error::{Error, Outage};
use crate::identity::session::Session;
use crate::identity::store::Account;
use crate::ids::{SessionId, UserId};
use crate::plan::Meter;
use crate::quota::Counter;
use crate::quota::table::Count;
use crate::usage::HistoryEntry;

/// Everything that is kept of a user.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    user_id: UserId,
    tier: String,
    created_at: String,
    /// The SHA-256 of the device's id; the id itself is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_hash: Option<String>,
    sessions: Vec<ShownSession>,
    /// What has been counted, and not yet been removed.
    counters: Vec<Count>,
    /// What was used on closed days.
    history: Vec<HistoryEntry>,
}

/// A session as its user sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownSession {
    session_id: SessionId,
    created_at: String,
    refreshed_at: String,
    expires_at: String,
    /// Whether it is bound to a device fingerprint.
    bound: bool,
    /// Whether the request was made in it.
    current: bool,
}

impl ShownSession {
    fn of(session: &Session, current: &SessionId) -> Self {
        Self {
            session_id: session.id.clone(),
            created_at: session.created_at.to_string(),
            refreshed_at: session.refreshed_at.to_string(),
            expires_at: session.expires_at().to_string(),
            bound: session.fingerprint.is_some(),
            current: session.id == *current,
        }
    }
}

/// The sessions of an account that live, the oldest first.
#[must_use]
pub fn living_sessions(account: &Account, current: &SessionId, now: Timestamp) -> Vec<ShownSession> {
    let mut living: Vec<&Session> = account.sessions.iter().filter(|session| session.lives(now)).collect();
    living.sort_by_key(|session| session.created_at);
    living
        .into_iter()
        .map(|session| ShownSession::of(session, current))
        .collect()
}

/// Everything that is kept of `user`.
///
/// # Errors
/// [`Error::NotFound`] if there is no such user; [`Error::Unavailable`] when a table is down.
pub async fn export(app: &App, user: &UserId, current: &SessionId, now: Timestamp) -> Result<Export, Error> {
    let account = app.identity.account(user).await?.ok_or(Error::NotFound)?;
    let (counters, history) = tokio::try_join!(app.quota.table().all_of(user), app.usage.history(user, now.day()))
        .map_err(Error::Unavailable)?;
    Ok(Export {
        user_id: user.clone(),
        tier: account.tier.to_string(),
        created_at: account.created_at.to_string(),
        device_hash: account
            .device
            .as_deref()
            .and_then(|key| key.strip_prefix("device#"))
            .map(str::to_owned),
        sessions: living_sessions(&account, current, now),
        counters,
        history,
    })
}

/// Sets a user's counters of a day to zero, and returns what each held.
///
/// # Errors
/// When the quota table is down: some may be at zero, and the same call again resets the rest.
pub async fn reset_day(app: &App, user: &UserId, day: Day) -> Result<BTreeMap<Meter, u64>, Outage> {
    let mut before = BTreeMap::new();
    for meter in Meter::daily() {
        let counter = Counter {
            user: user.clone(),
            meter,
            day,
        };
        before.insert(meter, app.quota.reset(&counter).await?);
    }
    Ok(before)
}

/// Ends a session that is known to be `user`'s, its access tokens included: those are denied until they have expired. Denied first:
/// when the table is down, whoever asks tries again and may keep nothing meanwhile. Whether the whole fleet was told; this
/// process denies them all the same, and others learn of it when the tokens are refreshed.
///
/// # Errors
/// [`Error::Unavailable`] when the identity table is down: the session may still be refreshed.
pub async fn end_session(app: &App, user: &UserId, session: &SessionId, now: Timestamp) -> Result<bool, Error> {
    let told = app.limits.revoke(user, session, now).await;
    app.identity.revoke(user, session, now).await?;
    Ok(told)
}

/// Erases everything that is kept of `user` but the audit entries, which name the user by the id alone. `last` is the session of
/// whoever asks, which goes last: an erasure that was interrupted can be asked for again.
///
/// # Errors
/// [`Error::NotFound`] if there is no such user; [`Error::Unavailable`] when a table is down.
pub async fn erase(app: &App, user: &UserId, last: Option<&SessionId>, note: Note<'_>) -> Result<(), Error> {
    let account = app.identity.account(user).await?.ok_or(Error::NotFound)?;
    for session in account.sessions.iter().filter(|session| session.lives(note.now)) {
        app.limits.revoke(user, &session.id, note.now).await;
    }
    let (rows, counters) =
        tokio::try_join!(app.usage.erase(user), app.quota.table().erase(user)).map_err(Error::Unavailable)?;
    app.identity.erase(user, &account, last).await?;
    let change = Change {
        actor: note.actor,
        action: "user.erase",
        target: user.as_str(),
        before: serde_json::json!({
            "tier": account.tier, "sessions": account.sessions.len(), "usageRows": rows, "counters": counters
        }),
        after: serde_json::Value::Null,
        reason: None,
        correlation_id: note.correlation_id,
    };
    app.audit.note(&change, note.now).await
}

/// Who asks, for the audit log.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// Who.
    pub actor: &'a str,
    /// In which request.
    pub correlation_id: &'a str,
    /// When.
    pub now: Timestamp,
}
