//! One user's data in all tables: exports it, erases it, and sets the use of today to zero.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::App;
use crate::audit::Change;
use crate::chat::conversation::ConversationHead;
use crate::chat::conversation::store::PageRequest;
use crate::clock::{Day, Timestamp};
use crate::error::{Error, Outage};
use crate::identity::session::Session;
use crate::identity::store::Account;
use crate::ids::{SessionId, UserId};
use crate::jobs::experiment::view::ExportedExperiment;
use crate::jobs::store::ShownJob;
use crate::jobs::upload::{self, ShownUpload};
use crate::plan::Meter;
use crate::quota::Counter;
use crate::quota::table::Count;
use crate::statistics::history::ExportedDay;
use crate::usage::HistoryEntry;

/// The most conversations that an export names; the list of conversations has the rest.
const MOST_EXPORTED: usize = 10_000;

/// Everything kept about a user.
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
    /// Counters that TTL has not removed yet.
    counters: Vec<Count>,
    /// The use of closed days.
    history: Vec<HistoryEntry>,
    /// Jobs that have ended.
    jobs: Vec<ShownJob>,
    /// Experiments of the last 90 days.
    experiments: Vec<ExportedExperiment>,
    /// Objects that were uploaded, and neither judged nor removed yet.
    uploads: Vec<ShownUpload>,
    /// Conversations; their messages are read at their own address.
    conversations: Vec<ShownConversation>,
    /// Each day's statistics, by application and device; `GET /v1/stats` has their hours.
    statistics: Vec<ExportedDay>,
}

/// A conversation as its user's export names it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownConversation {
    conversation_id: String,
    created_at: String,
    updated_at: String,
    messages: u64,
    metadata: BTreeMap<String, String>,
}

impl ShownConversation {
    fn of(head: ConversationHead) -> Self {
        Self {
            conversation_id: head.id.to_string(),
            created_at: head.created_at.to_string(),
            updated_at: head.updated_at.to_string(),
            messages: head.messages,
            metadata: head.metadata,
        }
    }
}

/// A session as its user sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownSession {
    session_id: SessionId,
    created_at: String,
    refreshed_at: String,
    expires_at: String,
    /// True if it is bound to a device fingerprint.
    bound: bool,
    /// True for the session of this request.
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

/// Returns the live sessions of an account, oldest first.
#[must_use]
pub fn living_sessions(account: &Account, current: &SessionId, now: Timestamp) -> Vec<ShownSession> {
    let mut living: Vec<&Session> = account.sessions.iter().filter(|session| session.lives(now)).collect();
    living.sort_by_key(|session| session.created_at);
    living
        .into_iter()
        .map(|session| ShownSession::of(session, current))
        .collect()
}

/// Returns everything kept about `user`.
///
/// # Errors
/// [`Error::NotFound`] if there is no such user; [`Error::Unavailable`] when a table or the bucket is down.
pub async fn export(app: &App, user: &UserId, current: &SessionId, now: Timestamp) -> Result<Export, Error> {
    let account = app.identity.account(user).await?.ok_or(Error::NotFound)?;
    let every = PageRequest {
        limit: MOST_EXPORTED,
        newest_first: true,
    };
    let (counters, history, jobs, experiments, uploads, (conversations, _), statistics) = tokio::try_join!(
        app.quota.table().all_of(user),
        app.usage.history(user, now.day()),
        app.jobs.all_of(user),
        app.experiments.all_of(user),
        upload::all_of(app.objects.as_ref(), user),
        app.conversations.heads(user, &every, None, now),
        app.statistics.export(user, now)
    )
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
        jobs,
        experiments: experiments.into_iter().map(ExportedExperiment::of).collect(),
        uploads,
        conversations: conversations.into_iter().map(ShownConversation::of).collect(),
        statistics,
    })
}

/// Sets a user's counters of a day to zero, and returns the units that each held.
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

/// Ends a session that is known to be `user`'s, and denies its access tokens until they expire. The denial comes first: if the
/// table is down, the client tries again and keeps nothing meanwhile. Returns true if the whole fleet was informed. Otherwise
/// only this process denies the tokens, and others learn of the end when the tokens are refreshed.
///
/// # Errors
/// [`Error::Unavailable`] when the identity table is down: the session may still be refreshed.
pub async fn end_session(app: &App, user: &UserId, session: &SessionId, now: Timestamp) -> Result<bool, Error> {
    let told = app.limits.revoke(user, session, now).await;
    app.identity.revoke(user, session, now).await?;
    Ok(told)
}

/// Erases everything kept about `user` except the audit entries, which name the user by id alone. `last` is the session of this
/// request; it goes last, so that an interrupted erasure can be repeated.
///
/// # Errors
/// [`Error::NotFound`] if there is no such user; [`Error::Unavailable`] when a table or the bucket is down.
pub async fn erase(app: &App, user: &UserId, last: Option<&SessionId>, note: Note<'_>) -> Result<(), Error> {
    let account = app.identity.account(user).await?.ok_or(Error::NotFound)?;
    let lives = |session: &&Session| session.lives(note.now);
    // The session of the request comes last, so that an erasure that was interrupted can be repeated.
    let (own, others): (Vec<&Session>, Vec<&Session>) = account
        .sessions
        .iter()
        .filter(lives)
        .partition(|session| Some(&session.id) == last);
    for session in others {
        app.limits.revoke(user, &session.id, note.now).await;
    }
    let (rows, counters, jobs, experiments, uploads, conversations, statistics) = tokio::try_join!(
        app.usage.erase(user),
        app.quota.table().erase(user),
        app.jobs.erase(user),
        app.experiments.erase(user),
        upload::erase(app.objects.as_ref(), user),
        app.conversations.erase(user, note.now),
        app.statistics.erase(user, note.now)
    )
    .map_err(Error::Unavailable)?;
    app.identity.erase(user, &account, last).await?;
    for session in own {
        app.limits.revoke(user, &session.id, note.now).await;
    }
    // A worker may have ended a job meanwhile; the next one finds that there is no such user. A job is kept for two hours
    // anyway, so this need not succeed.
    let _ = tokio::join!(app.jobs.erase(user), app.experiments.erase(user));
    let change = Change {
        actor: note.actor,
        action: "user.erase",
        target: user.as_str(),
        before: serde_json::json!({
            "tier": account.tier, "sessions": account.sessions.len(), "usageRows": rows, "counters": counters,
            "jobs": jobs, "experiments": experiments, "uploads": uploads, "conversations": conversations,
            "statistics": statistics
        }),
        after: serde_json::Value::Null,
        reason: None,
        correlation_id: note.correlation_id,
    };
    app.audit.note(&change, note.now).await
}

/// The request behind an erasure, for the audit log.
#[derive(Debug, Clone, Copy)]
pub struct Note<'a> {
    /// The user or admin.
    pub actor: &'a str,
    /// The request's correlation id.
    pub correlation_id: &'a str,
    /// The time of the request.
    pub now: Timestamp,
}
