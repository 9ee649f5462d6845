//! The key set that signs tokens, from Secrets Manager. No other function may read it.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use shared::aws;
use shared::config::{Config, Secret};
use shared::error::Outage;

/// Puts the key set into `config`: as the environment has it, else from the secret that the environment names.
///
/// # Errors
/// When the secret cannot be read.
pub async fn load(config: &mut Config) -> Result<(), Outage> {
    let (None, Some(name)) = (&config.token_keys, &config.token_keys_secret) else {
        return Ok(());
    };
    let client = Client::new(&aws::settings(config, config.secrets_endpoint.as_deref()));
    let output = client
        .get_secret_value()
        .secret_id(name)
        .send()
        .await
        .map_err(|error| Outage(format!("the token keys: {}", DisplayErrorContext(&error))))?;
    let text = output
        .secret_string
        .ok_or_else(|| Outage("the token keys: the secret is no text".to_owned()))?;
    config.token_keys = Some(Secret::new(text));
    Ok(())
}
