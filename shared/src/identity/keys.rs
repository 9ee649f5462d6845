//! The keys: [`KeySet`] signs (only auth has it), [`PublicKeys`] verify (every function has them).

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use super::sha256;
use crate::config::Secret;
use crate::error::{Error, Outage};
use crate::ids::SessionId;

/// Why a key set cannot be used. Says nothing of what is in it.
#[derive(Debug, thiserror::Error)]
#[error("the key set cannot be used: {0}")]
pub struct KeyError(String);

/// The key set as it is kept at rest, in a file of the local server or in Secrets Manager.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredKeySet {
    /// The `kid` of the key that signs.
    active: String,
    /// PKCS#8 of each Ed25519 key, in base64.
    keys: BTreeMap<String, String>,
    /// 32 bytes in base64, from which refresh tokens are derived.
    refresh_master: String,
    /// 32 bytes in base64, from which request-signing keys are derived.
    signing_master: String,
}

/// What a stack starts with: one random master secret, from which a first key set is derived.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Initial {
    master: String,
}

/// The fewest characters of such a master. The template's has 64 of 62 kinds: 381 bits.
const SHORTEST_MASTER: usize = 32;

/// What signs access tokens, and the masters from which refresh tokens and signing keys are derived.
pub struct KeySet {
    active: String,
    signing: EncodingKey,
    public: PublicKeys,
    refresh_master: hmac::Key,
    signing_master: [u8; 32],
}

impl StoredKeySet {
    /// The key set that a master stands for: each part is HKDF-SHA256 of it under a name of its own.
    fn derive(master: &str) -> Result<Self, KeyError> {
        if master.len() < SHORTEST_MASTER {
            return Err(KeyError("the master is too short".to_owned()));
        }
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"clearview first key set").extract(master.as_bytes());
        let part = |name: &str| {
            let mut bytes = [0; 32];
            extracted
                .expand(&[name.as_bytes()], hkdf::HKDF_SHA256)
                .and_then(|expanded| expanded.fill(&mut bytes))
                .map(|()| bytes)
                .map_err(|_| KeyError("no keys can be derived".to_owned()))
        };
        let pair = Ed25519KeyPair::from_seed_unchecked(&part("token key v1")?)
            .map_err(|_| KeyError("no token key can be derived".to_owned()))?;
        let pkcs8 = pair
            .to_pkcs8()
            .map_err(|_| KeyError("no token key can be derived".to_owned()))?;
        let kid = key_id(pair.public_key().as_ref());
        Ok(Self {
            keys: BTreeMap::from([(kid.clone(), STANDARD.encode(pkcs8.as_ref()))]),
            active: kid,
            refresh_master: STANDARD.encode(part("refresh master v1")?),
            signing_master: STANDARD.encode(part("signing master v1")?),
        })
    }
}

impl KeySet {
    /// A new key set as text, to be kept secret.
    ///
    /// # Errors
    /// When no random bytes are to be had.
    pub fn generate() -> Result<Secret, Error> {
        let unusable = |_| Error::Internal(Box::new(Outage("no key could be made".into())));
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(unusable)?;
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref())
            .map_err(|error| Error::Internal(Box::new(Outage(error.to_string()))))?;
        let kid = key_id(pair.public_key().as_ref());
        let stored = StoredKeySet {
            keys: BTreeMap::from([(kid.clone(), STANDARD.encode(pkcs8.as_ref()))]),
            active: kid,
            refresh_master: STANDARD.encode(super::random_bytes::<32>()?),
            signing_master: STANDARD.encode(super::random_bytes::<32>()?),
        };
        let text = serde_json::to_string_pretty(&stored).map_err(|error| Error::Internal(Box::new(error)))?;
        Ok(Secret::new(text))
    }

    /// Reads a key set from its stored form.
    ///
    /// # Errors
    /// What is wrong with it, without anything of its content.
    pub fn parse(stored: &Secret) -> Result<Self, KeyError> {
        let wrong = |what: &str| KeyError(what.to_owned());
        let stored = match serde_json::from_str::<Initial>(stored.expose()) {
            Ok(initial) => StoredKeySet::derive(&initial.master)?,
            Err(_) => serde_json::from_str(stored.expose())
                .map_err(|_| wrong("it is not of the form that this version writes"))?,
        };
        let mut public = BTreeMap::new();
        let mut signing = None;
        for (kid, pkcs8) in &stored.keys {
            let pkcs8 = STANDARD.decode(pkcs8).map_err(|_| wrong("a key is not base64"))?;
            let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| wrong("a key is not PKCS#8 of Ed25519"))?;
            let bytes = pair.public_key().as_ref();
            if *kid != key_id(bytes) {
                return Err(wrong("a key does not belong to its name"));
            }
            public.insert(kid.clone(), bytes.to_vec());
            if *kid == stored.active {
                signing = Some(EncodingKey::from_ed_der(&pkcs8));
            }
        }
        Ok(Self {
            active: stored.active,
            signing: signing.ok_or_else(|| wrong("the active key is not among the keys"))?,
            public: PublicKeys(public),
            refresh_master: hmac::Key::new(hmac::HMAC_SHA256, &master(&stored.refresh_master)?),
            signing_master: master(&stored.signing_master)?,
        })
    }

    /// The `kid` of the key that signs, and the key.
    pub(super) const fn signing(&self) -> (&String, &EncodingKey) {
        (&self.active, &self.signing)
    }

    /// The keys that verify what this set has signed.
    #[must_use]
    pub const fn public(&self) -> &PublicKeys {
        &self.public
    }

    /// The secret part of a family's refresh token: HMAC-SHA256 of family, generation and salt under the refresh master.
    pub(super) fn refresh_secret(&self, family: &SessionId, generation: u64, salt: &str) -> String {
        let mut context = hmac::Context::with_key(&self.refresh_master);
        for part in ["clearview refresh v1", family.as_str(), &generation.to_string(), salt] {
            // Length-prefixed, so that no two lists of parts are the same bytes.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(context.sign())
    }

    /// The key with which a session may sign its requests: HKDF-SHA256 of the signing master for that session, in base64.
    ///
    /// # Errors
    /// Never for 32 bytes; the library's signature allows it.
    pub fn request_signing_key(&self, session: &SessionId) -> Result<String, Error> {
        let failed = |_| Error::Internal(Box::new(Outage("no signing key could be derived".into())));
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"clearview").extract(&self.signing_master);
        let info = [b"request signing v1 ", session.as_str().as_bytes()];
        let mut key = [0; 32];
        extracted
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|expanded| expanded.fill(&mut key))
            .map_err(failed)?;
        Ok(STANDARD.encode(key))
    }
}

fn master(base64: &str) -> Result<[u8; 32], KeyError> {
    STANDARD
        .decode(base64)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| KeyError("a master is not 32 bytes in base64".to_owned()))
}

/// The start of the key's RFC 7638 thumbprint: 96 bits are plenty to tell a handful of keys apart.
fn key_id(public: &[u8]) -> String {
    let jwk = format!(
        r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
        URL_SAFE_NO_PAD.encode(public)
    );
    let mut kid = sha256(jwk.as_bytes());
    kid.truncate(16);
    kid
}

/// The keys that verify access tokens, by `kid`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys(BTreeMap<String, Vec<u8>>);

#[derive(Serialize, Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// RFC 8037: an Ed25519 key as a JWK.
#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    #[serde(rename = "use")]
    usage: String,
    alg: String,
    kid: String,
    x: String,
}

impl PublicKeys {
    /// Reads a JWKS; keys of other kinds are passed over.
    ///
    /// # Errors
    /// When it is no JWKS at all.
    pub fn parse(jwks: &str) -> Result<Self, KeyError> {
        let set: Jwks = serde_json::from_str(jwks).map_err(|_| KeyError("it is no JWKS".to_owned()))?;
        Ok(Self(
            set.keys
                .into_iter()
                .filter(|key| key.kty == "OKP" && key.crv == "Ed25519")
                .filter_map(|key| Some((key.kid, URL_SAFE_NO_PAD.decode(key.x).ok()?)))
                .collect(),
        ))
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The keys as a JWKS (RFC 7517), as `/.well-known/jwks.json` shows them.
    #[must_use]
    pub fn to_jwks(&self) -> serde_json::Value {
        let keys = self
            .0
            .iter()
            .map(|(kid, public)| Jwk {
                kty: "OKP".to_owned(),
                crv: "Ed25519".to_owned(),
                usage: "sig".to_owned(),
                alg: "EdDSA".to_owned(),
                kid: kid.clone(),
                x: URL_SAFE_NO_PAD.encode(public),
            })
            .collect();
        serde_json::to_value(Jwks { keys }).unwrap_or_default()
    }

    /// The key named `kid`.
    pub(super) fn find(&self, kid: &str) -> Option<DecodingKey> {
        self.0.get(kid).map(|public| DecodingKey::from_ed_der(public))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_set_reads_back_and_publishes_no_secret() {
        let stored = KeySet::generate().unwrap();
        let keys = KeySet::parse(&stored).unwrap();
        let jwks = keys.public().to_jwks().to_string();
        assert_eq!(&PublicKeys::parse(&jwks).unwrap(), keys.public());
        assert!(!jwks.contains("\"d\""));
    }

    #[test]
    fn a_master_stands_for_one_key_set_and_another_for_another() {
        let of = |master: &str| KeySet::parse(&Secret::new(format!(r#"{{"master":"{master}"}}"#)));
        let (one, same, other) = (
            of(&"a".repeat(64)).unwrap(),
            of(&"a".repeat(64)).unwrap(),
            of(&"b".repeat(64)).unwrap(),
        );
        let session = SessionId::random().unwrap();
        assert_eq!(one.public(), same.public());
        assert_eq!(
            one.refresh_secret(&session, 1, "s"),
            same.refresh_secret(&session, 1, "s")
        );
        assert_ne!(one.public(), other.public());
        assert_ne!(
            one.refresh_secret(&session, 1, "s"),
            other.refresh_secret(&session, 1, "s")
        );
        assert!(of(&"a".repeat(31)).is_err());
    }

    #[test]
    fn a_damaged_key_set_is_refused_without_showing_it() {
        let good = KeySet::generate().unwrap();
        let mut stored: serde_json::Value = serde_json::from_str(good.expose()).unwrap();
        stored["active"] = "another".into();
        for text in [
            String::new(),
            "{}".to_owned(),
            stored.to_string(),
            "not json: hush".to_owned(),
        ] {
            let Err(error) = KeySet::parse(&Secret::new(text)) else {
                panic!("accepted");
            };
            assert!(!error.to_string().contains("hush"));
        }
    }

    #[test]
    fn derived_secrets_differ_by_every_part_and_are_stable() {
        let keys = KeySet::parse(&KeySet::generate().unwrap()).unwrap();
        let (a, b) = (SessionId::random().unwrap(), SessionId::random().unwrap());
        let base = keys.refresh_secret(&a, 1, "salt");
        assert_eq!(base, keys.refresh_secret(&a, 1, "salt"));
        assert_ne!(base, keys.refresh_secret(&b, 1, "salt"));
        assert_ne!(base, keys.refresh_secret(&a, 2, "salt"));
        assert_ne!(base, keys.refresh_secret(&a, 1, "pepper"));
        assert_ne!(
            keys.request_signing_key(&a).unwrap(),
            keys.request_signing_key(&b).unwrap()
        );
    }
}
