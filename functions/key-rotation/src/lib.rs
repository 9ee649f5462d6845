//! Rotates keys each month, in Secrets Manager's four steps, and withdraws a single key at once.
//!
//! A new key is published a day before it signs, and the old one stays valid until no token of it can live. So nobody notices a
//! rotation, and none of its steps has to wait.

mod steps;
mod withdraw;

use aws_lambda_events::secretsmanager::SecretsManagerSecretRotationEvent;
use aws_sdk_secretsmanager::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::app::App;
use shared::config::Secret;
use shared::error::{Error, Outage};
use shared::identity::keys::KeySet;
use shared::identity::published::{Publication, Published};
use shared::invocation;
use shared::secrets;

/// The name of this function.
pub const NAME: &str = "key-rotation";

/// The events that the function accepts.
#[derive(Deserialize)]
#[serde(untagged)]
enum RotationEvent {
    Rotation(SecretsManagerSecretRotationEvent),
    Withdrawal(Withdrawal),
}

/// The event of an operator who withdraws a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawal {
    withdraw: Withdraw,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdraw {
    pub(crate) kid: String,
    pub(crate) reason: String,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationSummary {
    /// The step, or `withdraw`.
    pub done: String,
    /// The public keys valid from now on; none if only masters changed.
    pub keys: Vec<String>,
}

/// The reason why nothing was done. Secrets Manager calls again.
#[derive(Debug, thiserror::Error)]
pub enum RotationFailure {
    /// The event is unknown, or for a secret of another deployment.
    #[error("the event is not valid: {0}")]
    Invalid(String),
    /// A service is down.
    #[error(transparent)]
    Unavailable(#[from] Outage),
    /// The new secret cannot do its work.
    #[error("the new secret is not good: {0}")]
    Untested(String),
    /// Keys could not be made or noted.
    #[error("{0}")]
    Failed(#[from] Error),
}

impl invocation::Failure for RotationFailure {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "InvalidEvent",
            Self::Unavailable(_) => "Unavailable",
            Self::Untested(_) => "Untested",
            Self::Failed(_) => "Failed",
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Failed(_))
    }
}

/// The secret that is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SecretKind {
    /// The keys that sign tokens, and the masters of refresh tokens.
    TokenKeys,
    /// The masters of request-signing keys.
    SigningKeys,
}

/// Carries out an event.
///
/// # Errors
/// [`RotationFailure`]; calling again with the same event does no harm.
pub async fn handle(app: &App, event: Value) -> Result<RotationSummary, RotationFailure> {
    invocation::recorded(app, NAME, act(app, event), |_, _| {}).await
}

async fn act(app: &App, event: Value) -> Result<RotationSummary, RotationFailure> {
    let event = serde_json::from_value(event).map_err(|_| {
        let forms = r#"one of Secrets Manager's rotation, or {"withdraw":{"kid","reason"}}"#;
        RotationFailure::Invalid(format!("it must be {forms}"))
    })?;
    let client = secrets::client(&app.config);
    match event {
        RotationEvent::Rotation(rotation) => {
            let kind = kind_of(app, &rotation.secret_id)?;
            steps::take(app, &client, kind, &rotation).await
        }
        RotationEvent::Withdrawal(Withdrawal { withdraw }) => withdraw::run(app, &client, &withdraw).await,
    }
}

fn kind_of(app: &App, secret: &str) -> Result<SecretKind, RotationFailure> {
    let is = |configured: &Option<String>| configured.as_deref() == Some(secret);
    if is(&app.config.token_keys_secret) {
        Ok(SecretKind::TokenKeys)
    } else if is(&app.config.signing_keys_secret) {
        Ok(SecretKind::SigningKeys)
    } else {
        Err(RotationFailure::Invalid(
            "SecretId: it is no secret of this deployment".to_owned(),
        ))
    }
}

fn parse(secret: &Secret) -> Result<KeySet, RotationFailure> {
    KeySet::parse(secret).map_err(|error| RotationFailure::Untested(error.to_string()))
}

/// Publishes the public keys of a set to all verifiers.
async fn publish(app: &App, keys: &KeySet) -> Result<(), RotationFailure> {
    let published = Published {
        jwks: keys.public().to_jwks().to_string(),
        version: keys.version(),
    };
    match app.published_keys.publish(&published).await? {
        Publication::Everywhere => Ok(()),
        // Done only when no place has an older set: the caller calls again.
        Publication::Partly(outage) => Err(RotationFailure::Unavailable(outage)),
        Publication::Overtaken => Err(RotationFailure::Untested(
            "the published keys are of a newer set".to_owned(),
        )),
    }
}

fn ids(keys: &KeySet) -> Vec<String> {
    keys.public().ids().map(str::to_owned).collect()
}

/// Reads a version of a secret, by its stage.
async fn version(client: &Client, secret: &str, version: Option<&str>, stage: &str) -> Result<Option<Secret>, Outage> {
    let call = client
        .get_secret_value()
        .secret_id(secret)
        .set_version_id(version.map(str::to_owned))
        .version_stage(stage);
    match secrets::in_time(call.send()).await? {
        Ok(output) => Ok(output.secret_string.map(Secret::new)),
        Err(error) if error.as_service_error().is_some_and(is_absent) => Ok(None),
        Err(error) => Err(secrets::outage(&error)),
    }
}

/// Includes "you can't perform this operation on a secret without that version", which Secrets Manager reports as an invalid
/// request.
fn is_absent(error: &aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError) -> bool {
    error.is_resource_not_found_exception() || error.is_invalid_request_exception()
}
