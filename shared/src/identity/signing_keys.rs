//! The keys that requests are signed with (RFC 9421, `hmac-sha256`): those of sessions, derived, and those of admins.

use std::collections::BTreeMap;

use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::keys::{ANNOUNCED, KeyError, KeySet, derivation, master, new_master};
use super::lifetimes::{ACCESS_TOKEN_SECONDS, LEEWAY_SECONDS};
use crate::clock::Timestamp;
use crate::config::Secret;
use crate::error::{Error, Outage};
use crate::ids::SessionId;

/// The fewest bytes of an admin's key.
const SHORTEST_ADMIN_KEY: usize = 32;

/// How long a process may continue with the masters it knew, in seconds: see `secrets.rs`.
const LATE_SECONDS: i64 = 600;

/// The masters from which each session's key is derived. A session's key changes with its master. The client gets the
/// new key with its next access token, so the old one stays valid for a token's lifetime.
pub struct SigningKeys {
    masters: Vec<Master>,
}

/// Times are in seconds since the epoch.
struct Master {
    secret: [u8; 32],
    from: i64,
    until: Option<i64>,
}

/// The masters at rest, in a secret that is readable only by the functions that verify or give out signing keys.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    version: u64,
    masters: Vec<StoredMaster>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredMaster {
    secret: String,
    from: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InitialMaster {
    master: String,
}

fn read(stored: &Secret) -> Result<Stored, KeyError> {
    match serde_json::from_str::<InitialMaster>(stored.expose()) {
        Ok(initial) => Ok(Stored {
            version: 1,
            masters: vec![StoredMaster {
                secret: STANDARD.encode(derivation(&initial.master)?("signing master v1")?),
                from: 0,
                until: None,
            }],
        }),
        Err(_) => serde_json::from_str(stored.expose())
            .map_err(|_| KeyError::new("it is not of the form that this version writes")),
    }
}

impl SigningKeys {
    /// Reads the masters from their stored form.
    ///
    /// # Errors
    /// The fault, without anything of the content.
    pub fn parse(stored: &Secret) -> Result<Self, KeyError> {
        let masters = read(stored)?.masters.into_iter().map(|stored| {
            let (from, until) = (stored.from, stored.until);
            master(&stored.secret).map(|secret| Master { secret, from, until })
        });
        let masters = masters.collect::<Result<Vec<_>, _>>()?;
        if masters.is_empty() {
            return Err(KeyError::new("it has no masters"));
        }
        Ok(Self { masters })
    }

    /// Makes the one master of a key set, for a process without a separate secret.
    #[must_use]
    pub fn of_key_set(keys: &KeySet) -> Self {
        let master = Master {
            secret: *keys.signing_master(),
            from: 0,
            until: None,
        };
        Self { masters: vec![master] }
    }

    /// Makes the masters that follow `stored` at `now`: a new one, used once every process must have it, and those
    /// before it for as long as a client may have a key of theirs.
    ///
    /// # Errors
    /// When `stored` cannot be used, or there are no random bytes.
    pub fn rotated(stored: &Secret, now: Timestamp) -> Result<Secret, Error> {
        let unusable = |error: KeyError| Error::Internal(Box::new(error));
        let mut set = read(stored).map_err(unusable)?;
        set.version += 1;
        let from = now.plus(ANNOUNCED).seconds();
        let until = from + ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS + LATE_SECONDS;
        set.masters
            .retain(|master| master.until.is_none_or(|until| until > now.seconds()));
        for master in &mut set.masters {
            master.until.get_or_insert(until);
        }
        let (secret, until) = (new_master()?, None);
        set.masters.push(StoredMaster { secret, from, until });
        serde_json::to_string_pretty(&set)
            .map(Secret::new)
            .map_err(|error| Error::Internal(Box::new(error)))
    }

    /// Returns the key that a client is given for a session at `now`, in base64.
    ///
    /// # Errors
    /// Never for 32 bytes; the library's signature allows it.
    pub fn give(&self, session: &SessionId, now: Timestamp) -> Result<String, Error> {
        let come = self.masters.iter().filter(|master| master.from <= now.seconds());
        let newest = come.max_by_key(|master| master.from).or(self.masters.first());
        newest
            .and_then(|master| derive(master, session))
            .map(|key| STANDARD.encode(key))
            .ok_or_else(|| Error::Internal(Box::new(Outage("no signing key could be derived".into()))))
    }

    /// Returns the keys for another `purpose` that every process knows: the first is the newest in force at `now`. Those of
    /// masters that sign no request any more are among them as long as the masters are kept.
    #[must_use]
    pub fn derived(&self, purpose: &str, now: Timestamp) -> Vec<hmac::Key> {
        let mut masters: Vec<&Master> = self.masters.iter().collect();
        masters.sort_by_key(|master| (master.from > now.seconds(), std::cmp::Reverse(master.from)));
        let keys = masters
            .into_iter()
            .filter_map(|master| expand(master, &[purpose.as_bytes()]));
        keys.map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key)).collect()
    }

    /// Returns every key that a session's requests may be signed with at `now`.
    #[must_use]
    pub fn of(&self, session: &SessionId, now: Timestamp) -> Vec<hmac::Key> {
        let counting = self.masters.iter();
        let counting = counting.filter(|master| master.until.is_none_or(|until| until > now.seconds()));
        counting
            .filter_map(|master| derive(master, session))
            .map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key))
            .collect()
    }
}

/// HKDF-SHA256 of a master for a session.
fn derive(master: &Master, session: &SessionId) -> Option<[u8; 32]> {
    expand(master, &[b"request signing v1 ", session.as_str().as_bytes()])
}

fn expand(master: &Master, info: &[&[u8]]) -> Option<[u8; 32]> {
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"clearview").extract(&master.secret);
    let mut key = [0; 32];
    let expanded = extracted.expand(info, hkdf::HKDF_SHA256).ok()?;
    expanded.fill(&mut key).ok()?;
    Some(key)
}

/// The admins' keys by `keyid`.
#[derive(Default)]
pub struct AdminKeys(BTreeMap<String, hmac::Key>);

impl AdminKeys {
    /// Reads them from JSON such as `{"alice":"<base64 of 32 bytes or more>"}`.
    ///
    /// # Errors
    /// The fault, without anything of the content.
    pub fn parse(stored: &Secret) -> Result<Self, KeyError> {
        let named: BTreeMap<String, String> = serde_json::from_str(stored.expose())
            .map_err(|_| KeyError::new("it is no JSON object of keyid and base64"))?;
        let mut keys = BTreeMap::new();
        for (id, key) in named {
            let fits =
                (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b));
            if !fits {
                return Err(KeyError::new("a keyid is not 1 to 64 of A-Z a-z 0-9 - _ . @"));
            }
            let key = STANDARD.decode(key).map_err(|_| KeyError::new("a key is not base64"))?;
            if key.len() < SHORTEST_ADMIN_KEY {
                return Err(KeyError::new("a key is shorter than 32 bytes"));
            }
            keys.insert(id, hmac::Key::new(hmac::HMAC_SHA256, &key));
        }
        Ok(Self(keys))
    }

    /// Returns the key named `id`.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&hmac::Key> {
        self.0.get(id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

    fn first() -> Secret {
        Secret::new(format!(r#"{{"master":"{}"}}"#, "m".repeat(64)))
    }

    fn tags(keys: &SigningKeys, session: &SessionId, now: Timestamp) -> Vec<Vec<u8>> {
        let keys = keys.of(session, now);
        keys.iter().map(|key| hmac::sign(key, b"x").as_ref().to_vec()).collect()
    }

    #[test]
    fn each_session_has_a_key_of_its_own_that_everybody_derives_alike() {
        let (a, b) = (SessionId::random().unwrap(), SessionId::random().unwrap());
        let (here, there) = (
            SigningKeys::parse(&first()).unwrap(),
            SigningKeys::parse(&first()).unwrap(),
        );
        assert_eq!(here.give(&a, NOW).unwrap(), there.give(&a, NOW).unwrap());
        assert_ne!(here.give(&a, NOW).unwrap(), here.give(&b, NOW).unwrap());
        let given = STANDARD.decode(here.give(&a, NOW).unwrap()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &given);
        assert_eq!(tags(&there, &a, NOW), [hmac::sign(&key, b"x").as_ref().to_vec()]);
    }

    #[test]
    fn after_a_rotation_the_old_key_counts_until_every_client_has_the_new_one() {
        let session = SessionId::random().unwrap();
        let old = SigningKeys::parse(&first()).unwrap();
        let new = SigningKeys::parse(&SigningKeys::rotated(&first(), NOW).unwrap()).unwrap();
        let later = |hours: u64, minutes: u64| NOW.plus(Duration::from_mins(hours * 60 + minutes));
        let given = |keys: &SigningKeys, now| keys.give(&session, now).unwrap();
        assert_eq!(
            given(&new, later(23, 59)),
            given(&old, NOW),
            "not every process has it yet"
        );
        assert_ne!(given(&new, later(24, 0)), given(&old, NOW));
        assert_eq!(tags(&new, &session, NOW).len(), 2, "early is no mistake");
        let of_old = tags(&old, &session, NOW)[0].clone();
        assert!(tags(&new, &session, later(24, 16)).contains(&of_old));
        assert!(!tags(&new, &session, later(25, 0)).contains(&of_old));
    }

    #[test]
    fn admin_keys_that_are_weak_or_misnamed_are_refused_without_showing_them() {
        let good = STANDARD.encode([7; 32]);
        assert!(AdminKeys::parse(&Secret::new(format!(r#"{{"alice@ops":"{good}"}}"#))).is_ok());
        for text in [
            "hush".to_owned(),
            r#"{"alice":"hush"}"#.to_owned(),
            format!(r#"{{"alice":"{}"}}"#, STANDARD.encode([7; 31])),
            format!(r#"{{"a b":"{good}"}}"#),
            format!(r#"{{"":"{good}"}}"#),
        ] {
            let Err(error) = AdminKeys::parse(&Secret::new(text)) else {
                panic!("accepted")
            };
            assert!(!error.to_string().contains("hush"));
        }
    }
}
