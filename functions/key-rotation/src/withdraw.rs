//! The emergency: a key has leaked. From now on nothing that it signed is accepted.

use aws_sdk_secretsmanager::Client;
use shared::app::App;
use shared::audit::Change;
use shared::error::Error;
use shared::identity::keys;
use shared::secrets;

use crate::{RotationFailure, RotationSummary, Withdraw, ids, parse, publish, version};

/// The most characters of a reason.
const LONGEST_REASON: usize = 500;

/// Removes a key from the set in force and publishes the rest. Every instance reads that within five minutes.
pub(crate) async fn run(app: &App, client: &Client, asked: &Withdraw) -> Result<RotationSummary, RotationFailure> {
    if !(1..=LONGEST_REASON).contains(&asked.reason.chars().count()) {
        let bound = format!("withdraw.reason: must have 1 to {LONGEST_REASON} characters");
        return Err(RotationFailure::Invalid(bound));
    }
    let secret = app.config.token_keys_secret.as_deref();
    let secret =
        secret.ok_or_else(|| RotationFailure::Invalid("this deployment has no secret of token keys".to_owned()))?;
    let current = version(client, secret, None, "AWSCURRENT").await?;
    let current = current.ok_or_else(|| RotationFailure::Invalid("the secret has no value".to_owned()))?;
    let now = app.clock.now();
    let left = match keys::without(&current, &asked.kid, now) {
        Ok(left) => left,
        Err(Error::Invalid(_)) => {
            // An earlier call may have removed it without being able to publish.
            publish(app, &parse(&current)?).await?;
            return Err(RotationFailure::Invalid(
                "withdraw.kid: there is no such key".to_owned(),
            ));
        }
        Err(error) => return Err(RotationFailure::Failed(error)),
    };
    cancel_rotation(client, secret).await?;
    let call = client
        .put_secret_value()
        .secret_id(secret)
        .secret_string(left.expose())
        .version_stages("AWSCURRENT");
    secrets::in_time(call.send())
        .await?
        .map_err(|error| secrets::outage(&error))?;
    let left = parse(&left)?;
    let published = publish(app, &left).await;
    let change = Change {
        actor: "operator",
        action: "keys.withdraw",
        target: &asked.kid,
        before: serde_json::json!({"keys": ids(&parse(&current)?)}),
        after: serde_json::json!({"keys": ids(&left)}),
        reason: Some(&asked.reason),
        correlation_id: &shared::ids::new_correlation_id(),
    };
    app.audit.note_or_log(&change, now).await;
    published?;
    Ok(RotationSummary {
        done: "withdraw".to_owned(),
        keys: ids(&left),
    })
}

/// Cancels a pending version: it contains the key as well, and must not come into force.
async fn cancel_rotation(client: &Client, secret: &str) -> Result<(), RotationFailure> {
    let call = client.describe_secret().secret_id(secret);
    let described = secrets::in_time(call.send())
        .await?
        .map_err(|error| secrets::outage(&error))?;
    let versions = described.version_ids_to_stages.unwrap_or_default();
    let is = |stages: &[String], stage: &str| stages.iter().any(|of| of == stage);
    let pending = versions.iter().find(|(_, stages)| is(stages, "AWSPENDING"));
    // After a rotation the version in force may still be labelled pending too.
    if let Some((id, stages)) = pending
        && !is(stages, "AWSCURRENT")
    {
        let call = client
            .update_secret_version_stage()
            .secret_id(secret)
            .version_stage("AWSPENDING")
            .remove_from_version_id(id);
        secrets::in_time(call.send())
            .await?
            .map_err(|error| secrets::outage(&error))?;
    }
    Ok(())
}
