//! Slices of a day's limit on spending: the part that the calls for one user, or from one source, may cost. Registering is free, so
//! without them a few dozen users spend everybody's money of a day.

use super::{Budget, blind_limit};
use crate::money::Money;

/// The slice of one user, in hundredths of the day's limit: fifty users who never pause spend a day, not thirty in two hours.
const OF_USER_PERCENT: u64 = 2;

/// The slice of one source: more than a user's, as a household or a school has one address. To spend a day takes twenty
/// addresses.
const OF_SOURCE_PERCENT: u64 = 5;

/// The least that a slice is, as far as the day's limit goes: a cent, for which a small model answers six calls of some 2,000 tokens.
const LEAST: Money = Money::from_nanos(10_000_000);

/// The owner of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceOwner {
    /// A user.
    User,
    /// A source: an address, or an IPv6 block of /64.
    Source,
}

impl SliceOwner {
    /// Returns the slice of a day's limit.
    #[must_use]
    pub fn slice(self, limit: Money) -> Money {
        let percent = match self {
            Self::User => OF_USER_PERCENT,
            Self::Source => OF_SOURCE_PERCENT,
        };
        limit.percent(percent).max(LEAST.min(limit))
    }
}

/// The use of one slice on one day, as this process knows it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SliceUse {
    /// The fleet's sum, as it was told last.
    told: Money,
    /// Counted by this process, and not sent.
    unsent: Money,
    /// On its way.
    sent: Money,
    /// The most that calls under way may cost.
    under_way: Money,
    /// True while the fleet's sum cannot be had.
    is_blind: bool,
}

impl SliceUse {
    /// Returns what is left of `slice`. While the fleet's sum cannot be had, a process may spend its share of what it last saw left.
    #[must_use]
    pub fn budget(&self, slice: Money, fleet_size: u32) -> Budget {
        if self.is_blind && self.unheard() >= blind_limit(slice, self.told, fleet_size) {
            return Budget::Spent;
        }
        Budget::of(slice, self.spent() + self.under_way)
    }

    /// Sets aside what a call may cost at most. Returns false if that is more than is left of `slice`: but one call at a time is let
    /// through until the slice is spent, however much it may cost.
    pub fn set_aside(&mut self, most: Money, slice: Money, fleet_size: u32) -> bool {
        let with_it = self.under_way + most;
        let is_first = self.under_way == Money::default();
        let has_room = is_first || self.spent() + with_it <= slice;
        let fits = most == Money::default() || (has_room && self.budget(slice, fleet_size) != Budget::Spent);
        if fits {
            self.under_way = with_it;
        }
        fits
    }

    /// Ends what was set aside.
    pub const fn release(&mut self, most: Money) {
        self.under_way = self.under_way.minus(most);
    }

    /// Counts what a call has cost.
    pub fn note(&mut self, money: Money) {
        self.unsent += money;
    }

    /// Takes what is to be sent to the fleet's sum.
    pub fn take(&mut self) -> Money {
        let money = std::mem::take(&mut self.unsent);
        self.sent += money;
        money
    }

    /// Learns the fleet's sum, which holds `arrived` of what was sent. Within a day it only grows: an older one changes nothing.
    pub fn learn(&mut self, sum: Money, arrived: Money) {
        self.sent = self.sent.minus(arrived);
        self.told = self.told.max(sum);
        self.is_blind = false;
    }

    /// Counts what was sent as arrived, where nobody says so.
    pub fn trust(&mut self, sent: Money) {
        self.sent = self.sent.minus(sent);
        self.told += sent;
    }

    /// Learns that the fleet's sum cannot be had, and that so much has not arrived: it is sent again.
    pub fn miss(&mut self, unarrived: Money) {
        self.sent = self.sent.minus(unarrived);
        self.unsent += unarrived;
        self.is_blind = true;
    }

    fn unheard(&self) -> Money {
        self.unsent + self.sent
    }

    fn spent(&self) -> Money {
        self.told + self.unheard()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn nanos(nanos: u64) -> Money {
        Money::from_nanos(nanos)
    }

    fn dollars(dollars: f64) -> Money {
        Money::from_dollars(dollars).unwrap()
    }

    #[test]
    fn a_slice_is_a_part_of_the_limit_and_a_cent_at_least() {
        for (limit, of_user, of_source) in [
            (20.0, 0.4, 1.0),
            (100.0, 2.0, 5.0),
            (0.5, 0.01, 0.025),
            (0.1, 0.01, 0.01),
            (0.004, 0.004, 0.004),
            (0.0, 0.0, 0.0),
        ] {
            let limit = dollars(limit);
            let slices = [SliceOwner::User, SliceOwner::Source].map(|owner| owner.slice(limit));
            assert_eq!(slices, [dollars(of_user), dollars(of_source)], "{limit}");
        }
    }

    #[test]
    fn a_slice_is_spent_by_all_that_is_counted_told_or_not() {
        let slice = nanos(100);
        let mut used = SliceUse::default();
        assert_eq!(used.budget(slice, 10), Budget::Whole);
        used.note(nanos(50));
        assert_eq!(used.take(), nanos(50));
        used.note(nanos(29));
        assert_eq!(used.budget(slice, 10), Budget::Whole);
        used.note(nanos(1));
        assert_eq!(used.budget(slice, 10), Budget::Reduced);
        // Others of the fleet have counted 20.
        used.learn(nanos(70), nanos(50));
        assert_eq!(used.budget(slice, 10), Budget::Spent);
        used.learn(nanos(60), nanos(0));
        assert_eq!(used.budget(slice, 10), Budget::Spent, "an older sum");
    }

    #[test]
    fn a_process_that_hears_nothing_of_the_fleet_spends_its_share_of_the_rest() {
        let slice = nanos(100);
        let mut used = SliceUse::default();
        used.learn(nanos(50), nanos(0));
        used.note(nanos(4));
        let sent = used.take();
        used.miss(sent);
        assert_eq!(used.budget(slice, 10), Budget::Whole, "five are its share");
        used.note(nanos(1));
        assert_eq!(used.budget(slice, 10), Budget::Spent);
        assert_eq!(used.take(), nanos(5), "nothing is lost");
        used.learn(nanos(55), nanos(5));
        assert_eq!(used.budget(slice, 10), Budget::Whole);
    }

    #[test]
    fn of_calls_under_way_one_may_cost_more_than_is_left() {
        let slice = nanos(100);
        let mut used = SliceUse::default();
        assert!(used.set_aside(nanos(300), slice, 10), "the first, whatever it costs");
        assert!(!used.set_aside(nanos(1), slice, 10));
        assert!(used.set_aside(nanos(0), slice, 10), "a call that costs nothing");
        used.release(nanos(300));
        used.note(nanos(10));
        assert!(used.set_aside(nanos(45), slice, 10) && used.set_aside(nanos(45), slice, 10));
        assert!(!used.set_aside(nanos(1), slice, 10));
        used.release(nanos(90));
        used.note(nanos(90));
        assert!(!used.set_aside(nanos(1), slice, 10), "it is spent");
    }
}
