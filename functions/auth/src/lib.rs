//! `/v1/auth/*` and the public keys: devices register, refresh their tokens, end their sessions; users see and erase what is kept
//! of them.

mod me;

use std::sync::Arc;
use std::time::Duration;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::account;
use shared::admission::Entrance;
use shared::app::App;
use shared::audit::Change;
use shared::error::{Error, Outage, Violation};
use shared::http::{self, Call, Reply, Route};
use shared::identity::keys::KeySet;
use shared::identity::published::{Publication, Published};
use shared::identity::session::{Decision, RefreshToken, Session, decide};
use shared::identity::store::Rotation;
use shared::identity::{Fingerprint, Principal, new_salt, token};
use shared::ids::{SessionId, UserId};
use shared::plan::Tier;

/// What is asked of this function.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// A device wants tokens.
    Register,
    /// A session wants new tokens.
    Refresh,
    /// A session ends.
    Revoke,
    /// A user wants to see the sessions.
    Sessions,
    /// A user ends a session.
    EndSession,
    /// A user wants to see what is kept.
    Export,
    /// A user wants nothing to be kept.
    Erase,
    /// Anybody wants the public keys.
    PublicKeys,
}

/// What this function answers.
pub const ROUTES: [Route<Action>; 8] = [
    (Method::POST, "/v1/auth/register", Action::Register),
    (Method::POST, "/v1/auth/refresh", Action::Refresh),
    (Method::POST, "/v1/auth/revoke", Action::Revoke),
    (Method::GET, "/v1/auth/sessions", Action::Sessions),
    (Method::DELETE, "/v1/auth/sessions/{sid}", Action::EndSession),
    (Method::GET, "/v1/auth/me", Action::Export),
    (Method::DELETE, "/v1/auth/me", Action::Erase),
    (Method::GET, "/.well-known/jwks.json", Action::PublicKeys),
];

/// The longest refresh token that is looked at; ours have about 100 characters.
const LONGEST_TOKEN: usize = 512;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Registration {
    device_id: String,
    #[serde(default, deserialize_with = "http::present")]
    fingerprint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Shown {
    refresh_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    user_id: UserId,
    tier: Tier,
    token_type: &'static str,
    access_token: String,
    expires_in: i64,
    refresh_token: String,
    refresh_expires_in: u64,
    signing_key: String,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, "auth", request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let Some(action) = call.route(&ROUTES)? else {
        return Ok(Reply::preflight());
    };
    match action {
        Action::Register => register(app, call).await,
        Action::Refresh => refresh(app, call).await,
        Action::Revoke => revoke(app, call).await,
        Action::Sessions => me::sessions(app, call).await,
        Action::EndSession => me::end_session(app, call).await,
        Action::Export => me::export(app, call).await,
        Action::Erase => me::erase(app, call).await,
        Action::PublicKeys => {
            call.admit(app, Entrance::Visit).await?;
            let keys = token_keys(app, call).await?;
            Ok(Reply::json(StatusCode::OK, &keys.public().clone().at(call.now).to_jwks())?.public())
        }
    }
}

async fn register(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let asked: Registration = http::parse(&body)?;
    let mut violations = Vec::new();
    if !(16..=128).contains(&asked.device_id.chars().count()) {
        violations.push(Violation::at("/deviceId", "must have 16 to 128 characters"));
    }
    if asked
        .fingerprint
        .as_ref()
        .is_some_and(|text| !(1..=512).contains(&text.chars().count()))
    {
        violations.push(Violation::at("/fingerprint", "must have 1 to 512 characters"));
    }
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }

    call.admit(app, Entrance::Registration).await?;
    let keys = publish(app, call).await?;
    let (user, tier) = app
        .identity
        .user_of_device(&asked.device_id, UserId::random()?, call.now)
        .await?;
    let mut session = Session {
        user,
        id: SessionId::random()?,
        generation: 0,
        hash: String::new(),
        salt: new_salt()?,
        master: keys.refresh_master(call.now),
        fingerprint: asked.fingerprint.as_deref().map(Fingerprint::of),
        created_at: call.now,
        refreshed_at: call.now,
        revoked: false,
    };
    let refresh_token = derive(&keys, &session, 0)?;
    session.hash = refresh_token.hash();
    app.identity.create_session(&session).await?;
    let tokens = tokens(app, &keys, call, &session, tier, &refresh_token).await?;
    let made = json!({"session": session.id, "bound": session.fingerprint.is_some()});
    note(app, call, "device.register", &session.user, Value::Null, made).await;
    Reply::json(StatusCode::CREATED, &tokens)
}

async fn refresh(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let shown = read_shown(&http::parse(&body)?)?;
    call.admit(app, Entrance::Visit).await?;
    let Some(shown) = shown else {
        return Err(Error::Unauthenticated("the refresh token is malformed"));
    };
    let fingerprint = call.fingerprint().map(Fingerprint::of);
    let keys = publish(app, call).await?;
    let stored = app.identity.session(&shown.user, &shown.session).await?;
    let (mut session, tier) = stored.ok_or(Error::Unauthenticated("there is no such session"))?;
    let successor = derive(&keys, &session, shown.generation.saturating_add(1))?;
    loop {
        match decide(&keys, &session, &shown, fingerprint.as_ref(), call.now) {
            Decision::Spend => match app.identity.rotate(&session, &successor.hash(), call.now).await? {
                Rotation::Done => session.refreshed_at = call.now,
                // Decided anew on the session as the quicker request left it: a generation ends this loop at the second turn.
                Rotation::Overtaken(Some(as_left)) => {
                    session = as_left;
                    continue;
                }
                Rotation::Overtaken(None) => return Err(Error::Unauthenticated("the session is gone")),
            },
            Decision::Repeat => {}
            Decision::Reused => {
                end(app, call, &session.user, &session.id).await?;
                let (of, newest) = (json!({"generation": shown.generation}), json!({"revoked": session.id}));
                note(app, call, "token.reuse", &session.user, of, newest).await;
                return Err(Error::TokenReused);
            }
            Decision::Refuse(cause) => return Err(Error::Unauthenticated(cause)),
        }
        let tokens = tokens(app, &keys, call, &session, tier, &successor).await?;
        let (before, after) = (shown.generation, successor.generation);
        let of = |generation| json!({"session": session.id, "generation": generation});
        note(app, call, "token.refresh", &session.user, of(before), of(after)).await;
        return Reply::json(StatusCode::OK, &tokens);
    }
}

/// Ends the session of a refresh token that is good or was once. Whether there is one, nobody learns.
async fn revoke(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let shown = read_shown(&http::parse(&body)?)?;
    call.admit(app, Entrance::Visit).await?;
    let Some(shown) = shown else {
        return Ok(Reply::empty());
    };
    let keys = token_keys(app, call).await?;
    if let Some((session, _)) = app.identity.session(&shown.user, &shown.session).await?
        && shown.generation <= session.generation
        && RefreshToken::derive(&keys, &session, shown.generation).is_some_and(|ours| ours == shown)
    {
        end(app, call, &session.user, &session.id).await?;
        let (before, after) = (json!({"revoked": session.revoked}), json!({"revoked": session.id}));
        note(app, call, "session.revoke", &session.user, before, after).await;
    }
    Ok(Reply::empty())
}

async fn end(app: &App, call: &mut Call, user: &UserId, session: &SessionId) -> Result<(), Error> {
    if !account::end_session(app, user, session, call.now).await? {
        call.record.degraded.push("rateLimit");
    }
    Ok(())
}

/// The refresh token of a body; `None` if it is none of ours by its form.
fn read_shown(shown: &Shown) -> Result<Option<RefreshToken>, Error> {
    if !(1..=LONGEST_TOKEN).contains(&shown.refresh_token.chars().count()) {
        return Err(Error::invalid(
            "/refreshToken",
            format!("must have 1 to {LONGEST_TOKEN} characters"),
        ));
    }
    Ok(RefreshToken::parse(&shown.refresh_token))
}

/// The refresh token of `generation`; a session whose master was withdrawn has none any more.
fn derive(keys: &KeySet, session: &Session, generation: u64) -> Result<RefreshToken, Error> {
    RefreshToken::derive(keys, session, generation).ok_or(Error::Unauthenticated("the session's master is withdrawn"))
}

async fn token_keys(app: &App, call: &Call) -> Result<Arc<KeySet>, Error> {
    app.token_keys.current(call.now).await.map_err(Error::Unavailable)
}

/// The keys in force. No token is given out before those who verify it can know its key.
async fn publish(app: &App, call: &Call) -> Result<Arc<KeySet>, Error> {
    let keys = token_keys(app, call).await?;
    if publish_public(app, &keys).await? {
        return Ok(keys);
    }
    // A newer set is published, which this process has not read yet.
    let keys = app.token_keys.refresh(call.now).await.map_err(Error::Unavailable)?;
    if publish_public(app, &keys).await? {
        return Ok(keys);
    }
    let old = "the published keys are newer than those of this process";
    Err(Error::Unavailable(Outage(old.to_owned())))
}

/// Publishes the public keys of a set. `false` if those of a newer set are published: then a key of this one may have been
/// withdrawn.
async fn publish_public(app: &App, keys: &KeySet) -> Result<bool, Error> {
    let published = Published {
        jwks: keys.public().to_jwks().to_string(),
        version: keys.version(),
    };
    let publication = app.published_keys.publish(&published).await;
    match publication.map_err(Error::Unavailable)? {
        // Whoever verifies tokens asks both places.
        Publication::Everywhere | Publication::Partly(_) => Ok(true),
        Publication::Overtaken => Ok(false),
    }
}

/// Notes what was done to a user's sessions. While the audit table is down, sessions go on, and the log has the entry.
async fn note(app: &App, call: &Call, action: &'static str, user: &UserId, before: Value, after: Value) {
    let change = Change {
        actor: user.as_str(),
        action,
        target: user.as_str(),
        before,
        after,
        reason: None,
        correlation_id: &call.record.correlation_id,
    };
    app.audit.note_or_log(&change, call.now).await;
}

async fn tokens(
    app: &App,
    keys: &KeySet,
    call: &mut Call,
    session: &Session,
    tier: Tier,
    refresh_token: &RefreshToken,
) -> Result<Tokens, Error> {
    let signing_keys = app.signing_keys.current(call.now).await.map_err(Error::Unavailable)?;
    let principal = Principal {
        user: session.user.clone(),
        session: session.id.clone(),
        tier,
    };
    let tokens = Tokens {
        access_token: token::issue(keys, &app.parties, &principal, session.fingerprint.as_ref(), call.now)?,
        token_type: "Bearer",
        expires_in: token::LIFETIME_SECONDS,
        refresh_token: refresh_token.reveal(),
        refresh_expires_in: Duration::as_secs(&session.expires_at().since(call.now)),
        signing_key: signing_keys.give(&session.id, call.now)?,
        user_id: principal.user,
        tier: principal.tier,
    };
    call.record.user_id = Some(tokens.user_id.clone());
    call.record.tier = Some(tokens.tier.clone());
    Ok(tokens)
}
