//! Who is calling: [`Principal`], and the rules for access tokens and refresh tokens.
//!
//! Keys live in [`keys`], sessions in [`store`]. Nothing here does I/O.

pub mod keys;
pub mod session;
pub mod store;
pub mod token;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::error::{Error, Outage};
use crate::quota::Tier;

/// A user's id: `u_` and 22 of the base64url alphabet. Says nothing about the device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UserId(Arc<str>);

/// A session's id: `s_` and 22 of the base64url alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct SessionId(Arc<str>);

impl UserId {
    /// A new id of 128 random bits.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        random_id("u_").map(Self)
    }

    /// `text` as an id, if it may be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text, "u_").then(|| Self(Arc::from(text)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SessionId {
    /// A new id of 128 random bits.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        random_id("s_").map(Self)
    }

    /// `text` as an id, if it may be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text, "s_").then(|| Self(Arc::from(text)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom a valid access token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user: UserId,
    /// The session that the token was issued in.
    pub session: SessionId,
    /// The plan as of the token's issue.
    pub tier: Tier,
}

/// A device fingerprint as it is kept and compared: the SHA-256 of what the client sent, in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The digest of what a client calls its fingerprint.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(sha256(text.as_bytes()))
    }

    /// A digest that was stored.
    #[must_use]
    pub const fn stored(digest: String) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of `bytes`, in base64url: 43 characters.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}

/// What a new session's refresh tokens are derived with: 128 random bits in base64url.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn new_salt() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<16>()?))
}

/// Bytes from the kernel's generator. Not AWS-LC's: its first use costs a cold start more than everything else together.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(Box::new(Outage(error.to_string()))))?;
    Ok(bytes)
}

fn random_id(prefix: &str) -> Result<Arc<str>, Error> {
    let mut id = String::with_capacity(24);
    id.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(random_bytes::<16>()?, &mut id);
    Ok(Arc::from(id))
}

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        rest.len() == 22
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}
