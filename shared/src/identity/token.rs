//! Access tokens: JWTs (RFC 9068 `at+jwt`) signed with Ed25519. Issued by auth, verified everywhere without I/O.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::keys::{KeySet, PublicKeys};
use super::lifetimes::{ACCESS_TOKEN_SECONDS, GRACE_SECONDS, LEEWAY_SECONDS};
use super::{Fingerprint, Principal};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::error::{Error, Outage};
use crate::ids::{SessionId, UserId, random_bytes};
use crate::plan::Tier;

/// The longest token that is parsed, in bytes.
const MOST_BYTES: usize = 4096;

const TYPE: &str = "at+jwt";

/// The issuer and the audience of tokens.
#[derive(Debug, Clone)]
pub struct Parties {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

impl Parties {
    /// Returns those of the settings.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    exp: i64,
    tier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fp: Option<String>,
}

/// Exactly the header that we write: `crit`, `jwk`, `x5u` and every other member are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// The reason why a token was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The key is not known here; it may be a newer one.
    UnknownKey,
    /// Valid except for its time, which ended less than four hours ago.
    Expired(Box<Principal>),
    /// Anything else; the text is for the log.
    Invalid(&'static str),
}

/// Issues an access token for `principal`.
///
/// # Errors
/// When no random bytes are to be had or the key cannot sign.
pub fn issue(
    keys: &KeySet,
    parties: &Parties,
    principal: &Principal,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
) -> Result<String, Error> {
    let (kid, key) = keys
        .signing(now)
        .ok_or_else(|| Error::Internal(Box::new(Outage("there is no key to sign with".to_owned()))))?;
    let header = Header {
        typ: Some(TYPE.to_owned()),
        kid: Some(kid.clone()),
        ..Header::new(Algorithm::EdDSA)
    };
    let claims = Claims {
        iss: parties.issuer.clone(),
        aud: parties.audience.clone(),
        sub: principal.user.to_string(),
        sid: principal.session.to_string(),
        jti: URL_SAFE_NO_PAD.encode(random_bytes::<12>()?),
        iat: now.seconds(),
        exp: now.seconds() + ACCESS_TOKEN_SECONDS,
        tier: principal.tier.to_string(),
        fp: fingerprint.map(|fingerprint| fingerprint.as_str().to_owned()),
    };
    jsonwebtoken::encode(&header, &claims, key).map_err(|error| Error::Internal(Box::new(error)))
}

/// Checks that tokens signed by `keys` at `now` are accepted with `public`.
///
/// # Errors
/// The reason why not.
pub fn try_out(keys: &KeySet, public: &PublicKeys, parties: &Parties, now: Timestamp) -> Result<(), Error> {
    let principal = Principal {
        user: UserId::random()?,
        session: SessionId::random()?,
        tier: Tier::free(),
        source: None,
    };
    let token = issue(keys, parties, &principal, None, now)?;
    match verify(public, parties, &token, None, now) {
        Ok(verified) if verified == principal => Ok(()),
        _ => Err(Error::Unauthenticated("a token of this key set")),
    }
}

/// A token whose header, signature and parties are valid. Time, device and key are checked each time it is shown.
#[derive(Debug, Clone)]
pub struct Opened {
    kid: String,
    claims: Claims,
    principal: Principal,
}

/// Checks the parts of a token that do not change with time.
///
/// # Errors
/// The first rule that it breaks.
pub fn open(keys: &PublicKeys, parties: &Parties, token: &str, now: Timestamp) -> Result<Opened, Refusal> {
    let kid = read_header(token)?;
    let key = keys.find(&kid, now).ok_or(Refusal::UnknownKey)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation(parties))
        .map_err(|error| Refusal::Invalid(describe(&error)))?
        .claims;
    let principal = Principal {
        user: UserId::parse(&claims.sub).ok_or(Refusal::Invalid("the subject is no user"))?,
        session: SessionId::parse(&claims.sid).ok_or(Refusal::Invalid("the sid is no session"))?,
        tier: Tier::parse(&claims.tier).ok_or(Refusal::Invalid("the tier is no tier"))?,
        source: None,
    };
    Ok(Opened { kid, claims, principal })
}

impl Opened {
    /// Returns its principal at `now`, if its key is still valid among `keys` and `fingerprint` is the one of the
    /// request.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn accept(
        &self,
        keys: &PublicKeys,
        fingerprint: Option<&Fingerprint>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        if !keys.count(&self.kid, now) {
            return Err(Refusal::UnknownKey);
        }
        let alive = check_times(&self.claims, now)?;
        if let Some(bound) = &self.claims.fp
            && fingerprint.is_none_or(|shown| shown.as_str() != bound)
        {
            return Err(Refusal::Invalid("the device fingerprint does not match"));
        }
        if alive {
            Ok(self.principal.clone())
        } else {
            Err(Refusal::Expired(Box::new(self.principal.clone())))
        }
    }
}

/// Verifies a token at `now`; `fingerprint` is the one of the request.
///
/// # Errors
/// The first rule that it breaks.
pub fn verify(
    keys: &PublicKeys,
    parties: &Parties,
    token: &str,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
) -> Result<Principal, Refusal> {
    open(keys, parties, token, now)?.accept(keys, fingerprint, now)
}

/// Returns the `kid`, after checking every rule that needs no key.
fn read_header(token: &str) -> Result<String, Refusal> {
    if token.len() > MOST_BYTES {
        return Err(Refusal::Invalid("the token is too long"));
    }
    if token.bytes().filter(|b| *b == b'.').count() != 2 {
        return Err(Refusal::Invalid("the token has not three parts"));
    }
    let encoded = token.split('.').next().unwrap_or_default();
    let header: StrictHeader = URL_SAFE_NO_PAD
        .decode(encoded)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or(Refusal::Invalid("the header is malformed"))?;
    if header.alg != "EdDSA" {
        return Err(Refusal::Invalid("the algorithm is not allowed"));
    }
    if header.typ != TYPE {
        return Err(Refusal::Invalid("the type is not at+jwt"));
    }
    Ok(header.kid)
}

fn validation(parties: &Parties) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[&parties.issuer]);
    validation.set_audience(&[&parties.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // The library reads the system's clock; ours is checked in `check_times`.
    validation.validate_exp = false;
    validation
}

/// True if the token is alive, or ended within the grace.
fn check_times(claims: &Claims, now: Timestamp) -> Result<bool, Refusal> {
    let now = now.seconds();
    let lifetime = claims.exp.checked_sub(claims.iat);
    if lifetime.is_none_or(|seconds| !(1..=ACCESS_TOKEN_SECONDS).contains(&seconds)) {
        return Err(Refusal::Invalid("the token lives too long"));
    }
    if claims.iat > now + LEEWAY_SECONDS {
        return Err(Refusal::Invalid("the token is from the future"));
    }
    if claims.exp.saturating_add(GRACE_SECONDS) <= now {
        return Err(Refusal::Invalid("the token has expired"));
    }
    Ok(claims.exp + LEEWAY_SECONDS > now)
}

fn describe(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "the signature is wrong",
        ErrorKind::InvalidIssuer => "the issuer is another",
        ErrorKind::InvalidAudience => "the audience is another",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "the token is malformed",
    }
}

#[cfg(test)]
mod tests;
