//! HTTP to providers: one client, made at its first use, a deadline on every call, and a bound on every answer.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use lambda_http::http::{HeaderMap, HeaderValue, Request};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::failure::Failure;
use crate::clock::Timestamp;
use crate::http_client::Http1;
use crate::tls;

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// The client. It trusts whom the system trusts.
#[derive(Debug)]
pub struct Wire(Http1);

impl Default for Wire {
    fn default() -> Self {
        Self(Http1::new(tls::system_roots))
    }
}

impl Wire {
    /// Sends a request; the body of its answer, if its status is a success.
    ///
    /// # Errors
    /// What went wrong, with how long the provider asked to be left alone.
    pub async fn send(&self, request: Request<String>, limit: Duration, now: Timestamp) -> Result<Vec<u8>, Failure> {
        let request =
            HttpRequest::try_from(request.map(SdkBody::from)).map_err(|_| Failure::Unasked("a bad address"))?;
        let answer = async {
            let answer = self.0.call(request).await.map_err(|_| Failure::Connection)?;
            let answer = answer.try_into_http1x().map_err(|_| Failure::Connection)?;
            let (parts, body) = answer.into_parts();
            let wait = retry_after(&parts.headers, now);
            match parts.status.as_u16() {
                200..=299 => {}
                429 => return Err(Failure::RateLimited(wait)),
                status @ (408 | 500..) => return Err(Failure::Server(status, wait)),
                status => return Err(Failure::Refused(status)),
            }
            match Limited::new(body, LARGEST_ANSWER).collect().await {
                Ok(body) => Ok(body.to_bytes().to_vec()),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                    Err(Failure::Schema("the answer is too large"))
                }
                Err(_) => Err(Failure::Connection),
            }
        };
        tokio::time::timeout(limit, answer)
            .await
            .unwrap_or(Err(Failure::Timeout))
    }
}

/// The request as part of a trace, by <https://www.w3.org/TR/trace-context/>.
#[must_use]
pub fn traced(mut request: Request<String>, trace: Option<&str>) -> Request<String> {
    if let Some(Ok(parent)) = trace.map(HeaderValue::from_str) {
        request.headers_mut().insert("traceparent", parent);
    }
    request
}

/// `retry-after-ms`, or `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.trim().parse().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let text = text("retry-after")?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Some(Timestamp::from_seconds(date.unix_timestamp()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now = Timestamp::parse("2026-11-21T08:00:00Z").unwrap();
        for (name, value, expected) in [
            ("retry-after", "7", Some(7_000)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after", "Sat, 21 Nov 2026 08:01:00 GMT", Some(60_000)),
            ("retry-after", "Sat, 21 Nov 2026 07:59:00 GMT", Some(0)),
            ("retry-after", "soon", None),
            ("retry-after", "-5", None),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(
                retry_after(&headers, now),
                expected.map(Duration::from_millis),
                "{value}"
            );
        }
    }
}
