//! Admission, where every workload starts: the credential, then the limits ([`enter`]), then the charge
//! ([`Admitted::charge`]). At the end, [`finish`] gives back the units that were not used.

mod credential;

pub use self::credential::{
    Token, authenticate, authenticate_admin, check_admin_look, check_user_signature, honour_in_grace, require_session,
};

use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::identity::Principal;
use crate::limits::device::{Arrival, Device};
use crate::limits::store::{Passage, Rejection, UserLimits};
use crate::limits::{Origin, Standing};
use crate::plan::{Allowance, MOST, Meter, Usage};
use crate::quota::idempotency::IdempotencyKey;
use crate::quota::outage::shadow::Reservation;
use crate::quota::receipt::Receipt;
use crate::quota::refund::Refund;
use crate::quota::store::Charged;
use crate::quota::{Charge, Counter};

/// A request of a user that the limits have admitted, with all that its charge needs.
#[derive(Debug)]
pub struct Admitted {
    /// The standings of the limits that it met.
    pub standings: Vec<Standing>,
    /// True if the limits' cache was down.
    pub degraded: bool,
    /// The arrival of the device, if the limits were asked of one and their cache answered.
    pub arrival: Option<Arrival>,
    charge: Charge,
    per_minute: Option<u64>,
    /// True if the plan has a figure by day.
    by_day: bool,
    reservation: Option<Reservation>,
    now: Timestamp,
}

/// Admits a user's request that uses `units` of a meter; one of 0 units only looks. Counts it in all of its limits, or
/// in none.
///
/// # Errors
/// As [`LimitStore::admit`](crate::limits::store::LimitStore::admit); [`Error::Forbidden`] if the plan has none of the
/// meter: then the address alone counts it.
pub async fn enter(
    app: &App,
    origin: Origin<'_>,
    principal: &Principal,
    meter: Meter,
    units: u64,
) -> Result<Admitted, Rejection> {
    pass(app, origin, principal, (meter, units), |user| user).await
}

/// Admits a request that asks for work to be done later. Its units count by day alone; by minute it counts as one of
/// `per_minute` requests of its kind, in the log of this name.
///
/// # Errors
/// As [`enter`].
pub async fn enter_later_work(
    app: &App,
    origin: Origin<'_>,
    principal: &Principal,
    metered: (Meter, u64),
    (own_log, per_minute): (&'static str, u64),
) -> Result<Admitted, Rejection> {
    pass(app, origin, principal, metered, |user| UserLimits {
        per_minute: Some(per_minute),
        own_log: Some(own_log),
        ..user
    })
    .await
}

/// Admits a request of one of a user's devices, each of which has the limit by minute for itself. The units of the day are charged
/// when it is known how many there are ([`Admitted::charge_units`]): none is reserved.
///
/// # Errors
/// As [`enter`].
pub async fn enter_device(
    app: &App,
    origin: Origin<'_>,
    principal: &Principal,
    metered: (Meter, u64),
    device: Device<'_>,
) -> Result<Admitted, Rejection> {
    pass(app, origin, principal, metered, |user| UserLimits {
        by_day: false,
        device: Some(device),
        ..user
    })
    .await
}

/// Admits a request by the limits of its meter, after `adjust` has made them those of its kind.
async fn pass<'a>(
    app: &App,
    origin: Origin<'_>,
    principal: &'a Principal,
    (meter, units): (Meter, u64),
    adjust: impl FnOnce(UserLimits<'a>) -> UserLimits<'a>,
) -> Result<Admitted, Rejection> {
    let allowance = match allowance(app, principal, meter, units, origin.now).await {
        Ok(allowance) => allowance,
        Err(error) => {
            let Passage { standings, .. } = visit(app, &origin, false).await?;
            return Err(Rejection { standings, error });
        }
    };
    let user = adjust(UserLimits {
        principal,
        meter,
        units,
        per_minute: allowance.per_minute,
        by_day: allowance.per_day.is_some(),
        own_log: None,
        device: None,
    });
    let passage = app.limits.admit(&origin, false, Some(user)).await?;
    Ok(Admitted::of(principal, meter, units, allowance, origin.now).with(passage))
}

/// Admits work by its charge to the day alone, such as a job's: no limit by minute counts it.
///
/// # Errors
/// [`Error::Forbidden`] if the plan has none of the meter.
pub async fn enter_by_day(
    app: &App,
    principal: &Principal,
    meter: Meter,
    units: u64,
    now: Timestamp,
) -> Result<Admitted, Error> {
    let allowance = allowance(app, principal, meter, units, now).await?;
    Ok(Admitted::of(principal, meter, units, allowance, now))
}

/// Admits work that was charged when it was asked for: its own charge is none.
#[must_use]
pub fn prepaid(principal: &Principal, meter: Meter, now: Timestamp) -> Admitted {
    Admitted::of(principal, meter, 0, Allowance::default(), now)
}

async fn allowance(
    app: &App,
    principal: &Principal,
    meter: Meter,
    units: u64,
    now: Timestamp,
) -> Result<Allowance, Error> {
    let allowance = app.plans.current(now).await.allowance(&principal.tier, meter);
    if allowance.is_none() && units > 0 {
        return Err(Error::Forbidden(meter.name()));
    }
    Ok(allowance)
}

/// Admits a request by its address alone; one that `registers` a device also by the limit of registrations.
///
/// # Errors
/// As [`LimitStore::admit`](crate::limits::store::LimitStore::admit).
pub async fn visit(app: &App, origin: &Origin<'_>, registers: bool) -> Result<Passage, Rejection> {
    app.limits.admit(origin, registers, None).await
}

impl Admitted {
    fn of(principal: &Principal, meter: Meter, units: u64, allowance: Allowance, now: Timestamp) -> Self {
        Self {
            standings: Vec::new(),
            degraded: false,
            charge: Charge {
                counter: Counter::today(&principal.user, meter, now),
                tier: principal.tier.clone(),
                units,
                limit: allowance.per_day.unwrap_or(0),
            },
            arrival: None,
            per_minute: allowance.per_minute,
            by_day: allowance.per_day.is_some(),
            reservation: None,
            now,
        }
    }

    /// Returns whether the plan has a figure by day: without, nothing is charged.
    #[must_use]
    pub const fn counts_by_day(&self) -> bool {
        self.by_day
    }

    /// Charges as [`charge`](Self::charge), and remembers an idempotency key also where the plan counts nothing by day.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub async fn charge_once(&self, app: &App, key: Option<&IdempotencyKey>) -> Result<Charged, Error> {
        if self.by_day || key.is_none() {
            return self.charge(app, key).await;
        }
        let charge = Charge {
            units: 0,
            limit: MOST,
            ..self.charge.clone()
        };
        let charged = app.quota.charge(&charge, key, None, self.now).await?;
        Ok(Charged { usage: None, ..charged })
    }

    fn with(self, passage: Passage) -> Self {
        Self {
            standings: passage.standings,
            degraded: passage.degraded,
            reservation: passage.reservation,
            arrival: passage.arrival,
            ..self
        }
    }

    /// Returns the plan's figure by minute, if it has one.
    #[must_use]
    pub const fn per_minute(&self) -> Option<u64> {
        self.per_minute
    }

    /// Returns the use of the day as this process has seen it within the last minute, if it has.
    #[must_use]
    pub fn usage_seen(&self, app: &App) -> Option<Usage> {
        app.quota.usage_seen(&self.charge).filter(|_| self.by_day)
    }

    /// Charges the units, whole or not at all; with an idempotency key once, however often the client sends the
    /// request. It may run beside work that costs no money.
    ///
    /// # Errors
    /// As [`QuotaStore::charge`](crate::quota::store::QuotaStore::charge).
    pub async fn charge(&self, app: &App, key: Option<&IdempotencyKey>) -> Result<Charged, Error> {
        self.charge_units(app, self.charge.units, key).await
    }

    /// Charges some units, whole or not at all, as [`charge`](Self::charge) does all.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub async fn charge_units(&self, app: &App, units: u64, key: Option<&IdempotencyKey>) -> Result<Charged, Error> {
        if !self.by_day {
            app.plans.keep_fresh(self.now).await;
            return Ok(Charged::uncounted(&self.charge.counter));
        }
        let charge = self.charge.of(units);
        let (charged, ()) = tokio::join!(
            app.quota.charge(&charge, key, self.reservation, self.now),
            app.plans.keep_fresh(self.now)
        );
        charged
    }
}

/// Ends a charge, and gives back the unused units.
pub async fn finish(app: &App, receipt: Receipt, unused: u64) -> Refund {
    app.quota.finish(receipt, unused).await
}
