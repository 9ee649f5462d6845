//! The ids of users and sessions, and the random bytes for ids and nonces.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::error::{Error, Outage};

/// A user's id: `u_` and 22 of the base64url alphabet. It reveals nothing about the device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UserId(Arc<str>);

/// A session's id: `s_` and 22 of the base64url alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct SessionId(Arc<str>);

impl UserId {
    /// Draws a new id of 128 random bits.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        random_id("u_").map(Self)
    }

    /// Parses `text` as an id, if it has the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text, "u_").then(|| Self(Arc::from(text)))
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SessionId {
    /// Draws a new id of 128 random bits.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        random_id("s_").map(Self)
    }

    /// Parses `text` as an id, if it has the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_id(text, "s_").then(|| Self(Arc::from(text)))
    }

    /// Returns the id as text.
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

/// Returns a new name for a request: 32 hexadecimal digits.
#[must_use]
pub fn new_correlation_id() -> String {
    // Without random bytes the request is still worth answering; it just cannot be found by this name.
    let bytes = random_bytes::<16>().unwrap_or_default();
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Returns bytes from the kernel's generator. The first use of AWS-LC's own would cost a cold start more than everything else
/// together.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(Box::new(Outage(error.to_string()))))?;
    Ok(bytes)
}

/// Draws an id: `prefix` and 128 random bits as 22 of the base64url alphabet.
pub(crate) fn random_id(prefix: &str) -> Result<Arc<str>, Error> {
    let mut id = String::with_capacity(24);
    id.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(random_bytes::<16>()?, &mut id);
    Ok(Arc::from(id))
}

/// Reports whether `text` has the form of such an id.
pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        rest.len() == 22
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}
