//! Holds from the wish to the settlement: the table decides, and while it is down its [`Fallback`](super::outage::Fallback).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::charged::{Certainty, exceeded, usage};
use super::hold_table::HoldSettlement;
use super::holds::{HeldCounter, Hold, HoldWish, MOST_OPEN, Refused};
use super::outage::shadow::Reservation;
use super::store::QuotaStore;
use super::table::{Added, Unanswered};
use super::{Charge, Counter};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::ids::random_bytes;
use crate::money::Tokens;
use crate::plan::Usage;

/// How often a wish is tried while what it meets changes: lapsed holds, then a shorter one.
const ATTEMPTS: u32 = 4;

/// The waits before a settlement is tried again: longer than a table is skipped after one failure.
const WAITS: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(600)];

/// Limits of holds, by name.
const AT_ONCE: &str = "atOnce";
const HELD: &str = "held";

/// Units that are set aside for a run.
#[derive(Debug)]
#[must_use = "units that are set aside are settled, or they lapse"]
pub struct Ticket {
    charge: Charge,
    hold: Hold,
    place: TicketPlace,
}

#[derive(Debug, PartialEq, Eq)]
enum TicketPlace {
    Table,
    /// In this process's ledger.
    Ledger,
}

impl Ticket {
    /// Returns the units that are set aside: fewer than were wished for near the end of a day.
    #[must_use]
    pub const fn units(&self) -> u64 {
        self.hold.units
    }
}

/// A granted hold.
#[derive(Debug)]
pub struct Granted {
    /// For [`QuotaStore::settle_hold`].
    pub ticket: Ticket,
    /// The day's use, with all that is held.
    pub usage: Usage,
    /// How certain it is that the table has it.
    pub certainty: Certainty,
}

/// The end of a hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// The day's use now, as far as it is known.
    pub usage: Option<Usage>,
    /// Units given back.
    pub given: u64,
    /// Units that stay used although they were not.
    pub lost: u64,
}

impl QuotaStore {
    /// Sets units aside: the wish, or fewer if that is all that is left of the day.
    ///
    /// # Errors
    /// [`Error::QuotaExceeded`] when not even the least fits; [`Error::RateLimitExceeded`] when others have to end first;
    /// [`Error::ReducedCapacity`] when the table is down and they do not fit into what may be admitted without it.
    pub async fn reserve(&self, wish: &HoldWish, now: Timestamp) -> Result<Granted, Error> {
        let wish = HoldWish {
            at_once: wish.at_once.min(MOST_OPEN),
            ..wish.clone()
        };
        let counter = &wish.charge.counter;
        let bytes = random_bytes::<16>().map_err(|error| Error::Internal(Box::new(error)))?;
        let mut hold = Hold {
            id: URL_SAFE_NO_PAD.encode(bytes),
            units: wish.charge.units,
            until: wish.until,
        };
        if let Err(unanswered) = self.deliver(counter).await {
            return self.hold_alone(&wish, hold, &unanswered).await;
        }
        for _ in 0..ATTEMPTS {
            let refused = match self.table.hold(&wish, &hold).await {
                Ok(Ok(row)) => {
                    self.end_lapsed(counter, &row, now).await;
                    self.deliver_others().await;
                    return Ok(self.granted(&wish, hold, row.used));
                }
                Ok(Err(row)) => row,
                Err(unanswered) => return self.hold_alone(&wish, hold, &unanswered).await,
            };
            self.remember(counter, refused.used);
            match refused.refused(&wish, &hold.id, now) {
                Refused::Made => return Ok(self.granted(&wish, hold, refused.used)),
                Refused::Lapsed(_) => self.end_lapsed(counter, &refused, now).await,
                Refused::Shorter(units) => hold.units = units,
                Refused::AtOnce(retry_after) => return Err(limited(AT_ONCE, retry_after)),
                Refused::Held(retry_after) => return Err(limited(HELD, retry_after)),
                Refused::Full => return Err(exceeded(&wish.charge, refused.used, now)),
            }
        }
        Err(limited(HELD, Duration::from_secs(1)))
    }

    /// Ends a hold with what was used, on the day on which it was made. To be sent again is harmless, and happens.
    pub async fn settle_hold(&self, ticket: Ticket, used: HoldSettlement, now: Timestamp) -> Settled {
        let Ticket { charge, hold, place } = ticket;
        let back = hold.units.saturating_sub(used.units);
        if place == TicketPlace::Ledger {
            let given = self.fallback.refund(&charge.counter, back);
            self.owe(&charge.of(used.units.saturating_sub(hold.units)));
            return Settled {
                usage: None,
                given,
                lost: back - given,
            };
        }
        let is_late = now.day() != charge.counter.day;
        let settle = || self.table.settle(&charge.counter, &hold, used, is_late);
        let mut outcome = settle().await;
        for wait in WAITS {
            if outcome.is_ok() {
                break;
            }
            tokio::time::sleep(wait).await;
            outcome = settle().await;
        }
        match outcome {
            Ok(count) => {
                if let Some(count) = count {
                    self.remember(&charge.counter, count);
                }
                Settled {
                    usage: count.map(|count| usage(&charge, count)),
                    // Without a hold there was a reset, which gave all of it back.
                    given: back,
                    lost: 0,
                }
            }
            Err(unanswered) => {
                tracing::warn!(
                    ?unanswered,
                    units = back,
                    "units that were set aside could not be settled"
                );
                self.doubt(&charge.counter);
                Settled {
                    usage: None,
                    given: 0,
                    lost: back,
                }
            }
        }
    }

    /// Charges units whose number and kinds are known, all or none.
    ///
    /// # Errors
    /// As [`QuotaStore::charge`].
    pub async fn charge_tokens(&self, charge: &Charge, tokens: Tokens, now: Timestamp) -> Result<Usage, Error> {
        let counter = &charge.counter;
        let Some(room) = charge.room() else {
            return Err(exceeded(charge, self.used(counter).await.unwrap_or(0), now));
        };
        let added = match self.deliver(counter).await {
            Ok(()) => self.table.add_tokens(charge, room, tokens).await,
            Err(unanswered) => Err(unanswered),
        };
        match added {
            Ok(Added::Done(used)) => {
                self.remember(counter, used);
                Ok(usage(charge, used))
            }
            Ok(Added::Full(used)) => {
                self.remember(counter, used);
                Err(exceeded(charge, used, now))
            }
            Err(unanswered) => {
                let charged = self.admit_alone(charge, NOTHING_RESERVED, &unanswered).await?;
                let used = charged.usage.as_ref().map_or(charge.units, |usage| usage.used);
                Ok(usage(charge, used))
            }
        }
    }

    fn granted(&self, wish: &HoldWish, hold: Hold, used: u64) -> Granted {
        self.remember(&wish.charge.counter, used);
        Granted {
            usage: usage(&wish.charge, used),
            ticket: Ticket {
                charge: wish.charge.clone(),
                hold,
                place: TicketPlace::Table,
            },
            certainty: Certainty::Sure,
        }
    }

    /// Sets units aside without the table: the worst case is admitted by the ledger, and given back there.
    async fn hold_alone(&self, wish: &HoldWish, hold: Hold, unanswered: &Unanswered) -> Result<Granted, Error> {
        let charge = wish.charge.of(hold.units);
        let charged = self.admit_alone(&charge, NOTHING_RESERVED, unanswered).await?;
        let used = charged.usage.as_ref().map_or(charge.units, |usage| usage.used);
        Ok(Granted {
            usage: usage(&charge, used),
            ticket: Ticket {
                charge,
                hold,
                place: TicketPlace::Ledger,
            },
            certainty: charged.certainty,
        })
    }

    /// Ends holds that nobody will settle. One that cannot be ended now is ended by the next request.
    async fn end_lapsed(&self, counter: &Counter, held: &HeldCounter, now: Timestamp) {
        for hold in held.lapsed(now) {
            let _ = self.table.lapse(counter, &hold).await;
        }
    }
}

/// The limits' round trip reserves nothing for holds: a process admits its own share while the table is down.
const NOTHING_RESERVED: Option<Reservation> = None;

const fn limited(limit: &'static str, retry_after: Duration) -> Error {
    Error::RateLimitExceeded { limit, retry_after }
}
