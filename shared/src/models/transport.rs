//! HTTP to providers: one client, made at its first use, and a bound on every answer.

use std::collections::HashSet;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::{BodyExt, Limited};
use lambda_http::http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;

use super::breaker::LONGEST_OPEN;
use super::failure::Failure;
use crate::clock::Timestamp;
use crate::http_client::{self, Http1};
use crate::tls;

/// The largest answer that is read, compressed or not.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// The media types of streams: of events, and of Bedrock's frames.
const STREAMS: [&[u8]; 2] = [b"text/event-stream", b"application/vnd.amazon.eventstream"];

/// The most redirections that are followed: a load balancer makes one.
const MOST_REDIRECTIONS: usize = 2;

/// The client. It trusts the certificates that the system trusts.
#[derive(Debug)]
pub struct Transport {
    client: Http1,
    /// The local ends of connections that have brought an answer: they may be kept, and closed by the other end meanwhile.
    proven: Mutex<HashSet<SocketAddr>>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// For how long the provider asked not to be called.
    pub wait: Option<Duration>,
    /// The body, decompressed; empty if that of a failure cannot be read.
    pub body: Vec<u8>,
}

/// The answer to a request for a stream.
#[derive(Debug)]
pub enum OpenedBody {
    /// The stream, which is still to come.
    Stream(SdkBody),
    /// Something else, whole.
    Answer(HttpAnswer),
}

impl OpenedBody {
    /// Returns the answer to a request that was for no stream.
    ///
    /// # Errors
    /// [`Failure::Schema`] when it is one all the same.
    pub fn whole(self) -> Result<HttpAnswer, Failure> {
        match self {
            Self::Answer(answer) => Ok(answer),
            Self::Stream(_) => Err(Failure::Schema("the answer is a stream")),
        }
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            client: Http1::new(tls::system_roots),
            proven: Mutex::default(),
        }
    }
}

impl Transport {
    /// Sends a request and reads the answer. A redirection that keeps the method (307, 308) is followed to the same host.
    ///
    /// # Errors
    /// When there is no answer, or a successful one that cannot be read.
    pub async fn send(&self, request: Request<String>, now: Timestamp) -> Result<HttpAnswer, Failure> {
        read(self.follow(request).await?, now).await
    }

    /// Sends a request for a stream, and reads the answer's head; all of it if it is none.
    ///
    /// # Errors
    /// As [`Transport::send`].
    pub async fn open(&self, request: Request<String>, now: Timestamp) -> Result<OpenedBody, Failure> {
        let answer = self.follow(request).await?;
        let header = |name| answer.headers().get(name).map_or(&[][..], HeaderValue::as_bytes);
        let content_type = header(header::CONTENT_TYPE).to_ascii_lowercase();
        let is_stream = STREAMS.iter().any(|stream| content_type.starts_with(stream));
        let is_plain = matches!(header(header::CONTENT_ENCODING), b"" | b"identity");
        if answer.status().is_success() && is_stream && is_plain {
            return Ok(OpenedBody::Stream(answer.into_body()));
        }
        read(answer, now).await.map(OpenedBody::Answer)
    }

    async fn follow(&self, mut request: Request<String>) -> Result<Response<SdkBody>, Failure> {
        for _ in 0..MOST_REDIRECTIONS {
            let answer = self.call(&request).await?;
            match redirection(request.uri(), &answer) {
                Some(elsewhere) => *request.uri_mut() = elsewhere,
                None => return Ok(answer),
            }
        }
        self.call(&request).await
    }

    /// Sends one request. It is sent once more if a kept connection was closed instead of answering: the provider had closed it
    /// before it read the request.
    async fn call(&self, request: &Request<String>) -> Result<Response<SdkBody>, Failure> {
        match self.call_once(request).await {
            Err((Failure::Connection, true)) => self.call_once(request).await.map_err(|(failure, _)| failure),
            answer => answer.map_err(|(failure, _)| failure),
        }
    }

    /// Sends one request once; a failure says whether its connection had brought an answer before.
    async fn call_once(&self, request: &Request<String>) -> Result<Response<SdkBody>, (Failure, bool)> {
        let unasked = (Failure::Unasked("a bad address"), false);
        let mut request = HttpRequest::try_from(request.clone().map(SdkBody::from)).map_err(|_| unasked)?;
        let connection = CaptureSmithyConnection::new();
        request.add_extension(connection.clone());
        let answer = self.client.call(request).await;
        let end = connection.get().and_then(|connection| connection.local_addr());
        let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) => {
                proven.extend(end);
                answer.try_into_http1x().map_err(|_| (Failure::Connection, false))
            }
            Err(error) if http_client::is_unconnected(&error) => Err((Failure::Unreachable, false)),
            Err(_) => Err((Failure::Connection, end.is_some_and(|end| proven.remove(&end)))),
        }
    }
}

/// Returns the target of a 307 or 308 with the same scheme, host and port: a key goes nowhere else.
fn redirection(from: &Uri, answer: &Response<SdkBody>) -> Option<Uri> {
    if !matches!(answer.status().as_u16(), 307 | 308) {
        return None;
    }
    let from = Url::parse(&from.to_string()).ok()?;
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    let target = from.join(location).ok()?;
    (target.origin() == from.origin()).then(|| target.as_str().parse().ok())?
}

async fn read(answer: Response<SdkBody>, now: Timestamp) -> Result<HttpAnswer, Failure> {
    let (parts, body) = answer.into_parts();
    let body = match Limited::new(body, LARGEST_ANSWER).collect().await {
        Ok(body) => decompressed(&parts.headers, &body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Failure::Schema("the answer is too large")),
        Err(_) => Err(Failure::Connection),
    };
    Ok(HttpAnswer {
        status: parts.status.as_u16(),
        wait: retry_after(&parts.headers, now),
        body: if parts.status.is_success() {
            body?
        } else {
            body.unwrap_or_default()
        },
    })
}

/// Decompresses a body. No request asks for compression; some gateways use it all the same.
fn decompressed(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let encoding = encoding.unwrap_or_default().to_ascii_lowercase();
    match encoding.as_slice() {
        b"" | b"identity" => Ok(body.to_vec()),
        b"gzip" | b"x-gzip" => inflated(MultiGzDecoder::new(body)),
        // By RFC 9110 in zlib's wrapping; some servers leave that out.
        b"deflate" => inflated(ZlibDecoder::new(body)).or_else(|_| inflated(DeflateDecoder::new(body))),
        _ => Err(Failure::Schema("the answer is compressed in an unknown way")),
    }
}

fn inflated(from: impl Read) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    from.take(LARGEST_ANSWER as u64 + 1)
        .read_to_end(&mut body)
        .map_err(|_| Failure::Schema("the answer cannot be decompressed"))?;
    if body.len() > LARGEST_ANSWER {
        return Err(Failure::Schema("the answer is too large"));
    }
    Ok(body)
}

/// The request as part of a trace, by <https://www.w3.org/TR/trace-context/>.
#[must_use]
pub fn traced(mut request: Request<String>, trace: Option<&str>) -> Request<String> {
    if let Some(Ok(parent)) = trace.map(HeaderValue::from_str) {
        request.headers_mut().insert("traceparent", parent);
    }
    request
}

/// `retry-after-ms`, or `Retry-After` in seconds or as a date; fractions count. Never longer than a breaker stays open.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let wait = |number: &str, unit: f64| {
        let seconds = number.parse::<f64>().ok()? * unit;
        (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(LONGEST_OPEN.as_secs_f64())))
    };
    if let Some(wait) = text("retry-after-ms").and_then(|millis| wait(millis, 1e-3)) {
        return Some(wait);
    }
    let text = text("retry-after")?;
    wait(text, 1.0).or_else(|| {
        let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
        let wait = Timestamp::from_seconds(date.unix_timestamp()).since(now);
        Some(wait.min(LONGEST_OPEN))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now = Timestamp::parse("2026-11-21T08:00:00Z").unwrap();
        for (name, value, expected) in [
            ("retry-after", "7", Some(7_000_000)),
            ("retry-after", "1.5", Some(1_500_000)),
            ("retry-after-ms", "250", Some(250_000)),
            ("retry-after-ms", "250.5", Some(250_500)),
            ("retry-after", "Sat, 21 Nov 2026 08:01:00 GMT", Some(60_000_000)),
            ("retry-after", "Sat, 21 Nov 2026 07:59:00 GMT", Some(0)),
            ("retry-after", "1e30", Some(600_000_000)),
            ("retry-after", "Sat, 21 Nov 2099 08:00:00 GMT", Some(600_000_000)),
            ("retry-after", "soon", None),
            ("retry-after", "-5", None),
            ("retry-after", "NaN", None),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(
                retry_after(&headers, now),
                expected.map(Duration::from_micros),
                "{value}"
            );
        }
    }

    #[test]
    fn a_redirection_is_followed_within_its_origin_alone() {
        let from = Uri::from_static("https://models.example:8443/v1/chat/completions?api-version=1");
        for (status, location, expected) in [
            (
                308,
                "/v2/chat/completions",
                Some("https://models.example:8443/v2/chat/completions"),
            ),
            (
                307,
                "https://models.example:8443/x",
                Some("https://models.example:8443/x"),
            ),
            (307, "https://models.example/x", None),
            (307, "http://models.example:8443/x", None),
            (307, "https://evil.example:8443/x", None),
            (307, "//evil.example:8443/x", None),
            (302, "/v2/chat/completions", None),
        ] {
            let answer = Response::builder().status(status).header("location", location);
            let target = redirection(&from, &answer.body(SdkBody::empty()).unwrap());
            assert_eq!(target.map(|uri| uri.to_string()).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn what_grows_beyond_the_bound_is_refused_while_it_is_decompressed() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut bomb, &vec![0; LARGEST_ANSWER + 1]).unwrap();
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        let refused = decompressed(&headers, &bomb.finish().unwrap());
        assert_eq!(refused, Err(Failure::Schema("the answer is too large")));
    }
}
