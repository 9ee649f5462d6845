//! The close of a day: scans the counters in segments, and copies each into the history.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared::app::App;
use shared::clock::{Day, Timestamp};
use shared::closing::run::{CloseFailure, CloseRun, ClosedPage, ClosedSegment};
use shared::closing::{RunningSum, Segment};
use shared::error::Outage;
use shared::usage::{DayUse, Totals};

/// Writes at a time, of one page.
const WRITES_AT_A_TIME: usize = 8;

/// Rows per write.
const ROWS_PER_WRITE: usize = 25;

/// The result of a close.
pub(crate) struct Closed {
    pub(crate) totals: Totals,
    pub(crate) pages: u64,
}

/// Closes a day, or continues the close of this time. Another time counts the day again: units admitted while the quota table
/// was down may have reached it since.
pub(crate) async fn run(app: &App, day: Day, close: Timestamp) -> Result<Closed, CloseFailure> {
    // Then the rows exist already, and only those with late units change.
    let closed_before = app.usage.totals(day).await?.is_some();
    let run = CloseRun::of(app.usage.closes(), &app.clock, day, close);
    // A page of the scan is 1 MB, so a million counters of 150 bytes are ten pages in each segment.
    let segments: Vec<ClosedSegment<Totals>> = run
        .segments(|segment, from| close_page(app, segment, from, closed_before))
        .await?;
    let mut closed = Closed {
        totals: Totals::default(),
        pages: 0,
    };
    for segment in segments {
        closed.totals.add_page(segment.totals);
        closed.pages += segment.pages;
    }
    if !app.usage.write_totals(day, close, &closed.totals).await? {
        tracing::warn!(%day, %close, "a later close has counted this day already");
    }
    run.end().await?;
    Ok(closed)
}

async fn close_page(
    app: &App,
    segment: Segment,
    from: Option<String>,
    closed_before: bool,
) -> Result<ClosedPage<Totals>, Outage> {
    let (uses, next) = app
        .quota
        .table()
        .page(segment, from.as_deref(), app.clock.now())
        .await?;
    let rows = uses.iter().filter(|day_use| day_use.late || !closed_before);
    let rows: Vec<DayUse> = rows.cloned().collect();
    let writes: Vec<Vec<DayUse>> = rows.chunks(ROWS_PER_WRITE).map(<[_]>::to_vec).collect();
    stream::iter(writes)
        .map(|rows| async move { app.usage.write_rows(segment.day, &rows).await })
        .buffer_unordered(WRITES_AT_A_TIME)
        .try_collect::<()>()
        .await?;
    let mut totals = Totals::default();
    for day_use in &uses {
        totals.count(day_use);
    }
    Ok(ClosedPage { totals, next })
}
