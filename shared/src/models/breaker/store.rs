//! The breakers of all providers: carries out what the state machine says, on the fleet's counts, or on this process's own
//! while the shared cache is down.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fleet::{Act, Fleet};
use super::window::{Blame, Window};
use super::{LONGEST_OPEN, Outcome, Phase, Snapshot, Step};
use crate::clock::Timestamp;
use crate::config::providers::{Forced, ProviderName};
use crate::error::Outage;

/// Why a call may not be made, for the log.
type Refusal = &'static str;

const OPEN: Refusal = "its breaker is open";

/// How often a decision is made anew because another instance was quicker: a phase that is over, then the one that follows.
const ATTEMPTS: u32 = 3;

/// All breakers.
#[derive(Debug, Default)]
pub struct Breakers {
    forced: BTreeMap<ProviderName, Forced>,
    fleet: Option<Fleet>,
    /// What this process has seen: kept also while the fleet's counts are there, to go on from when they are not.
    windows: Mutex<HashMap<ProviderName, Window>>,
}

/// The permission to make one call: in which epochs it begins.
#[derive(Debug, Clone, Copy)]
pub struct Permit {
    own: u64,
    fleet: Option<u64>,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it says of the provider.
    pub outcome: Outcome,
    /// Who could have provoked the failure, where a request can.
    pub blame: Option<Blame>,
    /// Until when the provider asked not to be called.
    pub hold: Option<Timestamp>,
    /// The status of a refusal that no other question changes.
    pub refusal: Option<u16>,
}

/// The condition of a provider, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is asked: its breaker is closed.
    pub is_asked: bool,
    /// The status with which it last refused a call, if it has answered none since.
    pub refusal: Option<u16>,
}

impl Breakers {
    /// With those that an operator has forced, over the counts of `fleet` if there is a shared cache.
    #[must_use]
    pub fn new(forced: BTreeMap<ProviderName, Forced>, fleet: Option<Fleet>) -> Self {
        Self {
            forced,
            fleet,
            windows: Mutex::default(),
        }
    }

    /// The permission to call a provider now.
    ///
    /// # Errors
    /// Why not, for the log.
    pub async fn admit(&self, name: &ProviderName, now: Timestamp) -> Result<Permit, Refusal> {
        match self.forced.get(name) {
            Some(Forced::Open) => return Err("its breaker is forced open"),
            Some(Forced::Closed) => return Ok(Permit { own: 0, fleet: None }),
            None => {}
        }
        if let Some(fleet) = &self.fleet
            && let Ok(admitted) = admit_by_fleet(fleet, name, now).await
        {
            let own = self.windows().entry(name.clone()).or_default().snapshot(now).epoch;
            return admitted.map(|epoch| Permit {
                own,
                fleet: Some(epoch),
            });
        }
        let own = admit_alone(self.windows().entry(name.clone()).or_default(), now)?;
        Ok(Permit { own, fleet: None })
    }

    /// Counts how a call ended; whether that opened the breaker.
    pub async fn report(&self, name: &ProviderName, permit: Permit, mut report: Report, now: Timestamp) -> bool {
        if self.forced.contains_key(name) {
            return false;
        }
        report.hold = report.hold.map(|until| until.min(now.plus(LONGEST_OPEN)));
        let opened = self.report_alone(name, permit.own, &report, now);
        if let (Some(fleet), Some(epoch)) = (&self.fleet, permit.fleet) {
            // Who cannot tell the fleet has counted it for itself.
            return report_to_fleet(fleet, name, epoch, &report, now).await.unwrap_or(false);
        }
        opened
    }

    /// Takes a retry out of the fleet's budget, if it has one.
    pub async fn retry(&self, name: &ProviderName, now: Timestamp) -> bool {
        if let Some(fleet) = &self.fleet
            && let Ok((allowed, _)) = fleet.run(name, Act::Retry, now).await
        {
            return allowed;
        }
        self.windows().entry(name.clone()).or_default().retry(now)
    }

    /// Takes up to `wanted` retries out of the fleet's budget. Returns how many it had.
    pub async fn retries(&self, name: &ProviderName, wanted: u32, now: Timestamp) -> u32 {
        let mut granted = 0;
        while granted < wanted && self.retry(name, now).await {
            granted += 1;
        }
        granted
    }

    /// Whether a provider is being asked.
    pub async fn is_closed(&self, name: &ProviderName, now: Timestamp) -> bool {
        self.condition(name, now).await.is_asked
    }

    /// The condition of a provider.
    pub async fn condition(&self, name: &ProviderName, now: Timestamp) -> Condition {
        let snapshot = match &self.fleet {
            Some(fleet) => fleet.run(name, Act::Look, now).await.ok().map(|(_, snapshot)| snapshot),
            None => None,
        };
        let snapshot = snapshot.or_else(|| self.windows().get(name).map(|window| window.snapshot(now)));
        let snapshot = snapshot.unwrap_or(Snapshot::NEW);
        let forced = self.forced.get(name).map(|forced| *forced == Forced::Closed);
        Condition {
            is_asked: forced.unwrap_or(snapshot.phase == Phase::Closed),
            refusal: snapshot.refusal,
        }
    }

    fn report_alone(&self, name: &ProviderName, epoch: u64, report: &Report, now: Timestamp) -> bool {
        let mut windows = self.windows();
        let window = windows.entry(name.clone()).or_default();
        if let Some(until) = report.hold {
            window.hold(until);
        }
        if let Some(status) = report.refusal {
            window.refuse(status);
        }
        let counts = report.blame.as_ref().is_none_or(|blame| window.blame(blame, now));
        let outcome = if counts { report.outcome } else { Outcome::Neutral };
        window.report(epoch, outcome, now);
        let snapshot = window.snapshot(now);
        if let Some(phase) = snapshot.consequence(now)
            && window.shift(snapshot.epoch, phase)
            && self.fleet.is_none()
        {
            return announce(name, phase);
        }
        false
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<ProviderName, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn admit_alone(window: &mut Window, now: Timestamp) -> Result<u64, Refusal> {
    for _ in 0..ATTEMPTS {
        let snapshot = window.snapshot(now);
        match snapshot.admission(now) {
            Step::Call => return Ok(snapshot.epoch),
            Step::Lease if window.lease(snapshot.epoch) => return Ok(snapshot.epoch),
            Step::Shift(phase) => window.shift(snapshot.epoch, phase),
            Step::Lease | Step::Refuse(_) => break,
        };
    }
    Err(OPEN)
}

async fn admit_by_fleet(fleet: &Fleet, name: &ProviderName, now: Timestamp) -> Result<Result<u64, Refusal>, Outage> {
    let (_, mut snapshot) = fleet.run(name, Act::Look, now).await?;
    for _ in 0..ATTEMPTS {
        let epoch = snapshot.epoch;
        let act = match snapshot.admission(now) {
            Step::Call => return Ok(Ok(epoch)),
            Step::Refuse(_) => break,
            Step::Lease => Act::Lease(epoch),
            Step::Shift(phase) => Act::Shift(epoch, phase),
        };
        let is_lease = matches!(act, Act::Lease(_));
        let (done, after) = fleet.run(name, act, now).await?;
        if is_lease && done {
            return Ok(Ok(epoch));
        }
        snapshot = after;
    }
    Ok(Err(OPEN))
}

async fn report_to_fleet(
    fleet: &Fleet,
    name: &ProviderName,
    epoch: u64,
    report: &Report,
    now: Timestamp,
) -> Result<bool, Outage> {
    let act = Act::Report {
        epoch,
        outcome: report.outcome,
        hold: report.hold,
        refusal: report.refusal,
        blame: report.blame.as_ref(),
    };
    let (_, snapshot) = fleet.run(name, act, now).await?;
    if let Some(phase) = snapshot.consequence(now) {
        let (first, _) = fleet.run(name, Act::Shift(snapshot.epoch, phase), now).await?;
        if first {
            return Ok(announce(name, phase));
        }
    }
    Ok(false)
}

/// Tells of a change; whether it was to open.
fn announce(name: &ProviderName, phase: Phase) -> bool {
    match phase {
        Phase::Open { span, .. } => {
            tracing::warn!(provider = %name, seconds = span.as_secs(), "a provider's breaker opens");
        }
        Phase::Closed => tracing::info!(provider = %name, "a provider's breaker closes"),
        Phase::HalfOpen { .. } => tracing::warn!(provider = %name, "a provider is in doubt"),
    }
    matches!(phase, Phase::Open { .. })
}
