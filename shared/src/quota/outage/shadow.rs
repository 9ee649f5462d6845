//! The shadow of each day's count in the limits' cache. It keeps admission exact over the fleet while the quota table
//! is down.
//!
//! A charge joins it in the round trip of the limits, before it asks the table. So it counts at least the units that
//! the table has admitted. While the table is down, a charge is admitted if all units that joined are within 80 % of
//! the limit, and stays in the count. A cache that has forgotten the day is not relied on until a charge has reported
//! the table's count.

use std::time::Duration;

use redis::Value;

use crate::clock::Timestamp;
use crate::plan::conservative_share;
use crate::quota::{Charge, Counter};
use crate::valkey::{Failure, Invocation, Script, Valkey};

/// The Lua functions by which the script of the limits reserves units.
pub const RESERVE: &str = include_str!("shadow.lua");

/// How long after its day a count is kept: for requests that cross midnight, and clocks that differ.
const KEPT_AFTER_ITS_DAY: Duration = Duration::from_hours(1);

/// Units to be added to the count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The count's key.
    pub key: String,
    /// The number of units.
    pub units: u64,
    /// How long the count is kept.
    pub kept: Duration,
}

/// Units that were added to the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// True if the count includes the table's count from before.
    pub known: bool,
}

/// The answer to a charge that the shadow decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Admitted; the units used now.
    Done(u64),
    /// There is no room.
    Full,
    /// The table's count is unknown.
    Unknown,
}

/// The shadow counts.
#[derive(Debug)]
pub struct Shadow {
    valkey: Valkey,
    admit: Script,
    learn: Script,
}

impl Booking {
    /// Returns the booking of units of a counter.
    #[must_use]
    pub fn of(counter: &Counter, units: u64, now: Timestamp) -> Self {
        Self {
            key: key(counter),
            units,
            kept: counter.day.next().start().plus(KEPT_AFTER_ITS_DAY).since(now),
        }
    }
}

impl Shadow {
    /// Keeps the counts in `valkey`.
    #[must_use]
    pub fn new(valkey: Valkey) -> Self {
        let script = |body: &str| Script::new([RESERVE, body].concat());
        Self {
            valkey,
            admit: script(include_str!("admit.lua")),
            learn: script(include_str!("learn.lua")),
        }
    }

    /// Admits a charge that was reserved, without the table.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn admit(&self, charge: &Charge) -> Result<Admission, Failure> {
        let most = conservative_share(charge.limit, 1);
        let admit = self.admit.on([key(&charge.counter)]).with(charge.units).with(most);
        Ok(match self.number(admit).await? {
            -1 => Admission::Full,
            used => u64::try_from(used).map_or(Admission::Unknown, Admission::Done),
        })
    }

    /// Adds the `others` units that the table counted before the cache knew of the day.
    ///
    /// # Errors
    /// [`Failure`]: then the next charge does.
    pub async fn learn(&self, counter: &Counter, others: u64) -> Result<(), Failure> {
        self.number(self.learn.on([key(counter)]).with(others)).await?;
        Ok(())
    }

    /// Forgets a count, because its counter was set to zero.
    ///
    /// # Errors
    /// [`Failure`]: then it stays too careful.
    pub async fn forget(&self, counter: &Counter) -> Result<(), Failure> {
        let mut commands = redis::pipe();
        commands.cmd("DEL").arg(key(counter));
        self.valkey.ask(&commands).await?;
        Ok(())
    }

    async fn number(&self, invocation: Invocation<'_>) -> Result<i64, Failure> {
        match self.valkey.run(&[invocation]).await?.first() {
            Some(Value::Int(number)) => Ok(*number),
            _ => Ok(-2),
        }
    }
}

/// In the slot of the user's other keys.
fn key(counter: &Counter) -> String {
    format!("day:{{{}}}:{}#{}", counter.user, counter.meter, counter.day)
}
