//! Who may go on: the credential, then the limits, then the charge. Every workload starts here.

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::identity::keys::PublicKeys;
use crate::identity::published::{Found, Published};
use crate::identity::signature::Signature;
use crate::identity::token::Refusal;
use crate::identity::{Fingerprint, Principal};
use crate::plan::{self, Meter};
use crate::quota::outage::Reservation;
use crate::quota::replay::IdempotencyKey;
use crate::quota::store::Charged;
use crate::quota::{Charge, Counter};
use crate::rate_limit::Source;
use crate::rate_limit::store::{Admitted, Burst, Refused, Visit};

/// A principal, and what was done without to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// Who it is.
    pub principal: Principal,
    /// The token had expired lately, and nobody could say whether its session lives: it was honoured all the same.
    pub in_grace: bool,
}

/// The principal of a request, from its bearer token and device fingerprint. Without I/O, but when the published keys are read:
/// when a token names one that this process has not seen, once a minute at most, and when what it knows is some minutes old.
/// A token that expired lately costs one read of its session.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Unavailable`] when no keys are known here and they cannot be read.
pub async fn authenticate(
    app: &App,
    bearer: Option<&str>,
    fingerprint: Option<&str>,
    now: Timestamp,
) -> Result<Authenticated, Error> {
    let bearer = bearer.ok_or(Error::Unauthenticated("no bearer token"))?;
    let fingerprint = fingerprint.map(Fingerprint::of);
    let verify = || app.known_keys.verify(&app.parties, bearer, fingerprint.as_ref(), now);
    if app.known_keys.are_old(now) && app.known_keys.may_read(now) {
        // Whose token names a key that came since waits for this reading.
        let _reading = app.known_keys.reading().await;
        read_published_keys(app, now).await?;
    }
    let mut verified = verify();
    if verified == Err(Refusal::UnknownKey) {
        let _reading = app.known_keys.reading().await;
        verified = verify();
        if verified == Err(Refusal::UnknownKey) && app.known_keys.may_read(now) {
            read_published_keys(app, now).await?;
            verified = verify();
        }
    }
    match verified {
        Ok(principal) => Ok(Authenticated {
            principal,
            in_grace: false,
        }),
        Err(Refusal::Expired(principal)) => honour_in_grace(app, *principal, now).await,
        Err(Refusal::UnknownKey) => Err(Error::Unauthenticated("the key is unknown")),
        Err(Refusal::Invalid(cause)) => Err(Error::Unauthenticated(cause)),
    }
}

/// While the identity table is down nobody can refresh a token: those that expired lately count on. It takes a read of the session
/// to know that it is down.
async fn honour_in_grace(app: &App, principal: Principal, now: Timestamp) -> Result<Authenticated, Error> {
    match app.identity.lives(&principal.user, &principal.session, now).await {
        Ok(_) => Err(Error::Unauthenticated("the token has expired")),
        Err(_) => Ok(Authenticated {
            principal,
            in_grace: true,
        }),
    }
}

/// [`authenticate`] for whoever reads sessions anyway: the token's own must be alive.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Unavailable`] when the identity table is down.
pub async fn require_session(app: &App, authenticated: Authenticated, now: Timestamp) -> Result<Principal, Error> {
    let Principal { user, session, .. } = &authenticated.principal;
    match app.identity.lives(user, session, now).await {
        Ok(true) if !authenticated.in_grace => Ok(authenticated.principal),
        Ok(true) => Err(Error::Unauthenticated("the token has expired")),
        Ok(false) => Err(Error::Unauthenticated("the session has ended")),
        Err(outage) => Err(Error::Unavailable(outage)),
    }
}

/// Holds the signature of a user's request against the keys of the session; a request without one counts if the deployment lets it.
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

/// The admin who signed a request.
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
    let keys = app.admin_keys.current(now).await.map_err(Error::Unavailable)?;
    let key = keys
        .find(&signature.keyid)
        .ok_or(Error::Unauthenticated("the key is unknown"))?;
    if !signature.is_by(key) {
        return Err(Error::Unauthenticated("the signature is wrong"));
    }
    spend_nonce(app, &signature, now).await?;
    Ok(signature.keyid)
}

/// Only once a signature is known to be right: nobody else can fill the table.
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

async fn read_published_keys(app: &App, now: Timestamp) -> Result<(), Error> {
    let known = &app.known_keys;
    let outcome = match app.published_keys.read().await {
        Ok(Found {
            newest: Some(published),
            everywhere,
        }) => take_published_keys(app, &published, everywhere, now),
        Ok(Found { newest: None, .. }) => Ok(()),
        Err(outage) => Err(Error::Unavailable(outage)),
    };
    outcome.or_else(|error| {
        // The next request reads again: where no key is known, none of them is told that its token is no good.
        known.retry_read();
        // With some keys known, the token is simply not signed by one of them as far as can be told.
        if known.are_none() { Err(error) } else { Ok(()) }
    })
}

fn take_published_keys(app: &App, published: &Published, everywhere: bool, now: Timestamp) -> Result<(), Error> {
    let known = &app.known_keys;
    let keys = PublicKeys::parse(&published.jwks).map_err(|error| Error::Internal(Box::new(error)))?;
    // Its own keys stay, as what this process signs it accepts; unless a newer set says otherwise.
    let keys = match app.token_keys.known() {
        Some(own) if own.version() > published.version => own.public().clone(),
        Some(own) if own.version() == published.version => keys.and(own.public().clone()),
        _ => keys,
    };
    // The one place that answers may have missed what this process has heard of already.
    if everywhere || known.version() <= published.version {
        known.replace(keys, published.version, now);
    }
    Ok(())
}

/// How a request comes in, as the limits see it.
#[derive(Debug, Clone, Copy)]
pub enum Entrance<'a> {
    /// By its address alone.
    Visit,
    /// By its address, to register a device.
    Registration,
    /// With a user, to see how things stand.
    Look(&'a Principal, Meter),
    /// With a user, to use so many units.
    Use(&'a Principal, Meter, u64),
}

/// Lets a request on if all of its limits do, or counts it nowhere.
///
/// # Errors
/// As [`LimitStore::admit`](crate::rate_limit::store::LimitStore::admit).
pub async fn limit(app: &App, source: &Source, entrance: Entrance<'_>, now: Timestamp) -> Result<Admitted, Refused> {
    let visit = |registers, burst| Visit {
        source,
        registers,
        burst,
    };
    let (principal, meter, units) = match entrance {
        Entrance::Visit => return app.limits.admit(&visit(false, None), now).await,
        Entrance::Registration => return app.limits.admit(&visit(true, None), now).await,
        Entrance::Look(principal, meter) => (principal, meter, 0),
        Entrance::Use(principal, meter, units) => (principal, meter, units),
    };
    let plans = app.plans.current(now).await;
    let burst = Burst {
        principal,
        counter: &counter(principal, meter, now),
        per_minute: plans.allowance(&principal.tier, meter).per_minute.unwrap_or(plan::MOST),
        units,
    };
    app.limits.admit(&visit(false, Some(burst)), now).await
}

/// Today's counter of a principal's meter.
#[must_use]
pub fn counter(principal: &Principal, meter: Meter, now: Timestamp) -> Counter {
    Counter {
        user: principal.user.clone(),
        meter,
        day: now.day(),
    }
}

/// What a request wants to use.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Of what.
    pub meter: Meter,
    /// How much.
    pub units: u64,
    /// Under which name, if the client may send the same again.
    pub idempotency: Option<&'a IdempotencyKey>,
    /// What the limits have reserved for it.
    pub reserved: Option<&'a Reservation>,
}

/// Charges a wish to a principal, whole or not at all.
///
/// # Errors
/// As [`QuotaStore::charge`](crate::quota::store::QuotaStore::charge).
pub async fn charge(app: &App, principal: &Principal, wish: Wish<'_>, now: Timestamp) -> Result<Charged, Error> {
    let plans = app.plans.current(now).await;
    let per_day = plans.allowance(&principal.tier, wish.meter).per_day;
    let charge = Charge {
        counter: counter(principal, wish.meter, now),
        tier: principal.tier.clone(),
        units: wish.units,
        limit: per_day.unwrap_or(plan::MOST),
    };
    if per_day.is_none() {
        app.plans.keep_fresh(now).await;
        return Ok(Charged::uncounted(&charge));
    }
    let (charged, ()) = tokio::join!(
        app.quota.charge(&charge, wish.idempotency, wish.reserved, now),
        app.plans.keep_fresh(now)
    );
    charged
}
