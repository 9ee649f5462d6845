//! Holds: units of a day's counter that are set aside before anybody knows how many will be used. Pure.
//!
//! The worst case is inside `used` from the start, so that the rule of the day is the only rule of admission. A hold ends once:
//! it is settled with what was used, or it lapses and the worst case stays.

use std::time::Duration;

use super::Charge;
use crate::clock::Timestamp;

/// The most holds of one counter that are open at a time, whatever a plan says: a reset names each in one write.
pub const MOST_OPEN: u64 = 64;

/// The time after its run's deadline from which on a hold counts as forgotten.
pub const GRACE: Duration = Duration::from_secs(30);

/// The longest that a request which others hold up is told to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The longest that a request beyond the holds at a time is told to wait.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// The shortest.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Units that are set aside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hold {
    /// Its name, drawn by chance.
    pub id: String,
    /// How many.
    pub units: u64,
    /// It lapses then.
    pub until: Timestamp,
}

impl Hold {
    /// Returns the form in which it is stored.
    #[must_use]
    pub fn stored(&self) -> String {
        format!("{}:{}", self.units, self.until.millis())
    }

    /// Reads what [`Self::stored`] wrote.
    #[must_use]
    pub fn read(id: &str, stored: &str) -> Option<Self> {
        let (units, until) = stored.split_once(':')?;
        Some(Self {
            id: id.to_owned(),
            units: units.parse().ok()?,
            until: Timestamp::from_millis(until.parse().ok()?),
        })
    }

    /// Reports whether nobody will settle it any more.
    #[must_use]
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.until <= now
    }
}

/// A wish for a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldWish {
    /// The worst case, and the limit.
    pub charge: Charge,
    /// The fewest units that are worth anything.
    pub least: u64,
    /// The most holds that may be open, with this one.
    pub at_once: u64,
    /// The hold lapses then.
    pub until: Timestamp,
}

/// A counter with its holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldCounter {
    /// Units used, with all that is held.
    pub used: u64,
    /// Units held.
    pub held: u64,
    /// Open holds.
    pub open: u64,
    /// Each of them.
    pub holds: Vec<Hold>,
}

/// The reason why a hold was refused, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It was made before, and the answer was lost.
    Made,
    /// Holds have lapsed: end them and try again.
    Lapsed(Vec<Hold>),
    /// As many as may be are open.
    AtOnce(Duration),
    /// It fits as soon as others are settled with less than they hold.
    Held(Duration),
    /// So many units fit.
    Shorter(u64),
    /// The day is over.
    Full,
}

impl HeldCounter {
    /// Returns the holds that nobody will settle any more.
    #[must_use]
    pub fn lapsed(&self, now: Timestamp) -> Vec<Hold> {
        self.holds.iter().filter(|hold| hold.has_lapsed(now)).cloned().collect()
    }

    /// Returns the units that are certain: all but those that may still be settled with less.
    #[must_use]
    pub fn settled(&self, now: Timestamp) -> u64 {
        let open = self.holds.iter().filter(|hold| !hold.has_lapsed(now));
        self.used.saturating_sub(open.map(|hold| hold.units).sum())
    }

    /// Decides what becomes of a wish for the hold `id` that this counter has refused.
    #[must_use]
    pub fn refused(&self, wish: &HoldWish, id: &str, now: Timestamp) -> Refused {
        if self.holds.iter().any(|hold| hold.id == id) {
            return Refused::Made;
        }
        let lapsed = self.lapsed(now);
        if !lapsed.is_empty() {
            return Refused::Lapsed(lapsed);
        }
        let first = self.holds.iter().map(|hold| hold.until.since(now)).min();
        let wait = |longest: Duration| first.unwrap_or_default().clamp(SHORTEST_WAIT, longest);
        if self.open >= wish.at_once {
            return Refused::AtOnce(wait(LONGEST_TURN));
        }
        let Charge { units, limit, .. } = wish.charge;
        if self.held > 0 && self.used.saturating_sub(self.held).saturating_add(units) <= limit {
            return Refused::Held(wait(LONGEST_WAIT));
        }
        let left = limit.saturating_sub(self.used);
        if left >= wish.least && left < units {
            Refused::Shorter(left)
        } else {
            Refused::Full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use crate::plan::{Meter, Tier};
    use crate::quota::Counter;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn hold(id: &str, units: u64, seconds: i64) -> Hold {
        Hold {
            id: id.to_owned(),
            units,
            until: Timestamp::from_seconds(seconds),
        }
    }

    fn counter(used: u64, holds: Vec<Hold>) -> HeldCounter {
        HeldCounter {
            used,
            held: holds.iter().map(|hold| hold.units).sum(),
            open: holds.len() as u64,
            holds,
        }
    }

    fn wish(units: u64) -> HoldWish {
        HoldWish {
            charge: Charge {
                counter: Counter::today(&UserId::parse("u_aaaaaaaaaaaaaaaaaaaaaa").unwrap(), Meter::Tokens, NOW),
                tier: Tier::free(),
                units,
                limit: 1_000,
            },
            least: 100,
            at_once: 2,
            until: NOW.plus(Duration::from_secs(140)),
        }
    }

    #[test]
    fn a_hold_is_read_as_it_was_stored() {
        let one = hold("a", 300, 1_140);
        assert_eq!(Hold::read("a", &one.stored()), Some(one));
        for stored in ["", "3", "x:1", "3:", "3:y"] {
            assert_eq!(Hold::read("a", stored), None, "{stored}");
        }
    }

    #[test]
    fn a_refusal_says_what_would_help() {
        let at = |seconds| Duration::from_secs(seconds);
        for (what, counter, units, expected) in [
            (
                "its own",
                counter(300, vec![hold("mine", 300, 1_140)]),
                300,
                Refused::Made,
            ),
            (
                "its own, lapsed",
                counter(300, vec![hold("mine", 300, 900)]),
                300,
                Refused::Made,
            ),
            (
                "a lapsed one comes first",
                counter(600, vec![hold("a", 300, 1_000), hold("b", 300, 1_100)]),
                300,
                Refused::Lapsed(vec![hold("a", 300, 1_000)]),
            ),
            (
                "two at once",
                counter(600, vec![hold("a", 300, 1_002), hold("b", 300, 1_100)]),
                300,
                Refused::AtOnce(at(2)),
            ),
            (
                "two at once for long",
                counter(600, vec![hold("a", 300, 1_100), hold("b", 300, 1_100)]),
                300,
                Refused::AtOnce(at(5)),
            ),
            (
                "it fits when the other is settled",
                counter(900, vec![hold("a", 400, 1_100)]),
                300,
                Refused::Held(at(10)),
            ),
            (
                "it would not fit even then",
                counter(900, vec![hold("a", 50, 1_100)]),
                300,
                Refused::Shorter(100),
            ),
            ("shorter", counter(850, Vec::new()), 300, Refused::Shorter(150)),
            ("the least", counter(900, Vec::new()), 300, Refused::Shorter(100)),
            ("less than that", counter(901, Vec::new()), 300, Refused::Full),
            ("more than all", counter(1_200, Vec::new()), 300, Refused::Full),
        ] {
            assert_eq!(counter.refused(&wish(units), "mine", NOW), expected, "{what}");
        }
    }

    #[test]
    fn a_lapsed_hold_stays_used_and_an_open_one_is_not_certain() {
        let both = counter(900, vec![hold("a", 300, 1_000), hold("b", 200, 1_001)]);
        assert_eq!(both.settled(NOW), 700);
        assert_eq!(both.lapsed(NOW), [hold("a", 300, 1_000)]);
        assert_eq!(both.settled(Timestamp::from_seconds(1_001)), 900);
    }
}
