//! Signs in to `ElastiCache` with IAM: the password is a request to connect, signed like any request to AWS.

use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::aws;
use crate::clock::Timestamp;
use crate::config::{AwsCredentials, Secret};
use crate::error::Outage;

/// The lifetime of a password: the longest that `ElastiCache` accepts. Each connection has its own.
const GOOD_FOR: Duration = Duration::from_mins(15);

/// A user and the cache to sign in to.
pub(super) struct SignIn {
    /// The user of the cache.
    pub user: String,
    /// The cache's name, in lower case as `ElastiCache` keeps it.
    pub cache: String,
    /// The cache's region.
    pub region: String,
    /// Credentials of the function's role.
    pub credentials: Option<AwsCredentials>,
}

impl SignIn {
    /// Returns a password for a connection made now.
    pub(super) fn password(&self, now: Timestamp) -> Result<Secret, Outage> {
        let Some(credentials) = &self.credentials else {
            return Err(Outage("there are no AWS credentials to sign in with".to_owned()));
        };
        let identity = aws::for_sdk(credentials).into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(GOOD_FOR);
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("elasticache")
            .time(UNIX_EPOCH + Duration::from_millis(millis))
            .settings(settings)
            .build()
            .map_err(|error| Outage(error.to_string()))?
            .into();
        let user = utf8_percent_encode(&self.user, NON_ALPHANUMERIC);
        let cache = self.cache.to_lowercase();
        let request = format!("{cache}/?Action=connect&User={user}&ResourceType=ServerlessCache");
        let url = format!("https://{request}");
        let signable = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(&[]));
        let (signed, _) = signable
            .and_then(|request| sign(request, &parameters))
            .map_err(|error| Outage(error.to_string()))?
            .into_parts();
        let password = signed.params().iter().fold(request, |password, (name, value)| {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            format!("{password}&{name}={value}")
        });
        Ok(Secret::new(password))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// 2026-11-21T07:58:49Z.
    const NOW: Timestamp = Timestamp::from_seconds(1_795_247_929);

    fn sign_in(session_token: Option<&str>) -> SignIn {
        SignIn {
            user: "clearview-app".to_owned(),
            cache: "ClearView".to_owned(),
            region: "eu-west-1".to_owned(),
            credentials: Some(AwsCredentials {
                access_key_id: "AKIDEXAMPLE".to_owned(),
                secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session_token: session_token.map(Secret::new),
            }),
        }
    }

    /// The parts of a password, whose order is of no meaning, decoded.
    fn parts(password: &str) -> BTreeSet<String> {
        let decode = |part: &str| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8()
                .unwrap()
                .into_owned()
        };
        password.split(['?', '&']).map(decode).collect()
    }

    #[test]
    fn a_password_is_what_the_reference_client_makes_of_the_same_credentials() {
        // By botocore's RequestSigner.generate_presigned_url.
        let with = "clearview/?Action=connect&User=clearview-app&ResourceType=ServerlessCache\
            &X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Feu-west-1%2Felasticache%2Faws4_request\
            &X-Amz-Date=20261121T075849Z&X-Amz-SignedHeaders=host&X-Amz-Expires=900";
        let token = "&X-Amz-Security-Token=AQoDYXdzEJr%2F%2Ftoken%2Bwith%3Dodd%2Fchars";
        for (session_token, more, signature) in [
            (
                None,
                "",
                "c9902eb66ea46e538ced940e208a5bfc03982569c77a9f97a8ad4738de1a406c",
            ),
            (
                Some("AQoDYXdzEJr//token+with=odd/chars"),
                token,
                "695c820fa45dc45ce2738c92a13552716cfdcdeaefc878008d3197ef2739194d",
            ),
        ] {
            let password = sign_in(session_token).password(NOW).unwrap();
            let expected = format!("{with}{more}&X-Amz-Signature={signature}");
            assert_eq!(parts(password.expose()), parts(&expected));
        }
    }

    #[test]
    fn a_later_connection_has_another_password() {
        let later = NOW.plus(GOOD_FOR);
        let of = |now| sign_in(None).password(now).unwrap();
        assert!(of(NOW) != of(later));
    }

    #[test]
    fn without_credentials_nobody_signs_in() {
        let mut sign_in = sign_in(None);
        sign_in.credentials = None;
        assert!(sign_in.password(NOW).is_err());
    }
}
