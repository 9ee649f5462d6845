//! The units that a process has admitted without the quota table and not yet added to it: a plain state machine.
//!
//! Units wait as unsent until they are sealed in a parcel. The answer to a parcel may be lost, so its id and units never change,
//! and the table adds each parcel once. The next one is sealed only when it is confirmed, so that the table needs to remember no
//! more than the number of a process's last parcel.

use std::collections::BTreeMap;

use crate::plan::{Tier, conservative_share};
use crate::quota::{Charge, Counter};

/// The name of one parcel of a counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParcelId {
    /// The process that sealed it.
    pub source: String,
    /// Larger than those of all parcels that this process has sealed before.
    pub number: u64,
}

/// Units to be added to a counter, once per id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parcel {
    /// Its name.
    pub id: ParcelId,
    /// The counter of the units.
    pub counter: Counter,
    /// The tier, kept beside the count.
    pub tier: Tier,
    /// How many.
    pub units: u64,
}

/// The units of this process that the table has not confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    accounts: BTreeMap<Counter, CounterAccount>,
    /// Parcels sealed so far.
    sealed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CounterAccount {
    tier: Tier,
    /// The most that this process may admit in this outage.
    allowance: u64,
    /// The units it has admitted. A confirmed parcel frees nothing: the table counts it now, so a new allowance is
    /// computed from a smaller rest.
    admitted: u64,
    /// The part of it that was never sent.
    unsent: u64,
    /// The one that may have been sent.
    parcel: Option<Parcel>,
}

impl Ledger {
    /// Admits a charge on this process's own account, if its share of 80 % of the `left` units has room. Returns the units
    /// admitted so far, or `None`.
    pub fn admit(&mut self, charge: &Charge, left: u64, processes: u32) -> Option<u64> {
        let account = self.account(charge, conservative_share(left, processes));
        let admitted = account.admitted.checked_add(charge.units)?;
        if admitted > account.allowance {
            return None;
        }
        account.admitted = admitted;
        account.unsent += charge.units;
        Some(admitted)
    }

    /// Notes a charge that the shadow count has admitted. It uses up this process's share too.
    pub fn note(&mut self, charge: &Charge, left: u64, processes: u32) {
        let account = self.account(charge, conservative_share(left, processes));
        account.admitted = account.admitted.saturating_add(charge.units);
        account.unsent = account.unsent.saturating_add(charge.units);
    }

    fn account(&mut self, charge: &Charge, allowance: u64) -> &mut CounterAccount {
        self.accounts
            .entry(charge.counter.clone())
            .or_insert_with(|| CounterAccount {
                tier: charge.tier.clone(),
                allowance,
                admitted: 0,
                unsent: 0,
                parcel: None,
            })
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

    /// Returns whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Returns the counters for which units wait.
    pub fn counters(&self) -> impl Iterator<Item = &Counter> {
        self.accounts.keys()
    }

    /// Returns the parcel of a counter to send now: the one that is not confirmed yet, else a new one of `source` with all that
    /// was never sent.
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

    /// Notes that the table has a parcel.
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

    #[test]
    fn what_the_shadow_admits_waits_like_all_else_and_uses_up_the_share() {
        let mut ledger = Ledger::default();
        let counter = charge(1).counter;
        ledger.note(&charge(500), 1000, 10);
        assert_eq!(ledger.admit(&charge(1), 1000, 10), None);
        let first = ledger.seal(&counter, "a").unwrap();
        ledger.note(&charge(7), 1000, 10);
        ledger.confirm(&first);
        let second = ledger.seal(&counter, "a").unwrap();
        assert_eq!((first.units, second.units), (500, 7));
    }
}
