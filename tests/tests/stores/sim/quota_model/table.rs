//! The table: one counter's item, and the conditional writes to it.

use std::collections::BTreeMap;

use super::ledger::{Parcel, ParcelId};
use super::{Fault, Fleet};

/// The counter's item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Table {
    pub(super) up: bool,
    pub(super) used: u64,
    /// The number of each source's last parcel.
    pub(super) outages: BTreeMap<usize, u8>,
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
    /// Whether the condition held.
    pub(super) done: bool,
    /// The count after the write, or the count that refused it.
    pub(super) used: u64,
}

impl Table {
    pub(super) fn apply(&mut self, write: &Write, fleet: &Fleet) -> Answer {
        let done = match write {
            Write::Charge(units) => self.used + units <= fleet.limit,
            Write::Parcel(Parcel { id, .. }) if fleet.fault == Some(Fault::OnlyTheLast) => {
                self.outages.get(&id.0) != Some(&id.1)
            }
            Write::Parcel(parcel) => !self.has(parcel.id),
            Write::Refund(units) => self.used >= *units,
        };
        if done {
            match write {
                Write::Charge(units) => self.used += units,
                Write::Parcel(Parcel { id, units }) => {
                    self.used += units;
                    self.outages.insert(id.0, id.1);
                }
                Write::Refund(units) => self.used -= units,
            }
        }
        Answer { done, used: self.used }
    }

    /// Whether a parcel was added.
    pub(super) fn has(&self, id: ParcelId) -> bool {
        self.outages.get(&id.0).is_some_and(|&last| last >= id.1)
    }
}
