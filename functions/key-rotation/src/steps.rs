//! Secrets Manager's four steps. Each can be repeated.

use aws_lambda_events::secretsmanager::SecretsManagerSecretRotationEvent as Rotation;
use aws_sdk_secretsmanager::Client;
use shared::app::App;
use shared::audit::Change;
use shared::config::Secret;
use shared::identity::keys::{self, PublicKeys};
use shared::identity::signing_keys::SigningKeys;
use shared::identity::token;
use shared::ids::SessionId;
use shared::secrets;

use crate::{RotationFailure, RotationSummary, SecretKind, ids, parse, publish, version};

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";

pub(crate) async fn take(
    app: &App,
    client: &Client,
    kind: SecretKind,
    rotation: &Rotation,
) -> Result<RotationSummary, RotationFailure> {
    let step = rotation.step.as_str();
    let keys = match step {
        "createSecret" => create(app, client, kind, rotation).await,
        "setSecret" => set(app, client, kind, rotation).await,
        "testSecret" => test(app, client, kind, rotation).await,
        "finishSecret" => finish(app, client, kind, rotation).await,
        _ => Err(RotationFailure::Invalid("Step: it is none of the four".to_owned())),
    }?;
    Ok(RotationSummary {
        done: step.to_owned(),
        keys,
    })
}

async fn current(client: &Client, rotation: &Rotation) -> Result<Secret, RotationFailure> {
    let current = version(client, &rotation.secret_id, None, CURRENT).await?;
    current.ok_or_else(|| RotationFailure::Invalid("SecretId: the secret has no value".to_owned()))
}

async fn pending(client: &Client, rotation: &Rotation) -> Result<Option<Secret>, RotationFailure> {
    let token = Some(rotation.client_request_token.as_str());
    Ok(version(client, &rotation.secret_id, token, PENDING).await?)
}

async fn must_be_pending(client: &Client, rotation: &Rotation) -> Result<Secret, RotationFailure> {
    let pending = pending(client, rotation).await?;
    pending.ok_or_else(|| {
        RotationFailure::Untested("there is no pending version: a key was withdrawn meanwhile".to_owned())
    })
}

/// Makes the successor of the secret in force, unless an earlier call did.
async fn create(
    app: &App,
    client: &Client,
    kind: SecretKind,
    rotation: &Rotation,
) -> Result<Vec<String>, RotationFailure> {
    if pending(client, rotation).await?.is_some() {
        return Ok(Vec::new());
    }
    let current = current(client, rotation).await?;
    let now = app.clock.now();
    let next = match kind {
        SecretKind::TokenKeys => keys::rotated(&current, now),
        SecretKind::SigningKeys => SigningKeys::rotated(&current, now),
    }?;
    let call = client
        .put_secret_value()
        .secret_id(&rotation.secret_id)
        .client_request_token(&rotation.client_request_token)
        .secret_string(next.expose())
        .version_stages(PENDING);
    secrets::in_time(call.send())
        .await?
        .map_err(|error| secrets::outage(&error))?;
    Ok(Vec::new())
}

/// Publishes the next key, a day before it signs. Nothing of masters is published.
async fn set(
    app: &App,
    client: &Client,
    kind: SecretKind,
    rotation: &Rotation,
) -> Result<Vec<String>, RotationFailure> {
    let next = must_be_pending(client, rotation).await?;
    if kind == SecretKind::SigningKeys {
        return Ok(Vec::new());
    }
    let next = parse(&next)?;
    publish(app, &next).await?;
    Ok(ids(&next))
}

/// Checks that the next set can do all that the present one can, and that its keys are published.
async fn test(
    app: &App,
    client: &Client,
    kind: SecretKind,
    rotation: &Rotation,
) -> Result<Vec<String>, RotationFailure> {
    let (present, next) = (
        current(client, rotation).await?,
        must_be_pending(client, rotation).await?,
    );
    // When a schedule is created, Secrets Manager tests a pending version that equals the present one: nothing changes.
    if present.expose() == next.expose() {
        return Ok(Vec::new());
    }
    let now = app.clock.now();
    let untested = |what: &str| RotationFailure::Untested(what.to_owned());
    if kind == SecretKind::SigningKeys {
        let parse = |secret| SigningKeys::parse(secret).map_err(|error| RotationFailure::Untested(error.to_string()));
        let (present, next) = (parse(&present)?, parse(&next)?);
        let session = SessionId::random()?;
        return if present.give(&session, now)? == next.give(&session, now)? {
            Ok(Vec::new())
        } else {
            Err(untested("it gives other keys before everybody knows them"))
        };
    }
    let (present, next) = (parse(&present)?, parse(&next)?);
    if next.version() != present.version() + 1 {
        return Err(untested("it does not follow the set that is in force"));
    }
    let published = app.published_keys.read().await?.newest;
    let published = published.map(|published| PublicKeys::parse(&published.jwks));
    let Some(Ok(published)) = published else {
        return Err(untested("no keys are published"));
    };
    for later in [now, now.plus(keys::ANNOUNCED)] {
        token::try_out(&next, &published, &app.parties, later)
            .map_err(|_| untested("what it signs is not accepted with the published keys"))?;
    }
    token::try_out(&present, next.public(), &app.parties, now)
        .map_err(|_| untested("it does not accept what is signed now"))?;
    Ok(ids(&next))
}

/// Puts the new version in force, and notes it.
async fn finish(
    app: &App,
    client: &Client,
    kind: SecretKind,
    rotation: &Rotation,
) -> Result<Vec<String>, RotationFailure> {
    let call = client.describe_secret().secret_id(&rotation.secret_id);
    let described = secrets::in_time(call.send())
        .await?
        .map_err(|error| secrets::outage(&error))?;
    let versions = described.version_ids_to_stages.unwrap_or_default();
    let in_force = versions
        .iter()
        .find(|(_, stages)| stages.iter().any(|stage| stage == CURRENT))
        .map(|(id, _)| id.clone());
    if in_force.as_deref() == Some(&rotation.client_request_token) {
        return Ok(Vec::new());
    }
    let next = must_be_pending(client, rotation).await?;
    let keys = match kind {
        SecretKind::TokenKeys => {
            let (present, next) = (parse(&current(client, rotation).await?)?, parse(&next)?);
            if next.version() != present.version() + 1 {
                return Err(RotationFailure::Untested(
                    "it does not follow the set that is in force".to_owned(),
                ));
            }
            ids(&next)
        }
        SecretKind::SigningKeys => Vec::new(),
    };
    let call = client
        .update_secret_version_stage()
        .secret_id(&rotation.secret_id)
        .version_stage(CURRENT)
        .move_to_version_id(&rotation.client_request_token)
        .set_remove_from_version_id(in_force);
    secrets::in_time(call.send())
        .await?
        .map_err(|error| secrets::outage(&error))?;
    let change = Change {
        actor: "schedule",
        action: "keys.rotate",
        target: match kind {
            SecretKind::TokenKeys => "token-keys",
            SecretKind::SigningKeys => "signing-keys",
        },
        before: serde_json::Value::Null,
        after: serde_json::json!({"keys": keys}),
        reason: None,
        correlation_id: &rotation.client_request_token,
    };
    app.audit.note_or_log(&change, app.clock.now()).await;
    Ok(keys)
}
