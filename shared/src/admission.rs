//! Who may go on: the credential, then the limits, then the charge. Every workload starts here.

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::identity::keys::PublicKeys;
use crate::identity::token::Refusal;
use crate::identity::{Fingerprint, Principal};
use crate::plan::Meter;
use crate::quota::replay::IdempotencyKey;
use crate::quota::store::Charged;
use crate::quota::{Charge, Counter};

/// The principal of a request, from its bearer token and device fingerprint. Without I/O, but when a token names a key that
/// this process has not seen: then the published keys are read, once a minute at most.
///
/// # Errors
/// [`Error::Unauthenticated`]; [`Error::Unavailable`] when no keys are known here and they cannot be read.
pub async fn authenticate(
    app: &App,
    bearer: Option<&str>,
    fingerprint: Option<&str>,
    now: Timestamp,
) -> Result<Principal, Error> {
    let bearer = bearer.ok_or(Error::Unauthenticated("no bearer token"))?;
    let fingerprint = fingerprint.map(Fingerprint::of);
    let verify = || app.known_keys.verify(&app.parties, bearer, fingerprint.as_ref(), now);
    let mut verified = verify();
    if verified == Err(Refusal::UnknownKey) && app.known_keys.may_read(now) {
        read_published_keys(app).await?;
        verified = verify();
    }
    verified.map_err(|refusal| {
        Error::Unauthenticated(match refusal {
            Refusal::UnknownKey => "the key is unknown",
            Refusal::Invalid(cause) => cause,
        })
    })
}

async fn read_published_keys(app: &App) -> Result<(), Error> {
    let known = &app.known_keys;
    match app.identity.published_keys().await {
        Ok(Some(jwks)) => {
            let published = PublicKeys::parse(&jwks).map_err(|error| Error::Internal(Box::new(error)))?;
            // Its own keys stay: what this process signs, it accepts.
            let own = app
                .key_set
                .as_ref()
                .map(|keys| keys.public().clone())
                .unwrap_or_default();
            known.replace(published.and(own));
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => {
            known.retry_read();
            // With some keys known, the token is simply not signed by one of them as far as can be told.
            if known.are_none() { Err(error) } else { Ok(()) }
        }
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
}

/// Charges a wish to a principal, whole or not at all.
///
/// # Errors
/// As [`QuotaStore::charge`](crate::quota::store::QuotaStore::charge).
pub async fn charge(app: &App, principal: &Principal, wish: Wish<'_>, now: Timestamp) -> Result<Charged, Error> {
    let plans = app.plans.current(now).await;
    let charge = Charge {
        counter: Counter {
            user: principal.user.clone(),
            meter: wish.meter,
            day: now.day(),
        },
        tier: principal.tier.clone(),
        units: wish.units,
        limit: plans.allowance(&principal.tier, wish.meter).per_day,
    };
    let (charged, ()) = tokio::join!(
        app.quota.charge(&charge, wish.idempotency, now),
        app.plans.keep_fresh(now)
    );
    charged
}
