//! Quotas: what a plan allows ([`plans`]), what a charge asks for ([`Charge`]), and the rules that decide one.
//!
//! The rule of the day: a batch is admitted only as a whole, and only while `used + units <= limit`. The table decides that in
//! one conditional write ([`store`]); while it does not answer, an allowance in process does ([`ledger`]).

pub mod counters;
pub mod ledger;
pub mod plans;
pub mod replay;
pub mod store;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Day, Timestamp};
use crate::identity::UserId;

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

/// Whose counter, of what, on which day.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Counter {
    /// The user.
    pub user: UserId,
    /// What is counted.
    pub meter: Meter,
    /// The UTC day.
    pub day: Day,
}

/// A wish to use `units` of a counter up to `limit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Which counter.
    pub counter: Counter,
    /// The tier, kept beside the count for the day's close.
    pub tier: Tier,
    /// How many units, at least 1.
    pub units: u64,
    /// The most that the counter may reach.
    pub limit: u64,
}

impl Charge {
    /// The most that may have been used before for this charge to fit; `None` when it can never fit.
    #[must_use]
    pub const fn room(&self) -> Option<u64> {
        self.limit.checked_sub(self.units)
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
