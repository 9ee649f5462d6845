//! Outcomes of charges.

use super::idempotency::{self, Request};
use super::receipt::{ChargePlace, Receipt};
use super::{Charge, Counter};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::plan::Usage;

/// How certain it is that the table has a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It has the charge.
    Sure,
    /// It does not have it yet: it was not called.
    NotInTable,
    /// Unknown: it was called, and its answer was lost.
    Ambiguous,
}

/// A charge that was admitted.
#[derive(Debug)]
pub struct Charged {
    /// The units used now; `None` if the plan has no figure by day.
    pub usage: Option<Usage>,
    /// How certain it is that the table has it.
    pub certainty: Certainty,
    /// For the end of its run.
    pub receipt: Receipt,
}

impl Charged {
    /// Returns the outcome of a charge to a meter that is not counted by day: nothing is written, nothing is used.
    #[must_use]
    pub fn uncounted(counter: &Counter) -> Self {
        Self {
            usage: None,
            certainty: Certainty::Sure,
            receipt: Receipt {
                counter: counter.clone(),
                units: 0,
                place: ChargePlace::NotCharged,
            },
        }
    }
}

pub(super) fn usage(charge: &Charge, used: u64) -> Usage {
    Usage {
        tier: charge.tier.clone(),
        used,
        limit: charge.limit,
        reset_at: charge.counter.day.next().start(),
    }
}

pub(super) fn charged(charge: &Charge, used: u64, certainty: Certainty, place: ChargePlace) -> Charged {
    Charged {
        usage: Some(usage(charge, used)),
        certainty,
        receipt: Receipt {
            counter: charge.counter.clone(),
            units: charge.units,
            place,
        },
    }
}

/// Answers a request that is not the first with its key, and need not be charged.
pub(super) fn replayed(charge: &Charge, request: &Request, used: u64, certainty: Certainty) -> Result<Charged, Error> {
    match request {
        Request::Mismatch => Err(Error::IdempotencyMismatch),
        Request::UnderWay => Err(contended()),
        Request::First | Request::Replay(_) => Ok(charged(&charge.of(0), used, certainty, ChargePlace::NotCharged)),
    }
}

pub(super) const fn contended() -> Error {
    Error::Conflict {
        retry_after: idempotency::RETRY_AFTER,
    }
}

pub(super) fn exceeded(charge: &Charge, used: u64, now: Timestamp) -> Error {
    let usage = usage(charge, used);
    let retry_after = usage.reset_at.since(now);
    Error::QuotaExceeded { usage, retry_after }
}
