//! Announcements of jobs that have ended, by Standard Webhooks 1.0 (<https://www.standardwebhooks.com>): the message, its
//! signature, and when it is sent again. An announcement says that a job ended, and never how: who may know asks for the job.

pub mod address;
pub mod delivery;
pub mod endpoint;

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::endpoint::SigningSecret;
use crate::clock::Timestamp;
use crate::digest::{sha256, sha256_base64url};

/// The waits after the first failed attempt, the second, and so on. Together they are less than the half day for which a queue may
/// hide a message.
const WAITS: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
];

/// How often an announcement is sent at most: the queue's `maxReceiveCount`.
pub const ATTEMPTS: usize = WAITS.len() + 1;

/// Why an announcement is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The job has a result.
    #[serde(rename = "job.done")]
    Done,
    /// The job has failed.
    #[serde(rename = "job.failed")]
    Failed,
}

/// An announcement, as it waits in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// Why it is made.
    pub event: Event,
    /// The job.
    pub job_id: String,
    /// Its user.
    pub user_id: String,
    /// The name of the endpoint that it is for.
    pub endpoint: String,
    /// When the job ended.
    pub at: Timestamp,
}

impl Announcement {
    /// Returns its id: the same however often it is queued or sent, and no other's.
    #[must_use]
    pub fn id(&self) -> String {
        let named = [&self.job_id, self.event.name(), &self.endpoint].join("\n");
        format!("msg_{}", &sha256_base64url(named.as_bytes())[..22])
    }

    /// Returns the body that the receiver gets.
    #[must_use]
    pub fn body(&self) -> String {
        json!({
            "type": self.event,
            "timestamp": self.at.to_string(),
            "data": {"jobId": self.job_id, "userId": self.user_id},
        })
        .to_string()
    }
}

impl Event {
    /// Returns its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "job.done",
            Self::Failed => "job.failed",
        }
    }
}

/// Signs a message of `id`, sent at `at`, with every secret of its endpoint: while a secret is replaced, the receiver knows one of
/// them.
#[must_use]
pub fn signature(secrets: &[SigningSecret], id: &str, at: Timestamp, body: &str) -> String {
    let message = format!("{id}.{}.{body}", at.seconds());
    let signed = secrets.iter().map(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, message.as_bytes())))
    });
    signed.collect::<Vec<_>>().join(" ")
}

/// Returns how long an announcement waits after its failed attempt number `attempt`, from 1 on; `None` after the last. The receiver
/// may ask for longer. Up to a tenth more, by id, keeps what failed together from coming back together.
#[must_use]
pub fn wait_after(attempt: usize, asked: Option<Duration>, id: &str) -> Option<Duration> {
    let wait = *WAITS.get(attempt.checked_sub(1)?)?;
    let longest = WAITS[WAITS.len() - 1];
    let spread = wait / 10 * u32::from(sha256(format!("{id}{attempt}").as_bytes())[0]) / 255;
    Some(wait.max(asked.unwrap_or_default().min(longest)) + spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specifications_example() {
        let secret = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let (id, at) = (
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            Timestamp::from_seconds(1_649_367_553),
        );
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        let expected = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
        assert_eq!(signature(std::slice::from_ref(&secret), id, at, body), expected);
        let other = SigningSecret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let both = signature(&[other, secret], id, at, body);
        assert!(
            both.starts_with("v1,") && both.ends_with(&format!(" {expected}")),
            "{both}"
        );
    }

    #[test]
    fn an_announcement_is_thin_and_keeps_its_id() {
        let announcement = Announcement {
            event: Event::Done,
            job_id: "job_1".to_owned(),
            user_id: "u_1".to_owned(),
            endpoint: "review".to_owned(),
            at: Timestamp::parse("2026-11-30T18:05:00Z").unwrap(),
        };
        let body: serde_json::Value = serde_json::from_str(&announcement.body()).unwrap();
        let expected = json!({
            "type": "job.done", "timestamp": "2026-11-30T18:05:00Z", "data": {"jobId": "job_1", "userId": "u_1"}
        });
        assert_eq!(body, expected);
        let queued = serde_json::to_string(&announcement).unwrap();
        assert_eq!(serde_json::from_str::<Announcement>(&queued).unwrap(), announcement);
        let later = Announcement {
            at: Timestamp::from_seconds(0),
            ..announcement.clone()
        };
        assert_eq!(later.id(), announcement.id());
        assert!(!later.id().contains('.'), "the signature's own separator");
        for other in [
            Announcement {
                event: Event::Failed,
                ..announcement.clone()
            },
            Announcement {
                job_id: "job_2".to_owned(),
                ..announcement.clone()
            },
            Announcement {
                endpoint: "other".to_owned(),
                ..announcement.clone()
            },
        ] {
            assert_ne!(other.id(), announcement.id());
        }
    }

    #[test]
    fn each_failure_waits_longer_and_the_last_is_the_end() {
        let second = Duration::from_secs(1);
        for (attempt, wait) in [(1, 5), (2, 300), (3, 1800), (4, 7200), (5, 18_000)] {
            let waits = wait_after(attempt, None, "msg_a").unwrap();
            assert!(
                waits >= second * wait && waits <= second * wait * 11 / 10,
                "{attempt}: {waits:?}"
            );
        }
        assert_eq!(
            (wait_after(ATTEMPTS, None, "a"), wait_after(0, None, "a")),
            (None, None)
        );
        let spread: Vec<_> = ["a", "b", "c"].map(|id| wait_after(2, None, id)).into();
        assert!(spread[0] != spread[1] || spread[1] != spread[2]);
        // The receiver asks for more, or for less, or for ever.
        for (asked, least, most) in [(60, 60, 61), (1, 5, 6), (u64::MAX, 18_000, 18_001)] {
            let waits = wait_after(1, Some(Duration::from_secs(asked)), "msg_a").unwrap();
            assert!((least..=most).contains(&waits.as_secs()), "{asked}: {waits:?}");
        }
        let all: Duration = (1..ATTEMPTS).filter_map(|attempt| wait_after(attempt, None, "x")).sum();
        assert!(all < Duration::from_hours(12));
    }
}
