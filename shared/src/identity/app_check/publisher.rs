//! Reads the keys of App Check where Firebase publishes them, and verifies attestations with the keys that are known.

use std::fmt;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use lambda_http::http::Request;

use super::{AppCheckKeys, Attestation, AttestationRefusal, verify};
use crate::clock::Timestamp;
use crate::config::{AttestationMode, AttestationSettings};
use crate::error::Outage;
use crate::http_client::Http1;
use crate::refreshed::{Refreshed, Rule, WhileUnreadable};
use crate::tls;

/// The time limit of a read, connection included. A registration waits for it.
const DEADLINE: Duration = Duration::from_secs(2);

/// The largest page that is read, in bytes.
const LARGEST_PAGE: usize = 256 * 1024;

/// The shortest interval between two reads of the keys, however many unknown ones are shown.
const UNKNOWN_EVERY: Duration = Duration::from_mins(1);

/// Firebase asks for a read every six hours. While it does not answer, the keys that are known stay in use: none of them is
/// ever withdrawn in a hurry.
const RULE: Rule = Rule {
    every: Duration::from_hours(6),
    good_for: Duration::from_hours(6),
    retry_after: Duration::from_secs(30),
    while_unreadable: WhileUnreadable::Keep,
};

/// The reason why an attestation does not count.
#[derive(Debug, Clone)]
pub enum Unattested {
    /// It breaks a rule; the text is for the log.
    Invalid(&'static str),
    /// Nobody can say: the keys cannot be read, and none that is known is the attestation's.
    Unchecked(Outage),
}

/// Verifies attestations of App Check.
pub struct AppCheck {
    settings: AttestationSettings,
    keys: Refreshed<AppCheckKeys>,
    client: Http1,
}

impl fmt::Debug for AppCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppCheck")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl AppCheck {
    /// Makes one that knows no key yet; `None` where no use is made of attestations.
    #[must_use]
    pub fn of(settings: &AttestationSettings) -> Option<Self> {
        (settings.mode != AttestationMode::Off).then(|| Self {
            settings: settings.clone(),
            keys: Refreshed::new(RULE),
            client: Http1::new(tls::system_roots),
        })
    }

    /// Verifies a token at `now`. The keys are read when none is known, every six hours, and when a token names another: once
    /// a minute at most.
    ///
    /// # Errors
    /// [`Unattested`].
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Attestation, Unattested> {
        let known = self.keys.current(now, || self.read()).await;
        let known = known.map_err(Unattested::Unchecked)?;
        let mut verified = verify(&known, &self.settings, token, now);
        if verified == Err(AttestationRefusal::UnknownKey) {
            let renewed = self.keys.renew(UNKNOWN_EVERY, now, || self.read()).await;
            let renewed = renewed.map_err(Unattested::Unchecked)?;
            verified = verify(&renewed, &self.settings, token, now);
        }
        verified.map_err(|refusal| match refusal {
            AttestationRefusal::UnknownKey => Unattested::Invalid("the attestation's key is unknown"),
            AttestationRefusal::Invalid(cause) => Unattested::Invalid(cause),
        })
    }

    async fn read(&self) -> Result<AppCheckKeys, Outage> {
        match tokio::time::timeout(DEADLINE, self.ask()).await {
            Ok(read) => read,
            Err(_) => Err(Outage("the keys of App Check did not come in time".to_owned())),
        }
    }

    async fn ask(&self) -> Result<AppCheckKeys, Outage> {
        let failed = |why: &str| Outage(format!("the keys of App Check cannot be read: {why}"));
        let request = Request::get(&self.settings.keys_url).body(SdkBody::empty());
        let request = request.map_err(|_| failed("a bad address"))?;
        let request = HttpRequest::try_from(request).map_err(|_| failed("a bad address"))?;
        let answer = self.client.call(request).await.map_err(|_| failed("no answer"))?;
        if !answer.status().is_success() {
            return Err(failed(&format!("status {}", answer.status().as_u16())));
        }
        let page = Limited::new(answer.into_body(), LARGEST_PAGE).collect().await;
        AppCheckKeys::parse(&page.map_err(|_| failed("half an answer"))?.to_bytes())
    }
}
