//! The breakers of all providers: carries out what the state machine says, on the fleet's counts. While there is no shared cache,
//! or it is down, a process goes on alone with what the fleet told it last.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fleet::Fleet;
use super::window::{Blame, FleetAct, Window};
use super::{CallDecision, CallOutcome, LONGEST_OPEN, Phase, Snapshot};
use crate::clock::Timestamp;
use crate::config::providers::{Forced, ProviderName};

/// Why a call may not be made, for the log.
type BlockReason = &'static str;

/// The most times that a decision is made again because another instance was quicker: a phase that is over, then the one that follows.
const ATTEMPTS: u32 = 3;

/// The time for which a breaker counts as closed after the fleet has said so. Each report of a call renews it: an instance that
/// calls often asks for no permission, and one that knows of no failure may call for so long after others opened the breaker.
const CLOSED_FOR: Duration = Duration::from_secs(1);

/// All breakers.
#[derive(Debug, Default)]
pub struct Breakers {
    forced: BTreeMap<ProviderName, Forced>,
    fleet: Option<Fleet>,
    known: Mutex<HashMap<ProviderName, CachedBreaker>>,
}

/// The state of a provider as this process knows it.
#[derive(Debug, Default)]
struct CachedBreaker {
    /// The fleet's counts as they were told last, and what this process has seen alone since.
    window: Window,
    /// When the fleet told them.
    told_at: Option<Timestamp>,
}

/// The permission to make one call: the epoch in which it begins.
#[derive(Debug, Clone, Copy)]
pub struct Permit {
    epoch: u64,
}

/// The end of a call.
#[derive(Debug, Clone)]
pub struct CallReport {
    /// Its meaning for the provider.
    pub outcome: CallOutcome,
    /// The users and contents that could have provoked the failure, if a request could.
    pub blame: Option<Blame>,
    /// Until when the provider asked not to be called.
    pub hold: Option<Timestamp>,
    /// The status of a refusal that no other question changes.
    pub refusal: Option<u16>,
}

/// The condition of a provider, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// It is asked: its breaker is closed.
    pub is_asked: bool,
    /// The status with which it last refused a call, if it has answered none since.
    pub refusal: Option<u16>,
}

impl Breakers {
    /// Makes them with those that an operator has forced, over the counts of `fleet` if there is a shared cache.
    #[must_use]
    pub fn new(forced: BTreeMap<ProviderName, Forced>, fleet: Option<Fleet>) -> Self {
        Self {
            forced,
            fleet,
            known: Mutex::default(),
        }
    }

    /// Gives the permission to call a provider now.
    ///
    /// # Errors
    /// Why not, for the log.
    pub async fn admit(&self, name: &ProviderName, now: Timestamp) -> Result<Permit, BlockReason> {
        match self.forced.get(name) {
            Some(Forced::Open) => return Err("its breaker is forced open"),
            Some(Forced::Closed) => return Ok(Permit { epoch: 0 }),
            None => {}
        }
        if let Some(permit) = self.known_to_be_closed(name, now) {
            return Ok(permit);
        }
        let (_, mut snapshot) = self.run(name, FleetAct::Look, now).await;
        for _ in 0..ATTEMPTS {
            let epoch = snapshot.epoch;
            let act = match snapshot.admission(now) {
                CallDecision::Call => return Ok(Permit { epoch }),
                CallDecision::Refuse(_) => break,
                CallDecision::Lease => FleetAct::Lease(epoch),
                CallDecision::Shift(phase) => FleetAct::Shift(epoch, phase),
            };
            let is_lease = matches!(act, FleetAct::Lease(_));
            let (done, after) = self.run(name, act, now).await;
            if is_lease && done {
                return Ok(Permit { epoch });
            }
            snapshot = after;
        }
        Err("its breaker is open")
    }

    /// Counts how a call ended. Returns whether that opened the breaker.
    pub async fn report(&self, name: &ProviderName, permit: Permit, report: CallReport, now: Timestamp) -> bool {
        if self.forced.contains_key(name) {
            return false;
        }
        let act = FleetAct::Report {
            epoch: permit.epoch,
            outcome: report.outcome,
            hold: report.hold.map(|until| until.min(now.plus(LONGEST_OPEN))),
            refusal: report.refusal,
            blame: report.blame.as_ref(),
        };
        let (_, snapshot) = self.run(name, act, now).await;
        let Some(phase) = snapshot.consequence(now) else {
            return false;
        };
        let (first, _) = self.run(name, FleetAct::Shift(snapshot.epoch, phase), now).await;
        first && announce(name, phase)
    }

    /// Takes a retry out of the budget, if it has one.
    pub async fn retry(&self, name: &ProviderName, now: Timestamp) -> bool {
        self.run(name, FleetAct::Retry, now).await.0
    }

    /// Takes up to `wanted` retries out of the fleet's budget. Returns how many it had.
    pub async fn retries(&self, name: &ProviderName, wanted: u32, now: Timestamp) -> u32 {
        let mut granted = 0;
        while granted < wanted && self.retry(name, now).await {
            granted += 1;
        }
        granted
    }

    /// Reports whether a provider is being asked.
    pub async fn is_closed(&self, name: &ProviderName, now: Timestamp) -> bool {
        self.condition(name, now).await.is_asked
    }

    /// Returns the condition of a provider.
    pub async fn condition(&self, name: &ProviderName, now: Timestamp) -> Condition {
        let (_, snapshot) = self.run(name, FleetAct::Look, now).await;
        let forced = self.forced.get(name).map(|forced| *forced == Forced::Closed);
        Condition {
            is_asked: forced.unwrap_or(snapshot.phase == Phase::Closed),
            refusal: snapshot.refusal,
        }
    }

    /// Permits a call if the fleet has said a moment ago that the breaker is closed.
    fn known_to_be_closed(&self, name: &ProviderName, now: Timestamp) -> Option<Permit> {
        let known = self.known();
        let known = known.get(name)?;
        let told_at = known.told_at?;
        let is_recent = told_at <= now && now.since(told_at) < CLOSED_FOR;
        let snapshot = known.window.snapshot(now);
        let is_closed = is_recent && snapshot.admission(now) == CallDecision::Call;
        is_closed.then_some(Permit { epoch: snapshot.epoch })
    }

    /// Does something on the fleet's counts, and keeps what they are after it; on the process's own while the fleet's cannot be had.
    async fn run(&self, name: &ProviderName, act: FleetAct<'_>, now: Timestamp) -> (bool, Snapshot) {
        let told = match &self.fleet {
            Some(fleet) => fleet.run(name, &act, now).await.ok(),
            None => None,
        };
        let mut known = self.known();
        let known = known.entry(name.clone()).or_default();
        if let Some((done, snapshot)) = told {
            known.window.adopt(snapshot, now);
            known.told_at = Some(now);
            return (done, snapshot);
        }
        known.window.run(&act, now)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ProviderName, CachedBreaker>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs a change. Returns whether it was to open.
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
