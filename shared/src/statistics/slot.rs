//! Slots of five minutes (UTC), and the shards of users.

use std::fmt;

use super::SHARDS;
use crate::clock::{Day, Timestamp};
use crate::digest;
use crate::ids::UserId;

const MILLIS: i64 = 5 * 60 * 1000;

const PER_HOUR: i64 = 12;

const PER_DAY: i64 = 24 * PER_HOUR;

/// Five minutes, by their number since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(i64);

impl Slot {
    /// Returns the slot of a moment.
    #[must_use]
    pub const fn of(at: Timestamp) -> Self {
        Self(at.millis().div_euclid(MILLIS))
    }

    /// Returns the slot of a number.
    #[must_use]
    pub const fn numbered(number: i64) -> Self {
        Self(number)
    }

    /// Returns its number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Returns its first moment.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(MILLIS))
    }

    /// Returns the slot so many later.
    #[must_use]
    pub const fn plus(self, slots: i64) -> Self {
        Self(self.0.saturating_add(slots))
    }

    /// Returns the slot after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns the slot before it.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Returns its UTC day.
    #[must_use]
    pub fn day(self) -> Day {
        self.start().day()
    }

    /// Returns its hour of the day, 0..24.
    #[must_use]
    pub fn hour(self) -> u8 {
        // Below 24.
        u8::try_from(self.0.rem_euclid(PER_DAY) / PER_HOUR).unwrap_or(0)
    }

    /// Returns true if no moment of it is to come.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        self.next().start() <= now
    }

    /// Returns the slots of a day.
    pub fn all_of(day: Day) -> impl Iterator<Item = Self> {
        let first = Self::of(day.start()).0;
        (first..first + PER_DAY).map(Self)
    }

    /// Returns the slot of a day that begins at a time of day such as `18:05`.
    #[must_use]
    pub fn parse(day: Day, time: &str) -> Option<Self> {
        let slot = Self::of(Timestamp::parse(&format!("{day}T{time}:00Z"))?);
        (slot.to_string() == time).then_some(slot)
    }
}

impl fmt::Display for Slot {
    /// The time of day at which it begins, such as `18:05`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = self.0.rem_euclid(PER_DAY);
        write!(f, "{:02}:{:02}", of_day / PER_HOUR, of_day % PER_HOUR * 5)
    }
}

/// Returns the shard of a user.
#[must_use]
pub fn shard(user: &UserId) -> u32 {
    u32::from(digest::sha256(user.as_str().as_bytes())[0]) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_five_minutes_of_one_day_and_hour() {
        for (moment, time, hour, over_at) in [
            ("2026-11-30T00:00:00Z", "00:00", 0, "2026-11-30T00:05:00Z"),
            ("2026-11-30T18:09:59.999Z", "18:05", 18, "2026-11-30T18:10:00Z"),
            ("2026-11-30T23:59:59Z", "23:55", 23, "2026-12-01T00:00:00Z"),
        ] {
            let (moment, over_at) = (Timestamp::parse(moment).unwrap(), Timestamp::parse(over_at).unwrap());
            let slot = Slot::of(moment);
            assert_eq!((slot.to_string().as_str(), slot.hour()), (time, hour));
            assert_eq!(slot.day(), moment.day());
            assert!(!slot.is_over(Timestamp::from_millis(over_at.millis() - 1)) && slot.is_over(over_at));
            assert_eq!(Slot::parse(moment.day(), time), Some(slot));
        }
        let day = Day::parse("2026-11-30").unwrap();
        assert_eq!(Slot::all_of(day).count(), 288);
        assert!(Slot::all_of(day).all(|slot| slot.day() == day));
        assert_eq!(Slot::parse(day, "18:07"), None, "none begins then");
    }

    #[test]
    fn users_are_in_all_shards() {
        let mut seen = [false; SHARDS as usize];
        for _ in 0..1000 {
            seen[shard(&UserId::random().unwrap()) as usize] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
