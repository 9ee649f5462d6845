//! Reads what was counted: closed days from their rows; today, and yesterday until it is closed, from table and open slots
//! together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use futures_util::future::try_join_all;
use serde::Serialize;

use super::breakdown::{Breakdown, CountsByName, Hours};
use super::marks::{Marks, union};
use super::rows::{DayContent, Granularity, RowQuery, RowsPage};
use super::slot::Slot;
use super::store::Statistics;
use super::table::RowOwner;
use super::{HISTORY_DAYS, LEVELS, MOST_APPLICATIONS, MOST_APPLICATIONS_IN_TOTAL, MOST_DEVICES, SHARDS};
use crate::clock::{Day, Timestamp};
use crate::error::Outage;
use crate::ids::UserId;

/// Days whose totals are read at a time: those of 16 shards are in memory together.
const DAYS_OF_TOTALS: u32 = 31;

/// The same where totals are by hour.
const DAYS_OF_HOURLY_TOTALS: u32 = 2;

impl Statistics {
    /// Returns a page of a user's rows. The second is true if the shared cache did not answer: the last minutes are missing.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn rows_of(&self, user: &UserId, query: &RowQuery, now: Timestamp) -> Result<(RowsPage, bool), Outage> {
        let (today, mut page) = (now.day(), RowsPage::default());
        let owner = RowOwner::User(user.clone());
        let last_closed = query.to.min(today.minus(1));
        let (mut from, mut yesterday_is_closed) = (query.from, false);
        while from <= last_closed {
            let (rows, next) = self.table.rows(&owner, query.granularity, from..=last_closed).await?;
            for (day, content) in rows {
                if page.is_full() {
                    page.next = Some(day);
                    return Ok((page, false));
                }
                page.add(query, day, &content);
                yesterday_is_closed |= day == today.minus(1);
            }
            from = next.unwrap_or_else(|| last_closed.next());
        }
        let mut cache_is_away = false;
        for day in [today.minus(1), today] {
            let is_closed = day < today && yesterday_is_closed;
            if day < query.from || day > query.to || is_closed {
                continue;
            }
            if page.is_full() {
                page.next = Some(day);
                break;
            }
            let (hours, away) = self.day_so_far(user, day, now).await?;
            page.add(query, day, &DayContent::Hours(hours));
            cache_is_away |= away;
        }
        Ok((page, cache_is_away))
    }

    /// Returns what was counted for a user on a day that is not closed. The second is true if the shared cache did not answer.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn day_so_far(&self, user: &UserId, day: Day, now: Timestamp) -> Result<(Hours, bool), Outage> {
        let slots: Vec<Slot> = Slot::all_of(day).filter(|slot| slot.start() <= now).collect();
        let own = self.own_parts(user, Slot::of(day.start()));
        // The cache first: what leaves it meanwhile is in the table already.
        let open = self.open_slots(user, &slots).await;
        let cache_is_away = open.is_err();
        let stored = self.table.parts_of(user, day).await?;
        let parts = stored.into_iter().map(|part| (part.slot, part.marks));
        let open = open.unwrap_or_default().into_iter().map(|open| (open.slot, open.marks));
        let own = own.into_iter().map(|own| (own.slot, own.marks));
        let parts = parts.chain(open).chain(own).filter(|(slot, _)| slot.day() == day);
        Ok((hours_of(parts), cache_is_away))
    }

    /// Returns a page of rows over all users, of closed days.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn totals(&self, query: &RowQuery) -> Result<RowsPage, Outage> {
        let at_a_time = match query.granularity {
            Granularity::Day => DAYS_OF_TOTALS,
            Granularity::Hour => DAYS_OF_HOURLY_TOTALS,
        };
        let (mut page, mut from) = (RowsPage::default(), query.from);
        while from <= query.to {
            if page.is_full() {
                page.next = Some(from);
                break;
            }
            let to = query.to.min(from.plus(at_a_time - 1));
            for (day, content) in self.totals_of(query.granularity, from, to).await? {
                page.add(query, day, &content);
            }
            from = to.next();
        }
        Ok(page)
    }

    async fn totals_of(
        &self,
        granularity: Granularity,
        from: Day,
        to: Day,
    ) -> Result<BTreeMap<Day, DayContent>, Outage> {
        let of_shards = (0..SHARDS).map(|shard| self.totals_of_shard(shard, granularity, from, to));
        let mut days: BTreeMap<Day, Hours> = BTreeMap::new();
        for (day, content) in try_join_all(of_shards).await?.into_iter().flatten() {
            let hours = match content {
                DayContent::Hours(hours) => hours,
                DayContent::Day(counted) => Hours([(0, counted)].into()),
            };
            days.entry(day).or_default().add_applications(&hours);
        }
        let capped = days.into_iter().map(|(day, mut hours)| {
            hours.cap(MOST_APPLICATIONS_IN_TOTAL, 0);
            match granularity {
                Granularity::Hour => (day, DayContent::Hours(hours)),
                Granularity::Day => (day, DayContent::Day(hours.day())),
            }
        });
        Ok(capped.collect())
    }

    async fn totals_of_shard(
        &self,
        shard: u32,
        granularity: Granularity,
        mut from: Day,
        to: Day,
    ) -> Result<Vec<(Day, DayContent)>, Outage> {
        let mut days = Vec::new();
        while from <= to {
            let (rows, next) = self.table.rows(&RowOwner::Total(shard), granularity, from..=to).await?;
            days.extend(rows);
            from = next.unwrap_or_else(|| to.next());
        }
        Ok(days)
    }
}

/// Counts the parts of a user's day: each observation once, in the hour of its slot.
#[must_use]
pub fn hours_of(parts: impl IntoIterator<Item = (Slot, Marks)>) -> Hours {
    let mut of_slots: BTreeMap<Slot, Vec<Marks>> = BTreeMap::new();
    for (slot, marks) in parts {
        of_slots.entry(slot).or_default().push(marks);
    }
    let mut hours = Hours::default();
    for (slot, parts) in of_slots {
        hours.count(slot.hour(), &union(&parts));
    }
    hours.cap(MOST_APPLICATIONS, MOST_DEVICES);
    hours
}

/// A day of a user as it is exported.
#[derive(Debug, Serialize)]
pub struct ExportedDay {
    /// `YYYY-MM-DD`.
    day: String,
    /// All, by level.
    #[serde(rename = "byLevel")]
    by_level: [u64; LEVELS],
    /// The same by application.
    applications: BTreeMap<String, [u64; LEVELS]>,
    /// The same by device.
    devices: BTreeMap<String, [u64; LEVELS]>,
}

impl ExportedDay {
    fn of(day: Day, counted: &Breakdown) -> Self {
        let by_name = |counts: &CountsByName| {
            counts
                .iter()
                .map(|(name, counts)| (name.clone(), counts.by_level()))
                .collect()
        };
        Self {
            day: day.to_string(),
            by_level: counted.total.by_level(),
            applications: by_name(&counted.applications),
            devices: by_name(&counted.devices),
        }
    }
}

impl Statistics {
    /// Returns each day of a user that is kept, the oldest first.
    ///
    /// # Errors
    /// When the table is down.
    pub async fn export(&self, user: &UserId, now: Timestamp) -> Result<Vec<ExportedDay>, Outage> {
        let (today, owner) = (now.day(), RowOwner::User(user.clone()));
        let (mut days, mut from) = (BTreeMap::new(), today.minus(HISTORY_DAYS));
        while from < today {
            let (rows, next) = self.table.rows(&owner, Granularity::Day, from..=today.minus(1)).await?;
            for (day, content) in rows {
                let counted = match content {
                    DayContent::Day(counted) => counted,
                    DayContent::Hours(hours) => hours.day(),
                };
                days.insert(day, counted);
            }
            from = next.unwrap_or(today);
        }
        for day in [today.minus(1), today] {
            if let Entry::Vacant(open) = days.entry(day) {
                let (hours, _) = self.day_so_far(user, day, now).await?;
                open.insert(hours.day());
            }
        }
        days.retain(|_, counted| counted.total.total() > 0);
        Ok(days
            .iter()
            .map(|(day, counted)| ExportedDay::of(*day, counted))
            .collect())
    }
}
