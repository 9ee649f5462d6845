//! Signs requests as RFC 9421 wants it, written anew from the RFC: a mistake of the verifier is not made here too.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use shared::clock::{Clock, Timestamp};
use shared::http::new_correlation_id;

use crate::client::Client;

/// Who signs, and with what time.
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
    /// With a key as it is given out, in base64.
    #[must_use]
    pub fn new(keyid: &str, key: &str, clock: &Clock) -> Self {
        let bytes = STANDARD.decode(key).expect("base64");
        Self {
            keyid: keyid.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            clock: clock.clone(),
        }
    }

    /// A nonce that nobody has used.
    #[must_use]
    pub fn nonce() -> String {
        new_correlation_id()
    }

    /// The parameters of a signature made at `now`.
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

    /// A signed request to a server, with a JSON body if there is one.
    pub fn request(&self, client: &Client, method: Method, target: &str, body: Option<&Value>) -> RequestBuilder {
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = self.sign(method.as_str(), client.authority(), target, body.as_bytes());
        let request = headers.on(client.request(method, target));
        if body.is_empty() {
            request
        } else {
            request.header("content-type", "application/json").body(body)
        }
    }
}

impl SignatureHeaders {
    /// Puts them on a request.
    pub fn on(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request
            .header("signature-input", &self.input)
            .header("signature", &self.signature);
        if self.digest.is_empty() {
            request
        } else {
            request.header("content-digest", &self.digest)
        }
    }

    /// Puts them on an event.
    pub fn on_event(&self, event: &mut Value) {
        let named = [
            ("signature-input", &self.input),
            ("signature", &self.signature),
            ("content-digest", &self.digest),
        ];
        for (name, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
            event["headers"][name] = value.as_str().into();
            event["multiValueHeaders"][name] = serde_json::json!([value]);
        }
    }
}
