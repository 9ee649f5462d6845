//! Access tokens: JWTs (RFC 9068 `at+jwt`) signed with Ed25519. Issued by auth, verified everywhere without I/O.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::keys::{KeySet, PublicKeys};
use super::{Fingerprint, Principal};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::{SessionId, UserId, random_bytes};
use crate::plan::Tier;

/// How long an access token lives, in seconds.
pub const LIFETIME_SECONDS: i64 = 900;

/// By how much the clocks of issuer and verifier may differ, in seconds.
const LEEWAY_SECONDS: i64 = 5;

/// The longest token that is looked at, in bytes.
const MOST_BYTES: usize = 4096;

const TYPE: &str = "at+jwt";

/// Who issues tokens and for whom they are meant.
#[derive(Debug, Clone)]
pub struct Parties {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

#[derive(Serialize, Deserialize)]
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

/// Exactly the header that we write: `crit`, `jwk`, `x5u` and the like are refused with everything else unknown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Signed with a key that is not known here; it may be a newer one.
    UnknownKey,
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
    let (kid, key) = keys.signing();
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
        exp: now.seconds() + LIFETIME_SECONDS,
        tier: principal.tier.to_string(),
        fp: fingerprint.map(|fingerprint| fingerprint.as_str().to_owned()),
    };
    jsonwebtoken::encode(&header, &claims, key).map_err(|error| Error::Internal(Box::new(error)))
}

/// Verifies a token at `now`; `fingerprint` is what the request says of its device.
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
    let kid = read_header(token)?;
    let key = keys.find(&kid).ok_or(Refusal::UnknownKey)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation(parties))
        .map_err(|error| Refusal::Invalid(describe(&error)))?
        .claims;
    check_times(&claims, now)?;
    if let Some(bound) = &claims.fp
        && fingerprint.is_none_or(|shown| shown.as_str() != bound)
    {
        return Err(Refusal::Invalid("the device fingerprint does not match"));
    }
    Ok(Principal {
        user: UserId::parse(&claims.sub).ok_or(Refusal::Invalid("the subject is no user"))?,
        session: SessionId::parse(&claims.sid).ok_or(Refusal::Invalid("the sid is no session"))?,
        tier: Tier::parse(&claims.tier).ok_or(Refusal::Invalid("the tier is no tier"))?,
    })
}

/// The `kid`, after every rule that needs no key.
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

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
    let now = now.seconds();
    let lifetime = claims.exp.checked_sub(claims.iat);
    if lifetime.is_none_or(|seconds| !(1..=LIFETIME_SECONDS).contains(&seconds)) {
        return Err(Refusal::Invalid("the token lives too long"));
    }
    if claims.iat > now + LEEWAY_SECONDS {
        return Err(Refusal::Invalid("the token is from the future"));
    }
    if claims.exp + LEEWAY_SECONDS <= now {
        return Err(Refusal::Invalid("the token has expired"));
    }
    Ok(())
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
mod tests {
    use super::*;

    fn key_set() -> KeySet {
        KeySet::parse(&KeySet::generate().unwrap()).unwrap()
    }

    fn parties() -> Parties {
        Parties {
            issuer: "us".into(),
            audience: "app".into(),
        }
    }

    fn principal() -> Principal {
        Principal {
            user: UserId::random().unwrap(),
            session: SessionId::random().unwrap(),
            tier: Tier::free(),
        }
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

    fn at(offset: i64) -> Timestamp {
        Timestamp::from_seconds(NOW.seconds() + offset)
    }

    /// A token with header and claims of the attacker's choice, rightly signed.
    fn forge(keys: &KeySet, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), keys.signing().1, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn header(keys: &KeySet) -> String {
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, keys.signing().0)
    }

    fn claims(change: &[(&str, serde_json::Value)]) -> String {
        let who = principal();
        let mut claims = serde_json::json!({
            "iss": "us", "aud": "app", "sub": who.user.as_str(), "sid": who.session.as_str(), "jti": "1",
            "iat": NOW.seconds(), "exp": NOW.seconds() + 900, "tier": "free",
        });
        for (name, value) in change {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(*name);
            } else {
                claims[*name] = value.clone();
            }
        }
        claims.to_string()
    }

    #[test]
    fn an_issued_token_is_accepted_until_it_expires() {
        let (keys, who) = (key_set(), principal());
        let token = issue(&keys, &parties(), &who, None, NOW).unwrap();
        for (offset, accepted) in [
            (-6, false),
            (-5, true),
            (0, true),
            (900, true),
            (904, true),
            (905, false),
        ] {
            let verified = verify(keys.public(), &parties(), &token, None, at(offset));
            assert_eq!(verified.is_ok(), accepted, "at {offset}");
            if accepted {
                assert_eq!(verified.unwrap(), who);
            }
        }
    }

    #[test]
    fn a_bound_token_needs_its_fingerprint() {
        let (keys, who) = (key_set(), principal());
        let (mine, other) = (Fingerprint::of("phone"), Fingerprint::of("laptop"));
        let token = issue(&keys, &parties(), &who, Some(&mine), NOW).unwrap();
        let accepted = |shown| verify(keys.public(), &parties(), &token, shown, NOW).is_ok();
        assert!(accepted(Some(&mine)));
        assert!(!accepted(Some(&other)));
        assert!(!accepted(None));
    }

    #[test]
    fn a_key_that_is_not_listed_is_told_apart() {
        let token = issue(&key_set(), &parties(), &principal(), None, NOW).unwrap();
        let refused = verify(key_set().public(), &parties(), &token, None, NOW);
        assert_eq!(refused, Err(Refusal::UnknownKey));
    }

    #[test]
    fn every_forged_header_is_refused() {
        let keys = key_set();
        let kid = keys.signing().0;
        assert!(
            verify(
                keys.public(),
                &parties(),
                &forge(&keys, &header(&keys), &claims(&[])),
                None,
                NOW
            )
            .is_ok()
        );
        for header in [
            format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
            r#"{"alg":"EdDSA","typ":"at+jwt"}"#.to_owned(),
            r#"{"alg":"EdDSA","typ":"at+jwt","kid":"../../etc/passwd"}"#.to_owned(),
            format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}","crit":["exp"]}}"#),
            "[]".to_owned(),
        ] {
            let token = forge(&keys, &header, &claims(&[]));
            assert!(
                verify(keys.public(), &parties(), &token, None, NOW).is_err(),
                "{header}"
            );
        }
    }

    #[test]
    fn every_forged_claim_is_refused() {
        let keys = key_set();
        for change in [
            ("iss", "them".into()),
            ("iss", serde_json::Value::Null),
            ("aud", "other".into()),
            ("aud", serde_json::Value::Null),
            ("sub", "admin".into()),
            ("sub", serde_json::Value::Null),
            ("sid", "x".into()),
            ("tier", "FREE!".into()),
            ("exp", (NOW.seconds() + 901).into()),
            ("exp", serde_json::Value::Null),
            ("exp", "tomorrow".into()),
            ("exp", i64::MAX.into()),
            ("iat", (NOW.seconds() + 6).into()),
            ("iat", i64::MIN.into()),
        ] {
            let token = forge(&keys, &header(&keys), &claims(std::slice::from_ref(&change)));
            assert!(
                verify(keys.public(), &parties(), &token, None, NOW).is_err(),
                "{change:?}"
            );
        }
    }

    #[test]
    fn a_token_that_was_touched_is_refused() {
        let keys = key_set();
        let token = issue(&keys, &parties(), &principal(), None, NOW).unwrap();
        let unsigned = token.rsplit_once('.').unwrap().0;
        for bad in [
            String::new(),
            "..".to_owned(),
            format!("{unsigned}."),
            format!("{token}.x"),
            format!(" {token}"),
            token.replacen('.', "..", 1),
            "a".repeat(5000),
        ] {
            assert!(verify(keys.public(), &parties(), &bad, None, NOW).is_err(), "{bad}");
        }
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'Q' } else { b'A' };
            let bad = String::from_utf8(bytes).unwrap();
            assert!(
                verify(keys.public(), &parties(), &bad, None, NOW).is_err(),
                "byte {place}"
            );
        }
    }
}
