//! The close of a day's statistics: its slots become rows of hours and of the day for each user, and totals for each shard.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::MOST_APPLICATIONS_IN_TOTAL;
use super::breakdown::{Breakdown, Hours};
use super::history::hours_of;
use super::rows::Granularity;
use super::store::Statistics;
use super::table::{RowOwner, StoredPart, UserDay};
use crate::clock::{Clock, Day, Timestamp};
use crate::closing::run::{CloseFailure, CloseRun, ClosedPage, ClosedSegment};
use crate::closing::{RunningSum, Segment};
use crate::error::Outage;
use crate::ids::UserId;

/// Writes at a time, of one page.
const WRITES_AT_A_TIME: usize = 8;

/// Users per write, each of two rows.
const USERS_PER_WRITE: usize = 12;

/// How long after a day its parts may come without a further close having to write the user's rows again: the first close of
/// the night reads later than this.
const LATE_AFTER: Duration = Duration::from_mins(10);

/// The sum of a shard's pages.
impl RunningSum for Hours {
    fn add_page(&mut self, page: Self) {
        self.add_applications(&page);
        self.cap(MOST_APPLICATIONS_IN_TOTAL, 0);
    }
}

/// The result of a close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRollup {
    /// Counts over all users.
    pub total: Breakdown,
    /// Pages read in this run; none if an earlier run had read them all.
    pub pages: u64,
}

impl Statistics {
    /// Closes a day, or continues the close of this time. Another time counts the day again: parts may have come since.
    ///
    /// # Errors
    /// [`CloseFailure`]; another run continues where this one ended.
    pub async fn roll_up(&self, clock: &Clock, day: Day, close: Timestamp) -> Result<DayRollup, CloseFailure> {
        // Each close writes the totals of all shards at its end. After that, only rows with late parts change.
        let (totals, _) = self
            .table()
            .rows(&RowOwner::Total(0), Granularity::Day, day..=day)
            .await?;
        let closed_before = !totals.is_empty();
        let run = CloseRun::of(self.table().closes(), clock, day, close);
        let shards: Vec<ClosedSegment<Hours>> = run
            .segments(|segment, from| self.roll_up_page(segment, from, closed_before))
            .await?;
        let mut closed = DayRollup {
            total: Breakdown::default(),
            pages: 0,
        };
        // Shard 0 is the last: its row says that the day is closed.
        for shard in shards.iter().rev() {
            if !self
                .table()
                .write_totals(day, shard.number, close, &shard.totals)
                .await?
            {
                tracing::warn!(%day, %close, "a later close has counted this day already");
            }
            closed.total.add(&shard.totals.day());
            closed.pages += shard.pages;
        }
        run.end().await?;
        Ok(closed)
    }

    async fn roll_up_page(
        &self,
        segment: Segment,
        from: Option<String>,
        closed_before: bool,
    ) -> Result<ClosedPage<Hours>, Outage> {
        let Segment { day, number, .. } = segment;
        let (users, next) = self.table().users(day, number, from.as_deref()).await?;
        let (mut totals, mut rows) = (Hours::default(), Vec::with_capacity(users.len()));
        for UserDay { user, parts } in users {
            let is_late = parts.iter().any(|part| part.at >= day.next().start().plus(LATE_AFTER));
            let hours = hours_of(parts.into_iter().map(|StoredPart { slot, marks, .. }| (slot, marks)));
            totals.add_applications(&hours);
            if is_late || !closed_before {
                rows.push((user, hours));
            }
        }
        let writes: Vec<Vec<(UserId, Hours)>> = rows.chunks(USERS_PER_WRITE).map(<[_]>::to_vec).collect();
        stream::iter(writes)
            .map(|rows| async move { self.table().write_rows(day, &rows).await })
            .buffer_unordered(WRITES_AT_A_TIME)
            .try_collect::<()>()
            .await?;
        Ok(ClosedPage { totals, next })
    }
}
