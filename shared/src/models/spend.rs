//! The money that may still be spent on models today. [`store`] counts what has been spent, in the settings table; [`slice_store`]
//! counts it by user and by source, each of which has a slice of the day's limit ([`slices`]).

pub mod slice_store;
pub mod slices;
pub mod store;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::money::Money;

/// From this part of the limit on, plans with a better model get the cheap one.
const REDUCED_FROM_PERCENT: u64 = 80;

/// Up to this part of the limit, what was read a while ago is good enough.
const RELAXED_BELOW_PERCENT: u64 = 50;

/// How old what was read may be below that part.
const RELAXED_LOOK: Duration = Duration::from_secs(5);

/// And above it: calls that begin so close together count as in flight together.
const CLOSE_LOOK: Duration = Duration::from_millis(100);

/// The calls that a day's spending still allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Budget {
    /// Every chain.
    Whole,
    /// The cheap chain, for every plan.
    Reduced,
    /// No call that costs money.
    Spent,
}

impl Budget {
    /// Returns what `spent` leaves of `limit`.
    #[must_use]
    pub fn of(limit: Money, spent: Money) -> Self {
        if spent >= limit {
            Self::Spent
        } else if spent >= limit.percent(REDUCED_FROM_PERCENT) {
            Self::Reduced
        } else {
            Self::Whole
        }
    }
}

/// Reports whether the counters should be read again before a call, when they were read at `read_at` and said `spent`. Once the limit is
/// reached, never: within a day they only grow.
#[must_use]
pub fn should_look(limit: Money, spent: Money, read_at: Option<Timestamp>, now: Timestamp) -> bool {
    let good_for = if spent >= limit.percent(RELAXED_BELOW_PERCENT) {
        CLOSE_LOOK
    } else {
        RELAXED_LOOK
    };
    match read_at {
        None => true,
        Some(at) => spent < limit && (now < at || now.since(at) >= good_for),
    }
}

/// Returns the most that one process may spend while the counters cannot be read: its share of what was left.
#[must_use]
pub const fn blind_limit(limit: Money, spent: Money, fleet_size: u32) -> Money {
    limit.minus(spent).share(fleet_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Money = Money::from_nanos(1_000);

    #[test]
    fn four_fifths_reduce_and_the_whole_limit_ends_it() {
        for (spent, expected) in [
            (0, Budget::Whole),
            (799, Budget::Whole),
            (800, Budget::Reduced),
            (999, Budget::Reduced),
            (1_000, Budget::Spent),
            (1_001, Budget::Spent),
        ] {
            assert_eq!(Budget::of(LIMIT, Money::from_nanos(spent)), expected, "{spent}");
        }
        assert_eq!(Budget::of(Money::default(), Money::default()), Budget::Spent);
    }

    #[test]
    fn counters_are_read_the_more_often_the_closer_the_limit() {
        let at = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
        for (spent, age, expected) in [
            (0, 4_999, false),
            (0, 5_000, true),
            (499, 4_999, false),
            (500, 99, false),
            (500, 100, true),
            (999, 100, true),
            (1_000, 60_000, false),
            (0, -1, true),
        ] {
            let look = should_look(LIMIT, Money::from_nanos(spent), Some(at(0)), at(age));
            assert_eq!(look, expected, "{spent} after {age} ms");
        }
        assert!(should_look(LIMIT, Money::default(), None, at(0)));
    }

    #[test]
    fn who_cannot_see_the_counters_spends_its_share_alone() {
        assert_eq!(blind_limit(LIMIT, Money::from_nanos(400), 10), Money::from_nanos(60));
        assert_eq!(blind_limit(LIMIT, Money::from_nanos(2_000), 10), Money::default());
    }
}
