//! The endpoints that the operator has named. No user gives an address.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use url::{Host, Url};

use super::Event;
use super::address::is_global;
use crate::config::Secret;

/// The most secrets of an endpoint: the one in force, and the one that replaces it.
const MOST_SECRETS: usize = 2;

/// A secret of the symmetric form of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

impl SigningSecret {
    /// Reads a secret, if it has the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// Where it is.
    pub url: Url,
    /// The secrets that its messages are signed with.
    pub secrets: Vec<SigningSecret>,
    /// The events that it wants.
    pub events: Vec<Event>,
}

/// All endpoints, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookEndpoints(BTreeMap<String, WebhookEndpoint>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    secrets: Vec<String>,
    #[serde(default = "every_event")]
    types: Vec<Event>,
}

fn every_event() -> Vec<Event> {
    vec![Event::Done, Event::Failed]
}

impl WebhookEndpoints {
    /// Reads `{"name":{"url","secrets":["whsec_…"],"types"?}}`: addresses of the public internet, over HTTPS.
    ///
    /// # Errors
    /// The fault, without anything of a secret.
    pub fn parse(text: &Secret) -> Result<Self, String> {
        read(text, public)
    }

    /// Reads the same, of whatever network and also over HTTP: for one machine, never for a deployment.
    ///
    /// # Errors
    /// The fault, without anything of a secret.
    pub fn parse_private(text: &Secret) -> Result<Self, String> {
        read(text, |_| Ok(()))
    }

    /// Returns the endpoint of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&WebhookEndpoint> {
        self.0.get(name)
    }

    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Reports whether `text` can be the name of an endpoint.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

fn read(text: &Secret, check: fn(&Url) -> Result<(), &'static str>) -> Result<WebhookEndpoints, String> {
    let written: BTreeMap<String, Written> = serde_json::from_str(text.expose())
        .map_err(|_| r#"not of the form {"name":{"url":"https://…","secrets":["whsec_…"]}}"#.to_owned())?;
    let endpoints = written.into_iter().map(|(name, written)| {
        let refuse = |problem: &str| format!("{name:?}: {problem}");
        if !is_name(&name) {
            return Err(refuse("a name has 1 to 64 of A-Z a-z 0-9 _ -"));
        }
        let url = Url::parse(&written.url).map_err(|_| refuse("its url is none"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(refuse("its url is none of the web"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(refuse("its url may hold no user and no fragment"));
        }
        check(&url).map_err(refuse)?;
        let secrets: Option<Vec<_>> = written.secrets.iter().map(|text| SigningSecret::parse(text)).collect();
        let secrets = secrets.filter(|secrets| (1..=MOST_SECRETS).contains(&secrets.len()));
        let endpoint = WebhookEndpoint {
            url,
            secrets: secrets
                .ok_or_else(|| refuse("its secrets are one or two of whsec_ and 24 to 64 bytes in base64"))?,
            events: written.types,
        };
        Ok((name, endpoint))
    });
    endpoints.collect::<Result<_, _>>().map(WebhookEndpoints)
}

fn public(url: &Url) -> Result<(), &'static str> {
    if url.scheme() != "https" || url.port().is_some() {
        return Err("its url must begin with https:// and name no port");
    }
    if literal(url).is_some_and(|address| !is_global(address)) {
        return Err("its url names an address that is none of the public internet");
    }
    Ok(())
}

/// Returns the address that a URL names instead of a host, however it is written.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn with_url(url: &str) -> Secret {
        Secret::new(serde_json::json!({"a": {"url": url, "secrets": [SECRET]}}).to_string())
    }

    #[test]
    fn an_endpoint_is_named_and_wants_every_event_unless_it_says_which() {
        let text = format!(
            r#"{{"review":{{"url":"https://hooks.example/x?y=1","secrets":["{SECRET}","{SECRET}"],"types":["job.failed"]}},
                "all":{{"url":"https://hooks.example","secrets":["{SECRET}"]}}}}"#
        );
        let endpoints = WebhookEndpoints::parse(&Secret::new(text)).unwrap();
        assert_eq!(endpoints.names().collect::<Vec<_>>(), ["all", "review"]);
        let review = endpoints.named("review").unwrap();
        assert_eq!(
            (review.secrets.len(), review.events.as_slice()),
            (2, [Event::Failed].as_slice())
        );
        assert_eq!(endpoints.named("all").unwrap().events, [Event::Done, Event::Failed]);
        assert_eq!(endpoints.named("other"), None);
        assert!(!format!("{endpoints:?}").contains("whsec"));
        assert_eq!(
            WebhookEndpoints::parse(&Secret::new("{}")).unwrap(),
            WebhookEndpoints::default()
        );
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_however_they_are_written() {
        for url in [
            "http://hooks.example/",
            "https://hooks.example:8443/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:a00:1::]/",
            "https://[fd00:ec2::254]/",
        ] {
            assert!(WebhookEndpoints::parse(&with_url(url)).is_err(), "{url}");
            assert!(WebhookEndpoints::parse_private(&with_url(url)).is_ok(), "{url}");
        }
        for url in [
            "https://hooks.example/",
            "https://hooks.example:443/",
            "https://8.8.8.8/",
        ] {
            assert!(WebhookEndpoints::parse(&with_url(url)).is_ok(), "{url}");
        }
    }

    #[test]
    fn anything_else_is_refused_without_showing_a_secret() {
        let whole = r#"{"a":{"url":"https://hooks.example","secrets":["SECRET"]}}"#;
        for (from, to) in [
            ("{\"a\"", "{\"a b\""),
            ("{\"a\"", "{\"\""),
            ("https://", "ftp://"),
            ("https://", "https://user@"),
            ("https://", "https://user:pass@"),
            ("hooks.example", "hooks.example#x"),
            ("https://hooks.example", "hooks"),
            ("[\"SECRET\"]", "[]"),
            ("[\"SECRET\"]", "[\"SECRET\",\"SECRET\",\"SECRET\"]"),
            ("\"SECRET\"", "\"whsec_c2hvcnQ=\""),
            ("\"SECRET\"", "\"C2FVsBQIhrscChlQIMV+b5sSYspob7oD\""),
            ("\"SECRET\"]", "\"SECRET\"],\"types\":[\"job.begun\"]"),
            ("\"SECRET\"]", "\"SECRET\"],\"retries\":1"),
            ("}}", "}"),
        ] {
            let text = whole.replacen(from, to, 1).replace("SECRET", SECRET);
            for parse in [WebhookEndpoints::parse, WebhookEndpoints::parse_private] {
                let problem = parse(&Secret::new(text.clone())).unwrap_err();
                assert!(!problem.contains("C2FV") && !problem.contains("c2hv"), "{problem}");
            }
        }
    }
}
