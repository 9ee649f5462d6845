//! Authenticates callers: [`Principal`], and the rules for access tokens, refresh tokens and signatures of requests.
//!
//! Keys live in [`keys`] and [`signing_keys`], sessions in [`store`]. Nothing here does I/O.

pub mod app_check;
pub mod device;
pub mod keys;
pub mod known_keys;
pub mod lifetimes;
pub mod published;
pub mod session;
pub mod signature;
pub mod signing_keys;
pub mod store;
pub mod token;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::digest::sha256_base64url;
use crate::error::Error;
use crate::ids::{SessionId, UserId, random_bytes};
use crate::plan::Tier;
use crate::source::Source;

/// The user, session and tier of a valid access token, and the source of the request that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user: UserId,
    /// The session that the token was issued in.
    pub session: SessionId,
    /// The plan at the time of the token's issue.
    pub tier: Tier,
    /// The source, once it is known.
    pub source: Option<Source>,
}

/// A device fingerprint as it is kept and compared: the SHA-256 of the client's text, in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Hashes the fingerprint that a client sends.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(sha256_base64url(text.as_bytes()))
    }

    /// Takes a digest that was stored.
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

/// Draws the salt of a new session's refresh tokens: 128 random bits in base64url.
///
/// # Errors
/// When the kernel gives no random bytes.
pub fn new_salt() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<16>()?))
}
