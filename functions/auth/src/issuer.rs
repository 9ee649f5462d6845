//! Issues tokens: the keys they are made with, and the answer that carries them.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use shared::app::App;
use shared::clock::Timestamp;
use shared::error::{Error, Outage};
use shared::http::Call;
use shared::identity::keys::KeySet;
use shared::identity::published::{Publication, Published};
use shared::identity::session::{RefreshToken, Session};
use shared::identity::signing_keys::SigningKeys;
use shared::identity::{Fingerprint, Principal, lifetimes, new_salt, token};
use shared::ids::{SessionId, UserId};
use shared::plan::Tier;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IssuedTokens {
    user_id: UserId,
    tier: Tier,
    token_type: &'static str,
    access_token: String,
    expires_in: i64,
    refresh_token: String,
    refresh_expires_in: u64,
    signing_key: String,
    /// The secret made for a device that sent none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovery_secret: Option<String>,
}

/// The keys that tokens are issued with. They are read before anything is written, so that a stored registration gets its
/// answer.
pub(crate) struct Issuer {
    pub(crate) keys: Arc<KeySet>,
    signing_keys: Arc<SigningKeys>,
}

impl Issuer {
    pub(crate) async fn of(app: &App, call: &Call) -> Result<Self, Error> {
        Ok(Self {
            keys: publish(app, call).await?,
            signing_keys: app.signing_keys.current(call.now).await.map_err(Error::Unavailable)?,
        })
    }

    /// Creates a session and its first refresh token. Neither is stored.
    pub(crate) fn open_session(
        &self,
        user: UserId,
        fingerprint: Option<Fingerprint>,
        now: Timestamp,
    ) -> Result<(Session, RefreshToken), Error> {
        let mut session = Session {
            user,
            id: SessionId::random()?,
            generation: 0,
            hash: String::new(),
            salt: new_salt()?,
            master: self.keys.refresh_master(now),
            fingerprint,
            created_at: now,
            refreshed_at: now,
            spent: Vec::new(),
            revoked: false,
        };
        let refresh_token = derive(&self.keys, &session, 0)?;
        session.hash = refresh_token.hash();
        Ok((session, refresh_token))
    }

    pub(crate) fn tokens(
        &self,
        app: &App,
        call: &mut Call,
        session: &Session,
        tier: Tier,
        refresh_token: &RefreshToken,
    ) -> Result<IssuedTokens, Error> {
        let principal = Principal {
            user: session.user.clone(),
            session: session.id.clone(),
            tier,
            source: None,
        };
        let fingerprint = session.fingerprint.as_ref();
        let tokens = IssuedTokens {
            access_token: token::issue(&self.keys, &app.parties, &principal, fingerprint, call.now)?,
            token_type: "Bearer",
            expires_in: lifetimes::ACCESS_TOKEN_SECONDS,
            refresh_token: refresh_token.reveal(),
            refresh_expires_in: Duration::as_secs(&session.expires_at().since(call.now)),
            signing_key: self.signing_keys.give(&session.id, call.now)?,
            user_id: principal.user,
            tier: principal.tier,
            recovery_secret: None,
        };
        call.record.user_id = Some(tokens.user_id.clone());
        call.record.tier = Some(tokens.tier.clone());
        Ok(tokens)
    }
}

/// Derives the refresh token of `generation`. A session whose master was withdrawn has none.
pub(crate) fn derive(keys: &KeySet, session: &Session, generation: u64) -> Result<RefreshToken, Error> {
    RefreshToken::derive(keys, session, generation).ok_or(Error::Unauthenticated("the session's master is withdrawn"))
}

pub(crate) async fn token_keys(app: &App, call: &Call) -> Result<Arc<KeySet>, Error> {
    app.token_keys.current(call.now).await.map_err(Error::Unavailable)
}

/// Returns the keys in force, after publishing them: no token is given out before its key can be known.
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

/// Publishes the public keys of a set. Returns `false` if those of a newer set are published: a key of this set may then have
/// been withdrawn.
async fn publish_public(app: &App, keys: &KeySet) -> Result<bool, Error> {
    let published = Published {
        jwks: keys.public().to_jwks().to_string(),
        version: keys.version(),
    };
    let publication = app.published_keys.publish(&published).await;
    match publication.map_err(Error::Unavailable)? {
        // Verifiers read both places.
        Publication::Everywhere | Publication::Partly(_) => Ok(true),
        Publication::Overtaken => Ok(false),
    }
}
