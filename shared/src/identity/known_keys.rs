//! The public keys that a process knows, re-read every few minutes, and when a token names another.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::clock::Timestamp;
use crate::digest::sha256;
use crate::identity::keys::PublicKeys;
use crate::identity::token::{self, Opened, Parties, Refusal};
use crate::identity::{Fingerprint, Principal};
use crate::refreshed::{Refreshed, Rule, WhileUnreadable};

/// The shortest interval between two reads of the published keys, however many unknown ones are shown.
pub(crate) const UNKNOWN_EVERY: Duration = Duration::from_mins(1);

/// A withdrawn key is refused within five minutes. While the keys cannot be read, those that are known stay in use.
const RULE: Rule = Rule {
    every: Duration::from_mins(4),
    good_for: Duration::from_mins(4),
    // The tables are skipped after a failure by themselves.
    retry_after: Duration::ZERO,
    while_unreadable: WhileUnreadable::Keep,
};

/// Opened tokens that are remembered. A user scrolls through a feed with the same token for a quarter of an hour, and
/// opening it is a fifth of a cached request.
const OPENED: usize = 1_000;

/// The public keys that a process knows, and the tokens that it has opened with them.
#[derive(Debug, Clone)]
pub struct KnownKeys {
    keys: PublicKeys,
    /// The version of the set that they were published as; 0 before any was read.
    version: u64,
    /// By the token's SHA-256.
    opened: Arc<Cache<[u8; 32], Arc<Opened>>>,
}

impl Default for KnownKeys {
    fn default() -> Self {
        Self::new(PublicKeys::default(), 0)
    }
}

impl KnownKeys {
    /// Starts with `keys`, which nobody has published.
    #[must_use]
    pub fn starting_with(keys: PublicKeys) -> Refreshed<Self> {
        Refreshed::starting_with(Some(Arc::new(Self::new(keys, 0))), RULE)
    }

    fn new(keys: PublicKeys, version: u64) -> Self {
        Self {
            keys,
            version,
            opened: Arc::new(Cache::new(OPENED)),
        }
    }

    /// Verifies as [`token::verify`] with these keys; a token that was opened before is not opened again.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(
        &self,
        parties: &Parties,
        bearer: &str,
        fingerprint: Option<&Fingerprint>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let digest = sha256(bearer.as_bytes());
        if let Some(opened) = self.opened.get(&digest) {
            return opened.accept(&self.keys, fingerprint, now);
        }
        let opened = Arc::new(token::open(&self.keys, parties, bearer, now)?);
        self.opened.insert(digest, Arc::clone(&opened));
        opened.accept(&self.keys, fingerprint, now)
    }

    /// Returns whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys == PublicKeys::default()
    }

    /// Returns the version of the published set.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Returns the keys known after reading `keys`, which are published as `version`. If they are the same, the opened
    /// tokens stay.
    #[must_use]
    pub fn replaced_by(&self, keys: PublicKeys, version: u64) -> Self {
        if keys == self.keys {
            let opened = Arc::clone(&self.opened);
            return Self { keys, version, opened };
        }
        Self::new(keys, version)
    }
}
