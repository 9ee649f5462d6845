//! Receipts of charges.

use super::Counter;

/// The units that a run was charged, and where: a refund needs both.
#[derive(Debug)]
#[must_use = "a charge is finished when its units have been judged or not"]
pub struct Receipt {
    pub(super) counter: Counter,
    pub(super) units: u64,
    pub(super) place: ChargePlace,
}

/// The place where a run was charged.
#[derive(Debug)]
pub(super) enum ChargePlace {
    Table,
    TableOnce {
        key: String,
    },
    /// In this process, to be delivered to the table; with the idempotency key of the run.
    InProcess {
        key: Option<String>,
    },
    NotCharged,
}

impl Receipt {
    /// Returns the units that this run was charged: none if it is a replay of one that paid.
    #[must_use]
    pub const fn units(&self) -> u64 {
        self.units
    }

    /// Reports whether the table has recorded this run for its idempotency key just now: no earlier one counts.
    #[must_use]
    pub const fn is_of_new_run(&self) -> bool {
        matches!(self.place, ChargePlace::TableOnce { .. })
    }
}
