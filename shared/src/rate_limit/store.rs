//! Limits carried out: one round trip to the shared cache for all of a request, or the logs of this process.

use std::time::Duration;

use super::deny_list::{DENIED_FOR, DenyList};
use super::local::{Ask, LocalLogs};
use super::scripts::{Reserve, SERVER_CLOCK, Scripts, read_denied, read_replies};
use super::{Decision, IP, Policy, Source, Standing};
use crate::clock::Timestamp;
use crate::config::{AddressLimits, Config};
use crate::error::{Error, Outage};
use crate::identity::Principal;
use crate::ids::{SessionId, UserId, random_bytes};
use crate::quota::Counter;
use crate::quota::outage::{self, Reservation};
use crate::valkey::{Failure, Invocation, Valkey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// When a client that met a conservative limit should try again: as long as the cache is skipped at the most.
const RETRY_REDUCED: Duration = Duration::from_secs(5);

/// When a client should try again whose request the cache may have counted, though its answer is lost.
const RETRY_UNKNOWN: Duration = Duration::from_secs(1);

/// The list of all revoked sessions.
const DENIED: &str = "denied";

/// What a request asks of the limits.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Where it comes from.
    pub source: &'a Source,
    /// Which endpoint it asks; `None` if its address was counted before.
    pub endpoint: Option<&'a str>,
    /// Whether it registers a device.
    pub registers: bool,
    /// What it asks of its user's limits, if it has one.
    pub burst: Option<Burst<'a>>,
}

/// What a request asks of its user's burst limit.
#[derive(Debug, Clone, Copy)]
pub struct Burst<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What is counted today.
    pub counter: &'a Counter,
    /// The plan's figure.
    pub per_minute: u64,
    /// Units; 0 only looks.
    pub units: u64,
}

/// A request that may go on.
#[derive(Debug, Clone, Default)]
pub struct Admitted {
    /// How its limits stand.
    pub standings: Vec<Standing>,
    /// Whether the shared cache was done without.
    pub degraded: bool,
    /// What was reserved of the day.
    pub reservation: Option<Reservation>,
}

/// A request that may not.
#[derive(Debug)]
pub struct Refused {
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
            denied: DenyList::default(),
            fleet: config.fleet_size,
            per_address: config.cache.ip_per_minute.clone(),
            registrations: Policy::registrations(config.cache.registrations_per_ip_per_hour),
        }
    }

    /// Lets a request on or not: all of its limits or none of them count it.
    ///
    /// # Errors
    /// [`Refused`]: over a limit, over this process's share of it while the cache is down, or of a revoked session.
    pub async fn admit(&self, visit: &Visit<'_>, now: Timestamp) -> Result<Admitted, Refused> {
        let denied = |burst: &Burst<'_>| self.denied.holds(&burst.principal.session, now);
        if !visit.burst.as_ref().is_some_and(denied) {
            return self.decide(visit, now).await;
        }
        // Like every bad credential, it counts for its address alone.
        let of_address = Visit { burst: None, ..*visit };
        Err(revoked(self.decide(&of_address, now).await?.standings))
    }

    async fn decide(&self, visit: &Visit<'_>, now: Timestamp) -> Result<Admitted, Refused> {
        let id = random_bytes::<12>().map_err(refused_for)?;
        let asks = self.asks(visit);
        if asks.is_empty() {
            return Ok(Admitted::default());
        }
        let Some(valkey) = &self.valkey else {
            return settle(self.local.decide(&asks, local_id(&id), now), exceeded);
        };
        match self.ask(valkey, visit, &asks, &URL_SAFE_NO_PAD.encode(id), now).await {
            Ok(answer) => {
                if answer.is_ok() {
                    self.local.note(&asks, local_id(&id), now);
                }
                answer
            }
            // The cache goes on counting for others: this process's share would come on top of that.
            Err(Failure::Unknown(_)) => Err(refused_for(unknown(&asks))),
            Err(Failure::Unasked(_) | Failure::Failed(_)) => self.admit_alone(&asks, local_id(&id), now),
        }
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

    /// The logs that a request must pass, in the order in which their standings are told.
    fn asks(&self, visit: &Visit<'_>) -> Vec<Ask> {
        let source = visit.source.as_str();
        let mut asks = Vec::with_capacity(2);
        if let Some(endpoint) = visit.endpoint {
            let (class, limit) = self.per_address.of(endpoint);
            asks.push(Ask {
                key: format!("ip:{{{source}}}:{class}"),
                policy: Policy::ip(limit),
                weight: 1,
            });
        }
        if visit.registers {
            asks.push(Ask {
                key: format!("registrations:{{{source}}}"),
                policy: self.registrations,
                weight: 1,
            });
        }
        if let Some(burst) = &visit.burst {
            asks.push(Ask {
                key: format!("burst:{{{}}}:{}", burst.principal.user, burst.counter.meter),
                policy: Policy::burst(burst.per_minute),
                weight: burst.units,
            });
        }
        asks
    }

    /// Asks the cache, and fails if it does not answer with sense.
    async fn ask(
        &self,
        valkey: &Valkey,
        visit: &Visit<'_>,
        asks: &[Ask],
        id: &str,
        now: Timestamp,
    ) -> Result<Result<Admitted, Refused>, Failure> {
        let mut invocations: Vec<Invocation<'_>> = Vec::with_capacity(asks.len() + 1);
        for ask in asks {
            invocations.push(match &visit.burst {
                Some(burst) if ask.policy.name == "burst" => self.user_script(ask, burst, id, now),
                _ => self.scripts.visit(ask.key.clone(), &ask.policy, ask.weight, id),
            });
        }
        let reads_list = self.denied.is_due(now);
        if reads_list {
            invocations.push(self.scripts.denied(DENIED.to_owned(), now));
        }
        let mut answer = valkey.run(&invocations).await;
        if matches!(answer, Err(Failure::Unknown(_))) {
            // Once more, when what the lost answer may have counted is taken back.
            let undo: Vec<_> = asks.iter().map(|ask| self.undo(visit, ask, id)).collect();
            valkey.run(&undo).await?;
            answer = valkey.run(&invocations).await;
        }
        let replies = answer.inspect_err(|_| {
            if reads_list {
                self.denied.miss();
            }
        })?;
        if reads_list && let Some(listed) = replies.get(asks.len()).and_then(read_denied) {
            self.denied.learn(listed, now);
        }
        let read = read_replies(asks, &replies, visit.burst.is_some()).ok_or_else(senseless)?;
        if read.revoked {
            if let Some(burst) = &visit.burst {
                self.denied.add(&burst.principal.session, now);
            }
            let of_address = settle(read.decisions, exceeded);
            return Ok(of_address.and_then(|admitted| Err(revoked(admitted.standings))));
        }
        if read.decisions.iter().any(|decision| decision.wait.is_some()) {
            self.take_back(valkey, visit, asks, &read.decisions, id).await;
        }
        let settled = settle(read.decisions, exceeded);
        Ok(settled.map(|admitted| Admitted {
            reservation: read.reservation,
            ..admitted
        }))
    }

    fn user_script(&self, ask: &Ask, burst: &Burst<'_>, id: &str, now: Timestamp) -> Invocation<'_> {
        let Burst { principal, counter, .. } = burst;
        let keys = [
            ask.key.clone(),
            revoked_key(&principal.user, &principal.session),
            outage::day_key(counter),
        ];
        let reserve = Reserve {
            units: ask.weight,
            kept: outage::kept(counter.day, now),
        };
        self.scripts.user(keys, &ask.policy, ask.weight, id, reserve)
    }

    /// Takes back what one limit has admitted when another refuses. Should that be lost, it can only refuse.
    async fn take_back(&self, valkey: &Valkey, visit: &Visit<'_>, asks: &[Ask], decisions: &[Decision], id: &str) {
        let admitted = asks
            .iter()
            .zip(decisions)
            .filter(|(_, decision)| decision.wait.is_none());
        let invocations: Vec<_> = admitted.map(|(ask, _)| self.undo(visit, ask, id)).collect();
        if !invocations.is_empty() {
            let _ = valkey.run(&invocations).await;
        }
    }

    /// Removes what one limit has noted of a request, if anything.
    fn undo(&self, visit: &Visit<'_>, ask: &Ask, id: &str) -> Invocation<'_> {
        match &visit.burst {
            Some(burst) if ask.policy.name == "burst" => {
                let keys = [ask.key.clone(), outage::day_key(burst.counter)];
                self.scripts.take_back_user(keys, id, ask.weight)
            }
            _ => self.scripts.take_back(ask.key.clone(), id),
        }
    }

    /// By this process alone: within its share of 80 % of each limit, which counts what it has let on before.
    fn admit_alone(&self, asks: &[Ask], id: u64, now: Timestamp) -> Result<Admitted, Refused> {
        let share = |ask: &Ask| Ask {
            key: ask.key.clone(),
            policy: ask.policy.share(self.fleet),
            weight: ask.weight,
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
        let admitted = settle(decisions, |policy, _| Error::ReducedCapacity {
            limit: policy.name,
            allows: policy.limit,
            retry_after: RETRY_REDUCED,
        })?;
        Ok(Admitted {
            degraded: true,
            ..admitted
        })
    }
}

/// Admits the request if every limit does; otherwise tells the longest wait.
fn settle(decisions: Vec<Decision>, refusal: impl FnOnce(&Policy, Duration) -> Error) -> Result<Admitted, Refused> {
    let refusing = decisions
        .iter()
        .filter_map(|decision| Some((decision.standing.policy, decision.wait?)));
    let last = refusing.max_by_key(|(_, wait)| *wait);
    let standings = decisions.into_iter().map(|decision| decision.standing).collect();
    match last {
        None => Ok(Admitted {
            standings,
            ..Admitted::default()
        }),
        Some((policy, wait)) => Err(Refused {
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

const fn revoked(standings: Vec<Standing>) -> Refused {
    Refused {
        standings,
        error: Error::Unauthenticated("the session is revoked"),
    }
}

const fn refused_for(error: Error) -> Refused {
    Refused {
        standings: Vec::new(),
        error,
    }
}

fn revoked_key(user: &UserId, session: &SessionId) -> String {
    format!("revoked:{{{user}}}:{session}")
}

/// The half of an id that this process's own logs use.
fn local_id(id: &[u8; 12]) -> u64 {
    id.first_chunk().map_or(0, |half| u64::from_le_bytes(*half))
}
