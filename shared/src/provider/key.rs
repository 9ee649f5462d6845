//! The key of an OpenAI-compatible provider: from the environment, or from Secrets Manager at the first call.

use std::time::Duration;

use lambda_http::http::{Method, Request, header};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use super::failure::Failure;
use super::sign::{Scope, signed};
use super::wire::Wire;
use crate::clock::Timestamp;
use crate::config::{AwsCredentials, Config, Secret};

/// How long reading a secret may take.
const LONGEST_READ: Duration = Duration::from_secs(2);

/// The key, once it is known.
#[derive(Debug)]
pub struct ApiKey {
    given: Option<Secret>,
    secret: Option<String>,
    endpoint: String,
    region: String,
    credentials: Option<AwsCredentials>,
    read: OnceCell<Secret>,
}

impl ApiKey {
    /// As configured.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let region = config.region.clone();
        let default = || format!("https://secretsmanager.{region}.amazonaws.com");
        Self {
            given: config.providers.openai_api_key.clone(),
            secret: config.providers.openai_api_key_secret.clone(),
            endpoint: config.secrets_endpoint.clone().unwrap_or_else(default),
            region: config.region.clone(),
            credentials: config.credentials.clone(),
            read: OnceCell::new(),
        }
    }

    /// The key, if calls carry one. Read once per process; a read that failed is tried again with the next call.
    ///
    /// # Errors
    /// [`Failure::Unasked`] when the secret cannot be read in time.
    pub async fn get(&self, wire: &Wire, limit: Duration, now: Timestamp) -> Result<Option<&Secret>, Failure> {
        match (&self.given, &self.secret) {
            (Some(key), _) => Ok(Some(key)),
            (None, None) => Ok(None),
            (None, Some(name)) => {
                let read = self.read.get_or_try_init(|| self.fetch(wire, name, limit, now));
                read.await.map(Some)
            }
        }
    }

    async fn fetch(&self, wire: &Wire, name: &str, limit: Duration, now: Timestamp) -> Result<Secret, Failure> {
        let failed = Failure::Unasked("the provider's key cannot be read");
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/", self.endpoint.trim_end_matches('/')))
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", "secretsmanager.GetSecretValue")
            .body(json!({"SecretId": name}).to_string())
            .map_err(|_| failed.clone())?;
        let scope = Scope {
            credentials: self.credentials.as_ref(),
            region: &self.region,
            service: "secretsmanager",
        };
        let request = signed(request, scope, now)?;
        let body = wire
            .send(request, limit.min(LONGEST_READ), now)
            .await
            .map_err(|error| {
                tracing::warn!(%error, "the provider's key cannot be read");
                failed.clone()
            })?;
        let value: SecretValue = serde_json::from_slice(&body).map_err(|_| failed.clone())?;
        let key = value.secret_string.trim();
        let fits = !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Secret::new(key)).ok_or(failed)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: String,
}
