//! Quotas: what a charge asks for ([`Charge`]), and the rules that decide one.
//!
//! The rule of the day: a batch is admitted only as a whole, and only while `used + units <= limit`. The table decides that in
//! one conditional write ([`store`]); while it does not answer, one ledger for the fleet does ([`outage`]), and without that an
//! allowance in process ([`ledger`]).

pub mod counters;
pub mod fallback;
pub mod ledger;
pub mod outage;
pub mod outage_keys;
pub mod refund;
pub mod replay;
pub mod store;

use crate::clock::Day;
use crate::ids::UserId;
use crate::plan::{Meter, Tier};

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

    /// Returns the same charge of so many units.
    #[must_use]
    pub fn of(&self, units: u64) -> Self {
        Self { units, ..self.clone() }
    }
}
