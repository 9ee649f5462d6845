//! Secrets Manager for tests: moto's.

use aws_sdk_secretsmanager::Client;
use shared::config::Config;
use shared::secrets;

use crate::moto::Moto;

/// A running Secrets Manager, empty at first.
pub struct SecretsManager {
    moto: Moto,
    client: Client,
}

impl SecretsManager {
    /// On a free port.
    pub async fn start() -> Self {
        let moto = Moto::start().await;
        let settings = [
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", format!("http://{}", moto.address)),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ];
        let config = Config::read(|name| {
            let found = settings.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.clone())
        });
        let client = secrets::client(&config.expect("settings"));
        Self { moto, client }
    }

    /// Where it listens, as a setting.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.moto.address)
    }

    /// The SDK's client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Makes a secret as the template does, from one random master; its ARN.
    pub async fn create(&self, name: &str, text: &str) -> String {
        let created = self.client.create_secret().name(name).secret_string(text).send().await;
        created.expect("Secrets Manager answers").arn.expect("an ARN")
    }

    /// The version of a secret that is in force.
    pub async fn read(&self, arn: &str) -> String {
        let read = secrets::read(&self.client, arn).await;
        read.expect("Secrets Manager answers").expose().to_owned()
    }
}
