//! Quotas: what a charge asks for ([`Charge`]), and the rules that decide one.
//!
//! The rule of the day: a batch is admitted only as a whole, and only while `used + units <= limit`. The table decides that in
//! one conditional write ([`store`]); while it does not answer, a shadow count in the limits' cache does, and without that a
//! share in process ([`outage`]).

mod charged;
mod counter_item;
pub mod hold_table;
pub mod holds;
pub mod idempotency;
pub mod idempotency_table;
pub mod outage;
pub mod receipt;
pub mod refund;
pub mod reserve;
pub mod run_table;
pub mod store;
pub mod table;

use crate::clock::{Day, Timestamp};
use crate::ids::UserId;
use crate::plan::{Meter, Tier};

/// The name of a counter: user, meter and day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// The user.
    pub user: UserId,
    /// The meter.
    pub meter: Meter,
    /// The UTC day.
    pub day: Day,
}

impl Counter {
    /// Returns today's counter of a user's meter.
    #[must_use]
    pub fn today(user: &UserId, meter: Meter, now: Timestamp) -> Self {
        Self {
            user: user.clone(),
            meter,
            day: now.day(),
        }
    }
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
