//! What every AWS client of ours is made with, by hand: the SDK's own loader of settings costs a cold start 4 ms.

use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_types::SdkConfig;

use crate::config::{AwsCredentials, Config};

/// The roots of AWS's own endpoints. Parsing the system's some 140 would take longer than the rest of a cold start.
pub(crate) static AMAZON_ROOTS: &str = include_str!("../certificates/amazon-roots.pem");

/// An idle connection older than this is not used again: its other end may be gone since the environment was frozen.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// The settings of a client, for AWS's own endpoint or for another.
#[must_use]
pub fn settings(config: &Config, endpoint: Option<&str>) -> SdkConfig {
    let mut settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(config.region.clone()))
        .http_client(http_client(endpoint.is_none()));
    if let Some(endpoint) = endpoint {
        settings = settings.endpoint_url(endpoint);
    }
    if let Some(credentials) = &config.credentials {
        settings = settings.credentials_provider(SharedCredentialsProvider::new(for_sdk(credentials)));
    }
    settings.build()
}

/// The process's credentials as the SDK and its signer take them.
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

fn http_client(amazon_alone: bool) -> SharedHttpClient {
    let roots = if amazon_alone {
        TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
    } else {
        TrustStore::default()
    };
    let provider = tls::Provider::Rustls(CryptoMode::AwsLc);
    let builder = aws_smithy_http_client::Builder::new()
        .tls_provider(provider)
        .pool_idle_timeout(IDLE_CONNECTION);
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        // Only a root that cannot be parsed leads here; a test builds this client.
        Err(_) => builder.build_https(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amazon_roots_are_read_by_the_tls_library() {
        let count = AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count();
        assert_eq!(count, 5);
        let store = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
        assert!(TlsContext::builder().with_trust_store(store).build().is_ok());
        // Building an HTTPS client parses the roots for good.
        let _client = http_client(true);
    }
}
