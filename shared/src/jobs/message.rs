//! A job as the queue carries it: JSON, with the client's body as it was written. Pure.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::JobId;
use super::body::BodyParser;
use crate::identity::Principal;
use crate::ids::{SessionId, UserId};
use crate::plan::Tier;
use crate::source::Source;

/// The form of messages that this version writes. A worker of another version leaves those that it does not know.
const VERSION: u8 = 1;

/// The envelope.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    version: u8,
    job: &'a str,
    user: &'a str,
    session: &'a str,
    tier: &'a str,
    /// The source that asked for the work: its slice of the day's money pays too.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    source: Option<&'a str>,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    traceparent: Option<&'a str>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// A job as it comes out of the queue.
#[derive(Debug)]
pub struct JobMessage {
    /// Its name.
    pub job: JobId,
    /// For whom it is done.
    pub principal: Principal,
    /// The request that submitted it.
    pub correlation_id: String,
    /// `traceparent` for the calls that are made for it.
    pub trace: Option<String>,
    /// The client's body.
    pub body: Box<RawValue>,
}

impl JobMessage {
    /// Reads the text of a message; `None` if this version does not know its form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
        if envelope.version != VERSION {
            return None;
        }
        Some(Self {
            job: JobId::parse(envelope.job)?,
            principal: Principal {
                user: UserId::parse(envelope.user)?,
                session: SessionId::parse(envelope.session)?,
                tier: Tier::parse(envelope.tier)?,
                source: envelope.source.map(Source::stored),
            },
            correlation_id: envelope.correlation_id.to_owned(),
            trace: envelope.traceparent.map(str::to_owned),
            body: envelope.body.to_owned(),
        })
    }

    /// Writes a message; `None` if the body is no JSON.
    #[must_use]
    pub fn write(
        job: &JobId,
        principal: &Principal,
        (correlation_id, traceparent): (&str, Option<&str>),
        body: &[u8],
    ) -> Option<String> {
        let body = std::str::from_utf8(body).ok()?;
        let body = escaped(body.trim_start_matches('\u{feff}'));
        let text = serde_json::to_string(&Envelope {
            version: VERSION,
            job: job.as_str(),
            user: principal.user.as_str(),
            session: principal.session.as_str(),
            tier: principal.tier.as_str(),
            source: principal.source.as_ref().map(Source::as_str),
            correlation_id,
            traceparent,
            body: serde_json::from_str(&body).ok()?,
        });
        text.ok()
    }
}

/// Escapes the two characters that JSON allows and SQS does not. They can only stand within strings.
fn escaped(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// Reads what was checked when it was submitted: no place of a fault is wanted.
#[derive(Debug)]
pub struct CheckedBody;

impl BodyParser for CheckedBody {
    type Fault = ();

    fn parse<'a, T: Deserialize<'a>>(&self, text: &'a [u8]) -> Result<T, ()> {
        serde_json::from_slice(text).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;
    use crate::clock::Timestamp;
    use crate::jobs::Kind;

    fn principal() -> Principal {
        Principal {
            user: UserId::random().unwrap(),
            session: SessionId::random().unwrap(),
            tier: Tier::free(),
            source: Some(Source::of(Some("2001:db8:1:2::1"))),
        }
    }

    #[test]
    fn a_message_reads_back_with_the_body_as_it_was_written() {
        let (principal, key) = (principal(), hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]));
        let now = Timestamp::from_seconds(1_800_000_000);
        let job = JobId::new(&key, &principal.user, (Kind::Classify, 1), &[0; 16], now);
        let body = "\u{feff} {\"type\":\"classify\", \"x\":\"\u{ffff}\u{fffe} \\u0007 ü\"}";
        let text = JobMessage::write(&job, &principal, ("c1", Some("00-a-b-01")), body.as_bytes()).unwrap();
        assert!(!text.contains(['\u{ffff}', '\u{fffe}']) && !text.contains(|c: char| c < ' '));
        let read = JobMessage::parse(&text).unwrap();
        assert_eq!((&read.job, &read.principal), (&job, &principal));
        assert_eq!(
            (read.correlation_id.as_str(), read.trace.as_deref()),
            ("c1", Some("00-a-b-01"))
        );
        let value: serde_json::Value = serde_json::from_str(read.body.get()).unwrap();
        assert_eq!(value["x"], "\u{ffff}\u{fffe} \u{7} ü");
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in ["", "{}", "null", r#"{"version":2}"#, "\u{0}"] {
            assert!(JobMessage::parse(text).is_none(), "{text}");
        }
        assert!(JobMessage::write(&JobId::parse(&sample()).unwrap(), &principal(), ("c", None), b"{").is_none());
    }

    fn sample() -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let now = Timestamp::from_seconds(1_800_000_000);
        let id = JobId::new(&key, &principal().user, (Kind::Rank, 1), &[0; 16], now);
        id.as_str().to_owned()
    }
}
