//! `/v1/auth/*` and the public keys: devices register, refresh tokens and end sessions; users export and erase their data.

mod attest;
mod issuer;
mod me;
mod register;

use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::account;
use shared::app::App;
use shared::audit::Change;
use shared::error::Error;
use shared::http::{self, Call, Reply, Route};
use shared::identity::Fingerprint;
use shared::identity::session::{RefreshDecision, RefreshToken, Session, decide};
use shared::identity::store::Rotation;
use shared::ids::{SessionId, UserId};
use shared::telemetry::Degraded;

use self::issuer::{Issuer, derive, token_keys};

/// The operations of this function.
#[derive(Debug, Clone, Copy)]
pub enum AuthAction {
    /// Registers a device.
    Register,
    /// Exchanges a refresh token for new tokens.
    Refresh,
    /// Ends the session of a refresh token.
    Revoke,
    /// Lists the user's sessions.
    Sessions,
    /// Ends one of the user's sessions.
    EndSession,
    /// Exports everything kept about the user.
    Export,
    /// Erases everything kept about the user.
    Erase,
    /// Lists the public keys.
    PublicKeys,
}

/// The name of this function.
pub const NAME: &str = "auth";

/// The routes that this function answers.
pub const ROUTES: [Route<AuthAction>; 8] = [
    (Method::POST, "/v1/auth/register", AuthAction::Register),
    (Method::POST, "/v1/auth/refresh", AuthAction::Refresh),
    (Method::POST, "/v1/auth/revoke", AuthAction::Revoke),
    (Method::GET, "/v1/auth/sessions", AuthAction::Sessions),
    (Method::DELETE, "/v1/auth/sessions/{sid}", AuthAction::EndSession),
    (Method::GET, "/v1/auth/me", AuthAction::Export),
    (Method::DELETE, "/v1/auth/me", AuthAction::Erase),
    (Method::GET, "/.well-known/jwks.json", AuthAction::PublicKeys),
];

/// The longest refresh token that is parsed; ours have about 100 characters.
const LONGEST_TOKEN: usize = 512;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ShownToken {
    refresh_token: String,
}

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
    match action {
        AuthAction::Register => register::register(app, call).await,
        AuthAction::Refresh => refresh(app, call).await,
        AuthAction::Revoke => revoke(app, call).await,
        AuthAction::Sessions => me::sessions(app, call).await,
        AuthAction::EndSession => me::end_session(app, call).await,
        AuthAction::Export => me::export(app, call).await,
        AuthAction::Erase => me::erase(app, call).await,
        AuthAction::PublicKeys => {
            call.visit(app).await?;
            let keys = token_keys(app, call).await?;
            Ok(Reply::json(StatusCode::OK, &keys.public().clone().at(call.now).to_jwks())?.public())
        }
    }
}

async fn refresh(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let shown = read_shown(&http::parse(&body)?)?;
    call.visit(app).await?;
    let Some(shown) = shown else {
        return Err(Error::Unauthenticated("the refresh token is malformed"));
    };
    let fingerprint = call.fingerprint().map(Fingerprint::of);
    let issuer = Issuer::of(app, call).await?;
    let stored = app.identity.session(&shown.user, &shown.session).await?;
    let (mut session, tier) = stored.ok_or(Error::Unauthenticated("there is no such session"))?;
    loop {
        match decide(&issuer.keys, &session, &shown, fingerprint.as_ref(), call.now) {
            RefreshDecision::Spend => {
                let successor = derive(&issuer.keys, &session, session.generation + 1)?;
                match app.identity.rotate(&session, successor.hash(), call.now).await? {
                    Rotation::Done(spent) => session = spent,
                    // Decides again on the session as the quicker request left it: the token shown is no longer the newest.
                    Rotation::Overtaken(Some(as_left)) => {
                        session = as_left;
                        continue;
                    }
                    Rotation::Overtaken(None) => return Err(Error::Unauthenticated("the session is gone")),
                }
            }
            RefreshDecision::GiveNewest => {}
            RefreshDecision::Reused => return Err(end_for_reuse(app, call, &session, shown.generation).await?),
            RefreshDecision::Refuse(cause) => return Err(Error::Unauthenticated(cause)),
        }
        let newest = derive(&issuer.keys, &session, session.generation)?;
        let tokens = issuer.tokens(app, call, &session, tier, &newest)?;
        let (before, after) = (shown.generation, newest.generation);
        let of = |generation| json!({"session": session.id, "generation": generation});
        note(app, call, "token.refresh", &session.user, of(before), of(after)).await;
        return Reply::json(StatusCode::OK, &tokens);
    }
}

/// Ends the session of a spent token that was shown again, and returns the error for the client.
async fn end_for_reuse(app: &App, call: &mut Call, session: &Session, generation: u64) -> Result<Error, Error> {
    end(app, call, &session.user, &session.id).await?;
    let (of, newest) = (json!({"generation": generation}), json!({"revoked": session.id}));
    note(app, call, "token.reuse", &session.user, of, newest).await;
    Ok(Error::TokenReused)
}

/// Ends the session of a refresh token that is good or was once. The answer does not reveal if there was one.
async fn revoke(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let shown = read_shown(&http::parse(&body)?)?;
    call.visit(app).await?;
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
        call.record.note(Degraded::RateLimit);
    }
    Ok(())
}

/// Parses the refresh token of a body; `None` if it has not the form of ours.
fn read_shown(shown: &ShownToken) -> Result<Option<RefreshToken>, Error> {
    if !(1..=LONGEST_TOKEN).contains(&shown.refresh_token.chars().count()) {
        return Err(Error::invalid(
            "/refreshToken",
            format!("must have 1 to {LONGEST_TOKEN} characters"),
        ));
    }
    Ok(RefreshToken::parse(&shown.refresh_token))
}

/// Notes a change to a user's sessions. While the audit table is down, sessions go on, and the log has the entry.
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
