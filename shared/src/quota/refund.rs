//! The end of a charge: units that were charged for nothing are given back, to the day on which they were charged.

use std::time::Duration;

use super::Counter;
use super::idempotency::IdempotencyKey;
use super::receipt::{ChargePlace, Receipt};
use super::store::QuotaStore;
use super::table::Unanswered;
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::UserId;

/// The waits before a refund that was certainly not done is tried again: together longer than a table is skipped after
/// one failure.
const WAITS: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(150),
];

/// The fate of the units that were charged for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refund {
    /// Units given back.
    pub given: u64,
    /// Units whose refund failed, or may have failed.
    pub lost: u64,
}

impl QuotaStore {
    /// Returns the time of the run that `key` was last charged for: of this request, if it is no replay. `None` if the key is
    /// forgotten.
    ///
    /// # Errors
    /// When the table is down, and this process does not know either.
    pub async fn first_run(&self, user: &UserId, key: &IdempotencyKey) -> Result<Option<Timestamp>, Outage> {
        match self.outage_keys.run_of(user, &key.key) {
            Some(at) => Ok(Some(at)),
            None => self.table.run_of(user, &key.key).await,
        }
    }

    /// Ends a charge: gives back the unused units, no more than this run was charged. A refund whose answer is lost is
    /// not repeated, or the units might be given back twice.
    pub async fn finish(&self, receipt: Receipt, unused: u64) -> Refund {
        let Receipt { counter, units, place } = receipt;
        let owed = unused.min(units);
        let taken = match place {
            ChargePlace::InProcess { key } => {
                let given = self.fallback.refund(&counter, owed);
                if let Some(key) = key {
                    self.outage_keys.end(&counter.user, &key, given);
                }
                let lost = owed - given;
                return Refund { given, lost };
            }
            ChargePlace::TableOnce { key } => self.end_run(&counter, &key, owed).await,
            ChargePlace::Table if owed > 0 => insist(|| self.table.take_back(&counter, owed)).await,
            ChargePlace::Table | ChargePlace::NotCharged => return Refund::default(),
        };
        if owed > 0 {
            // The count seen is no longer certain, so it must not refuse anybody.
            self.doubt(&counter);
        }
        match taken {
            // Zero means that the counter was reset meanwhile, which gave all units back.
            Ok(given) => Refund { given, lost: 0 },
            Err(unanswered) => {
                tracing::warn!(?unanswered, units = owed, "units could not be given back");
                Refund { given: 0, lost: owed }
            }
        }
    }

    /// Gives back the units of an idempotency key's run, and ends it, so that the next request need not wait.
    async fn end_run(&self, counter: &Counter, key: &str, owed: u64) -> Result<u64, Unanswered> {
        let taken = match owed {
            0 => Ok(0),
            _ => insist(|| self.table.take_back_once(counter, key, owed)).await,
        };
        // Both in one transaction, if there was something to give back and it was done.
        if !matches!(taken, Ok(1..)) {
            let _ = insist(|| self.table.end_run(&counter.user, key)).await;
        }
        taken
    }
}

/// Repeats a call that was certainly not done.
async fn insist<T, F>(call: impl Fn() -> F) -> Result<T, Unanswered>
where
    F: Future<Output = Result<T, Unanswered>>,
{
    for wait in WAITS {
        match call().await {
            Err(Unanswered::Contended | Unanswered::Undone(_)) => tokio::time::sleep(wait).await,
            known => return known,
        }
    }
    call().await
}
