//! The scheduled function: closes the day before, writes and closes statistics, or resets one user's day.
//!
//! No user's quota waits for it: a new day is a new counter. Closing a day copies its counters into the usage table.

mod close;
mod statistics;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::account;
use shared::app::App;
use shared::audit::Change;
use shared::clock::{Day, Timestamp};
use shared::closing::run::CloseFailure;
use shared::error::{Error, Outage};
use shared::ids::UserId;
use shared::invocation;
use shared::plan::Meter;
use shared::statistics::LEVELS;
use shared::telemetry::Signal;
use shared::usage::{ByMeter, Totals};

/// The name of this function.
pub const NAME: &str = "quota-reset";

/// The events that the function accepts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum QuotaResetEvent {
    Close(Schedule),
    Statistics(StatisticsEvent),
    Reset(ResetCommand),
}

/// The scheduler's event. It carries the schedule's own time, because a run can be 24 hours late.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Schedule {
    scheduled_time: String,
}

/// The scheduler's events for statistics.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsEvent {
    statistics: StatisticsStep,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum StatisticsStep {
    Flush(FlushStep),
    Close(Schedule),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum FlushStep {
    Flush,
}

/// An operator's event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetCommand {
    reset: ResetOne,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ResetOne {
    user_id: String,
    reason: String,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum QuotaResetSummary {
    /// The day was closed.
    #[serde(rename_all = "camelCase")]
    Closed {
        /// The day, `YYYY-MM-DD`.
        closed: String,
        /// Users and units by tier and meter.
        tiers: Totals,
        /// Units by meter.
        meters: ByMeter,
        /// Pages read in this run; none if an earlier run had read them all.
        pages: u64,
    },
    /// The slots of statistics that are over were written.
    #[serde(rename_all = "camelCase")]
    Flushed {
        /// Slots written in this run.
        slots: usize,
        /// Detections in them.
        detections: usize,
        /// Slots that are still not written 10 minutes after their end.
        overdue: usize,
        /// False if the cache or the table was away: the next run writes the rest.
        complete: bool,
    },
    /// The statistics of a day were closed.
    #[serde(rename_all = "camelCase")]
    StatisticsClosed {
        /// The day, `YYYY-MM-DD`.
        statistics_closed: String,
        /// Detections of the day.
        detections: u64,
        /// The same by level.
        by_level: [u64; LEVELS],
        /// Pages read in this run; none if an earlier run had read them all.
        pages: u64,
    },
    /// A user's day was reset.
    #[serde(rename_all = "camelCase")]
    Reset {
        /// The user.
        reset: UserId,
        /// Units of each counter before the reset.
        before: BTreeMap<Meter, u64>,
    },
}

/// The reason why nothing was done, or not all. The scheduler calls again.
#[derive(Debug, thiserror::Error)]
pub enum QuotaResetFailure {
    /// The event is none of those in the contract.
    #[error("the event is not valid: {0}")]
    Invalid(String),
    /// Another run is closing the day.
    #[error("another run closes this day until {0}")]
    Leased(Timestamp),
    /// A table is down; the progress so far is kept.
    #[error(transparent)]
    Unavailable(#[from] Outage),
    /// The change is made but could not be noted.
    #[error("{0}")]
    NotNoted(#[from] Error),
}

impl From<CloseFailure> for QuotaResetFailure {
    fn from(failure: CloseFailure) -> Self {
        match failure {
            CloseFailure::Leased(until) => Self::Leased(until),
            CloseFailure::Unavailable(outage) => Self::Unavailable(outage),
        }
    }
}

impl invocation::Failure for QuotaResetFailure {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "InvalidEvent",
            Self::Leased(_) => "Leased",
            Self::Unavailable(_) => "Unavailable",
            Self::NotNoted(_) => "NotNoted",
        }
    }

    fn retryable(&self) -> bool {
        !matches!(self, Self::Invalid(_))
    }
}

/// Carries out an event.
///
/// # Errors
/// [`QuotaResetFailure`]; calling again with the same event continues where this call ended.
pub async fn handle(app: &App, event: Value) -> Result<QuotaResetSummary, QuotaResetFailure> {
    invocation::recorded(app, NAME, act(app, event), statistics::note).await
}

async fn act(app: &App, event: Value) -> Result<QuotaResetSummary, QuotaResetFailure> {
    match parse(event)? {
        QuotaResetEvent::Close(schedule) => close_day_before(app, &schedule.scheduled_time).await,
        QuotaResetEvent::Statistics(event) => match event.statistics {
            StatisticsStep::Flush(FlushStep::Flush) => statistics::flush(app).await,
            StatisticsStep::Close(schedule) => {
                let (day, close) = day_before(app, &schedule.scheduled_time)?;
                statistics::close(app, day, close).await
            }
        },
        QuotaResetEvent::Reset(ResetCommand { reset }) => reset_user(app, &reset).await,
    }
}

fn parse(event: Value) -> Result<QuotaResetEvent, QuotaResetFailure> {
    serde_json::from_value(event).map_err(|_| {
        let forms = r#"{"scheduledTime":"<RFC 3339>"}, {"statistics":"flush"}, {"statistics":{"scheduledTime"}} or {"reset":{"userId","reason"}}"#;
        QuotaResetFailure::Invalid(format!("it must be {forms}"))
    })
}

/// Returns the day before a schedule's own time, and that time.
fn day_before(app: &App, scheduled: &str) -> Result<(Day, Timestamp), QuotaResetFailure> {
    let scheduled = Timestamp::parse(scheduled)
        .ok_or_else(|| QuotaResetFailure::Invalid(format!("scheduledTime: {scheduled:?} is not RFC 3339")))?;
    let day = scheduled.day().minus(1);
    if app.clock.now() < day.next().start() {
        return Err(QuotaResetFailure::Invalid(format!("scheduledTime: {day} is not over")));
    }
    Ok((day, scheduled))
}

async fn close_day_before(app: &App, scheduled: &str) -> Result<QuotaResetSummary, QuotaResetFailure> {
    let (day, scheduled) = day_before(app, scheduled)?;
    let closed = close::run(app, day, scheduled).await?;
    app.telemetry.raise(Signal::DayClosed, app.clock.now());
    verify_audit(app, day).await;
    Ok(QuotaResetSummary::Closed {
        closed: day.to_string(),
        meters: closed.totals.by_meter(),
        tiers: closed.totals,
        pages: closed.pages,
    })
}

/// Verifies the audit log of a day: otherwise nobody would learn of a break before reading that day. The close is done whatever
/// the result; the next run verifies again.
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

async fn reset_user(app: &App, asked: &ResetOne) -> Result<QuotaResetSummary, QuotaResetFailure> {
    let user = UserId::parse(&asked.user_id)
        .ok_or_else(|| QuotaResetFailure::Invalid("reset.userId: it is no user's id".to_owned()))?;
    if !(1..=500).contains(&asked.reason.chars().count()) {
        return Err(QuotaResetFailure::Invalid(
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
        correlation_id: &shared::ids::new_correlation_id(),
    };
    app.audit.note(&change, now).await?;
    Ok(QuotaResetSummary::Reset { reset: user, before })
}
