//! A run of a close: the lease of its day, and its segments, page by page.
//!
//! A run that is killed leaves its checkpoints, and the next run of the same close continues from them. A page that was read
//! twice is written twice with the same content, and counted once: its sum is stored together with the place where it ended,
//! on the condition that no other run has come further.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::store::CloseProgress;
use super::{Checkpoint, RunningSum, Segment};
use crate::clock::{Clock, Day, Timestamp};
use crate::error::Outage;
use crate::ids::new_correlation_id;

/// Parts of a close.
pub const SEGMENTS: u32 = 16;

/// Segments read at a time: eight pages and their rows are far below 256 MB.
const AT_A_TIME: usize = 8;

/// How long a run has the day to itself; each page renews it. A dead run delays the next by this time.
const LEASE: Duration = Duration::from_mins(1);

/// The reason why a close did not end.
#[derive(Debug, thiserror::Error)]
pub enum CloseFailure {
    /// Another run is closing the day.
    #[error("another run closes this day until {0}")]
    Leased(Timestamp),
    /// A table is down; the progress so far is kept.
    #[error(transparent)]
    Unavailable(#[from] Outage),
}

/// A page that was read, and whose rows are written.
#[derive(Debug)]
pub struct ClosedPage<T> {
    /// Its sum.
    pub totals: T,
    /// The start of the next page, if there is one.
    pub next: Option<String>,
}

/// A segment that is done.
#[derive(Debug)]
pub struct ClosedSegment<T> {
    /// Its number.
    pub number: u32,
    /// The sum of its pages.
    pub totals: T,
    /// Pages read in this run.
    pub pages: u64,
}

/// One run.
#[derive(Debug)]
pub struct CloseRun<'a> {
    progress: CloseProgress<'a>,
    clock: &'a Clock,
    day: Day,
    close: Timestamp,
    name: String,
    closed: AtomicU32,
}

impl<'a> CloseRun<'a> {
    /// Begins a run of the close of a day, or continues the close of this time.
    #[must_use]
    pub fn of(progress: CloseProgress<'a>, clock: &'a Clock, day: Day, close: Timestamp) -> Self {
        Self {
            progress,
            clock,
            day,
            close,
            name: new_correlation_id(),
            closed: AtomicU32::new(0),
        }
    }

    /// Takes the day, and closes the rest of each segment: `page` reads the page that starts at a place, and writes its rows.
    /// Returns the segments in their order.
    ///
    /// # Errors
    /// [`CloseFailure`]; another run continues where this one ended.
    pub async fn segments<T, F>(
        &self,
        page: impl Fn(Segment, Option<String>) -> F,
    ) -> Result<Vec<ClosedSegment<T>>, CloseFailure>
    where
        T: RunningSum,
        F: Future<Output = Result<ClosedPage<T>, Outage>>,
    {
        self.lease(LEASE).await?;
        let page = &page;
        stream::iter(0..SEGMENTS)
            .map(|number| self.segment(number, page))
            .buffered(AT_A_TIME)
            .try_collect()
            .await
    }

    /// Frees the day for the next close.
    ///
    /// # Errors
    /// [`CloseFailure`].
    pub async fn end(&self) -> Result<(), CloseFailure> {
        self.lease(Duration::ZERO).await
    }

    async fn lease(&self, span: Duration) -> Result<(), CloseFailure> {
        let now = self.clock.now();
        let leased = self.progress.lease(self.day, &self.name, now, now.plus(span)).await?;
        leased.map_err(CloseFailure::Leased)
    }

    async fn segment<T, F>(
        &self,
        number: u32,
        page: &impl Fn(Segment, Option<String>) -> F,
    ) -> Result<ClosedSegment<T>, CloseFailure>
    where
        T: RunningSum,
        F: Future<Output = Result<ClosedPage<T>, Outage>>,
    {
        let segment = Segment {
            day: self.day,
            close: self.close,
            number,
            of: SEGMENTS,
        };
        let mut checkpoint: Checkpoint<T> = self.progress.checkpoint(segment).await?;
        let mut pages = 0;
        while !checkpoint.done {
            let ClosedPage { totals, next } = page(segment, checkpoint.next.clone()).await?;
            let before = checkpoint.pages;
            checkpoint.totals.add_page(totals);
            checkpoint.pages += 1;
            checkpoint.done = next.is_none();
            checkpoint.next = next;
            if !self.progress.note(segment, before, &checkpoint).await? {
                // Another run has come further: its checkpoint counts, not this one's.
                checkpoint = self.progress.checkpoint(segment).await?;
            }
            pages += 1;
            self.lease(LEASE).await?;
        }
        // A large close takes minutes: its log shows how far it is.
        let closed = self.closed.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::info!(day = %self.day, closed, of = SEGMENTS, pages, "a segment of the day is closed");
        Ok(ClosedSegment {
            number,
            totals: checkpoint.totals,
            pages,
        })
    }
}
