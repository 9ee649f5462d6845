//! Idempotency keys: a request that is sent again is charged once. Pure.
//!
//! Beside the counters there is a record per user and key: which request it was used for, and how much was charged. A replay runs
//! again, as its verdicts come from the cache, and is charged what the first run was not (because it was given back).

use std::time::Duration;

use crate::clock::{Day, Timestamp};
use crate::digest::sha256_base64url;

/// How long a key is remembered; the contract promises 10 minutes.
pub const REMEMBERED_FOR: Duration = Duration::from_hours(1);

/// When a request that meets another one, such as the first with its key, should be sent again: most take less.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An idempotency key and the request that it stands for, both as digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key's SHA-256.
    pub key: String,
    /// The SHA-256 of all that makes the request what it is: method, path, query and body.
    pub request: String,
}

impl IdempotencyKey {
    /// Returns the digests of what a client sent.
    #[must_use]
    pub fn of(key: &str, request: &[u8]) -> Self {
        Self {
            key: sha256_base64url(key.as_bytes()),
            request: sha256_base64url(request),
        }
    }
}

/// The record of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The request's digest.
    pub request: String,
    /// Units charged so far, less those given back.
    pub charged: u64,
    /// The first run counts as under way until then, unless it has ended.
    pub busy_until: Timestamp,
    /// The time from which the key may be used again.
    pub expires_at: Timestamp,
}

impl KeyRecord {
    /// Returns the record of a run that begins `now` and takes so long at most.
    #[must_use]
    pub fn of_run(key: &IdempotencyKey, units: u64, now: Timestamp, longest: Duration) -> Self {
        Self {
            request: key.request.clone(),
            charged: units,
            busy_until: now.plus(longest),
            expires_at: now.plus(REMEMBERED_FOR),
        }
    }

    /// Returns the time of the run that it was last charged for.
    #[must_use]
    pub fn charged_at(&self) -> Timestamp {
        self.expires_at.minus(REMEMBERED_FOR)
    }

    /// Returns the day on which its last run was charged.
    #[must_use]
    pub fn charged_on(&self) -> Day {
        self.charged_at().day()
    }
}

/// How a repeated idempotency key is treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The first one, as far as anybody remembers.
    First,
    /// Too early: the first is under way.
    UnderWay,
    /// Another request: method, path, query or body differ.
    Mismatch,
    /// The same again, of which so many units are charged already.
    Replay(u64),
}

/// Decides what a request with `key` is, given the record of that key.
#[must_use]
pub fn decide(key: &IdempotencyKey, record: Option<&KeyRecord>, now: Timestamp) -> Request {
    match record {
        None => Request::First,
        Some(record) if record.expires_at <= now => Request::First,
        Some(record) if record.request != key.request => Request::Mismatch,
        Some(record) if now < record.busy_until => Request::UnderWay,
        Some(record) => Request::Replay(record.charged),
    }
}

impl Request {
    /// Returns how many of a request's `units` are to be charged; `None` if it must not run, or if all of them are paid.
    #[must_use]
    pub const fn due(&self, units: u64) -> Option<u64> {
        match self {
            Self::First => Some(units),
            Self::Replay(paid) if *paid < units => Some(units - *paid),
            Self::Replay(_) | Self::UnderWay | Self::Mismatch => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_first_then_busy_then_replayed_until_it_is_forgotten() {
        let at = Timestamp::from_seconds;
        let key = IdempotencyKey::of("k", b"request");
        let record = KeyRecord {
            request: key.request.clone(),
            charged: 3,
            busy_until: at(10),
            expires_at: at(100),
        };
        for (now, expected) in [
            (9, Request::UnderWay),
            (10, Request::Replay(3)),
            (99, Request::Replay(3)),
            (100, Request::First),
        ] {
            assert_eq!(decide(&key, Some(&record), at(now)), expected, "{now}");
        }
        assert_eq!(decide(&key, None, at(0)), Request::First);
        let other = IdempotencyKey::of("k", b"another request");
        assert_eq!(
            decide(&other, Some(&record), at(0)),
            Request::Mismatch,
            "also while it is busy"
        );
        assert_eq!(decide(&other, Some(&record), at(100)), Request::First);
    }

    #[test]
    fn what_is_due_is_what_is_not_paid() {
        for (request, due) in [
            (Request::First, Some(5)),
            (Request::Replay(0), Some(5)),
            (Request::Replay(3), Some(2)),
            (Request::Replay(5), None),
            (Request::UnderWay, None),
            (Request::Mismatch, None),
        ] {
            assert_eq!(request.due(5), due, "{request:?}");
        }
    }
}
