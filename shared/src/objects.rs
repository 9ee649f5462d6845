//! The way to the bucket: signed URLs for clients, and the few calls of our own, each with a deadline and a bound on its answer.

mod listing;
mod presign;

use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use lambda_http::http::{HeaderMap, Request, header};

use self::presign::{Presigner, ToSign};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::dependency_breaker::DependencyBreaker;
use crate::error::Outage;
use crate::http_client::Http1;
use crate::tls;

pub use self::listing::Listed;

/// The time limit of a call that carries no object.
const CALL: Duration = Duration::from_secs(2);

/// The time limit of a call that reads one.
const TRANSFER: Duration = Duration::from_secs(5);

/// The lifetime of a URL that this process itself uses at once.
const OWN_USE: Duration = Duration::from_mins(1);

/// The largest answer that is no object: a page of 1,000 names.
const LARGEST_ANSWER: usize = 1024 * 1024;

const CHECKSUM: &str = "x-amz-checksum-sha256";

/// A bucket.
#[derive(Debug)]
pub struct ObjectStore {
    presigner: Presigner,
    client: Http1,
    clock: Clock,
    breaker: DependencyBreaker,
}

/// An object that a client is to send, as all of it will be checked.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Its key, of characters that need no encoding.
    pub key: &'a str,
    /// Its content type.
    pub content_type: &'a str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in base64.
    pub sha256: &'a str,
}

/// The request by which a client sends an object.
#[derive(Debug)]
pub struct Put {
    /// Its URL.
    pub url: String,
    /// The headers that it must have, apart from `content-length`, which is signed too.
    pub headers: [(&'static str, String); 3],
    /// The time until which it may be sent.
    pub expires_at: Timestamp,
}

/// An object as it lies in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its length.
    pub bytes: u64,
    /// Its content type; empty if it has none.
    pub content_type: String,
    /// The name of its content: another content has another.
    pub etag: String,
    /// Its SHA-256 in base64, if the bucket keeps one.
    pub sha256: Option<String>,
}

/// The outcome of reading an object.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Whole(Vec<u8>),
    /// There is none.
    Gone,
    /// It is not the one that was seen before.
    Changed,
    /// It is larger than the reader takes.
    TooLarge,
}

struct BucketAnswer {
    status: u16,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl ObjectStore {
    /// Opens the configured bucket, without a call; `None` if there is none.
    #[must_use]
    pub fn of(config: &Config, clock: &Clock) -> Option<Self> {
        let settings = &config.objects;
        let bucket = settings.bucket.as_ref()?;
        let region = config.region.clone();
        let base = match &settings.endpoint {
            // Names below an endpoint of its own are not resolved everywhere.
            Some(endpoint) => format!("{endpoint}/{bucket}"),
            None if region.starts_with("cn-") => format!("https://{bucket}.s3.{region}.amazonaws.com.cn"),
            None => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        };
        let roots = if settings.endpoint.is_none() {
            tls::amazon_roots
        } else {
            tls::system_roots
        };
        let credentials = settings.credentials.as_ref().or(config.credentials.as_ref());
        Some(Self {
            presigner: Presigner {
                base,
                region,
                credentials: credentials.cloned(),
            },
            client: Http1::new(roots),
            clock: clock.clone(),
            breaker: DependencyBreaker::default(),
        })
    }

    /// Returns the request by which a client sends an object, once, within `good_for`: with another length, type or body the bucket
    /// refuses it, and it never replaces an object.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn put(&self, object: Expected<'_>, good_for: Duration, now: Timestamp) -> Result<Put, Outage> {
        let headers = [
            ("content-type", object.content_type.to_owned()),
            ("if-none-match", "*".to_owned()),
            (CHECKSUM, object.sha256.to_owned()),
        ];
        let length = object.bytes.to_string();
        let signed: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain([("content-length", length.as_str())])
            .collect();
        let request = ToSign {
            method: "PUT",
            key: object.key,
            query: &[],
            headers: &signed,
            good_for,
        };
        Ok(Put {
            url: self.presigner.url(request, now)?,
            headers,
            expires_at: now.plus(good_for),
        })
    }

    /// Looks at an object; `None` if there is none.
    ///
    /// # Errors
    /// When the bucket does not answer, or not sensibly.
    pub async fn head(&self, key: &str) -> Result<Option<Stored>, Outage> {
        // Not as a header: a signed address does not cover this one, and what is not covered is refused.
        let query = [("x-amz-checksum-mode", "ENABLED")];
        let answer = self.call(request("HEAD", key, &query, &[]), (CALL, 0)).await?;
        match answer.status {
            200 => answer
                .stored()
                .map(Some)
                .ok_or_else(|| Outage("S3: an object without a length or a name".to_owned())),
            404 => Ok(None),
            status => Err(unexpected(status)),
        }
    }

    /// Reads an object of at most `most` bytes, if its content is still the one that is named `etag`.
    ///
    /// # Errors
    /// When the bucket does not answer, or not sensibly.
    pub async fn get(&self, key: &str, etag: &str, most: usize) -> Result<Content, Outage> {
        let headers = [("if-match", etag)];
        let answer = self.call(request("GET", key, &[], &headers), (TRANSFER, most)).await?;
        match (answer.status, answer.body) {
            (200, Some(body)) => Ok(Content::Whole(body)),
            (200, None) => Ok(Content::TooLarge),
            (404, _) => Ok(Content::Gone),
            (412, _) => Ok(Content::Changed),
            (status, _) => Err(unexpected(status)),
        }
    }

    /// Deletes an object; there may be none.
    ///
    /// # Errors
    /// When the bucket does not answer, or not sensibly: the object may be there still.
    pub async fn delete(&self, key: &str) -> Result<(), Outage> {
        match self
            .call(request("DELETE", key, &[], &[]), (CALL, LARGEST_ANSWER))
            .await?
            .status
        {
            200 | 204 | 404 => Ok(()),
            status => Err(unexpected(status)),
        }
    }

    /// Lists the objects whose keys begin with `prefix`, 1,000 at most.
    ///
    /// # Errors
    /// When the bucket does not answer, or not sensibly.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Outage> {
        let query = [("list-type", "2"), ("prefix", prefix)];
        let answer = self
            .call(request("GET", "", &query, &[]), (CALL, LARGEST_ANSWER))
            .await?;
        match (answer.status, answer.body) {
            (200, Some(body)) => Ok(listing::read(&String::from_utf8_lossy(&body))),
            (status, _) => Err(unexpected(status)),
        }
    }

    /// Reports whether the bucket answers, and lets this process look into it.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self, key: &str) -> Result<(), Outage> {
        self.head(key).await.map(|_| ())
    }

    async fn call(&self, request: ToSign<'_>, bounds: (Duration, usize)) -> Result<BucketAnswer, Outage> {
        let now = self.clock.now();
        if !self.breaker.admits(now) {
            return Err(Outage("S3: skipped after a failure".to_owned()));
        }
        let late = |_| Outage(format!("S3: no answer within {} ms", bounds.0.as_millis()));
        let answer = tokio::time::timeout(bounds.0, self.send(request, bounds.1, now)).await;
        let answer = answer.map_err(late).and_then(|answer| answer);
        match &answer {
            // A refusal is of this request; another may be none.
            Ok(answer) if answer.status < 500 => self.breaker.succeed(),
            _ => self.breaker.fail(self.clock.now()),
        }
        answer
    }

    async fn send(&self, request: ToSign<'_>, most: usize, now: Timestamp) -> Result<BucketAnswer, Outage> {
        let broken = |error: &dyn std::fmt::Display| Outage(format!("S3: {error}"));
        let url = self.presigner.url(request, now)?;
        let mut outgoing = Request::builder().method(request.method).uri(url);
        for (name, value) in request.headers {
            outgoing = outgoing.header(*name, *value);
        }
        let outgoing = outgoing.body(SdkBody::empty()).map_err(|error| broken(&error))?;
        let outgoing = HttpRequest::try_from(outgoing).map_err(|error| broken(&error))?;
        let incoming = self.client.call(outgoing).await.map_err(|error| broken(&error))?;
        let incoming = incoming.try_into_http1x().map_err(|error| broken(&error))?;
        let (parts, body) = incoming.into_parts();
        let body = match Limited::new(body, most).collect().await {
            Ok(body) => Some(body.to_bytes().to_vec()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => None,
            Err(error) => return Err(broken(&error)),
        };
        Ok(BucketAnswer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }
}

fn request<'a>(
    method: &'a str,
    key: &'a str,
    query: &'a [(&'a str, &'a str)],
    headers: &'a [(&'a str, &'a str)],
) -> ToSign<'a> {
    ToSign {
        method,
        key,
        query,
        headers,
        good_for: OWN_USE,
    }
}

fn unexpected(status: u16) -> Outage {
    Outage(format!("S3: status {status}"))
}

impl BucketAnswer {
    fn stored(&self) -> Option<Stored> {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        Some(Stored {
            bytes: text(header::CONTENT_LENGTH.as_str())?.parse().ok()?,
            content_type: text(header::CONTENT_TYPE.as_str()).unwrap_or_default().to_owned(),
            etag: text(header::ETAG.as_str())?.to_owned(),
            sha256: text(CHECKSUM).map(str::to_owned),
        })
    }
}
