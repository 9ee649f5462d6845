//! Questions for statistics and their answers, for users and for admins.

use serde::Serialize;

use super::Call;
use crate::clock::Day;
use crate::error::{Error, Violation};
use crate::statistics::breakdown::LevelCounts;
use crate::statistics::rows::{Granularity, Grouping, MOST_DAYS_OF_HOURS, RowQuery, RowsPage, StatisticsRow};
use crate::statistics::{HISTORY_DAYS, LEVELS};
use crate::telemetry::Degraded;

/// Rows, as they are answered.
#[derive(Serialize)]
pub struct StatisticsResponse<'a> {
    granularity: &'static str,
    by: &'static str,
    rows: Vec<RowResponse<'a>>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    degraded: &'a [Degraded],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowResponse<'a> {
    start: String,
    key: &'a str,
    #[serde(flatten)]
    counts: CountsResponse,
}

/// Counts as they are answered, and exported.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CountsResponse {
    detections: u64,
    by_level: [u64; LEVELS],
    similar: u64,
    failed_open: u64,
}

impl From<&LevelCounts> for CountsResponse {
    fn from(counts: &LevelCounts) -> Self {
        Self {
            detections: counts.total(),
            by_level: counts.by_level(),
            similar: counts.similar(),
            failed_open: counts.failed_open(),
        }
    }
}

impl<'a> StatisticsResponse<'a> {
    /// Returns the answer to a question; `degraded` says what it may miss.
    #[must_use]
    pub fn of(query: &RowQuery, page: &'a RowsPage, degraded: &'a [Degraded]) -> Self {
        let row = |row: &'a StatisticsRow| RowResponse {
            start: row.start.to_string(),
            key: &row.key,
            counts: CountsResponse::from(&row.counts),
        };
        Self {
            granularity: match query.granularity {
                Granularity::Hour => "hour",
                Granularity::Day => "day",
            },
            by: match query.by {
                Grouping::Application => "application",
                Grouping::Device => "device",
                Grouping::Level => "level",
            },
            rows: page.rows.iter().map(row).collect(),
            next: page.next.map(|day| day.to_string()),
            degraded,
        }
    }
}

/// Reads a question from the query: `from`, `to`, `granularity`, `by` and `cursor`, each at most once. Without them it asks for
/// today, by day and level.
///
/// # Errors
/// [`Error::Invalid`] with a violation for each parameter at fault; `has_devices` is false where no device is told apart.
pub fn row_query(call: &Call, has_devices: bool) -> Result<RowQuery, Error> {
    let mut violations = Vec::new();
    let today = call.now.day();
    let granularity = choice(
        call,
        "granularity",
        &[("day", Granularity::Day), ("hour", Granularity::Hour)],
        &mut violations,
    );
    let keys = [
        ("level", Grouping::Level),
        ("application", Grouping::Application),
        ("device", Grouping::Device),
    ];
    let keys = if has_devices { &keys[..] } else { &keys[..2] };
    let by = choice(call, "by", keys, &mut violations);
    let to = day(call, "to", &mut violations).unwrap_or(today);
    let from = day(call, "from", &mut violations).unwrap_or(to);
    let cursor = day(call, "cursor", &mut violations).unwrap_or(from);
    if violations.is_empty() {
        let most = match granularity {
            Granularity::Hour => MOST_DAYS_OF_HOURS,
            Granularity::Day => HISTORY_DAYS,
        };
        if from > to {
            violations.push(Violation::at("?from", "must not be after to"));
        } else if from < today.minus(HISTORY_DAYS) {
            let first = today.minus(HISTORY_DAYS);
            violations.push(Violation::at("?from", format!("must be {first} or later")));
        } else if from < to.minus(most - 1) {
            violations.push(Violation::at("?from", format!("must be within {most} days before to")));
        } else if cursor < from || cursor > to {
            violations.push(Violation::at("?cursor", "must be the next of the page before"));
        }
    }
    if violations.is_empty() {
        Ok(RowQuery {
            from: cursor,
            to,
            granularity,
            by,
        })
    } else {
        Err(Error::Invalid(violations))
    }
}

fn day(call: &Call, name: &str, violations: &mut Vec<Violation>) -> Option<Day> {
    let read = match call.query(name).as_slice() {
        [] => return None,
        [text] => Day::parse(text),
        _ => None,
    };
    if read.is_none() {
        let detail = "must be a day such as 2026-11-21, at most once";
        violations.push(Violation::at(format!("?{name}"), detail));
    }
    read
}

/// Reads one of some names; the first if there is none.
fn choice<T: Copy>(call: &Call, name: &str, of: &[(&str, T)], violations: &mut Vec<Violation>) -> T {
    let values = call.query(name);
    let found = match values.as_slice() {
        [] => of.first(),
        [value] => of.iter().find(|(known, _)| known == value),
        _ => None,
    };
    if found.is_none() {
        let names: Vec<&str> = of.iter().map(|(known, _)| *known).collect();
        let detail = format!("must be one of {}, at most once", names.join(", "));
        violations.push(Violation::at(format!("?{name}"), detail));
    }
    found.unwrap_or(&of[0]).1
}
