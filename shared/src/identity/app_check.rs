//! Attestations of Firebase App Check: JWTs (RS256) by which Firebase says that a request comes from an app of a project. They
//! stand for App Attest, `DeviceCheck`, Play Integrity and reCAPTCHA.
//!
//! | part | must be |
//! |---|---|
//! | `alg`, `typ` | `RS256`, `JWT`; the key alone decides what is verified, so no other algorithm can be asked for |
//! | `iss` | `https://firebaseappcheck.googleapis.com/` and the project's number |
//! | `aud` | has `projects/` and that number |
//! | `sub` | an app, one of those listed if any are |
//! | `iat`, `exp` | at most seven days apart; a minute of difference between clocks is allowed |
//!
//! By <https://firebase.google.com/docs/app-check/custom-resource-backend>.

pub mod publisher;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::clock::Timestamp;
use crate::config::AttestationSettings;
use crate::digest::sha256_base64url;
use crate::error::Outage;

/// The longest token that is read, in bytes; Firebase's have about a thousand.
pub const LONGEST_ATTESTATION: usize = 4096;

/// How far the clocks of Firebase and of this process may differ, in seconds.
const SKEW_SECONDS: i64 = 60;

/// The longest life of a token in seconds: the most that a project can choose.
const LONGEST_LIFE_SECONDS: i64 = 7 * 24 * 60 * 60;

/// The start of the issuer's name; the project's number follows.
const ISSUER: &str = "https://firebaseappcheck.googleapis.com/";

/// The most keys that are read; Firebase publishes a handful.
const MOST_KEYS: usize = 64;

/// The public keys of App Check, as they were published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppCheckKeys(Vec<AppCheckKey>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct AppCheckKey {
    kid: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// A good attestation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// The hash of all that is signed of it: no other text stands for the same attestation.
    pub hash: String,
    /// The time from which on nobody accepts it.
    pub ends: Timestamp,
}

/// The reason why an attestation does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttestationRefusal {
    /// The key is not among those known; it may be a newer one.
    UnknownKey,
    /// Anything else; the text is for the log.
    Invalid(&'static str),
}

#[derive(Deserialize)]
struct KeySetPage {
    keys: Vec<PublishedKey>,
}

/// A key as it is published. A set may hold keys of other kinds.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

#[derive(Deserialize)]
struct AttestationHeader {
    alg: String,
    typ: String,
    kid: String,
    /// Extensions that must be understood: none is.
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct AttestationClaims {
    iss: String,
    aud: Audience,
    sub: String,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl AppCheckKeys {
    /// Reads a published set (RFC 7517). Keys of other kinds are passed over.
    ///
    /// # Errors
    /// It is no such set, or has no key of the kind.
    pub fn parse(page: &[u8]) -> Result<Self, Outage> {
        let page: KeySetPage =
            serde_json::from_slice(page).map_err(|_| Outage("the keys of App Check are no key set".to_owned()))?;
        let keys: Vec<_> = page.keys.into_iter().filter_map(read_key).take(MOST_KEYS).collect();
        if keys.is_empty() {
            return Err(Outage("the keys of App Check hold none for RS256".to_owned()));
        }
        Ok(Self(keys))
    }

    fn find(&self, kid: &str) -> Option<&AppCheckKey> {
        self.0.iter().find(|key| key.kid == kid)
    }
}

fn read_key(key: PublishedKey) -> Option<AppCheckKey> {
    let is = |said: &Option<String>, expected: &str| said.as_deref().is_none_or(|said| said == expected);
    let fits = key.kty == "RSA" && is(&key.alg, "RS256") && is(&key.purpose, "sig");
    let read = |part: Option<String>| URL_SAFE_NO_PAD.decode(part?).ok();
    Some(AppCheckKey {
        kid: key.kid.filter(|_| fits)?,
        modulus: read(key.n)?,
        exponent: read(key.e)?,
    })
}

/// Verifies a token at `now`.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(
    keys: &AppCheckKeys,
    settings: &AttestationSettings,
    token: &str,
    now: Timestamp,
) -> Result<Attestation, AttestationRefusal> {
    use AttestationRefusal::Invalid;
    if token.len() > LONGEST_ATTESTATION {
        return Err(Invalid("the attestation is too long"));
    }
    let (signed, signature) = token
        .rsplit_once('.')
        .ok_or(Invalid("the attestation has not three parts"))?;
    let (header, claims) = signed
        .split_once('.')
        .ok_or(Invalid("the attestation has not three parts"))?;
    let header: AttestationHeader = part(header).ok_or(Invalid("the attestation's header is malformed"))?;
    if header.alg != "RS256" || header.crit.is_some() {
        return Err(Invalid("the attestation's algorithm is not allowed"));
    }
    if header.typ != "JWT" {
        return Err(Invalid("the attestation's type is not JWT"));
    }
    let key = keys.find(&header.kid).ok_or(AttestationRefusal::UnknownKey)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let components = RsaPublicKeyComponents {
        n: &key.modulus,
        e: &key.exponent,
    };
    components
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
        .map_err(|_| Invalid("the attestation's signature is wrong"))?;
    let claims: AttestationClaims = part(claims).ok_or(Invalid("the attestation's claims are malformed"))?;
    check_parties(&claims, settings).map_err(Invalid)?;
    check_life(&claims, now).map_err(Invalid)?;
    Ok(Attestation {
        hash: sha256_base64url(signed.as_bytes()),
        ends: Timestamp::from_seconds(claims.exp + SKEW_SECONDS),
    })
}

fn part<T: for<'a> Deserialize<'a>>(encoded: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

fn check_parties(claims: &AttestationClaims, settings: &AttestationSettings) -> Result<(), &'static str> {
    let project = settings.project.as_str();
    // No number, no project: an empty one would make an issuer of its own.
    if project.is_empty() || claims.iss.strip_prefix(ISSUER) != Some(project) {
        return Err("the attestation's issuer is another");
    }
    let is_ours = |audience: &String| audience.strip_prefix("projects/") == Some(project);
    let for_us = match &claims.aud {
        Audience::One(one) => is_ours(one),
        Audience::Several(several) => several.iter().any(is_ours),
    };
    if !for_us {
        return Err("the attestation's audience is another");
    }
    let listed = settings.apps.is_empty() || settings.apps.contains(&claims.sub);
    if claims.sub.is_empty() || !listed {
        return Err("the attestation is of another app");
    }
    Ok(())
}

fn check_life(claims: &AttestationClaims, now: Timestamp) -> Result<(), &'static str> {
    let now = now.seconds();
    let life = claims.exp.checked_sub(claims.iat);
    if life.is_none_or(|seconds| !(1..=LONGEST_LIFE_SECONDS).contains(&seconds)) {
        return Err("the attestation lives too long");
    }
    if claims.iat > now + SKEW_SECONDS || claims.nbf.is_some_and(|start| start > now + SKEW_SECONDS) {
        return Err("the attestation is from the future");
    }
    if claims.exp.saturating_add(SKEW_SECONDS) <= now {
        return Err("the attestation has expired");
    }
    Ok(())
}
