//! Plans: what each tier may use. A change is in force everywhere within a minute.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::json;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Call, Reply};
use shared::plan::{Plan, Tier};

use crate::{Noted, note};

#[derive(Serialize)]
struct Shown<'a> {
    tier: &'a Tier,
    plan: &'a Plan,
}

#[derive(Serialize)]
struct Changed<'a> {
    tier: &'a Tier,
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a Plan>,
}

fn tier(call: &Call) -> Result<Tier, Error> {
    Tier::parse(call.path_parameter("tier")).ok_or(Error::NotFound)
}

pub(crate) async fn show(app: &App, call: &Call) -> Result<Reply, Error> {
    let tier = tier(call)?;
    let plans = app.plans.read().await.map_err(Error::Unavailable)?;
    let plan = plans.of(&tier).ok_or(Error::NotFound)?;
    Reply::json(StatusCode::OK, &Shown { tier: &tier, plan })
}

/// Makes or replaces the plan of a tier.
pub(crate) async fn set(app: &App, call: &Call, admin: &str, body: &[u8]) -> Result<Reply, Error> {
    let tier = tier(call)?;
    // Its form first, so that what is wrong with it has a place.
    let plan: Plan = http::parse(body)?;
    let plan = plan.checked().map_err(|problem| Error::invalid("/posts", problem))?;
    let plans = app.plans.read().await.map_err(Error::Unavailable)?;
    let before = plans.of(&tier);
    // If the answer is lost it may be stored; storing it again does no harm.
    app.plans.put(&tier, &plan).await.map_err(Error::Unavailable)?;
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
        plan: &plan,
        before,
    };
    Reply::json(StatusCode::OK, &changed)
}
