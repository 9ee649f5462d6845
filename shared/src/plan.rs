//! Plans: how much each tier may use of each meter, and how much of a day is used. Defaults come from the environment;
//! [`store`] lays the settings table's over them.

pub mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The name of a plan, such as `free` or `pro`: 1–32 of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Tier(Arc<str>);

impl Tier {
    /// The tier of a newly registered user.
    #[must_use]
    pub fn free() -> Self {
        Self(Arc::from("free"))
    }

    /// The better of the two tiers that there are by default.
    #[must_use]
    pub fn pro() -> Self {
        Self(Arc::from("pro"))
    }

    /// `name` as a tier, if it may be one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let fits = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Self(Arc::from(name)))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is counted. Keys of counters carry its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Meter {
    /// Posts judged by classify.
    Posts,
}

impl Meter {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Posts];
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posts => f.write_str("posts"),
        }
    }
}

/// What a plan allows of one meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allowance {
    /// Units in a UTC day.
    pub per_day: u64,
    /// Units in any 60 seconds.
    pub per_minute: u64,
}

/// What one tier may use, by meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan(BTreeMap<Meter, Allowance>);

impl Plan {
    /// The smallest `perMinute` that a plan may have: one full batch.
    const LEAST_PER_MINUTE: u64 = 50;

    /// The most units that a plan may give: far beyond any use, and exact in every JSON reader (below 2^53).
    const MOST: u64 = 1_000_000_000_000;

    fn posts(per_day: u64, per_minute: u64) -> Self {
        Self(BTreeMap::from([(Meter::Posts, Allowance { per_day, per_minute })]))
    }

    /// Reads a plan from JSON such as `{"posts":{"perDay":1000,"perMinute":50}}`.
    ///
    /// # Errors
    /// What is wrong, in words: not of this form, or a figure out of bounds.
    pub fn parse(json: &str) -> Result<Self, String> {
        let plan: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        plan.check()?;
        Ok(plan)
    }

    /// This plan, if its figures are within bounds.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn checked(self) -> Result<Self, String> {
        self.check().map(|()| self)
    }

    fn check(&self) -> Result<(), String> {
        let posts = self.0.get(&Meter::Posts).ok_or("it has no figures for posts")?;
        if posts.per_minute < Self::LEAST_PER_MINUTE {
            return Err(format!("perMinute must be at least {}", Self::LEAST_PER_MINUTE));
        }
        if posts.per_day > Self::MOST || posts.per_minute > Self::MOST {
            return Err(format!("a figure is beyond {}", Self::MOST));
        }
        Ok(())
    }
}

/// The plans of all tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans(BTreeMap<Tier, Plan>);

impl Default for Plans {
    /// Free: 1,000 posts a day, 50 a minute. Pro: 50,000 and 500.
    fn default() -> Self {
        Self(BTreeMap::from([
            (Tier::free(), Plan::posts(1_000, 50)),
            (Tier::pro(), Plan::posts(50_000, 500)),
        ]))
    }
}

impl Plans {
    /// Reads plans from JSON such as `{"free":{"posts":{"perDay":1000,"perMinute":50}}}`.
    ///
    /// # Errors
    /// What is wrong, in words: not of this form, a tier named badly, no `free`, a figure out of bounds.
    pub fn parse(json: &str) -> Result<Self, String> {
        let named: BTreeMap<String, Plan> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let mut plans = BTreeMap::new();
        for (name, plan) in named {
            let tier = Tier::parse(&name).ok_or_else(|| format!("{name:?} cannot be the name of a tier"))?;
            plan.check().map_err(|problem| format!("{name}: {problem}"))?;
            plans.insert(tier, plan);
        }
        if !plans.contains_key(&Tier::free()) {
            return Err("there must be a plan for the tier free".to_owned());
        }
        Ok(Self(plans))
    }

    /// These plans, with that of `tier` made or replaced.
    #[must_use]
    pub fn with(mut self, tier: Tier, plan: Plan) -> Self {
        self.0.insert(tier, plan);
        self
    }

    /// The plan of a tier, if it has one of its own.
    #[must_use]
    pub fn of(&self, tier: &Tier) -> Option<&Plan> {
        self.0.get(tier)
    }

    /// What `tier` may use of `meter`. A tier without a plan of its own has that of `free`; a meter without figures allows nothing.
    #[must_use]
    pub fn allowance(&self, tier: &Tier, meter: Meter) -> Allowance {
        self.of(tier)
            .or_else(|| self.of(&Tier::free()))
            .and_then(|plan| plan.0.get(&meter))
            .copied()
            .unwrap_or(Allowance {
                per_day: 0,
                per_minute: 0,
            })
    }
}

/// How much of a day is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Under which plan.
    pub tier: Tier,
    /// Units used.
    pub used: u64,
    /// Units allowed.
    pub limit: u64,
    /// When the next day starts.
    pub reset_at: Timestamp,
}

impl Usage {
    /// Units left; none when more is used than is allowed, as after a change to a smaller plan.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_and_found_by_tier() {
        let plans = Plans::parse(
            r#"{"free":{"posts":{"perDay":10,"perMinute":50}},"team-2":{"posts":{"perDay":99,"perMinute":60}}}"#,
        )
        .unwrap();
        let per_day = |tier: &str| plans.allowance(&Tier::parse(tier).unwrap(), Meter::Posts).per_day;
        assert_eq!(per_day("team-2"), 99);
        assert_eq!(per_day("free"), 10);
        assert_eq!(per_day("gone"), 10);
    }

    #[test]
    fn the_largest_plan_is_a_plan() {
        for figures in [
            r#""perDay":1000000000000,"perMinute":50"#,
            r#""perDay":1,"perMinute":1000000000000"#,
        ] {
            assert!(
                Plan::parse(&format!(r#"{{"posts":{{{figures}}}}}"#)).is_ok(),
                "{figures}"
            );
        }
        assert!(Plan::parse(r#"{"posts":{"perDay":1,"perMinute":1000000000001}}"#).is_err());
    }

    #[test]
    fn plans_that_cannot_be_meant_are_refused() {
        for (json, words) in [
            ("[]", "invalid type"),
            (r#"{"pro":{"posts":{"perDay":10,"perMinute":50}}}"#, "tier free"),
            (r#"{"free":{}}"#, "no figures for posts"),
            (r#"{"free":{"posts":{"perDay":10,"perMinute":49}}}"#, "at least 50"),
            (r#"{"free":{"posts":{"perDay":-1,"perMinute":50}}}"#, "invalid value"),
            (
                r#"{"free":{"posts":{"perDay":1,"perMinute":50,"perHour":2}}}"#,
                "unknown field",
            ),
            (r#"{"free":{"prayers":{"perDay":1,"perMinute":50}}}"#, "unknown variant"),
            (r#"{"Free!":{"posts":{"perDay":1,"perMinute":50}}}"#, "name of a tier"),
            (
                r#"{"free":{"posts":{"perDay":10000000000000,"perMinute":50}}}"#,
                "beyond",
            ),
        ] {
            let problem = Plans::parse(json).unwrap_err();
            assert!(problem.contains(words), "{json}: {problem}");
        }
    }
}
