//! The rows that users and operators read: one for each span of time and each key.

use super::LEVELS;
use super::breakdown::{Breakdown, Hours, LevelCounts};
use crate::clock::{Day, Timestamp};

/// The most days of a question for hours.
pub const MOST_DAYS_OF_HOURS: u32 = 31;

/// The most rows of a page, but for the rest of its last day: a year of a user who has a row for each of 50 applications on each
/// day is two pages.
pub const MOST_ROWS: usize = 10_000;

/// The span of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    /// Hours.
    Hour,
    /// Days (UTC).
    Day,
}

/// The meaning of a row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// An application.
    Application,
    /// A device of the user.
    Device,
    /// A level, `0` to `3`.
    Level,
}

/// A question for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowQuery {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// The span of a row.
    pub granularity: Granularity,
    /// The meaning of its key.
    pub by: Grouping,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsRow {
    /// The start of its span.
    pub start: Timestamp,
    /// Its key.
    pub key: String,
    /// Its counts.
    pub counts: LevelCounts,
}

/// Rows, and the day at which the next page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowsPage {
    /// In the order of their start, then of their key.
    pub rows: Vec<StatisticsRow>,
    /// The first day that they do not have, if there are more.
    pub next: Option<Day>,
}

impl RowsPage {
    /// Adds the rows of a day, of which `hours` or the whole is needed.
    pub fn add(&mut self, query: &RowQuery, day: Day, content: &DayContent) {
        match content {
            DayContent::Day(counted) => self.add_span(query, day.start(), counted),
            DayContent::Hours(hours) if query.granularity == Granularity::Day => {
                self.add_span(query, day.start(), &hours.day());
            }
            DayContent::Hours(Hours(hours)) => {
                for (hour, counted) in hours {
                    let start = day.start().millis() + i64::from(*hour) * 3_600_000;
                    self.add_span(query, Timestamp::from_millis(start), counted);
                }
            }
        }
    }

    fn add_span(&mut self, query: &RowQuery, start: Timestamp, counted: &Breakdown) {
        let mut add = |key: String, counts: LevelCounts| self.rows.push(StatisticsRow { start, key, counts });
        let names = match query.by {
            Grouping::Application => &counted.applications,
            Grouping::Device => &counted.devices,
            Grouping::Level => {
                for level in 0..LEVELS {
                    let counts = counted.total.of_level(level);
                    if counts != LevelCounts::default() {
                        add(level.to_string(), counts);
                    }
                }
                return;
            }
        };
        for (name, counts) in names {
            add(name.clone(), *counts);
        }
    }

    /// Returns true if no further day should be added.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.rows.len() >= MOST_ROWS
    }
}

/// The counts of a day as they are stored: by hour, or summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayContent {
    /// By hour.
    Hours(Hours),
    /// The sum.
    Day(Breakdown),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::kind::MarkKind;

    fn hours() -> Hours {
        let mut hours = Hours::default();
        for (hour, application, device, kind) in [
            (7, "b", "phone", 0),
            (7, "a", "phone", 6),
            (7, "a", "tablet", 0),
            (21, "a", "phone", 0),
        ] {
            let mut counted = Breakdown::default();
            counted.count(application, device, MarkKind::from_byte(kind).unwrap());
            hours.count(hour, &counted);
        }
        hours
    }

    #[test]
    fn rows_are_by_span_and_key() {
        let day = Day::parse("2026-11-30").unwrap();
        for (granularity, by, expected) in [
            (Granularity::Hour, Grouping::Application, "07 a 2, 07 b 1, 21 a 1"),
            (
                Granularity::Hour,
                Grouping::Device,
                "07 phone 2, 07 tablet 1, 21 phone 1",
            ),
            (Granularity::Day, Grouping::Application, "00 a 3, 00 b 1"),
            (Granularity::Day, Grouping::Level, "00 0 3, 00 2 1"),
        ] {
            let query = RowQuery {
                from: day,
                to: day,
                granularity,
                by,
            };
            let mut page = RowsPage::default();
            page.add(&query, day, &DayContent::Hours(hours()));
            let row =
                |row: &StatisticsRow| format!("{} {} {}", &row.start.to_string()[11..13], row.key, row.counts.total());
            let rows: Vec<String> = page.rows.iter().map(row).collect();
            assert_eq!(rows.join(", "), expected);
            if granularity == Granularity::Day {
                let mut of_sum = RowsPage::default();
                of_sum.add(&query, day, &DayContent::Day(hours().day()));
                assert_eq!(of_sum, page);
            }
        }
    }
}
