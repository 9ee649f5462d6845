//! `POST /v1/auth/register`: a device becomes a user, or proves that it is a known one.

use lambda_http::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::app::App;
use shared::error::{Error, Violation};
use shared::http::{self, Call, Reply};
use shared::identity::Fingerprint;
use shared::identity::device::{DeviceId, RecoveryHash, new_recovery_secret};
use shared::identity::keys::KeySet;
use shared::identity::session::{RefreshDecision, RefreshToken, decide};
use shared::identity::store::RegistrationOutcome;
use shared::ids::UserId;

use crate::attest::{self, ShownAttestation};
use crate::issuer::Issuer;
use crate::{LONGEST_TOKEN, end_for_reuse, note};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Registration {
    device_id: String,
    #[serde(default, deserialize_with = "http::present")]
    fingerprint: Option<String>,
    #[serde(default, deserialize_with = "http::present")]
    recovery_secret: Option<String>,
    #[serde(default, deserialize_with = "http::present")]
    refresh_token: Option<String>,
    #[serde(default, deserialize_with = "http::present")]
    attestation: Option<http::Object<ShownAttestation>>,
}

pub(crate) async fn register(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = call.take_json()?;
    let asked: Registration = http::parse(&body)?;
    let device = validate(&asked)?;
    call.register(app).await?;
    let shown = asked.attestation.as_ref().map(|http::Object(shown)| shown);
    let mut start = attest::first_standing(app, call, shown).await?;
    let issuer = Issuer::of(app, call).await?;
    let made = match &asked.recovery_secret {
        Some(_) => None,
        None => Some(new_recovery_secret()?),
    };
    let secret = asked.recovery_secret.as_ref().or(made.as_ref());
    let recovery = RecoveryHash::of(&device, secret.map_or("", String::as_str));
    let fingerprint = asked.fingerprint.as_deref().map(Fingerprint::of);

    let (mut session, mut refresh_token) = issuer.open_session(UserId::random()?, fingerprint.clone(), call.now)?;
    let known = loop {
        match app.identity.register(&device, &recovery, &session, &start).await? {
            RegistrationOutcome::Created => break None,
            RegistrationOutcome::Known(known) => break Some(known),
            // Once: without an attestation, none is in the way.
            RegistrationOutcome::Replayed => start = attest::refuse_replay(app, call)?,
        }
    };
    let mut tier = start.tier.clone();
    let recovery_secret = if known.is_some() { None } else { made };
    if let Some(known) = known {
        if !known.recovery.matches(&recovery) {
            require_live_token(app, call, &issuer.keys, &known.user, asked.refresh_token.as_deref()).await?;
        }
        tier = attest::tier_of_known(app, call, &known.user, &start).await?;
        (session, refresh_token) = issuer.open_session(known.user, fingerprint, call.now)?;
        app.identity.create_session(&session).await?;
    }
    let mut tokens = issuer.tokens(app, call, &session, tier, &refresh_token)?;
    tokens.recovery_secret = recovery_secret;
    let mut made = json!({"session": session.id, "bound": session.fingerprint.is_some()});
    if let Some(outcome) = call.record.attestation {
        made["attestation"] = json!(outcome);
    }
    note(app, call, "device.register", &session.user, Value::Null, made).await;
    Reply::json(StatusCode::CREATED, &tokens)
}

/// Returns the device, if all members of a registration are within their bounds.
fn validate(asked: &Registration) -> Result<DeviceId, Error> {
    let mut violations = Vec::new();
    let device = DeviceId::parse(&asked.device_id).map_err(|reason| Violation::at("/deviceId", reason));
    let bounded = [
        ("/fingerprint", &asked.fingerprint, 1..=512),
        ("/recoverySecret", &asked.recovery_secret, 32..=128),
        ("/refreshToken", &asked.refresh_token, 1..=LONGEST_TOKEN),
    ];
    for (pointer, text, bounds) in bounded {
        if text
            .as_ref()
            .is_some_and(|text| !bounds.contains(&text.chars().count()))
        {
            let detail = format!("must have {} to {} characters", bounds.start(), bounds.end());
            violations.push(Violation::at(pointer, detail));
        }
    }
    if asked.recovery_secret.as_ref() == Some(&asked.device_id) {
        violations.push(Violation::at("/recoverySecret", "must not be the device id"));
    }
    violations.extend(asked.attestation.iter().flat_map(|shown| shown.0.violations()));
    match device {
        Ok(device) if violations.is_empty() => Ok(device),
        Ok(_) => Err(Error::Invalid(violations)),
        Err(violation) => Err(Error::Invalid([vec![violation], violations].concat())),
    }
}

/// Requires a refresh token of `user` that a refresh would accept. This does not spend it.
///
/// # Errors
/// [`Error::DeviceKnown`] without one; [`Error::TokenReused`] if it was spent before, as in a refresh.
async fn require_live_token(
    app: &App,
    call: &mut Call,
    keys: &KeySet,
    user: &UserId,
    shown: Option<&str>,
) -> Result<(), Error> {
    let shown = shown.and_then(RefreshToken::parse).filter(|shown| shown.user == *user);
    let Some(shown) = shown else {
        return Err(Error::DeviceKnown);
    };
    let stored = app.identity.session(user, &shown.session).await?;
    let Some((session, _)) = stored else {
        return Err(Error::DeviceKnown);
    };
    let fingerprint = call.fingerprint().map(Fingerprint::of);
    match decide(keys, &session, &shown, fingerprint.as_ref(), call.now) {
        RefreshDecision::Spend | RefreshDecision::GiveNewest => Ok(()),
        RefreshDecision::Reused => Err(end_for_reuse(app, call, &session, shown.generation).await?),
        RefreshDecision::Refuse(_) => Err(Error::DeviceKnown),
    }
}
