//! The close of a day: scans the counters in segments, each with a checkpoint after every page.
//!
//! A run that is killed leaves its checkpoints, and the next run of the same close continues from them. A page that was read
//! twice is written twice with the same content, and counted once. Its totals are stored together with the place where it
//! ended, on the condition that no other run has come further.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared::app::App;
use shared::clock::{Day, Timestamp};
use shared::ids::new_correlation_id;
use shared::usage::{Checkpoint, DayUse, Segment, Totals};

use crate::QuotaResetFailure;

/// Parts of the scan. A page is 1 MB, so a million counters of 150 bytes are ten pages in each.
const SEGMENTS: u32 = 16;

/// Segments read at a time: eight pages and their rows are far below 256 MB.
const AT_A_TIME: usize = 8;

/// Writes at a time, of one page.
const WRITES_AT_A_TIME: usize = 8;

/// Rows per write.
const ROWS_PER_WRITE: usize = 25;

/// How long a run has the day to itself; each page renews it. A dead run delays the next by this time.
const LEASE: Duration = Duration::from_mins(1);

/// The result of a close.
pub(crate) struct Closed {
    pub(crate) totals: Totals,
    pub(crate) pages: u64,
}

/// Closes a day, or continues the close of this time. Another time counts the day again: units admitted while the quota table
/// was down may have reached it since.
pub(crate) async fn run(app: &App, day: Day, close: Timestamp) -> Result<Closed, QuotaResetFailure> {
    let run = CloseRun {
        app,
        day,
        name: new_correlation_id(),
        closed_before: app.usage.totals(day).await?.is_some(),
    };
    run.lease(LEASE).await?;
    let segments: Vec<(Checkpoint, u64)> = stream::iter(0..SEGMENTS)
        .map(|number| {
            let segment = Segment {
                day,
                close,
                number,
                of: SEGMENTS,
            };
            run.close_segment(segment)
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut closed = Closed {
        totals: Totals::default(),
        pages: 0,
    };
    for (checkpoint, pages) in segments {
        closed.totals.add(&checkpoint.totals);
        closed.pages += pages;
    }
    if !app.usage.write_totals(day, close, &closed.totals).await? {
        tracing::warn!(%day, %close, "a later close has counted this day already");
    }
    // Frees the day for the next close.
    run.lease(Duration::ZERO).await?;
    Ok(closed)
}

struct CloseRun<'a> {
    app: &'a App,
    day: Day,
    name: String,
    /// The rows exist already, and only those with late units change.
    closed_before: bool,
}

impl CloseRun<'_> {
    async fn lease(&self, span: Duration) -> Result<(), QuotaResetFailure> {
        let now = self.app.clock.now();
        self.app
            .usage
            .lease(self.day, &self.name, now, now.plus(span))
            .await?
            .map_err(QuotaResetFailure::Leased)
    }

    /// Closes the rest of a segment; returns its last checkpoint and the number of pages read by this run.
    async fn close_segment(&self, segment: Segment) -> Result<(Checkpoint, u64), QuotaResetFailure> {
        let mut checkpoint = self.app.usage.checkpoint(segment).await?;
        let mut pages = 0;
        while !checkpoint.done {
            let from = checkpoint.next.as_deref();
            let now = self.app.clock.now();
            let (uses, next) = self.app.quota.table().page(segment, from, now).await?;
            let rows = uses.iter().filter(|day_use| day_use.late || !self.closed_before);
            let rows: Vec<DayUse> = rows.cloned().collect();
            let writes: Vec<Vec<DayUse>> = rows.chunks(ROWS_PER_WRITE).map(<[_]>::to_vec).collect();
            stream::iter(writes)
                .map(|rows| async move { self.app.usage.write_rows(self.day, &rows).await })
                .buffer_unordered(WRITES_AT_A_TIME)
                .try_collect::<()>()
                .await?;
            let before = checkpoint.pages;
            for day_use in &uses {
                checkpoint.totals.count(day_use);
            }
            checkpoint.pages += 1;
            checkpoint.done = next.is_none();
            checkpoint.next = next;
            if !self.app.usage.note(segment, before, &checkpoint).await? {
                // Another run has come further: its checkpoint counts, not this one's.
                checkpoint = self.app.usage.checkpoint(segment).await?;
            }
            pages += 1;
            self.lease(LEASE).await?;
        }
        Ok((checkpoint, pages))
    }
}
