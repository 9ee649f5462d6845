//! The table: one counter's item, and the conditional writes to it.

use std::collections::BTreeMap;

use shared::quota::outage::ledger::{Parcel, ParcelId};

use super::{Fault, Fleet};

/// The counter's item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Table {
    pub(super) up: bool,
    pub(super) used: u64,
    /// The number of each source's last parcel.
    pub(super) outages: BTreeMap<String, u64>,
}

/// A conditional write to the counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Write {
    Charge(u64),
    Parcel(Parcel),
    Refund(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    /// True if the condition held.
    pub(super) done: bool,
    /// The count after the write, or the count that refused it.
    pub(super) used: u64,
}

impl Table {
    pub(super) fn apply(&mut self, write: &Write, fleet: &Fleet) -> Answer {
        let done = match write {
            Write::Charge(units) => self.used + units <= fleet.limit,
            Write::Parcel(Parcel { id, .. }) if fleet.fault == Some(Fault::OnlyTheLast) => {
                self.outages.get(&id.source) != Some(&id.number)
            }
            Write::Parcel(parcel) => !self.has(&parcel.id),
            Write::Refund(units) => self.used >= *units,
        };
        if done {
            match write {
                Write::Charge(units) => self.used += units,
                Write::Parcel(Parcel { id, units, .. }) => {
                    self.used += units;
                    self.outages.insert(id.source.clone(), id.number);
                }
                Write::Refund(units) => self.used -= units,
            }
        }
        Answer { done, used: self.used }
    }

    /// True if a parcel was added.
    pub(super) fn has(&self, id: &ParcelId) -> bool {
        self.outages.get(&id.source).is_some_and(|&last| last >= id.number)
    }
}
