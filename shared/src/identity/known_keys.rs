//! The public keys that a process knows, read anew when a token names another; the tokens that it has opened with them.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use crate::clock::Timestamp;
use crate::identity::keys::PublicKeys;
use crate::identity::token::{self, Opened, Parties, Refusal};
use crate::identity::{Fingerprint, Principal, sha256};

/// How often the published keys are read at most, however many unknown ones are shown.
const KEYS_READ_EVERY: Duration = Duration::from_mins(1);

/// How old what is known may be before a request reads it anew: a withdrawn key is refused within five minutes.
const GOOD_FOR: Duration = Duration::from_mins(4);

/// How many opened tokens are remembered. A user scrolls through a feed with the same one for a quarter of an hour, and opening
/// it is a fifth of a cached request.
const OPENED: usize = 1_000;

/// The public keys that this process knows, and when it last asked for more.
#[derive(Debug)]
pub struct KnownKeys {
    /// By the token's SHA-256. Forgotten with the keys that they were opened with.
    opened: Cache<String, Arc<Opened>>,
    keys: RwLock<Known>,
    read_at: Mutex<Option<Timestamp>>,
    /// When they were read, or were first asked for where a process started with some.
    known_at: Mutex<Option<Timestamp>>,
    reading: AsyncMutex<()>,
}

/// Keys, and the version of the set that they were published as; 0 before any was read.
#[derive(Debug, Default)]
struct Known {
    keys: PublicKeys,
    version: u64,
}

impl KnownKeys {
    /// Starts with `keys`.
    #[must_use]
    pub fn new(keys: PublicKeys) -> Self {
        Self {
            opened: Cache::new(OPENED),
            keys: RwLock::new(Known { keys, version: 0 }),
            read_at: Mutex::default(),
            known_at: Mutex::default(),
            reading: AsyncMutex::default(),
        }
    }

    /// [`token::verify`] with the keys known now; a token that was opened before is not opened again.
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
        let known = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let digest = sha256(bearer.as_bytes());
        if let Some(opened) = self.opened.get(&digest) {
            return opened.accept(&known.keys, fingerprint, now);
        }
        let opened = Arc::new(token::open(&known.keys, parties, bearer, now)?);
        self.opened.insert(digest, Arc::clone(&opened));
        opened.accept(&known.keys, fingerprint, now)
    }

    /// Whether no key is known.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).keys == PublicKeys::default()
    }

    /// The version of the published set that is known.
    pub fn version(&self) -> u64 {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).version
    }

    /// From now on, knows `keys`, which were published as `version`.
    pub fn replace(&self, keys: PublicKeys, version: u64, now: Timestamp) {
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if known.keys != keys {
            self.opened.clear();
        }
        *known = Known { keys, version };
        drop(known);
        *self.known_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether what is known should be read anew, as a key may have been withdrawn since.
    pub fn are_old(&self, now: Timestamp) -> bool {
        let mut known_at = self.known_at.lock().unwrap_or_else(PoisonError::into_inner);
        let at = *known_at.get_or_insert(now);
        at > now || now.since(at) >= GOOD_FOR
    }

    /// Waits for whoever reads the published keys, and keeps others waiting until the guard is dropped. A new environment may be
    /// given many requests at once: while one of them reads, the others' tokens are not unknown yet.
    pub async fn reading(&self) -> MutexGuard<'_, ()> {
        self.reading.lock().await
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
