//! URLs that carry a signature (AWS Signature Version 4 in the query), and with it the right to one request.

use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::aws;
use crate::clock::Timestamp;
use crate::config::AwsCredentials;
use crate::error::Outage;

/// The bytes that S3 encodes in a query: all but RFC 3986's unreserved ones.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A bucket, and in whose name requests to it are signed.
#[derive(Debug, Clone)]
pub(super) struct Presigner {
    /// Scheme, host and, at an endpoint of its own, the bucket; without a slash at the end.
    pub(super) base: String,
    pub(super) region: String,
    pub(super) credentials: Option<AwsCredentials>,
}

/// A request to be signed, without its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToSign<'a> {
    pub(super) method: &'a str,
    /// Of characters that need no encoding.
    pub(super) key: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    /// Each is signed, so the request must have it with this value.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) good_for: Duration,
}

impl Presigner {
    /// Returns the URL of a request, good from now on for as long as it says.
    pub(super) fn url(&self, request: ToSign<'_>, now: Timestamp) -> Result<String, Outage> {
        let Some(credentials) = &self.credentials else {
            return Err(Outage("S3: there are no AWS credentials".to_owned()));
        };
        let unusable = |error: &dyn std::fmt::Display| Outage(format!("S3: a request cannot be signed: {error}"));
        let identity = aws::for_sdk(credentials).into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(request.good_for);
        // S3 alone takes the path as it is.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_millis(millis))
            .settings(settings)
            .build()
            .map_err(|error| unusable(&error))?
            .into();
        let path = format!("{}/{}", self.base, request.key);
        let unsigned = with_query(path, request.query.iter().copied());
        let headers = request.headers.iter().copied();
        let signable = SignableRequest::new(request.method, &unsigned, headers, SignableBody::UnsignedPayload);
        let signed = signable.and_then(|signable| sign(signable, &parameters));
        let (instructions, _) = signed.map_err(|error| unusable(&error))?.into_parts();
        let added = instructions.params().iter().map(|(name, value)| (*name, &**value));
        Ok(with_query(unsigned, added))
    }
}

fn with_query<'a>(url: String, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    parameters.fold(url, |url, (name, value)| {
        let separator = if url.contains('?') { '&' } else { '?' };
        let value = utf8_percent_encode(value, RESERVED);
        format!("{url}{separator}{name}={value}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn a_url_is_the_one_of_amazons_example() {
        // "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference.
        let presigner = Presigner {
            base: "https://examplebucket.s3.amazonaws.com".to_owned(),
            region: "us-east-1".to_owned(),
            credentials: Some(AwsCredentials {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
                secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                session_token: None,
            }),
        };
        let request = ToSign {
            method: "GET",
            key: "test.txt",
            query: &[],
            headers: &[],
            good_for: Duration::from_hours(24),
        };
        let now = Timestamp::parse("2013-05-24T00:00:00Z").unwrap();
        let url = presigner.url(request, now).unwrap();
        let signature = url.split("X-Amz-Signature=").nth(1);
        assert_eq!(
            signature,
            Some("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
        );
        assert!(url.contains("X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"));
        let unsigned = Presigner {
            credentials: None,
            ..presigner
        };
        assert!(unsigned.url(request, now).is_err());
    }
    #[test]
    fn urls_are_those_that_the_reference_client_makes() {
        // By botocore's S3SigV4QueryAuth, of the same requests at the same time.
        let presigner = |token: Option<&str>| Presigner {
            base: "https://clearview-uploads.s3.eu-west-1.amazonaws.com".to_owned(),
            region: "eu-west-1".to_owned(),
            credentials: Some(AwsCredentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session_token: token.map(Secret::new),
            }),
        };
        let put = ToSign {
            method: "PUT",
            key: "uploads/u_AAAAAAAAAAAAAAAAAAAAAA/upl_AAAAAAAAAAAAAAAAAAAA-_",
            query: &[],
            headers: &[
                ("content-type", "image/png"),
                ("if-none-match", "*"),
                ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
                ("content-length", "8388608"),
            ],
            good_for: Duration::from_mins(5),
        };
        let list = ToSign {
            method: "GET",
            key: "",
            query: &[("list-type", "2"), ("prefix", "uploads/u_AAAAAAAAAAAAAAAAAAAAAA/")],
            headers: &[],
            good_for: Duration::from_mins(1),
        };
        let now = Timestamp::parse("2026-11-21T07:58:49Z").unwrap();
        for (token, request, signature) in [
            (
                None,
                put,
                "dd9241f736881fe9cda9cced73c606ef756d1d7fd3e533b4eea48209a8a98016",
            ),
            (
                Some("AQoDYXdzEJr//token+with=odd/chars"),
                put,
                "f9b18fefc32ad92952c4f7edd73b15eaf2f31d6632f56c6ee24591c105caa6cf",
            ),
            (
                None,
                list,
                "1883b231347b1214dfdea0cdc6361b1e2898a0c5af903a8f6f1e270507348f1d",
            ),
        ] {
            let url = presigner(token).url(request, now).unwrap();
            let signed = url
                .split("X-Amz-Signature=")
                .nth(1)
                .and_then(|rest| rest.split('&').next());
            assert_eq!(signed, Some(signature), "{url}");
        }
    }
}
