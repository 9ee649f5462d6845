//! The scheduled function of statistics: each five minutes it writes the slots of users who have not come back, each night it
//! closes the day before.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::app::App;
use shared::clock::Timestamp;
use shared::closing::run::CloseFailure;
use shared::error::Outage;
use shared::invocation;
use shared::telemetry::Signal;

/// The name of this function.
pub const NAME: &str = "stats-rollup";

/// The events that the function accepts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum StatsRollupEvent {
    Flush(FlushEvent),
    Close(CloseEvent),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlushEvent {
    #[serde(rename = "flush")]
    _flush: NoMembers,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoMembers {}

/// The scheduler's event. It carries the schedule's own time, because a run can be 24 hours late.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CloseEvent {
    scheduled_time: String,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum StatsRollupSummary {
    /// The slots that are over were written.
    #[serde(rename_all = "camelCase")]
    Flushed {
        /// Slots written in this run.
        flushed: usize,
        /// Detections in them.
        detections: usize,
        /// Slots that are still not written 10 minutes after their end.
        overdue: usize,
    },
    /// The day was closed.
    #[serde(rename_all = "camelCase")]
    Closed {
        /// The day, `YYYY-MM-DD`.
        closed: String,
        /// Detections of the day.
        detections: u64,
        /// The same by level.
        by_level: [u64; 4],
        /// Pages read in this run; none if an earlier run had read them all.
        pages: u64,
    },
}

/// The reason why not all was done. The scheduler calls again.
#[derive(Debug, thiserror::Error)]
pub enum StatsRollupFailure {
    /// The event is none of those that are known.
    #[error("the event is not valid: {0}")]
    Invalid(String),
    /// Another run is closing the day.
    #[error("another run closes this day until {0}")]
    Leased(Timestamp),
    /// The cache or the table is down; the progress so far is kept.
    #[error(transparent)]
    Unavailable(#[from] Outage),
}

impl From<CloseFailure> for StatsRollupFailure {
    fn from(failure: CloseFailure) -> Self {
        match failure {
            CloseFailure::Leased(until) => Self::Leased(until),
            CloseFailure::Unavailable(outage) => Self::Unavailable(outage),
        }
    }
}

impl invocation::Failure for StatsRollupFailure {
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "InvalidEvent",
            Self::Leased(_) => "Leased",
            Self::Unavailable(_) => "Unavailable",
        }
    }

    fn retryable(&self) -> bool {
        !matches!(self, Self::Invalid(_))
    }
}

/// Carries out an event.
///
/// # Errors
/// [`StatsRollupFailure`]; calling again with the same event continues where this call ended.
pub async fn handle(app: &App, event: Value) -> Result<StatsRollupSummary, StatsRollupFailure> {
    invocation::recorded(app, NAME, act(app, event)).await
}

async fn act(app: &App, event: Value) -> Result<StatsRollupSummary, StatsRollupFailure> {
    let event = serde_json::from_value(event).map_err(|_| {
        let forms = r#"{"flush":{}} or {"scheduledTime":"<RFC 3339>"}"#;
        StatsRollupFailure::Invalid(format!("it must be {forms}"))
    })?;
    match event {
        StatsRollupEvent::Flush(_) => flush(app).await,
        StatsRollupEvent::Close(close) => close_day_before(app, &close.scheduled_time).await,
    }
}

async fn flush(app: &App) -> Result<StatsRollupSummary, StatsRollupFailure> {
    let now = app.clock.now();
    let flushed = app.statistics.flush(now).await?;
    if flushed.overdue > 0 {
        app.telemetry.raise(Signal::StatisticsOverdue, now);
    }
    Ok(StatsRollupSummary::Flushed {
        flushed: flushed.written,
        detections: flushed.observations,
        overdue: flushed.overdue,
    })
}

async fn close_day_before(app: &App, scheduled: &str) -> Result<StatsRollupSummary, StatsRollupFailure> {
    let scheduled = Timestamp::parse(scheduled)
        .ok_or_else(|| StatsRollupFailure::Invalid(format!("scheduledTime: {scheduled:?} is not RFC 3339")))?;
    let day = scheduled.day().minus(1);
    if app.clock.now() < day.next().start() {
        return Err(StatsRollupFailure::Invalid(format!(
            "scheduledTime: {day} is not over"
        )));
    }
    let closed = app.statistics.roll_up(&app.clock, day, scheduled).await?;
    Ok(StatsRollupSummary::Closed {
        closed: day.to_string(),
        detections: closed.total.total.total(),
        by_level: closed.total.total.by_level(),
        pages: closed.pages,
    })
}
