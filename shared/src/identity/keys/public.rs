//! The keys that verify access tokens, and their public form: a JWKS.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};

use super::KeyError;
use crate::clock::Timestamp;

/// The keys that verify access tokens, by `kid`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys(pub(super) BTreeMap<String, PublicKey>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    pub(super) bytes: Vec<u8>,
    /// The end of its validity in seconds since the epoch, if it has a successor.
    pub(super) until: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// RFC 8037: an Ed25519 key as a JWK. `exp` is a member of our own: the end of its validity.
#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    #[serde(rename = "use")]
    usage: String,
    alg: String,
    kid: String,
    x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
}

impl PublicKeys {
    /// Reads a JWKS; keys of other kinds are passed over.
    ///
    /// # Errors
    /// When it is no JWKS at all.
    pub fn parse(jwks: &str) -> Result<Self, KeyError> {
        let set: Jwks = serde_json::from_str(jwks).map_err(|_| KeyError::new("it is no JWKS"))?;
        let read = |key: Jwk| {
            let bytes = URL_SAFE_NO_PAD.decode(key.x).ok()?;
            let until = key.exp;
            Some((key.kid, PublicKey { bytes, until }))
        };
        let ours = |key: &Jwk| key.kty == "OKP" && key.crv == "Ed25519" && key.alg == "EdDSA";
        Ok(Self(set.keys.into_iter().filter(ours).filter_map(read).collect()))
    }

    /// Returns these keys and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Returns those valid at `now`.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.0
            .retain(|_, key| key.until.is_none_or(|until| until > now.seconds()));
        self
    }

    /// Returns the names of the keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the keys as a JWKS (RFC 7517), as `/.well-known/jwks.json` shows them.
    #[must_use]
    pub fn to_jwks(&self) -> serde_json::Value {
        let jwk = |(kid, key): (&String, &PublicKey)| Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            usage: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
            kid: kid.clone(),
            x: URL_SAFE_NO_PAD.encode(&key.bytes),
            exp: key.until,
        };
        let keys = self.0.iter().map(jwk).collect();
        serde_json::to_value(Jwks { keys }).unwrap_or_default()
    }

    /// Returns the key named `kid`, if it is valid at `now`.
    pub(in crate::identity) fn find(&self, kid: &str, now: Timestamp) -> Option<DecodingKey> {
        let key = self.current(kid, now)?;
        Some(DecodingKey::from_ed_der(&key.bytes))
    }

    /// True if the key of this name is valid at `now`.
    pub(in crate::identity) fn count(&self, kid: &str, now: Timestamp) -> bool {
        self.current(kid, now).is_some()
    }

    fn current(&self, kid: &str, now: Timestamp) -> Option<&PublicKey> {
        let key = self.0.get(kid);
        key.filter(|key| key.until.is_none_or(|until| until > now.seconds()))
    }
}
