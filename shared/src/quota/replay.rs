//! Idempotency keys: a request that is sent again is charged once. Pure.
//!
//! Beside the counters there is a record per user and key: which body it was used for, and how much was charged. A replay runs
//! again, as its verdicts come from the cache, and is charged what the first run was not (because it was given back).

use std::time::Duration;

use super::Charge;
use crate::clock::Timestamp;
use crate::identity::sha256;

/// How long a key is remembered; the contract promises 10 minutes.
pub const REMEMBERED_FOR: Duration = Duration::from_hours(1);

/// An idempotency key and the body that it stands for, both as digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key's SHA-256.
    pub key: String,
    /// The body's SHA-256.
    pub body: String,
}

impl IdempotencyKey {
    /// Of what a client sent.
    #[must_use]
    pub fn of(key: &str, body: &[u8]) -> Self {
        Self {
            key: sha256(key.as_bytes()),
            body: sha256(body),
        }
    }
}

/// What is remembered of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The body's digest.
    pub body: String,
    /// Units charged so far, less those given back.
    pub charged: u64,
    /// The first run counts as under way until then, unless it has ended.
    pub busy_until: Timestamp,
    /// From when the key may be used anew.
    pub expires_at: Timestamp,
}

/// What a request with a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The first one, as far as anybody remembers.
    First,
    /// Too early: the first is under way for so long at most.
    UnderWay(Duration),
    /// Another request: the body differs.
    Mismatch,
    /// The same again, of which so many units are charged already.
    Replay(u64),
}

/// Decides what a request with `key` is, given the record of that key.
#[must_use]
pub fn decide(key: &IdempotencyKey, record: Option<&Record>, now: Timestamp) -> Request {
    match record {
        None => Request::First,
        Some(record) if record.expires_at <= now => Request::First,
        Some(record) if record.body != key.body => Request::Mismatch,
        Some(record) if now < record.busy_until => Request::UnderWay(record.busy_until.since(now)),
        Some(record) => Request::Replay(record.charged),
    }
}

impl Charge {
    /// What is left to charge of this when `charged` units are charged already.
    #[must_use]
    pub fn beyond(&self, charged: u64) -> Self {
        Self {
            units: self.units.saturating_sub(charged),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_first_then_busy_then_replayed_until_it_is_forgotten() {
        let at = Timestamp::from_seconds;
        let key = IdempotencyKey::of("k", b"body");
        let record = Record {
            body: key.body.clone(),
            charged: 3,
            busy_until: at(10),
            expires_at: at(100),
        };
        for (now, expected) in [
            (9, Request::UnderWay(Duration::from_secs(1))),
            (10, Request::Replay(3)),
            (99, Request::Replay(3)),
            (100, Request::First),
        ] {
            assert_eq!(decide(&key, Some(&record), at(now)), expected, "{now}");
        }
        assert_eq!(decide(&key, None, at(0)), Request::First);
        let other = IdempotencyKey::of("k", b"other body");
        assert_eq!(
            decide(&other, Some(&record), at(0)),
            Request::Mismatch,
            "also while it is busy"
        );
        assert_eq!(decide(&other, Some(&record), at(100)), Request::First);
    }
}
