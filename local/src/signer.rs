//! Signs requests by RFC 9421, for `clearview admin` and for the tests.
//!
//! It was written from the RFC and not from the verifier, so that a mistake of the verifier is not repeated here.

use aws_lc_rs::{digest, hmac};
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};
use shared::clock::{Clock, Timestamp};
use shared::ids::new_correlation_id;

/// A key and the clock to sign with.
#[derive(Debug)]
pub struct Signer {
    /// The name of the key.
    pub keyid: String,
    key: hmac::Key,
    clock: Clock,
}

/// The headers of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// `Signature-Input`.
    pub input: String,
    /// `Signature`.
    pub signature: String,
    /// `Content-Digest`; empty for a request without a body.
    pub digest: String,
}

impl Signer {
    /// Returns a signer with a key in base64, as keys are given out.
    ///
    /// # Errors
    /// The key is not base64.
    pub fn new(keyid: &str, key: &str, clock: &Clock) -> Result<Self, DecodeError> {
        let bytes = STANDARD.decode(key)?;
        Ok(Self {
            keyid: keyid.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            clock: clock.clone(),
        })
    }

    /// Returns a fresh nonce.
    #[must_use]
    pub fn nonce() -> String {
        new_correlation_id()
    }

    /// Returns the parameters of a signature made at `now`.
    #[must_use]
    pub fn parameters(&self, now: Timestamp, nonce: &str) -> String {
        let keyid = &self.keyid;
        let created = now.seconds();
        format!(r#";created={created};nonce="{nonce}";keyid="{keyid}";tag="clearview""#)
    }

    /// Signs a request. Names and values of the query must need no encoding.
    #[must_use]
    pub fn sign(&self, method: &str, authority: &str, target: &str, body: &[u8]) -> SignatureHeaders {
        let parameters = self.parameters(self.clock.now(), &Self::nonce());
        self.sign_with(method, authority, target, body, &parameters)
    }

    /// Signs a request with these parameters.
    #[must_use]
    pub fn sign_with(
        &self,
        method: &str,
        authority: &str,
        target: &str,
        body: &[u8],
        parameters: &str,
    ) -> SignatureHeaders {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut components = vec![
            ("\"@method\"".to_owned(), method.to_owned()),
            ("\"@authority\"".to_owned(), authority.to_owned()),
            ("\"@path\"".to_owned(), path.to_owned()),
        ];
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            components.push((format!(r#""@query-param";name="{name}""#), value.to_owned()));
        }
        let digest = if body.is_empty() {
            String::new()
        } else {
            let hash = STANDARD.encode(digest::digest(&digest::SHA256, body));
            format!("sha-256=:{hash}:")
        };
        if !body.is_empty() {
            components.push(("\"content-digest\"".to_owned(), digest.clone()));
        }
        let names: Vec<&str> = components.iter().map(|(name, _)| name.as_str()).collect();
        let input = format!("({}){parameters}", names.join(" "));
        let lines: Vec<String> = components
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .chain([format!("\"@signature-params\": {input}")])
            .collect();
        let mac = STANDARD.encode(hmac::sign(&self.key, lines.join("\n").as_bytes()));
        SignatureHeaders {
            input: format!("sig={input}"),
            signature: format!("sig=:{mac}:"),
            digest,
        }
    }
}

impl SignatureHeaders {
    /// Returns the headers by name, without an empty digest.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [
            ("signature-input", self.input.as_str()),
            ("signature", &self.signature),
            ("content-digest", &self.digest),
        ];
        named.into_iter().filter(|(_, value)| !value.is_empty())
    }
}
