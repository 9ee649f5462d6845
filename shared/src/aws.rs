//! The settings of every AWS client, made by hand: the SDK's own loader costs a cold start 4 ms.

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_types::SdkConfig;

use crate::config::{AwsCredentials, Config};
use crate::http_client::Http1;
use crate::tls;

/// Returns a client's settings, for AWS's own endpoint or for another.
#[must_use]
pub fn settings(config: &Config, endpoint: Option<&str>) -> SdkConfig {
    // Another endpoint may have a certificate of any authority.
    let roots = if endpoint.is_none() {
        tls::amazon_roots
    } else {
        tls::system_roots
    };
    let mut settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(config.region.clone()))
        .http_client(SharedHttpClient::new(Http1::new(roots)));
    if let Some(endpoint) = endpoint {
        settings = settings.endpoint_url(endpoint);
    }
    if let Some(credentials) = &config.credentials {
        settings = settings.credentials_provider(SharedCredentialsProvider::new(for_sdk(credentials)));
    }
    settings.build()
}

/// Returns the process's credentials in the form of the SDK and its signer.
#[must_use]
pub fn for_sdk(credentials: &AwsCredentials) -> Credentials {
    let token = credentials.session_token.as_ref();
    Credentials::new(
        &credentials.access_key_id,
        credentials.secret_access_key.expose(),
        token.map(|token| token.expose().to_owned()),
        None,
        "environment",
    )
}

/// Returns true if an error says for certain that no byte was sent.
pub(crate) fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
    causes(error).any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable
            )
        })
    })
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Returns the whole chain of causes: the outermost of an SDK error says only "dispatch failure".
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join(": ")
}
