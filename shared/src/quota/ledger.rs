//! What is admitted while the quota table is down, until it has been added to the table: a plain state machine.
//!
//! An instance alone may admit 80 % of what was last seen left (of the whole limit, where nothing was seen), shared by the size
//! of the fleet. What is sent to the table is sealed in a parcel: its answer may have been lost, so its id and units never
//! change again, and the table adds each parcel once. The next one is sealed only when it is confirmed. So a parcel holds all
//! that was admitted meanwhile, and the table has to remember no more than the number of the last one.

use std::collections::HashMap;

use super::{Charge, Counter};
use crate::plan::Tier;

/// Which parcel of a counter one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParcelId {
    /// Whose numbers these are: unique among all ledgers that there ever were.
    pub source: String,
    /// Larger than those of all parcels that the source has sealed for this counter before, which are confirmed.
    pub number: u64,
}

/// Units to be added to a counter, once per id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Which one.
    pub id: ParcelId,
    /// Where the units belong.
    pub counter: Counter,
    /// The tier, kept beside the count.
    pub tier: Tier,
    /// How many.
    pub units: u64,
}

/// The units of this instance that the table has not confirmed.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: HashMap<Counter, Account>,
    /// Parcels sealed so far.
    sealed: u64,
}

#[derive(Debug)]
struct Account {
    tier: Tier,
    /// What this instance may admit in this outage.
    allowance: u64,
    /// What it has admitted. A confirmed parcel frees nothing: the table counts it now, so a new allowance is reckoned from less.
    admitted: u64,
    /// The part of it that was never sent.
    unsent: u64,
    /// The one that may have been sent.
    parcel: Option<Parcel>,
}

/// What one instance of `fleet` may admit by itself when `left` units were last seen left.
#[must_use]
pub fn allowance(left: u64, fleet: u32) -> u64 {
    // Widened, so that no plan is too large for the multiplication.
    let share = u128::from(left) * 4 / 5 / u128::from(fleet.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

impl Ledger {
    /// Admits a charge without the table, if the allowance has room; the units admitted so far, or `None`.
    pub fn admit(&mut self, charge: &Charge, left: u64, fleet: u32) -> Option<u64> {
        let account = self.accounts.entry(charge.counter.clone()).or_insert_with(|| Account {
            tier: charge.tier.clone(),
            allowance: allowance(left, fleet),
            admitted: 0,
            unsent: 0,
            parcel: None,
        });
        let admitted = account.admitted.checked_add(charge.units)?;
        if admitted > account.allowance {
            return None;
        }
        account.admitted = admitted;
        account.unsent += charge.units;
        Some(admitted)
    }

    /// Takes back units that were admitted here, and returns how many. Those of a parcel that was already sent stay charged.
    pub fn refund(&mut self, counter: &Counter, units: u64) -> u64 {
        let Some(account) = self.accounts.get_mut(counter) else {
            return 0;
        };
        let taken = units.min(account.unsent);
        account.unsent -= taken;
        account.admitted -= taken;
        taken
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The counters for which units wait.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.accounts.keys()
    }

    /// The parcel of a counter to send now: the one that is not confirmed yet, else a new one of `source` with all that was never
    /// sent.
    pub fn seal(&mut self, counter: &Counter, source: &str) -> Option<Parcel> {
        let account = self.accounts.get_mut(counter)?;
        if account.parcel.is_none() && account.unsent > 0 {
            self.sealed += 1;
            account.parcel = Some(Parcel {
                id: ParcelId {
                    source: source.to_owned(),
                    number: self.sealed,
                },
                counter: counter.clone(),
                tier: account.tier.clone(),
                units: std::mem::take(&mut account.unsent),
            });
        }
        if account.parcel.is_none() {
            self.accounts.remove(counter);
            return None;
        }
        account.parcel.clone()
    }

    /// The table has a parcel.
    pub fn confirm(&mut self, parcel: &Parcel) {
        let Some(account) = self.accounts.get_mut(&parcel.counter) else {
            return;
        };
        if account.parcel.as_ref().is_some_and(|waiting| waiting.id == parcel.id) {
            account.parcel = None;
        }
        if account.parcel.is_none() && account.unsent == 0 {
            self.accounts.remove(&parcel.counter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::UserId;
    use crate::plan::Meter;

    fn charge(units: u64) -> Charge {
        Charge {
            counter: Counter {
                user: UserId::parse("u_aaaaaaaaaaaaaaaaaaaaaa").unwrap(),
                meter: Meter::Posts,
                day: Timestamp::from_millis(0).day(),
            },
            tier: Tier::free(),
            units,
            limit: 1000,
        }
    }

    #[test]
    fn the_fleet_together_stays_within_80_percent_of_what_was_left() {
        for (left, fleet) in [(1000, 1), (1000, 10), (7, 10), (0, 3), (u64::MAX, 1), (999, 1000)] {
            let together = u128::from(allowance(left, fleet)) * u128::from(fleet);
            assert!(together * 5 <= u128::from(left) * 4, "{left} {fleet}");
        }
        assert_eq!(allowance(1000, 10), 80);
    }

    #[test]
    fn admits_whole_batches_up_to_the_allowance() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.admit(&charge(50), 1000, 10), Some(50));
        assert_eq!(ledger.admit(&charge(31), 1000, 10), None);
        assert_eq!(ledger.admit(&charge(30), 1000, 10), Some(80));
        assert_eq!(ledger.admit(&charge(1), 1000, 10), None);
    }

    #[test]
    fn a_sent_parcel_keeps_its_id_and_units_and_the_next_one_waits_for_its_confirmation() {
        let mut ledger = Ledger::default();
        let counter = charge(1).counter;
        ledger.admit(&charge(10), 1000, 10);
        let first = ledger.seal(&counter, "a").unwrap();
        for _ in 0..3 {
            ledger.admit(&charge(5), 1000, 10);
            assert_eq!(ledger.seal(&counter, "a").unwrap(), first);
        }
        ledger.confirm(&first);
        let second = ledger.seal(&counter, "a").unwrap();
        assert_eq!(second.units, 15);
        assert!(second.id.number > first.id.number);
        // Confirmed again, as after a lost answer: nothing changes.
        ledger.confirm(&first);
        assert_eq!(ledger.seal(&counter, "a").unwrap(), second);
        ledger.confirm(&second);
        assert!(ledger.is_empty());
    }

    #[test]
    fn a_counter_that_comes_back_goes_on_with_its_numbers() {
        let mut ledger = Ledger::default();
        let counter = charge(1).counter;
        let mut last = 0;
        for _ in 0..3 {
            ledger.admit(&charge(10), 1000, 10);
            let parcel = ledger.seal(&counter, "a").unwrap();
            assert!(parcel.id.number > last);
            last = parcel.id.number;
            ledger.confirm(&parcel);
            assert!(ledger.is_empty());
        }
    }

    #[test]
    fn an_unconfirmed_parcel_still_counts_against_the_allowance() {
        let mut ledger = Ledger::default();
        ledger.admit(&charge(80), 1000, 10);
        ledger.seal(&charge(1).counter, "a");
        assert_eq!(ledger.admit(&charge(1), 1000, 10), None);
    }

    #[test]
    fn a_confirmed_parcel_frees_nothing_while_others_wait() {
        let mut ledger = Ledger::default();
        let counter = charge(1).counter;
        ledger.admit(&charge(60), 1000, 10);
        let parcel = ledger.seal(&counter, "a").unwrap();
        ledger.admit(&charge(20), 1000, 10);
        ledger.confirm(&parcel);
        assert_eq!(ledger.admit(&charge(1), 1000, 10), None);
    }

    #[test]
    fn a_refund_takes_back_what_was_not_sent_and_never_more() {
        let mut ledger = Ledger::default();
        let counter = charge(1).counter;
        ledger.admit(&charge(10), 1000, 10);
        let parcel = ledger.seal(&counter, "a").unwrap();
        ledger.admit(&charge(5), 1000, 10);
        assert_eq!(ledger.refund(&counter, 9), 5);
        assert_eq!(ledger.refund(&counter, 1), 0);
        assert_eq!(parcel.units, 10);
        ledger.confirm(&parcel);
        assert_eq!(ledger.seal(&counter, "a"), None);
    }
}
