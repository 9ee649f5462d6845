//! The key set at rest, in a file of the local server or in Secrets Manager, and its changes with time.
//!
//! Every secret has a time from which it is used and, once it has a successor, an end of its validity. A successor is
//! made [`ANNOUNCED`] before its use, so that every process has it by then.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::hkdf;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::KeyError;
use crate::clock::Timestamp;
use crate::config::Secret;
use crate::digest::sha256_base64url;
use crate::error::{Error, Outage};
use crate::identity::lifetimes::{ACCESS_TOKEN_SECONDS, LEEWAY_SECONDS, LONGEST_SESSION};
use crate::ids::random_bytes;

/// How long before its use a key is published and a master is made.
pub const ANNOUNCED: Duration = Duration::from_hours(24);

/// How long the longest-lived process may continue with the keys it knew, in seconds.
const LATE_SECONDS: i64 = 600;

/// The fewest characters of a first master. The template's has 64 of 62 kinds: 381 bits.
const SHORTEST_MASTER: usize = 32;

/// Times are in seconds since the epoch.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StoredKeySet {
    /// One more than the version of the set before it, so that a process that knows a newer set does not accept an
    /// older one.
    pub(super) version: u64,
    /// Ed25519 keys by `kid`.
    pub(super) keys: BTreeMap<String, Kept>,
    /// 32 bytes each, from which refresh tokens are derived, by the name that sessions note.
    pub(super) refresh_masters: BTreeMap<String, Kept>,
    /// 32 bytes, from which request-signing keys are derived if they have no separate secret.
    pub(super) signing_master: String,
}

/// A secret with its time.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// In base64: PKCS#8 of a key, the bytes of a master.
    pub(super) secret: String,
    pub(super) from: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<i64>,
}

/// The initial secret of a stack: one random master, from which a first key set is derived.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InitialKeySet {
    master: String,
}

impl Kept {
    fn always(secret: String) -> Self {
        Self {
            secret,
            from: 0,
            until: None,
        }
    }
}

impl StoredKeySet {
    /// Reads the stored form, or derives it from a first master.
    pub(super) fn read(stored: &Secret) -> Result<Self, KeyError> {
        match serde_json::from_str::<InitialKeySet>(stored.expose()) {
            Ok(initial) => Self::derive(&initial.master),
            Err(_) => serde_json::from_str(stored.expose())
                .map_err(|_| KeyError::new("it is not of the form that this version writes")),
        }
    }

    fn write(&self) -> Result<Secret, KeyError> {
        serde_json::to_string_pretty(self)
            .map(Secret::new)
            .map_err(|_| KeyError::new("it has no JSON form"))
    }

    /// Generates a first set of random keys.
    pub(super) fn generate() -> Result<Secret, Error> {
        let unusable = |error: KeyError| Error::Internal(Box::new(error));
        let (kid, key) = new_key()?;
        let stored = Self {
            version: 1,
            keys: BTreeMap::from([(kid, Kept::always(key))]),
            refresh_masters: BTreeMap::from([("1".to_owned(), Kept::always(new_master()?))]),
            signing_master: new_master()?,
        };
        stored.write().map_err(unusable)
    }

    /// Derives the key set of a master: each part is HKDF-SHA256 of it under a name of its own.
    fn derive(master: &str) -> Result<Self, KeyError> {
        let part = derivation(master)?;
        let underivable = || KeyError::new("no token key can be derived");
        let pair = Ed25519KeyPair::from_seed_unchecked(&part("token key v1")?).map_err(|_| underivable())?;
        let pkcs8 = pair.to_pkcs8().map_err(|_| underivable())?;
        let key = STANDARD.encode(pkcs8.as_ref());
        let refresh_master = STANDARD.encode(part("refresh master v1")?);
        Ok(Self {
            version: 1,
            keys: BTreeMap::from([(key_id(pair.public_key().as_ref()), Kept::always(key))]),
            refresh_masters: BTreeMap::from([("1".to_owned(), Kept::always(refresh_master))]),
            signing_master: STANDARD.encode(part("signing master v1")?),
        })
    }
}

/// Returns the function that derives parts of a first master, by name.
pub(in crate::identity) fn derivation(master: &str) -> Result<impl Fn(&str) -> Result<[u8; 32], KeyError>, KeyError> {
    if master.len() < SHORTEST_MASTER {
        return Err(KeyError::new("the master is too short"));
    }
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"clearview first key set").extract(master.as_bytes());
    Ok(move |name: &str| {
        let mut bytes = [0; 32];
        extracted
            .expand(&[name.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|expanded| expanded.fill(&mut bytes))
            .map(|()| bytes)
            .map_err(|_| KeyError::new("no keys can be derived"))
    })
}

/// Makes the set that follows `stored` at `now`: with a further key and a further refresh master, both used from
/// [`ANNOUNCED`] later, and without expired ones.
///
/// # Errors
/// When `stored` cannot be used, or there are no random bytes.
pub fn rotated(stored: &Secret, now: Timestamp) -> Result<Secret, Error> {
    let unusable = |error: KeyError| Error::Internal(Box::new(error));
    let mut set = StoredKeySet::read(stored).map_err(unusable)?;
    set.version += 1;
    let from = now.plus(ANNOUNCED).seconds();
    let (kid, key) = new_key()?;
    succeed(
        &mut set.keys,
        kid,
        key,
        from,
        ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS + LATE_SECONDS,
    );
    let lifetime = i64::try_from(LONGEST_SESSION.as_secs()).unwrap_or(i64::MAX);
    let name = set.version.to_string();
    succeed(
        &mut set.refresh_masters,
        name,
        new_master()?,
        from,
        lifetime + LATE_SECONDS,
    );
    for kept in [&mut set.keys, &mut set.refresh_masters] {
        kept.retain(|_, kept| kept.until.is_none_or(|until| until > now.seconds()));
    }
    set.write().map_err(unusable)
}

/// Adds a successor: earlier secrets stay valid for `lifetime` seconds after it is used.
fn succeed(kept: &mut BTreeMap<String, Kept>, name: String, secret: String, from: i64, lifetime: i64) {
    for before in kept.values_mut() {
        before.until.get_or_insert(from + lifetime);
    }
    let until = None;
    kept.insert(name, Kept { secret, from, until });
}

/// Makes the set without the key `kid`. If no other key may sign yet, a new one signs at once.
///
/// # Errors
/// [`Error::Invalid`] when there is no such key; else as [`rotated`].
pub fn without(stored: &Secret, kid: &str, now: Timestamp) -> Result<Secret, Error> {
    let unusable = |error: KeyError| Error::Internal(Box::new(error));
    let mut set = StoredKeySet::read(stored).map_err(unusable)?;
    set.version += 1;
    if set.keys.remove(kid).is_none() {
        return Err(Error::invalid("/withdraw/kid", "there is no such key"));
    }
    let signs = |kept: &Kept| kept.from <= now.seconds() && kept.until.is_none_or(|until| until > now.seconds());
    if !set.keys.values().any(signs) {
        let (kid, secret) = new_key()?;
        let (from, until) = (now.seconds(), None);
        set.keys.insert(kid, Kept { secret, from, until });
    }
    set.write().map_err(unusable)
}

fn new_key() -> Result<(String, String), Error> {
    let unusable = |_| Error::Internal(Box::new(Outage("no key could be made".into())));
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(unusable)?;
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref())
        .map_err(|error| Error::Internal(Box::new(Outage(error.to_string()))))?;
    Ok((key_id(pair.public_key().as_ref()), STANDARD.encode(pkcs8.as_ref())))
}

pub(in crate::identity) fn new_master() -> Result<String, Error> {
    Ok(STANDARD.encode(random_bytes::<32>()?))
}

/// Returns the start of the key's RFC 7638 thumbprint: 96 bits are enough to distinguish a handful of keys.
pub(super) fn key_id(public: &[u8]) -> String {
    let jwk = format!(
        r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
        URL_SAFE_NO_PAD.encode(public)
    );
    let mut kid = sha256_base64url(jwk.as_bytes());
    kid.truncate(16);
    kid
}
