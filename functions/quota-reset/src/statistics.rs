//! Statistics: each five minutes the slots of users who have not come back are written, each night the day before is closed.

use shared::app::App;
use shared::clock::{Day, Timestamp};
use shared::telemetry::{Record, Signal, StatisticsCounts};

use crate::{QuotaResetFailure, QuotaResetSummary};

/// Writes every slot that is over. A store that is away has its own alarms: a run that could not write all slots has not
/// failed.
pub(crate) async fn flush(app: &App) -> Result<QuotaResetSummary, QuotaResetFailure> {
    let now = app.clock.now();
    let flushed = app.statistics.flush(now).await;
    if flushed.overdue > 0 {
        app.telemetry.raise(Signal::StatisticsOverdue, now);
    }
    if let Some(failure) = &flushed.failure {
        // The rest stays where it is: the next run writes it.
        tracing::warn!(%failure, "not every slot that is over could be written");
    }
    Ok(QuotaResetSummary::Flushed {
        slots: flushed.written,
        detections: flushed.observations,
        overdue: flushed.overdue,
        complete: flushed.failure.is_none(),
    })
}

/// Adds the slots that were written to the record of a run.
pub(crate) fn note(summary: &QuotaResetSummary, record: &mut Record) {
    if let QuotaResetSummary::Flushed { slots, complete, .. } = summary {
        record.statistics = Some(StatisticsCounts {
            slot_writes: *slots as u64,
            ..StatisticsCounts::default()
        })
        .filter(|counts| counts.slot_writes > 0);
        if !complete {
            (record.outcome, record.level) = ("degraded", "warn");
        }
    }
}

/// Closes a day, or continues the close of this time.
pub(crate) async fn close(app: &App, day: Day, close: Timestamp) -> Result<QuotaResetSummary, QuotaResetFailure> {
    let closed = app.statistics.roll_up(&app.clock, day, close).await?;
    Ok(QuotaResetSummary::StatisticsClosed {
        statistics_closed: day.to_string(),
        detections: closed.total.total.total(),
        by_level: closed.total.total.by_level(),
        pages: closed.pages,
    })
}
