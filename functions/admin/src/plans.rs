//! Plans: the figures of each tier. A change takes effect everywhere within a minute.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::json;
use shared::app::App;
use shared::error::{Error, Violation};
use shared::http::{self, Call, Reply};
use shared::plan::{Plan, Tier};

use crate::{Noted, note};

#[derive(Serialize)]
struct PlanResponse<'a> {
    tier: &'a Tier,
    plan: Plan,
}

#[derive(Serialize)]
struct Changed<'a> {
    tier: &'a Tier,
    plan: Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Plan>,
}

fn tier(call: &Call) -> Result<Tier, Error> {
    Tier::parse(call.path_parameter("tier")).ok_or(Error::NotFound)
}

async fn in_force(app: &App, tier: &Tier) -> Result<Option<Plan>, Error> {
    let plans = app.plans.read().await.map_err(Error::Unavailable)?;
    Ok(plans.of(tier))
}

/// Shows the plan in force, including the meters with default figures.
pub(crate) async fn show(app: &App, call: &Call) -> Result<Reply, Error> {
    let tier = tier(call)?;
    let plan = in_force(app, &tier).await?.ok_or(Error::NotFound)?;
    Reply::json(StatusCode::OK, &PlanResponse { tier: &tier, plan })
}

/// Creates or replaces the plan of a tier. Meters that it does not name return to their default figures.
pub(crate) async fn set(app: &App, call: &Call, admin: &str, body: &[u8]) -> Result<Reply, Error> {
    let tier = tier(call)?;
    let (plan, faults) = Plan::read(http::parse(body)?);
    if !faults.is_empty() {
        let violations = faults
            .into_iter()
            .map(|fault| Violation::at(fault.pointer, fault.detail));
        return Err(Error::Invalid(violations.collect()));
    }
    let before = in_force(app, &tier).await?;
    // A lost answer may mean that the plan is stored; storing it again does no harm.
    app.plans.put(&tier, &plan).await.map_err(Error::Unavailable)?;
    let plan = in_force(app, &tier).await?.ok_or(Error::NotFound)?;
    let noted = Noted {
        action: "plan.set",
        target: tier.as_str(),
        before: json!(before),
        after: json!(plan),
        reason: None,
    };
    note(app, call, admin, noted).await?;
    let changed = Changed {
        tier: &tier,
        plan,
        before,
    };
    Reply::json(StatusCode::OK, &changed)
}
