//! What was used on closed days: per user ([`DayUse`]) and per tier ([`Totals`]). Written by the day's close alone, each row
//! overwritten and never added to, so that closing a day twice changes nothing.

pub mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::{Day, Timestamp};
use crate::ids::UserId;
use crate::plan::Tier;

/// For how many days a user's history is kept and shown.
pub const HISTORY_DAYS: u32 = 90;

/// What one user used on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayUse {
    /// Who.
    pub user: UserId,
    /// Under which plan, as of the last charge.
    pub tier: Tier,
    /// Units.
    pub used: u64,
    /// Whether some of them were admitted while the quota table was down, and came later: perhaps after a first close.
    pub late: bool,
}

/// One day of a user's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// `YYYY-MM-DD`.
    pub day: String,
    /// Units.
    pub used: u64,
}

/// What the users of each tier used together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Totals(BTreeMap<String, TierTotal>);

/// What the users of one tier used together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierTotal {
    /// How many of them used anything.
    pub users: u64,
    /// Units.
    pub units: u64,
}

impl Totals {
    /// Counts one user's day in.
    pub fn count(&mut self, day_use: &DayUse) {
        let total = self.0.entry(day_use.tier.to_string()).or_default();
        total.users += 1;
        total.units += day_use.used;
    }

    /// Adds other totals.
    pub fn add(&mut self, other: &Self) {
        for (tier, other) in &other.0 {
            let total = self.0.entry(tier.clone()).or_default();
            total.users += other.users;
            total.units += other.units;
        }
    }

    /// Over all tiers.
    #[must_use]
    pub fn sum(&self) -> TierTotal {
        self.0.values().fold(TierTotal::default(), |sum, total| TierTotal {
            users: sum.users + total.users,
            units: sum.units + total.units,
        })
    }
}

/// How far the close of a day has come in one segment of the scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many pages are done.
    pub pages: u64,
    /// Where the next page starts; `None` at the start, and when all is done.
    pub next: Option<String>,
    /// Whether the segment is done.
    pub done: bool,
    /// The totals of the pages that are done.
    pub totals: Totals,
}

/// Which part of the quota table a scan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Whose counters.
    pub day: Day,
    /// The close that reads it, by its schedule's own time: each counts the day anew.
    pub close: Timestamp,
    /// Its number, from 0.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}
