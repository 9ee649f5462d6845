//! `/v1/auth/*` and the public keys: devices register, refresh their tokens, end their sessions.

pub mod secret;

use std::time::Duration;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::error::{Error, Outage, Violation};
use shared::http::{self, Call, Reply, Route};
use shared::identity::keys::KeySet;
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
    /// Anybody wants the public keys.
    PublicKeys,
}

/// What this function answers.
pub const ROUTES: [Route<Action>; 4] = [
    (Method::POST, "/v1/auth/register", Action::Register),
    (Method::POST, "/v1/auth/refresh", Action::Refresh),
    (Method::POST, "/v1/auth/revoke", Action::Revoke),
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
    call.close(app, outcome)
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let Some(action) = call.route(&ROUTES)? else {
        return Ok(Reply::preflight());
    };
    let keys = app
        .key_set
        .as_ref()
        .ok_or_else(|| Error::Internal(Box::new(Outage("this process has no keys to sign with".to_owned()))))?;
    match action {
        Action::Register => register(app, keys, call).await,
        Action::Refresh => refresh(app, keys, call).await,
        Action::Revoke => revoke(app, call).await,
        Action::PublicKeys => Ok(Reply::json(StatusCode::OK, &keys.public().to_jwks())?.public()),
    }
}

async fn register(app: &App, keys: &KeySet, call: &mut Call) -> Result<Reply, Error> {
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

    publish(app, keys).await?;
    let (user, tier) = app
        .identity
        .user_of_device(&asked.device_id, UserId::random()?, call.now)
        .await?;
    let (id, salt) = (SessionId::random()?, new_salt()?);
    let refresh_token = RefreshToken::derive(keys, &user, &id, 0, &salt);
    let session = Session {
        user,
        id,
        generation: 0,
        hash: refresh_token.hash(),
        salt,
        fingerprint: asked.fingerprint.as_deref().map(Fingerprint::of),
        created_at: call.now,
        refreshed_at: call.now,
        revoked: false,
    };
    app.identity.create_session(&session).await?;
    let tokens = tokens(app, keys, call, &session, tier, &refresh_token)?;
    Reply::json(StatusCode::CREATED, &tokens)
}

async fn refresh(app: &App, keys: &KeySet, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let Some(shown) = read_shown(&http::parse(&body)?)? else {
        return Err(Error::Unauthenticated("the refresh token is malformed"));
    };
    let fingerprint = call.fingerprint().map(Fingerprint::of);
    publish(app, keys).await?;
    let stored = app.identity.session(&shown.user, &shown.session).await?;
    let (mut session, tier) = stored.ok_or(Error::Unauthenticated("there is no such session"))?;
    let successor = RefreshToken::derive(
        keys,
        &session.user,
        &session.id,
        shown.generation.saturating_add(1),
        &session.salt,
    );
    loop {
        match decide(keys, &session, &shown, fingerprint.as_ref(), call.now) {
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
                app.identity.revoke(&session.user, &session.id, call.now).await?;
                return Err(Error::TokenReused);
            }
            Decision::Refuse(cause) => return Err(Error::Unauthenticated(cause)),
        }
        let tokens = tokens(app, keys, call, &session, tier, &successor)?;
        return Reply::json(StatusCode::OK, &tokens);
    }
}

/// Ends the session of a refresh token that is good or was once. Whether there is one, nobody learns.
async fn revoke(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let shown = read_shown(&http::parse(&body)?)?;
    let (Some(shown), Some(keys)) = (shown, &app.key_set) else {
        return Ok(Reply::empty());
    };
    if let Some((session, _)) = app.identity.session(&shown.user, &shown.session).await?
        && shown == RefreshToken::derive(keys, &session.user, &session.id, shown.generation, &session.salt)
        && shown.generation <= session.generation
    {
        app.identity.revoke(&session.user, &session.id, call.now).await?;
    }
    Ok(Reply::empty())
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

/// No token is given out before those who verify it can know its key.
async fn publish(app: &App, keys: &KeySet) -> Result<(), Error> {
    app.identity.publish_keys(&keys.public().to_jwks().to_string()).await
}

fn tokens(
    app: &App,
    keys: &KeySet,
    call: &mut Call,
    session: &Session,
    tier: Tier,
    refresh_token: &RefreshToken,
) -> Result<Tokens, Error> {
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
        signing_key: keys.request_signing_key(&session.id)?,
        user_id: principal.user,
        tier: principal.tier,
    };
    call.record.user_id = Some(tokens.user_id.clone());
    call.record.tier = Some(tokens.tier.clone());
    Ok(tokens)
}
