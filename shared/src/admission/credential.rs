//! Authenticates users and admins.

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::identity::keys::PublicKeys;
use crate::identity::known_keys::{KnownKeys, UNKNOWN_EVERY};
use crate::identity::signature::Signature;
use crate::identity::token::Refusal;
use crate::identity::{Fingerprint, Principal};

/// The content of a bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// It is valid for this principal.
    Good(Principal),
    /// It was valid lately. It is honoured only while the identity table is down, see [`honour_in_grace`].
    Expired(Principal),
}

/// Reads the principal of a request from its bearer token and device fingerprint. There is no I/O unless the published
/// keys are read: once a minute at most, when a token names a key that this process has not seen, and when the known
/// keys are some minutes old.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Unavailable`] when no keys are known here and they cannot be read.
pub async fn authenticate(
    app: &App,
    bearer: Option<&str>,
    fingerprint: Option<&str>,
    now: Timestamp,
) -> Result<Token, Error> {
    let bearer = bearer.ok_or(Error::Unauthenticated("no bearer token"))?;
    let fingerprint = fingerprint.map(Fingerprint::of);
    let verify = |keys: &KnownKeys| keys.verify(&app.parties, bearer, fingerprint.as_ref(), now);
    let keys = app.known_keys.current(now, || read_published_keys(app)).await?;
    let mut verified = verify(&keys);
    if verified == Err(Refusal::UnknownKey) {
        match app
            .known_keys
            .renew(UNKNOWN_EVERY, now, || read_published_keys(app))
            .await
        {
            Ok(keys) => verified = verify(&keys),
            Err(error) if keys.is_empty() => return Err(error),
            // With some keys known, the token counts as signed by none of them.
            Err(_) => {}
        }
    }
    match verified {
        Ok(principal) => Ok(Token::Good(principal)),
        Err(Refusal::Expired(principal)) => Ok(Token::Expired(*principal)),
        Err(Refusal::UnknownKey) => Err(Error::Unauthenticated("the key is unknown")),
        Err(Refusal::Invalid(cause)) => Err(Error::Unauthenticated(cause)),
    }
}

/// Honours a token that expired lately while the identity table is down: nobody can refresh then. One failed read of
/// the session is not enough to know that.
///
/// # Errors
/// [`Error::Unauthenticated`] while the table answers; [`Error::Unavailable`] when it does not, but is not known to be
/// down.
pub async fn honour_in_grace(app: &App, principal: &Principal, now: Timestamp) -> Result<(), Error> {
    match app.identity.lives(&principal.user, &principal.session, now).await {
        Ok(_) => Err(Error::Unauthenticated("the token has expired")),
        Err(_) if app.identity.is_down() => Ok(()),
        Err(outage) => Err(Error::Unavailable(outage)),
    }
}

/// Requires that the session of a principal lives, for requests that change a user's data.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Unavailable`] when the identity table is down.
pub async fn require_session(app: &App, principal: &Principal, now: Timestamp) -> Result<(), Error> {
    match app.identity.lives(&principal.user, &principal.session, now).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Unauthenticated("the session has ended")),
        Err(outage) => Err(Error::Unavailable(outage)),
    }
}

/// Checks the signature of a user's request with the keys of the session; a request without one passes if the
/// deployment allows it.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Unavailable`] when keys or nonces cannot be read.
pub async fn check_user_signature(
    app: &App,
    principal: &Principal,
    signature: Option<Result<Signature, &'static str>>,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(signature) = signature else {
        return if app.config.require_signatures {
            Err(Error::Unauthenticated("the request is not signed"))
        } else {
            Ok(())
        };
    };
    let signature = signature.map_err(Error::Unauthenticated)?;
    if signature.keyid != principal.session.as_str() {
        return Err(Error::Unauthenticated("the signature is of another session"));
    }
    let keys = app.signing_keys.current(now).await.map_err(Error::Unavailable)?;
    if !keys.of(&principal.session, now).iter().any(|key| signature.is_by(key)) {
        return Err(Error::Unauthenticated("the signature is wrong"));
    }
    spend_nonce(app, &signature, now).await
}

/// Returns the admin who signed a request.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Unavailable`] when keys or nonces cannot be read.
pub async fn authenticate_admin(
    app: &App,
    signature: Option<Result<Signature, &'static str>>,
    now: Timestamp,
) -> Result<String, Error> {
    let signature = signature
        .ok_or(Error::Unauthenticated("the request is not signed"))?
        .map_err(Error::Unauthenticated)?;
    check_admin_signature(app, &signature, now).await?;
    spend_nonce(app, &signature, now).await?;
    Ok(signature.keyid)
}

/// Checks that a request that only looks is signed by an admin. No nonce is spent, so that it needs no table: a repetition sees
/// the same again, within the minute that the signature is valid.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Unavailable`] when the keys cannot be read.
pub async fn check_admin_look(
    app: &App,
    signature: Result<Signature, &'static str>,
    now: Timestamp,
) -> Result<(), Error> {
    check_admin_signature(app, &signature.map_err(Error::Unauthenticated)?, now).await
}

async fn check_admin_signature(app: &App, signature: &Signature, now: Timestamp) -> Result<(), Error> {
    let keys = app.admin_keys.current(now).await.map_err(Error::Unavailable)?;
    let key = keys
        .find(&signature.keyid)
        .ok_or(Error::Unauthenticated("the key is unknown"))?;
    if signature.is_by(key) {
        Ok(())
    } else {
        Err(Error::Unauthenticated("the signature is wrong"))
    }
}

/// Only after the signature was verified, so that nobody else can fill the table.
async fn spend_nonce(app: &App, signature: &Signature, now: Timestamp) -> Result<(), Error> {
    if app
        .identity
        .spend_nonce(&signature.keyid, &signature.nonce, now)
        .await?
    {
        Ok(())
    } else {
        Err(Error::Unauthenticated("the nonce was used before"))
    }
}

/// Reads the published keys, and returns what is known with them.
async fn read_published_keys(app: &App) -> Result<KnownKeys, Error> {
    let found = app.published_keys.read().await?;
    let known = app.known_keys.known().unwrap_or_default();
    // If only one table answered, it may be older than the keys that this process knows.
    let newest = found
        .newest
        .filter(|published| found.everywhere || known.version() <= published.version);
    let Some(published) = newest else {
        return Ok(KnownKeys::clone(&known));
    };
    let keys = PublicKeys::parse(&published.jwks).map_err(|error| Error::Internal(Box::new(error)))?;
    // Its own keys stay, as what this process signs it accepts; unless a newer set says otherwise.
    let keys = match app.token_keys.known() {
        Some(own) if own.version() > published.version => own.public().clone(),
        Some(own) if own.version() == published.version => keys.and(own.public().clone()),
        _ => keys,
    };
    Ok(known.replaced_by(keys, published.version))
}
