//! What is admitted while the quota table is down, until it has been added to the table: a plain state machine.
//!
//! An instance alone may admit 80 % of what was last seen left (of the whole limit, where nothing was seen), shared by the size
//! of the fleet. Units wait here in parcels. A parcel that was sent to the table once is sealed: its answer may have been
//! lost, so its id and units never change again, and the table adds each id once.

use std::collections::HashMap;

use super::{Charge, Counter};
use crate::plan::Tier;

/// Units to be added to a counter, once per id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Unique among all parcels of all instances.
    pub id: String,
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
    sealed: Vec<Parcel>,
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
            sealed: Vec::new(),
        });
        let admitted = account.admitted.checked_add(charge.units)?;
        if admitted > account.allowance {
            return None;
        }
        account.admitted = admitted;
        account.unsent += charge.units;
        Some(admitted)
    }

    /// Takes back units that were admitted here. Those of a parcel that was already sent stay charged.
    pub fn refund(&mut self, counter: &Counter, units: u64) {
        if let Some(account) = self.accounts.get_mut(counter) {
            let taken = units.min(account.unsent);
            account.unsent -= taken;
            account.admitted -= taken;
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Some counter for which units wait.
    #[must_use]
    pub fn any(&self) -> Option<Counter> {
        self.accounts.keys().next().cloned()
    }

    /// The parcels of a counter to send now. `new_id` names a new parcel for what was never sent.
    pub fn seal(&mut self, counter: &Counter, new_id: impl FnOnce() -> String) -> Vec<Parcel> {
        let Some(account) = self.accounts.get_mut(counter) else {
            return Vec::new();
        };
        if account.unsent > 0 {
            account.sealed.push(Parcel {
                id: new_id(),
                counter: counter.clone(),
                tier: account.tier.clone(),
                units: std::mem::take(&mut account.unsent),
            });
        }
        if account.sealed.is_empty() {
            self.accounts.remove(counter);
            return Vec::new();
        }
        account.sealed.clone()
    }

    /// The table has confirmed a parcel.
    pub fn confirm(&mut self, parcel: &Parcel) {
        let Some(account) = self.accounts.get_mut(&parcel.counter) else {
            return;
        };
        account.sealed.retain(|sealed| sealed.id != parcel.id);
        if account.sealed.is_empty() && account.unsent == 0 {
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
    fn a_sent_parcel_keeps_its_id_and_units_until_it_is_confirmed() {
        let mut ledger = Ledger::default();
        let counter = charge(1).counter;
        ledger.admit(&charge(10), 1000, 10);
        let first = ledger.seal(&counter, || "a".into());
        ledger.admit(&charge(5), 1000, 10);
        let second = ledger.seal(&counter, || "b".into());
        assert_eq!(second[0], first[0]);
        assert_eq!((second[1].id.as_str(), second[1].units), ("b", 5));
        for parcel in &second {
            ledger.confirm(parcel);
            // Confirmed again, as after a lost answer: nothing changes.
            ledger.confirm(parcel);
        }
        assert!(ledger.is_empty());
    }

    #[test]
    fn unconfirmed_parcels_still_count_against_the_allowance() {
        let mut ledger = Ledger::default();
        ledger.admit(&charge(80), 1000, 10);
        ledger.seal(&charge(1).counter, || "a".into());
        assert_eq!(ledger.admit(&charge(1), 1000, 10), None);
    }

    #[test]
    fn a_confirmed_parcel_frees_nothing_while_others_wait() {
        let mut ledger = Ledger::default();
        let counter = charge(1).counter;
        ledger.admit(&charge(60), 1000, 10);
        let parcels = ledger.seal(&counter, || "a".into());
        ledger.admit(&charge(20), 1000, 10);
        ledger.confirm(&parcels[0]);
        assert_eq!(ledger.admit(&charge(1), 1000, 10), None);
    }

    #[test]
    fn a_refund_takes_back_what_was_not_sent_and_never_more() {
        let mut ledger = Ledger::default();
        let counter = charge(1).counter;
        ledger.admit(&charge(10), 1000, 10);
        ledger.seal(&counter, || "a".into());
        ledger.admit(&charge(5), 1000, 10);
        ledger.refund(&counter, 9);
        let parcels = ledger.seal(&counter, || "b".into());
        assert_eq!(parcels.iter().map(|parcel| parcel.units).sum::<u64>(), 10);
    }
}
