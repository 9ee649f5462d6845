//! A user's own data: sessions, export, erasure. The session of the token must be alive.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::json;
use shared::account::{self, Note, ShownSession};
use shared::app::App;
use shared::error::Error;
use shared::http::{Call, Reply};
use shared::ids::SessionId;

#[derive(Serialize)]
struct Sessions {
    sessions: Vec<ShownSession>,
}

pub(crate) async fn sessions(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.member(app).await?;
    let account = app.identity.account(&principal.user).await?.ok_or(Error::NotFound)?;
    let sessions = account::living_sessions(&account, &principal.session, call.now);
    Reply::json(StatusCode::OK, &Sessions { sessions })
}

/// The key that is read contains the user, so another user's session is not found.
pub(crate) async fn end_session(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.member(app).await?;
    let id = SessionId::parse(call.path_parameter("sid")).ok_or(Error::NotFound)?;
    if app.identity.session(&principal.user, &id).await?.is_none() {
        return Err(Error::NotFound);
    }
    super::end(app, call, &principal.user, &id).await?;
    let before = json!({"by": principal.session});
    super::note(
        app,
        call,
        "session.revoke",
        &principal.user,
        before,
        json!({"revoked": id}),
    )
    .await;
    Ok(Reply::empty())
}

pub(crate) async fn export(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.member(app).await?;
    let export = account::export(app, &principal.user, &principal.session, call.now).await?;
    Reply::json(StatusCode::OK, &export)
}

pub(crate) async fn erase(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.member(app).await?;
    let note = Note {
        actor: principal.user.as_str(),
        correlation_id: &call.record.correlation_id,
        now: call.now,
    };
    account::erase(app, &principal.user, Some(&principal.session), note).await?;
    Ok(Reply::empty())
}
