//! The public keys that a process knows, read anew when a token names another.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::keys::PublicKeys;
use crate::identity::token::{self, Parties, Refusal};
use crate::identity::{Fingerprint, Principal};

/// How often the published keys are read at most, however many unknown ones are shown.
const KEYS_READ_EVERY: Duration = Duration::from_mins(1);

/// The public keys that this process knows, and when it last asked for more.
#[derive(Debug, Default)]
pub struct KnownKeys {
    keys: RwLock<PublicKeys>,
    read_at: Mutex<Option<Timestamp>>,
}

impl KnownKeys {
    /// Starts with `keys`.
    #[must_use]
    pub fn new(keys: PublicKeys) -> Self {
        Self {
            keys: RwLock::new(keys),
            read_at: Mutex::default(),
        }
    }

    /// [`token::verify`] with the keys known now.
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
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        token::verify(&keys, parties, bearer, fingerprint, now)
    }

    /// Whether no key is known.
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self.keys.read().unwrap_or_else(PoisonError::into_inner) == PublicKeys::default()
    }

    /// From now on, knows `keys`.
    pub fn replace(&self, keys: PublicKeys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Whether the caller may read the published keys now: one caller a minute may.
    pub fn may_read(&self, now: Timestamp) -> bool {
        let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not keep new keys out.
        let lately = read_at.is_some_and(|at| at <= now && now.since(at) < KEYS_READ_EVERY);
        if !lately {
            *read_at = Some(now);
        }
        !lately
    }

    /// The reading failed: the next caller may read.
    pub fn retry_read(&self) {
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
