//! Limits carried out: one round trip to the shared cache for all of a request, or the logs of this process.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::Value;

use super::deny_list::{DENIED_FOR, DenyList};
use super::local::{Ask, LocalLogs};
use super::scripts::{Reserve, SERVER_CLOCK, Scripts, UserReply, read_decision, read_denied, read_user};
use super::{Decision, Policy, Source, Standing};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::error::Error;
use crate::identity::Principal;
use crate::ids::{SessionId, UserId, random_bytes};
use crate::quota::Counter;
use crate::quota::outage::{self, Reservation};
use crate::valkey::{Invocation, Valkey};

/// When a client that met a conservative limit should try again: as long as the cache is skipped at the most.
const RETRY_REDUCED: Duration = Duration::from_secs(5);

/// The list of all revoked sessions.
const DENIED: &str = "denied";

/// What a request asks of the limits.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// Where it comes from.
    pub source: &'a Source,
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
    ip: Policy,
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
            ip: Policy::ip(config.cache.ip_per_minute),
            registrations: Policy::registrations(config.cache.registrations_per_ip_per_hour),
        }
    }

    /// Lets a request on or not: all of its limits or none of them count it.
    ///
    /// # Errors
    /// [`Refused`]: over a limit, over this process's share of it while the cache is down, or of a revoked session.
    pub async fn admit(&self, visit: &Visit<'_>, now: Timestamp) -> Result<Admitted, Refused> {
        if let Some(burst) = &visit.burst
            && self.denied.holds(&burst.principal.session, now)
        {
            return Err(revoked());
        }
        let id = random_bytes::<12>().map_err(refused_for)?;
        let asks = self.asks(visit);
        let Some(valkey) = &self.valkey else {
            return settle(self.local.decide(&asks, local_id(&id), now), exceeded);
        };
        match self.ask(valkey, visit, &asks, &URL_SAFE_NO_PAD.encode(id), now).await {
            Some(answer) => {
                if answer.is_ok() {
                    self.local.note(&asks, local_id(&id), now);
                }
                answer
            }
            None => self.admit_alone(&asks, local_id(&id), now),
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
        let mut asks = vec![Ask {
            key: format!("ip:{{{source}}}"),
            policy: self.ip,
            weight: 1,
        }];
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

    /// Asks the cache; `None` if it does not answer with sense.
    async fn ask(
        &self,
        valkey: &Valkey,
        visit: &Visit<'_>,
        asks: &[Ask],
        id: &str,
        now: Timestamp,
    ) -> Option<Result<Admitted, Refused>> {
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
        let Ok(replies) = valkey.run(&invocations).await else {
            self.denied.miss();
            return None;
        };
        if reads_list && let Some(listed) = replies.get(asks.len()).and_then(read_denied) {
            self.denied.learn(listed, now);
        }
        let read = read_replies(asks, &replies, visit.burst.is_some())?;
        if read.revoked {
            if let Some(burst) = &visit.burst {
                self.denied.add(&burst.principal.session, now);
            }
            return Some(Err(revoked()));
        }
        if read.decisions.iter().any(|decision| decision.wait.is_some()) {
            self.take_back(valkey, visit, asks, &read.decisions, id).await;
        }
        let settled = settle(read.decisions, exceeded);
        Some(settled.map(|admitted| Admitted {
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
        let invocations: Vec<Invocation<'_>> = admitted
            .map(|(ask, _)| match &visit.burst {
                Some(burst) if ask.policy.name == "burst" => {
                    let keys = [ask.key.clone(), outage::day_key(burst.counter)];
                    self.scripts.take_back_user(keys, id, ask.weight)
                }
                _ => self.scripts.take_back(ask.key.clone(), id),
            })
            .collect();
        if !invocations.is_empty() {
            let _ = valkey.run(&invocations).await;
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

/// What the cache has said to all of a request.
struct Read {
    decisions: Vec<Decision>,
    reservation: Option<Reservation>,
    revoked: bool,
}

fn read_replies(asks: &[Ask], replies: &[Value], of_user: bool) -> Option<Read> {
    let mut read = Read {
        decisions: Vec::with_capacity(asks.len()),
        reservation: None,
        revoked: false,
    };
    for (place, (ask, reply)) in asks.iter().zip(replies).enumerate() {
        if !of_user || place + 1 < asks.len() {
            read.decisions.push(read_decision(reply, &ask.policy)?);
            continue;
        }
        match read_user(reply, &ask.policy)? {
            UserReply::Revoked => read.revoked = true,
            UserReply::Decided(decision, reservation) => {
                read.decisions.push(decision);
                read.reservation = reservation;
            }
        }
    }
    Some(read)
}

/// On, if every limit lets it; else until the last of those that do not.
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

fn revoked() -> Refused {
    refused_for(Error::Unauthenticated("the session is revoked"))
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
