//! Use of closed days: of each user ([`DayUse`]) and of each tier ([`Totals`]), by meter. Only the day's close writes it. It
//! overwrites each row and never adds to one, so that closing a day twice changes nothing.

pub mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::closing::RunningSum;
use crate::ids::UserId;
use crate::money::Tokens;
use crate::plan::{Meter, Tier};

/// Days for which a user's history is kept and shown.
pub const HISTORY_DAYS: u32 = 90;

/// One user's use of one meter on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayUse {
    /// The user.
    pub user: UserId,
    /// The meter.
    pub meter: Meter,
    /// The plan, as of the last charge.
    pub tier: Tier,
    /// Units.
    pub used: u64,
    /// Of which kind, where the meter has kinds.
    pub tokens: Option<Tokens>,
    /// True if some of them came after their day, or may yet: perhaps after a first close.
    pub late: bool,
}

/// One day of a user's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// `YYYY-MM-DD`.
    pub day: String,
    /// By meter; only those that were used.
    pub meters: BTreeMap<String, MeterUse>,
}

/// One meter on one day of a user's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MeterUse {
    /// Units.
    pub used: u64,
    /// Of which kind, where the meter has kinds.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

/// A row of a user's history, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `YYYY-MM-DD`.
    pub day: String,
    /// The meter's name.
    pub meter: String,
    /// Units.
    pub used: u64,
    /// Of which kind, where the meter has kinds.
    pub tokens: Option<Tokens>,
}

/// Puts the meters of each day together; the days keep their order.
#[must_use]
pub fn history(rows: impl IntoIterator<Item = Row>) -> Vec<HistoryEntry> {
    let mut days: Vec<HistoryEntry> = Vec::new();
    for Row {
        day,
        meter,
        used,
        tokens,
    } in rows
    {
        let entry = (meter, MeterUse { used, tokens });
        match days.last_mut().filter(|last| last.day == day) {
            Some(last) => last.meters.extend([entry]),
            None => days.push(HistoryEntry {
                day,
                meters: BTreeMap::from([entry]),
            }),
        }
    }
    days
}

/// Use by meter. Meters are names here, so that one version can read the counts of another, even of a meter that it does not
/// know.
pub type ByMeter = BTreeMap<String, MeterTotal>;

/// Use of each tier, by meter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Totals(BTreeMap<String, ByMeter>);

/// Use of one meter by several users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterTotal {
    /// The number of them who used it.
    pub users: u64,
    /// Units.
    pub units: u64,
}

impl MeterTotal {
    const fn add(&mut self, other: Self) {
        self.users += other.users;
        self.units += other.units;
    }
}

impl Totals {
    /// Adds one user's use of one meter.
    pub fn count(&mut self, day_use: &DayUse) {
        let DayUse { tier, meter, used, .. } = day_use;
        let meters = self.0.entry(tier.to_string()).or_default();
        let one = MeterTotal { users: 1, units: *used };
        meters.entry(meter.to_string()).or_default().add(one);
    }

    /// Sums up each meter over all tiers.
    #[must_use]
    pub fn by_meter(&self) -> ByMeter {
        let mut sums = ByMeter::new();
        for (meter, total) in self.0.values().flatten() {
            sums.entry(meter.clone()).or_default().add(*total);
        }
        sums
    }
}

impl RunningSum for Totals {
    fn add_page(&mut self, page: Self) {
        for (tier, meters) in page.0 {
            let own = self.0.entry(tier).or_default();
            for (meter, total) in meters {
                own.entry(meter).or_default().add(total);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn totals_are_by_tier_and_meter_and_no_meter_is_added_to_another() {
        let day_use = |tier, meter, used| DayUse {
            user: UserId::random().unwrap(),
            meter,
            tier,
            used,
            tokens: None,
            late: false,
        };
        let (mut some, mut others) = (Totals::default(), Totals::default());
        some.count(&day_use(Tier::free(), Meter::Posts, 3));
        some.count(&day_use(Tier::free(), Meter::Tokens, 4_000));
        others.count(&day_use(Tier::free(), Meter::Posts, 5));
        others.count(&day_use(Tier::pro(), Meter::Posts, 7));
        some.add_page(others);
        let posts = |users: u64, units: u64| json!({"users": users, "units": units});
        assert_eq!(
            json!(some),
            json!({
                "free": {"posts": posts(2, 8), "tokens": posts(1, 4_000)}, "pro": {"posts": posts(1, 7)},
            })
        );
        assert_eq!(
            json!(some.by_meter()),
            json!({"posts": posts(3, 15), "tokens": posts(1, 4_000)})
        );
    }

    #[test]
    fn a_day_of_history_has_all_of_its_meters() {
        let row = |day: &str, meter: &str, used| Row {
            day: day.to_owned(),
            meter: meter.to_owned(),
            used,
            tokens: (meter == "tokens").then_some(Tokens { input: 7, output: 2 }),
        };
        let rows = [
            row("2100-03-01", "images", 2),
            row("2100-03-01", "posts", 3),
            row("2100-03-04", "posts", 5),
            row("2100-03-04", "tokens", 9),
        ];
        assert_eq!(
            json!(history(rows)),
            json!([
                {"day": "2100-03-01", "meters": {"images": {"used": 2}, "posts": {"used": 3}}},
                {"day": "2100-03-04", "meters": {
                    "posts": {"used": 5}, "tokens": {"used": 9, "input": 7, "output": 2}}},
            ])
        );
    }
}
