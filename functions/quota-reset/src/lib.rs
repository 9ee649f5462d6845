//! The scheduled function: closes the day before, or resets one user's day.
//!
//! Nobody's quota waits for it: a new day is a new counter. Closing a day means that what was used is written into the usage table.

mod close;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::account;
use shared::app::App;
use shared::audit::Change;
use shared::clock::{Day, Stopwatch, Timestamp};
use shared::error::{Error, Outage};
use shared::ids::UserId;
use shared::invocation;
use shared::plan::Meter;
use shared::telemetry::Signal;
use shared::usage::{ByMeter, Totals};

/// What the function is called with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Event {
    Close(Schedule),
    Reset(Reset),
}

/// By the scheduler: its own time, as a run can be 24 hours late.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Schedule {
    scheduled_time: String,
}

/// By an operator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    reset: ResetOne,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ResetOne {
    user_id: String,
    reason: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Summary {
    /// A day was closed.
    #[serde(rename_all = "camelCase")]
    Closed {
        /// Which, `YYYY-MM-DD`.
        closed: String,
        /// Use by tier and meter.
        tiers: Totals,
        /// Use by meter.
        meters: ByMeter,
        /// Pages read in this run; none if a run before it had read them all.
        pages: u64,
    },
    /// A user's day was reset.
    #[serde(rename_all = "camelCase")]
    Reset {
        /// Whose.
        reset: UserId,
        /// Units that each of its counters held.
        before: BTreeMap<Meter, u64>,
    },
}

/// Why nothing was done, or not all. The scheduler calls again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The event is none of those in the contract.
    #[error("the event is not valid: {0}")]
    Invalid(String),
    /// Another run is at it.
    #[error("another run closes this day until {0}")]
    Leased(Timestamp),
    /// A table is down; what was done so far is kept.
    #[error(transparent)]
    Unavailable(#[from] Outage),
    /// The change is made but could not be noted.
    #[error("{0}")]
    NotNoted(#[from] Error),
}

impl invocation::Failure for Failure {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "InvalidEvent",
            Self::Leased(_) => "Leased",
            Self::Unavailable(_) => "Unavailable",
            Self::NotNoted(_) => "NotNoted",
        }
    }
}

/// Does what an event says.
///
/// # Errors
/// [`Failure`]; calling again with the same event goes on where this call ended.
pub async fn handle(app: &App, event: Value) -> Result<Summary, Failure> {
    let stopwatch = Stopwatch::start();
    let outcome = act(app, event).await;
    invocation::record("quota-reset", &stopwatch, &outcome);
    outcome
}

async fn act(app: &App, event: Value) -> Result<Summary, Failure> {
    match parse(event)? {
        Event::Close(schedule) => close_day_before(app, &schedule.scheduled_time).await,
        Event::Reset(Reset { reset }) => reset_user(app, &reset).await,
    }
}

fn parse(event: Value) -> Result<Event, Failure> {
    serde_json::from_value(event).map_err(|_| {
        let forms = r#"{"scheduledTime":"<RFC 3339>"} or {"reset":{"userId","reason"}}"#;
        Failure::Invalid(format!("it must be {forms}"))
    })
}

async fn close_day_before(app: &App, scheduled: &str) -> Result<Summary, Failure> {
    let scheduled = Timestamp::parse(scheduled)
        .ok_or_else(|| Failure::Invalid(format!("scheduledTime: {scheduled:?} is not RFC 3339")))?;
    let day = scheduled.day().minus(1);
    if app.clock.now() < day.next().start() {
        return Err(Failure::Invalid(format!("scheduledTime: {day} is not over")));
    }
    let closed = close::run(app, day, scheduled).await?;
    app.telemetry.raise(Signal::DayClosed, app.clock.now());
    verify_audit(app, day).await;
    Ok(Summary::Closed {
        closed: day.to_string(),
        meters: closed.totals.by_meter(),
        tiers: closed.totals,
        pages: closed.pages,
    })
}

/// Looks whether the audit log of a day holds together: else nobody would learn of it before somebody reads that day. The close has
/// been done whatever comes of it; the next run looks again.
async fn verify_audit(app: &App, day: Day) {
    match app.audit.verify(day, app.clock.now()).await {
        Ok(Ok(())) => {}
        Ok(Err(broken)) => {
            tracing::error!(%day, ?broken, "the audit log does not hold together");
            app.telemetry.raise(Signal::AuditChainBroken, app.clock.now());
        }
        Err(error) => tracing::error!(%day, %error, "the audit log could not be verified"),
    }
}

async fn reset_user(app: &App, asked: &ResetOne) -> Result<Summary, Failure> {
    let user =
        UserId::parse(&asked.user_id).ok_or_else(|| Failure::Invalid("reset.userId: it is no user's id".to_owned()))?;
    if !(1..=500).contains(&asked.reason.chars().count()) {
        return Err(Failure::Invalid(
            "reset.reason: must have 1 to 500 characters".to_owned(),
        ));
    }
    let now = app.clock.now();
    let before = account::reset_day(app, &user, now.day()).await?;
    let change = Change {
        actor: "operator",
        action: "quota.reset",
        target: user.as_str(),
        before: json!({"used": before}),
        after: json!({"used": {}}),
        reason: Some(&asked.reason),
        correlation_id: &shared::http::new_correlation_id(),
    };
    app.audit.note(&change, now).await?;
    Ok(Summary::Reset { reset: user, before })
}
