//! The keys: [`KeySet`] signs (only auth has it), [`PublicKeys`] verify (every function has them).

mod public;
mod stored;

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;

use crate::clock::Timestamp;
use crate::config::Secret;
use crate::error::Error;
use crate::ids::SessionId;

pub use self::public::PublicKeys;
pub use self::stored::{ANNOUNCED, rotated, without};
pub(super) use self::stored::{derivation, new_master};

use self::public::PublicKey;
use self::stored::{StoredKeySet, key_id};

/// The reason why a key set cannot be used, without anything of its content.
#[derive(Debug, thiserror::Error)]
#[error("the key set cannot be used: {0}")]
pub struct KeyError(String);

impl KeyError {
    pub(super) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }
}

/// The keys that sign access tokens, and the masters that refresh tokens are derived from.
pub struct KeySet {
    version: u64,
    signing: BTreeMap<String, Timed<EncodingKey>>,
    public: PublicKeys,
    refresh_masters: BTreeMap<String, Timed<hmac::Key>>,
    signing_master: [u8; 32],
}

/// A secret, and the time from which it is used, in seconds since the epoch.
struct Timed<T> {
    secret: T,
    from: i64,
}

/// Returns the secret in use at `now`: the last one whose time has come; before all of them, the first.
fn in_use<T>(all: &BTreeMap<String, Timed<T>>, now: Timestamp) -> Option<(&String, &T)> {
    let come = all.iter().filter(|(_, timed)| timed.from <= now.seconds());
    come.max_by_key(|(_, timed)| timed.from)
        .or_else(|| all.iter().min_by_key(|(_, timed)| timed.from))
        .map(|(name, timed)| (name, &timed.secret))
}

impl KeySet {
    /// Generates a new key set as text, to be kept secret.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn generate() -> Result<Secret, Error> {
        StoredKeySet::generate()
    }

    /// Reads a key set from its stored form.
    ///
    /// # Errors
    /// The fault, without anything of the content.
    pub fn parse(stored: &Secret) -> Result<Self, KeyError> {
        let stored = StoredKeySet::read(stored)?;
        let (mut public, mut signing) = (BTreeMap::new(), BTreeMap::new());
        for (kid, kept) in stored.keys {
            let pkcs8 = STANDARD
                .decode(&kept.secret)
                .map_err(|_| KeyError::new("a key is not base64"))?;
            let pair =
                Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| KeyError::new("a key is not PKCS#8 of Ed25519"))?;
            let (bytes, until) = (pair.public_key().as_ref().to_vec(), kept.until);
            if kid != key_id(&bytes) {
                return Err(KeyError::new("a key does not belong to its name"));
            }
            public.insert(kid.clone(), PublicKey { bytes, until });
            let secret = EncodingKey::from_ed_der(&pkcs8);
            let from = kept.from;
            signing.insert(kid, Timed { secret, from });
        }
        let mut refresh_masters = BTreeMap::new();
        for (name, kept) in stored.refresh_masters {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, &master(&kept.secret)?);
            let from = kept.from;
            refresh_masters.insert(name, Timed { secret, from });
        }
        if signing.is_empty() || refresh_masters.is_empty() {
            return Err(KeyError::new("it has no keys"));
        }
        Ok(Self {
            version: stored.version,
            signing,
            public: PublicKeys(public),
            refresh_masters,
            signing_master: master(&stored.signing_master)?,
        })
    }

    /// Returns its version among the sets of a deployment: a later set has a higher number.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Returns the key that signs at `now`, with its `kid`.
    pub(super) fn signing(&self, now: Timestamp) -> Option<(&String, &EncodingKey)> {
        in_use(&self.signing, now)
    }

    /// Returns the keys that verify this set's signatures, past and future.
    #[must_use]
    pub const fn public(&self) -> &PublicKeys {
        &self.public
    }

    /// Returns the name of the master that a new session's refresh tokens are derived from.
    #[must_use]
    pub fn refresh_master(&self, now: Timestamp) -> String {
        in_use(&self.refresh_masters, now)
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }

    /// Returns the secret part of a session's refresh token: HMAC-SHA256 of session, generation and salt under its
    /// master; `None` if that was withdrawn.
    pub(super) fn refresh_secret(
        &self,
        master: &str,
        family: &SessionId,
        generation: u64,
        salt: &str,
    ) -> Option<String> {
        let mut context = hmac::Context::with_key(&self.refresh_masters.get(master)?.secret);
        for part in ["clearview refresh v1", family.as_str(), &generation.to_string(), salt] {
            // Length-prefixed, so that no two lists of parts are the same bytes.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        Some(URL_SAFE_NO_PAD.encode(context.sign()))
    }

    /// Returns the master of request-signing keys for a process without a separate secret for them: on one machine.
    pub(super) const fn signing_master(&self) -> &[u8; 32] {
        &self.signing_master
    }
}

pub(super) fn master(base64: &str) -> Result<[u8; 32], KeyError> {
    STANDARD
        .decode(base64)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| KeyError::new("a master is not 32 bytes in base64"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

    fn parse(stored: &Secret) -> KeySet {
        KeySet::parse(stored).unwrap()
    }

    fn signing(keys: &KeySet, now: Timestamp) -> String {
        keys.signing(now).unwrap().0.clone()
    }

    #[test]
    fn a_generated_key_set_reads_back_and_publishes_no_secret() {
        let stored = KeySet::generate().unwrap();
        let keys = parse(&stored);
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
        let secret = |keys: &KeySet| keys.refresh_secret("1", &session, 1, "s").unwrap();
        assert_eq!(one.public(), same.public());
        assert_eq!(secret(&one), secret(&same));
        assert_ne!(one.public(), other.public());
        assert_ne!(secret(&one), secret(&other));
        assert!(of(&"a".repeat(31)).is_err());
    }

    #[test]
    fn a_damaged_key_set_is_refused_without_showing_it() {
        let good = KeySet::generate().unwrap();
        let mut stored: serde_json::Value = serde_json::from_str(good.expose()).unwrap();
        stored["keys"] = serde_json::json!({});
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
        let keys = parse(&KeySet::generate().unwrap());
        let (a, b) = (SessionId::random().unwrap(), SessionId::random().unwrap());
        let base = keys.refresh_secret("1", &a, 1, "salt").unwrap();
        assert_eq!(Some(&base), keys.refresh_secret("1", &a, 1, "salt").as_ref());
        for other in [
            keys.refresh_secret("1", &b, 1, "salt"),
            keys.refresh_secret("1", &a, 2, "salt"),
            keys.refresh_secret("1", &a, 1, "pepper"),
        ] {
            assert_ne!(base, other.unwrap());
        }
        assert_eq!(keys.refresh_secret("2", &a, 1, "salt"), None);
    }

    #[test]
    fn a_successor_is_published_a_day_before_it_signs_and_the_old_key_outlives_its_tokens() {
        let first = KeySet::generate().unwrap();
        let second = rotated(&first, NOW).unwrap();
        let (before, after) = (parse(&first), parse(&second));
        let old = signing(&before, NOW);
        let at = |hours: u64, seconds: u64| NOW.plus(Duration::from_secs(hours * 3600 + seconds));
        assert_eq!(after.public().ids().count(), 2, "the next key is published at once");
        assert_eq!(signing(&after, at(23, 3599)), old);
        let new = signing(&after, at(24, 0));
        assert_ne!(new, old);
        // A token of the old key's last second lives for 905 s more.
        assert!(after.public().find(&old, at(24, 905)).is_some());
        assert!(after.public().find(&old, at(25, 0)).is_none());
        assert!(after.public().clone().at(at(25, 0)).find(&new, at(25, 0)).is_some());

        let month = NOW.plus(Duration::from_hours(720));
        let third = parse(&rotated(&second, month).unwrap());
        assert_eq!(third.public().ids().count(), 2, "the first is gone");
        assert_eq!(third.version(), 3);
    }

    #[test]
    fn a_family_keeps_its_master_until_it_must_have_ended() {
        let mut stored = KeySet::generate().unwrap();
        let family = SessionId::random().unwrap();
        let secret = |stored: &Secret| parse(stored).refresh_secret("1", &family, 5, "salt");
        let first = secret(&stored);
        let mut now = NOW;
        for _ in 0..3 {
            stored = rotated(&stored, now).unwrap();
            now = now.plus(Duration::from_hours(720));
            assert_eq!(secret(&stored), first);
        }
        let newest = parse(&stored).refresh_master(now);
        assert_eq!(newest, "4");
        now = now.plus(Duration::from_hours(720));
        assert_eq!(secret(&rotated(&stored, now).unwrap()), None, "no family of it is left");
    }

    #[test]
    fn a_withdrawn_key_is_gone_and_another_signs_at_once() {
        let first = KeySet::generate().unwrap();
        let kid = signing(&parse(&first), NOW);
        let left = parse(&without(&rotated(&first, NOW).unwrap(), &kid, NOW).unwrap());
        assert!(left.public().find(&kid, NOW).is_none());
        let signs = signing(&left, NOW);
        assert!(left.public().find(&signs, NOW).is_some());
        assert_eq!(left.version(), 3);
        assert!(matches!(without(&first, "another", NOW), Err(Error::Invalid(_))));
    }
}
