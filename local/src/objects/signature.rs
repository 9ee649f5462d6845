//! Checks signed URLs (AWS Signature Version 4 in the query), written from Amazon's specification and not with its library, which
//! signs them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::{constant_time, digest, hmac};
use hyper::http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use shared::clock::Timestamp;
use shared::config::AwsCredentials;

use super::refusal::Refusal;

/// All bytes but RFC 3986's unreserved ones.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The longest lifetime of a URL: a week.
const LONGEST_LIFE: u64 = 604_800;

/// How far a client's clock may be ahead.
const MOST_AHEAD: std::time::Duration = std::time::Duration::from_mins(15);

/// The parameters of a query, decoded.
pub(super) type Query = BTreeMap<String, String>;

/// Reads a query; of a name that is there twice, the last.
pub(super) fn query(text: &str) -> Query {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Refuses a request that is not signed, by `credentials` for `region`, exactly as it came.
pub(super) fn check(
    request: &Parts,
    query: &Query,
    (credentials, region): (&AwsCredentials, &str),
    now: Timestamp,
) -> Result<(), Refusal> {
    let of = |name: &str| query.get(name).map(String::as_str).ok_or(Refusal::ACCESS_DENIED);
    let (date, expires) = (of("X-Amz-Date")?, of("X-Amz-Expires")?);
    let expires: u64 = expires.parse().map_err(|_| Refusal::MALFORMED)?;
    let signed_at = timestamp(date).ok_or(Refusal::MALFORMED)?;
    if of("X-Amz-Algorithm")? != ALGORITHM || !(1..=LONGEST_LIFE).contains(&expires) {
        return Err(Refusal::MALFORMED);
    }
    let day = date.get(..8).ok_or(Refusal::MALFORMED)?;
    let scope = format!("{day}/{region}/s3/aws4_request");
    if of("X-Amz-Credential")? != format!("{}/{scope}", credentials.access_key_id) {
        return Err(Refusal::UNKNOWN_KEY);
    }
    if signed_at > now.plus(MOST_AHEAD) {
        return Err(Refusal::NOT_YET);
    }
    if now > signed_at.plus(std::time::Duration::from_secs(expires)) {
        return Err(Refusal::EXPIRED);
    }
    let canonical = canonical(request, query, of("X-Amz-SignedHeaders")?)?;
    let to_sign = format!(
        "{ALGORITHM}\n{date}\n{scope}\n{}",
        hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    );
    let key = format!("AWS4{}", credentials.secret_access_key.expose()).into_bytes();
    let key = [day, region, "s3", "aws4_request", &to_sign]
        .iter()
        .fold(key, |key, part| mac(&key, part.as_bytes()));
    let given = of("X-Amz-Signature")?;
    constant_time::verify_slices_are_equal(hex(&key).as_bytes(), given.as_bytes()).map_err(|_| Refusal::SIGNATURE)
}

/// Returns the one text of a request that both sides sign.
fn canonical(request: &Parts, query: &Query, signed: &str) -> Result<String, Refusal> {
    let names: Vec<&str> = signed.split(';').collect();
    let mut headers = String::new();
    for name in &names {
        let values: Vec<&str> = request
            .headers
            .get_all(*name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(str::trim)
            .collect();
        if values.is_empty() {
            return Err(Refusal::SIGNATURE);
        }
        // Writing to a string cannot fail.
        let _ = writeln!(headers, "{name}:{}", values.join(","));
    }
    let mut sent = request.headers.keys().map(hyper::header::HeaderName::as_str);
    if !names.contains(&"host") || sent.any(|name| name.starts_with("x-amz-") && !names.contains(&name)) {
        return Err(Refusal::ACCESS_DENIED);
    }
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let mut pairs: Vec<String> = query
        .iter()
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.sort_unstable();
    Ok(format!(
        "{}\n{}\n{}\n{headers}\n{signed}\nUNSIGNED-PAYLOAD",
        request.method,
        request.uri.path(),
        pairs.join("&")
    ))
}

/// Reads a time such as `20261121T075849Z`.
fn timestamp(text: &str) -> Option<Timestamp> {
    if text.len() != 16 || !text.is_ascii() {
        return None;
    }
    let (date, time) = text.split_once('T')?;
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}"))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
        .as_ref()
        .to_vec()
}

/// Writes bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use shared::config::Secret;

    use super::*;

    /// "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference.
    const EXAMPLE: &str = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
        &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

    fn checked(url: &str, seconds: u64) -> Result<(), Refusal> {
        let credentials = AwsCredentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        let request = Request::get(url).header("host", "examplebucket.s3.amazonaws.com");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let query = query(parts.uri.query().unwrap_or_default());
        let now = Timestamp::parse("2013-05-24T00:00:00Z").unwrap();
        let now = now.plus(std::time::Duration::from_secs(seconds));
        check(&parts, &query, (&credentials, "us-east-1"), now)
    }

    #[test]
    fn amazons_own_example_is_good_until_it_expires() {
        assert_eq!(checked(EXAMPLE, 0), Ok(()));
        assert_eq!(checked(EXAMPLE, 86_400), Ok(()));
        assert_eq!(checked(EXAMPLE, 86_401), Err(Refusal::EXPIRED));
    }

    #[test]
    fn anything_else_is_refused() {
        for (from, to, refusal) in [
            ("test.txt", "other.txt", Refusal::SIGNATURE),
            ("Expires=86400", "Expires=86401", Refusal::SIGNATURE),
            ("Expires=86400", "Expires=0", Refusal::MALFORMED),
            ("Expires=86400", "Expires=604801", Refusal::MALFORMED),
            ("20130524T000000Z", "20130524T000001Z", Refusal::SIGNATURE),
            ("20130524T000000Z", "20130524T001501Z", Refusal::NOT_YET),
            ("20130524T000000Z", "now", Refusal::MALFORMED),
            ("us-east-1", "eu-west-1", Refusal::UNKNOWN_KEY),
            ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLF", Refusal::UNKNOWN_KEY),
            ("=host", "=host;range", Refusal::SIGNATURE),
            ("&X-Amz-Signature=aeee", "&x=y&X-Amz-Signature=aeee", Refusal::SIGNATURE),
            ("X-Amz-Signature=ae", "X-Amz-Signature=af", Refusal::SIGNATURE),
            ("&X-Amz-Signature=", "&Nothing=", Refusal::ACCESS_DENIED),
        ] {
            assert_eq!(checked(&EXAMPLE.replace(from, to), 0), Err(refusal), "{to}");
        }
    }
}
