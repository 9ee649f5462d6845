//! Carries limits out: one round trip to the shared cache for all of a request, or the logs of this process.

mod devices;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::Value;

use self::devices::LocalDevices;
use super::deny_list::{DENIED_FOR, DenyList};
use super::device::{Arrival, DEVICES, Device};
use super::local::{Ask, DeviceKey, LocalLogs, UserKeys};
use super::scripts::{SERVER_CLOCK, Scripts, read_denied, read_replies};
use super::{Decision, IP, Origin, Policy, Standing};
use crate::clock::Timestamp;
use crate::config::{AddressLimits, Config};
use crate::error::{Error, Outage};
use crate::identity::Principal;
use crate::ids::{SessionId, UserId, random_bytes};
use crate::plan::Meter;
use crate::quota::Counter;
use crate::quota::outage::shadow::{Booking, Reservation};
use crate::valkey::{Failure, Invocation, Valkey};

/// `Retry-After` for reduced capacity: the longest time for which the cache is skipped.
const RETRY_REDUCED: Duration = Duration::from_secs(5);

/// `Retry-After` for a request that the cache may have counted although its answer is lost.
const RETRY_UNKNOWN: Duration = Duration::from_secs(1);

/// The list of all revoked sessions.
const DENIED: &str = "denied";

/// The limits of a user that a request meets.
#[derive(Debug, Clone, Copy)]
pub struct UserLimits<'a> {
    /// The user and session.
    pub principal: &'a Principal,
    /// The meter.
    pub meter: Meter,
    /// How many units; 0 only looks.
    pub units: u64,
    /// The plan's figure by minute, if it has one.
    pub per_minute: Option<u64>,
    /// True if the units are charged to the day after this.
    pub by_day: bool,
    /// A log by minute of its own, in which each request counts as one; else the meter's, in which units count.
    pub own_log: Option<&'static str>,
    /// The device, if each has the figure by minute for itself.
    pub device: Option<Device<'a>>,
}

/// A request that its limits let pass.
#[derive(Debug, Default)]
pub struct Passage {
    /// How its limits stand.
    pub standings: Vec<Standing>,
    /// True if the shared cache was missing.
    pub degraded: bool,
    /// The reservation of the day.
    pub reservation: Option<Reservation>,
    /// The arrival of the device; `None` also if the shared cache was missing.
    pub arrival: Option<Arrival>,
}

/// A request that one of its limits refuses.
#[derive(Debug)]
pub struct Rejection {
    /// How the limits stand that it met.
    pub standings: Vec<Standing>,
    /// Why.
    pub error: Error,
}

/// The limits.
#[derive(Debug)]
pub struct LimitStore {
    valkey: Option<Valkey>,
    scripts: Scripts,
    local: LocalLogs,
    devices: LocalDevices,
    denied: DenyList,
    fleet: u32,
    per_address: AddressLimits,
    registrations: Policy,
}

impl LimitStore {
    /// In `valkey`; in this process alone where there is none.
    #[must_use]
    pub fn new(valkey: Option<Valkey>, config: &Config) -> Self {
        Self {
            valkey,
            scripts: Scripts::new(SERVER_CLOCK),
            local: LocalLogs::default(),
            devices: LocalDevices::default(),
            denied: DenyList::default(),
            fleet: config.fleet_size,
            per_address: config.cache.ip_per_minute.clone(),
            registrations: Policy::registrations(config.cache.registrations_per_ip_per_hour),
        }
    }

    /// Lets a request pass or not: all of its limits count it, or none of them. `registers` adds the limit of registrations.
    ///
    /// # Errors
    /// [`Rejection`]: over a limit, over this process's share of it while the cache is down, or of a revoked session.
    pub async fn admit(
        &self,
        origin: &Origin<'_>,
        registers: bool,
        user: Option<UserLimits<'_>>,
    ) -> Result<Passage, Rejection> {
        let now = origin.now;
        let denied = user.is_some_and(|user| self.denied.holds(&user.principal.session, now));
        // Like every bad credential, a denied one counts for its address alone.
        let asks = self.asks(origin, registers, user.filter(|_| !denied));
        let bytes = random_bytes::<12>().map_err(rejected)?;
        let (id, own_id) = (URL_SAFE_NO_PAD.encode(bytes), local_id(&bytes));
        let Some(valkey) = self.valkey.as_ref().filter(|_| !asks.is_empty()) else {
            let passage = settle(self.local.decide(&asks, own_id, now), exceeded)?;
            let arrival = self.arrive_here(&asks);
            return unless(denied, Passage { arrival, ..passage });
        };
        let mut invocations: Vec<_> = asks.iter().map(|ask| self.scripts.decide(ask, &id)).collect();
        let reads_list = self.denied.is_due(now);
        if reads_list {
            invocations.push(self.scripts.denied(DENIED.to_owned(), now));
        }
        let mut answer = valkey.run(&invocations).await;
        if matches!(answer, Err(Failure::Unknown(_))) {
            answer = self.run_again(valkey, &asks, &invocations, &id).await;
        }
        if reads_list {
            self.learn_denied(answer.as_ref().ok().and_then(|replies| replies.get(asks.len())), now);
        }
        let read = answer.and_then(|replies| read_replies(&asks, &replies).ok_or_else(senseless));
        let read = match read {
            Ok(read) => read,
            // The cache goes on counting for others: this process's share would come on top of that.
            Err(Failure::Unknown(_)) => return Err(rejected(unknown(&asks))),
            Err(Failure::Unasked(_) | Failure::Failed(_)) => {
                return unless(denied, self.admit_alone(&asks, own_id, now)?);
            }
        };
        if read.decisions.iter().any(|decision| decision.wait.is_some()) {
            self.take_back(valkey, &asks, &read.decisions, &id).await;
        }
        if read.revoked
            && let Some(user) = user
        {
            self.denied.add(&user.principal.session, now);
        }
        let passage = settle(read.decisions, exceeded)?;
        if !read.revoked {
            self.local.note(&asks, own_id, now);
        }
        let (reservation, arrival) = (read.reservation, read.arrival);
        let passage = Passage {
            reservation,
            arrival,
            ..passage
        };
        unless(denied || read.revoked, passage)
    }

    /// Denies a session that was revoked, for as long as a token of it may be good; whether the fleet was told.
    pub async fn revoke(&self, user: &UserId, session: &SessionId, now: Timestamp) -> bool {
        self.denied.add(session, now);
        let Some(valkey) = &self.valkey else { return true };
        let kept = DENIED_FOR.as_secs();
        let mut commands = redis::pipe();
        commands
            .cmd("SET")
            .arg(revoked_key(user, session))
            .arg(1)
            .arg("EX")
            .arg(kept);
        commands
            .cmd("ZADD")
            .arg(DENIED)
            .arg(now.plus(DENIED_FOR).millis())
            .arg(session.as_str());
        commands
            .cmd("ZREMRANGEBYSCORE")
            .arg(DENIED)
            .arg("-inf")
            .arg(now.millis());
        commands.cmd("EXPIRE").arg(DENIED).arg(kept);
        valkey.ask(&commands).await.is_ok()
    }

    /// The logs that a request must pass, in the order of their standings.
    fn asks(&self, origin: &Origin<'_>, registers: bool, user: Option<UserLimits<'_>>) -> Vec<Ask> {
        let source = origin.source.as_str();
        let of_address = |key, policy| Ask {
            key,
            policy,
            weight: 1,
            user: None,
            device: None,
        };
        let mut asks = Vec::with_capacity(2);
        if let Some(endpoint) = origin.endpoint {
            let (class, limit) = self.per_address.of(endpoint);
            asks.push(of_address(format!("ip:{{{source}}}:{class}"), Policy::ip(limit)));
        }
        if registers {
            asks.push(of_address(format!("registrations:{{{source}}}"), self.registrations));
        }
        if let Some(user) = user {
            asks.push(ask_of_user(&user, origin.now));
            asks.extend(user.device.map(|device| ask_of_device(&user, device, origin.now)));
        }
        asks
    }

    /// Runs the scripts once more, when what the lost answer may have counted is taken back.
    async fn run_again(
        &self,
        valkey: &Valkey,
        asks: &[Ask],
        invocations: &[Invocation<'_>],
        id: &str,
    ) -> Result<Vec<Value>, Failure> {
        let undo: Vec<_> = asks.iter().map(|ask| self.scripts.take_back(ask, id)).collect();
        valkey.run(&undo).await?;
        valkey.run(invocations).await
    }

    /// Copies the list of revoked sessions; the next request does if it could not be read.
    fn learn_denied(&self, listed: Option<&Value>, now: Timestamp) {
        match listed {
            None => self.denied.miss(),
            Some(listed) => self.denied.learn(read_denied(listed).unwrap_or_default(), now),
        }
    }

    /// Takes back what one limit has admitted when another refuses. Should that be lost, it can only refuse.
    async fn take_back(&self, valkey: &Valkey, asks: &[Ask], decisions: &[Decision], id: &str) {
        let admitted = asks
            .iter()
            .zip(decisions)
            .filter(|(_, decision)| decision.wait.is_none());
        let invocations: Vec<_> = admitted.map(|(ask, _)| self.scripts.take_back(ask, id)).collect();
        if !invocations.is_empty() {
            let _ = valkey.run(&invocations).await;
        }
    }

    /// By this process alone: within its share of 80 % of each limit, which counts what it has let on before.
    fn admit_alone(&self, asks: &[Ask], id: u64, now: Timestamp) -> Result<Passage, Rejection> {
        let share = |ask: &Ask| Ask {
            key: ask.key.clone(),
            policy: ask.policy.share(self.fleet),
            weight: ask.weight,
            user: None,
            device: None,
        };
        let shares: Vec<Ask> = asks.iter().map(share).collect();
        let mut decisions = self.local.decide(&shares, id, now);
        for (decision, ask) in decisions.iter_mut().zip(asks) {
            decision.standing.policy = ask.policy;
            if decision.wait.is_some() {
                // When the share has room says nothing of the limit: the cache may be back long before.
                decision.standing.reset = decision.standing.reset.min(RETRY_REDUCED);
            }
        }
        let passage = settle(decisions, |policy, _| Error::ReducedCapacity {
            limit: policy.name,
            allows: policy.limit,
            retry_after: RETRY_REDUCED,
        })?;
        Ok(Passage {
            degraded: true,
            ..passage
        })
    }
}

/// Admits the request if every limit does; otherwise tells the longest wait.
fn settle(decisions: Vec<Decision>, refusal: impl FnOnce(&Policy, Duration) -> Error) -> Result<Passage, Rejection> {
    let refusing = decisions
        .iter()
        .filter_map(|decision| Some((decision.standing.policy, decision.wait?)));
    let last = refusing.max_by_key(|(_, wait)| *wait);
    let standings = decisions.into_iter().map(|decision| decision.standing);
    let standings = standings.filter(Standing::is_limited).collect();
    match last {
        None => Ok(Passage {
            standings,
            ..Passage::default()
        }),
        Some((policy, wait)) => Err(Rejection {
            standings,
            error: refusal(&policy, wait),
        }),
    }
}

const fn exceeded(policy: &Policy, wait: Duration) -> Error {
    Error::RateLimitExceeded {
        limit: policy.name,
        retry_after: wait,
    }
}

/// Of the limit that says most of the request: its last.
fn unknown(asks: &[Ask]) -> Error {
    let policy = asks.last().map(|ask| ask.policy);
    Error::ReducedCapacity {
        limit: policy.map_or(IP, |policy| policy.name),
        allows: policy.map_or(0, |policy| policy.limit),
        retry_after: RETRY_UNKNOWN,
    }
}

fn senseless() -> Failure {
    Failure::Failed(Outage("a script of the limits answered otherwise".to_owned()))
}

/// Lets a request pass unless its session is revoked.
fn unless(revoked: bool, passage: Passage) -> Result<Passage, Rejection> {
    if !revoked {
        return Ok(passage);
    }
    Err(Rejection {
        standings: passage.standings,
        error: Error::Unauthenticated("the session is revoked"),
    })
}

const fn rejected(error: Error) -> Rejection {
    Rejection {
        standings: Vec::new(),
        error,
    }
}

/// The limit by minute of a user's meter, and what is asked of the user besides. Without a figure nothing is noted, and how it
/// stands says nothing: see [`Standing::is_limited`].
fn ask_of_user(user: &UserLimits<'_>, now: Timestamp) -> Ask {
    let UserLimits { principal, meter, .. } = *user;
    let counter = Counter::today(&principal.user, meter, now);
    let booking = (user.by_day && user.units > 0).then(|| Booking::of(&counter, user.units, now));
    let (log, weight) = match user.own_log {
        Some(log) => (log, 1),
        None => (meter.name(), user.units),
    };
    // Of all devices together, where each has the figure for itself.
    let devices = user.device.map_or(1, |_| DEVICES);
    let limit = user.per_minute.map(|limit| limit.saturating_mul(devices));
    Ask {
        key: format!("burst:{{{}}}:{log}", principal.user),
        policy: Policy::burst(limit.unwrap_or(u64::MAX)),
        weight: limit.map_or(0, |_| weight),
        user: Some(UserKeys {
            revoked: revoked_key(&principal.user, &principal.session),
            booking,
        }),
        device: None,
    }
}

/// The limit by minute of one device, and what is asked of the device besides.
fn ask_of_device(user: &UserLimits<'_>, device: Device<'_>, now: Timestamp) -> Ask {
    let UserLimits { principal, meter, .. } = *user;
    Ask {
        key: devices::log_key(&principal.user, meter, device.name),
        policy: Policy::burst(user.per_minute.unwrap_or(u64::MAX)),
        weight: user.per_minute.map_or(0, |_| user.units),
        user: None,
        device: Some(DeviceKey {
            state: devices::state_key(&principal.user, meter, device.name),
            paces: device.paces,
            now,
        }),
    }
}

fn revoked_key(user: &UserId, session: &SessionId) -> String {
    format!("revoked:{{{user}}}:{session}")
}

/// The half of an id that this process's own logs use.
fn local_id(id: &[u8; 12]) -> u64 {
    id.first_chunk().map_or(0, |half| u64::from_le_bytes(*half))
}
