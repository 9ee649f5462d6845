//! The attestation of a registration, and the tier that a device has by it.

use serde::Deserialize;
use shared::app::App;
use shared::config::AttestationMode;
use shared::error::{Error, Violation};
use shared::http::Call;
use shared::identity::app_check::LONGEST_ATTESTATION;
use shared::identity::app_check::publisher::Unattested;
use shared::identity::store::FirstStanding;
use shared::ids::UserId;
use shared::plan::Tier;
use shared::telemetry::AttestationOutcome;

/// The one kind of attestation.
const APP_CHECK: &str = "app-check";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShownAttestation {
    #[serde(rename = "type")]
    kind: String,
    token: String,
}

impl ShownAttestation {
    /// Returns the faults of its form, which are told whatever use is made of attestations.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        if self.kind != APP_CHECK {
            violations.push(Violation::at("/attestation/type", format!("must be {APP_CHECK}")));
        }
        if !(1..=LONGEST_ATTESTATION).contains(&self.token.chars().count()) {
            let detail = format!("must have 1 to {LONGEST_ATTESTATION} characters");
            violations.push(Violation::at("/attestation/token", detail));
        }
        violations
    }
}

/// Returns the start of a new user: on `free` with a good attestation, or where none is asked for; else on `trial`.
///
/// # Errors
/// Where attestations are required: [`Error::Unauthenticated`] for a bad one, [`Error::Unavailable`] while nobody can say.
pub(crate) async fn first_standing(
    app: &App,
    call: &mut Call,
    shown: Option<&ShownAttestation>,
) -> Result<FirstStanding, Error> {
    let free = FirstStanding {
        tier: Tier::free(),
        attestation: None,
    };
    let Some(app_check) = &app.app_check else {
        return Ok(free);
    };
    let Some(shown) = shown else {
        call.record.attestation = Some(AttestationOutcome::None);
        return Ok(on_trial());
    };
    match app_check.verify(&shown.token, call.now).await {
        Ok(attestation) => {
            call.record.attestation = Some(AttestationOutcome::Good);
            Ok(FirstStanding {
                attestation: Some(attestation),
                ..free
            })
        }
        Err(Unattested::Invalid(cause)) => {
            refuse(app, call, AttestationOutcome::Invalid, Error::Unauthenticated(cause))
        }
        Err(Unattested::Unchecked(outage)) => {
            refuse(app, call, AttestationOutcome::Unchecked, Error::Unavailable(outage))
        }
    }
}

/// Returns the start of a new user whose attestation was spent before.
///
/// # Errors
/// [`Error::Unauthenticated`] where attestations are required.
pub(crate) fn refuse_replay(app: &App, call: &mut Call) -> Result<FirstStanding, Error> {
    let error = Error::Unauthenticated("the attestation was used before");
    refuse(app, call, AttestationOutcome::Replayed, error)
}

/// Returns the tier of a known user. With a good attestation, one on `trial` for want of it goes to `free`.
///
/// # Errors
/// [`Error::Unavailable`] when the table is down; as [`refuse_replay`].
pub(crate) async fn tier_of_known(
    app: &App,
    call: &mut Call,
    user: &UserId,
    start: &FirstStanding,
) -> Result<Tier, Error> {
    let Some(standing) = app.identity.standing(user).await? else {
        return Ok(start.tier.clone());
    };
    let (true, Some(attestation)) = (standing.unattested, &start.attestation) else {
        return Ok(standing.tier);
    };
    if app.identity.attest(user, attestation).await? {
        return Ok(Tier::free());
    }
    // Spent before, unless another request of this device has just done the same.
    match app.identity.standing(user).await? {
        Some(standing) if !standing.unattested => Ok(standing.tier),
        _ => refuse_replay(app, call).map(|start| start.tier),
    }
}

/// Notes that an attestation does not count, and why. Where none is required, the device is one without.
fn refuse(app: &App, call: &mut Call, outcome: AttestationOutcome, error: Error) -> Result<FirstStanding, Error> {
    call.record.attestation = Some(outcome);
    if app.config.attestation.mode == AttestationMode::Required {
        Err(error)
    } else {
        Ok(on_trial())
    }
}

fn on_trial() -> FirstStanding {
    FirstStanding {
        tier: Tier::trial(),
        attestation: None,
    }
}
