//! The names of jobs. Pure.
//!
//! A name holds its job's time, kind and charge under a tag, an HMAC over the user and all that. So a submit writes nothing but
//! its message: a poll knows from the name alone that the job is the user's, how old it is, and what to give back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::job::Kind;
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::plan::Meter;
use crate::quota::Counter;

/// A job that was not done in this time has failed.
pub const TIME_LIMIT: Duration = Duration::from_mins(10);

/// How long a job is shown after that time.
pub const KEPT: Duration = Duration::from_hours(1);

const PREFIX: &str = "job_";
const VERSION: u8 = 1;

/// Version, kind, units, time, and what makes it the only one of its user at that time.
const HEAD: usize = 1 + 1 + 2 + 6 + 16;
const TAG: usize = 10;

/// A job's id: `job_` and 48 of the base64url alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobId {
    text: Arc<str>,
    /// The kind of its work.
    pub kind: Kind,
    /// Units that its submit was charged: none where the plan counts nothing by day.
    pub charged: u16,
    /// The time of its submit, on whose day it was charged.
    pub submitted_at: Timestamp,
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The age of a job without an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It waits, or is worked on.
    Young,
    /// Its time is over.
    Expired,
    /// Nobody remembers it.
    Forgotten,
}

impl JobId {
    /// Names a job of `user` under `key`. The same `unique` and time make the same name.
    #[must_use]
    pub fn new(
        key: &hmac::Key,
        user: &UserId,
        (kind, charged): (Kind, u16),
        unique: &[u8; 16],
        submitted_at: Timestamp,
    ) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + TAG);
        bytes.extend([VERSION, kind.code()]);
        bytes.extend(charged.to_be_bytes());
        // 48 bits of milliseconds last until the year 10889.
        bytes.extend(&submitted_at.millis().to_be_bytes()[2..]);
        bytes.extend(unique);
        let tag = tag(key, user, &bytes);
        bytes.extend(tag);
        Self {
            text: format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes)).into(),
            kind,
            charged,
            submitted_at,
        }
    }

    /// Parses `text` as the id of a job of `user` that one of `keys` has named.
    #[must_use]
    pub fn verify(keys: &[hmac::Key], user: &UserId, text: &str) -> Option<Self> {
        let id = Self::parse(text)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (head, sent) = bytes.split_at_checked(HEAD)?;
        let is_ours =
            |key: &hmac::Key| aws_lc_rs::constant_time::verify_slices_are_equal(&tag(key, user, head), sent).is_ok();
        keys.iter().any(is_ours).then_some(id)
    }

    /// Parses `text` as an id without a look at its tag: for a source that is trusted, such as a message of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let head: &[u8; HEAD + TAG] = bytes.as_slice().try_into().ok()?;
        let [VERSION, kind, high, low, time @ ..] = head else {
            return None;
        };
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&time[..6]);
        let id = Self {
            text: text.into(),
            kind: Kind::of_code(*kind)?,
            charged: u16::from_be_bytes([*high, *low]),
            submitted_at: Timestamp::from_millis(i64::from_be_bytes(millis)),
        };
        // Base64 has several spellings of some bytes.
        (URL_SAFE_NO_PAD.encode(&bytes) == text[PREFIX.len()..]).then_some(id)
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the end of the job's time.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.submitted_at.plus(TIME_LIMIT)
    }

    /// Returns the time until which its item is kept in any case: nobody may take a job for expired whose item is gone.
    #[must_use]
    pub fn kept_until(&self) -> Timestamp {
        self.expires_at().plus(KEPT).plus(KEPT)
    }

    /// Returns its age at `now`.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Age {
        let expires_at = self.expires_at();
        if now < expires_at {
            Age::Young
        } else if now < expires_at.plus(KEPT) {
            Age::Expired
        } else {
            Age::Forgotten
        }
    }

    /// Returns the counter that it was charged to.
    #[must_use]
    pub fn counter(&self, user: &UserId) -> Counter {
        Counter::today(user, self.kind.meter(), self.submitted_at)
    }

    /// Returns the meter that it was charged to.
    #[must_use]
    pub const fn meter(&self) -> Meter {
        self.kind.meter()
    }
}

fn tag(key: &hmac::Key, user: &UserId, head: &[u8]) -> [u8; TAG] {
    let mut context = hmac::Context::with_key(key);
    context.update(user.as_str().as_bytes());
    context.update(head);
    let mut tag = [0; TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[seed; 32])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn an_id_reads_back_for_its_user_alone() {
        let (user, other) = (UserId::random().unwrap(), UserId::random().unwrap());
        let id = JobId::new(&key(1), &user, (Kind::Classify, 1000), &[7; 16], at(0));
        assert_eq!(id.as_str().len(), 52);
        assert_eq!(JobId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(JobId::verify(&[key(2), key(1)], &user, id.as_str()), Some(id.clone()));
        assert_eq!(JobId::verify(&[key(1)], &other, id.as_str()), None);
        assert_eq!(JobId::verify(&[key(2)], &user, id.as_str()), None);
        assert_eq!(JobId::verify(&[], &user, id.as_str()), None);
        assert_eq!(id, JobId::new(&key(1), &user, (Kind::Classify, 1000), &[7; 16], at(0)));
        assert_ne!(id, JobId::new(&key(1), &user, (Kind::Classify, 1000), &[8; 16], at(0)));
        assert_eq!(id.counter(&user).meter, Meter::Posts);
    }

    #[test]
    fn a_changed_character_makes_it_nobodys() {
        let user = UserId::random().unwrap();
        let id = JobId::new(&key(1), &user, (Kind::Rank, 5), &[0; 16], at(0));
        let text = id.as_str();
        for place in 0..text.len() {
            let swapped = if &text[place..=place] == "A" { "B" } else { "A" };
            let changed = format!("{}{swapped}{}", &text[..place], &text[place + 1..]);
            assert_eq!(JobId::verify(&[key(1)], &user, &changed), None, "{place}");
        }
        for text in ["", "job_", "job_AAAA", &format!("{text}A"), &text[..51], "job_ä"] {
            assert_eq!(JobId::verify(&[key(1)], &user, text), None, "{text}");
        }
    }

    #[test]
    fn a_job_is_young_for_ten_minutes_and_forgotten_an_hour_later() {
        let user = UserId::random().unwrap();
        let id = JobId::new(&key(1), &user, (Kind::Rank, 5), &[0; 16], at(0));
        for (seconds, age) in [
            (0, Age::Young),
            (599, Age::Young),
            (600, Age::Expired),
            (4_199, Age::Expired),
            (4_200, Age::Forgotten),
        ] {
            assert_eq!(id.age(at(seconds)), age, "{seconds}");
        }
        assert!(id.kept_until() > at(4_200));
    }
}
