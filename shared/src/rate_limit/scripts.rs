//! The rule of limits as it runs inside the shared cache, and what its scripts answer.

use std::time::Duration;

use redis::Value;

use super::local::Ask;
use super::{Decision, Policy, Standing};
use crate::clock::Timestamp;
use crate::quota::outage::{DAY, Reservation, read_waiting};
use crate::valkey::{Invocation, Script};

/// Where the scripts' time comes from: the cache's own clock.
pub const SERVER_CLOCK: &str = include_str!("clock.lua");

const LOG: &str = include_str!("log.lua");

/// The scripts, each sent in full to a cache that does not know it.
#[derive(Debug)]
pub struct Scripts {
    visit: Script,
    user: Script,
    take_back: Script,
    take_back_user: Script,
    denied: Script,
}

/// What the cache says to a request of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserReply {
    /// Its session was revoked; nothing was noted.
    Revoked,
    /// The burst limit's decision, and what was reserved of the day if anything was.
    Decided(Decision, Option<Reservation>),
}

/// What a request of a user reserves of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// Units; 0 for a request that only looks.
    pub units: u64,
    /// For how long the count is kept.
    pub kept: Duration,
}

impl Scripts {
    /// With a source of time: Lua that sets `now` to microseconds since whenever.
    #[must_use]
    pub fn new(clock: &str) -> Self {
        let script = |body: &str| Script::new([clock, LOG, DAY, body].concat());
        Self {
            visit: script(include_str!("visit.lua")),
            user: script(include_str!("user.lua")),
            take_back: script(include_str!("take_back.lua")),
            take_back_user: script(include_str!("take_back_user.lua")),
            denied: Script::new(include_str!("denied.lua")),
        }
    }

    /// Decides on a request by the log of an address.
    #[must_use]
    pub fn visit(&self, key: String, policy: &Policy, weight: u64, id: &str) -> Invocation<'_> {
        decision_on(self.visit.on([key]), policy, weight, id)
    }

    /// Decides on a request by a user's log, unless the session is marked as revoked, and reserves units of the day.
    #[must_use]
    pub fn user(&self, keys: [String; 3], policy: &Policy, weight: u64, id: &str, reserve: Reserve) -> Invocation<'_> {
        decision_on(self.user.on(keys), policy, weight, id)
            .with(reserve.units)
            .with(reserve.kept.as_secs())
    }

    /// Removes the entry `id` of a log.
    #[must_use]
    pub fn take_back(&self, key: String, id: &str) -> Invocation<'_> {
        self.take_back.on([key]).with(id)
    }

    /// Removes the entry `id` of a user's log, and what was reserved with it.
    #[must_use]
    pub fn take_back_user(&self, keys: [String; 2], id: &str, reserved: u64) -> Invocation<'_> {
        self.take_back_user.on(keys).with(id).with(reserved)
    }

    /// The list of revoked sessions.
    #[must_use]
    pub fn denied(&self, key: String, now: Timestamp) -> Invocation<'_> {
        self.denied.on([key]).with(now.millis())
    }

    /// All of them, for whoever checks them.
    #[must_use]
    pub fn all(&self) -> [&Script; 5] {
        [
            &self.visit,
            &self.user,
            &self.take_back,
            &self.take_back_user,
            &self.denied,
        ]
    }
}

fn decision_on<'a>(invocation: Invocation<'a>, policy: &Policy, weight: u64, id: &str) -> Invocation<'a> {
    let window = policy.window.as_micros();
    invocation.with(policy.limit).with(window).with(weight).with(id)
}

/// Reads a decision; `None` if it is none.
#[must_use]
pub fn read_decision(reply: &Value, policy: &Policy) -> Option<Decision> {
    let Value::Array(values) = reply else { return None };
    let number = |at: usize| match values.get(at) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (admitted, used, reset, wait) = (number(0)?, number(1)?, number(2)?, number(3)?);
    Some(Decision {
        standing: Standing {
            policy: *policy,
            remaining: policy.limit.saturating_sub(used),
            reset: Duration::from_micros(reset),
        },
        wait: (admitted == 0).then(|| Duration::from_micros(wait)),
    })
}

/// Reads what was said to a request of a user; `None` if it makes no sense.
#[must_use]
pub fn read_user(reply: &Value, policy: &Policy) -> Option<UserReply> {
    let Value::Array(values) = reply else { return None };
    if values.first() == Some(&Value::Int(-1)) {
        return Some(UserReply::Revoked);
    }
    let decision = read_decision(reply, policy)?;
    let Some(known) = values.get(4) else {
        return Some(UserReply::Decided(decision, None));
    };
    let Some(Value::Int(unsent)) = values.get(5) else {
        return None;
    };
    let parcel = &values[6..];
    let reservation = Reservation {
        known: *known == Value::Int(1),
        waiting: read_waiting(parcel),
        unsent: u64::try_from(*unsent).ok()?,
    };
    if reservation.waiting.is_none() && !parcel.is_empty() {
        return None;
    }
    Some(UserReply::Decided(decision, Some(reservation)))
}

/// What the cache has said to all of a request.
#[derive(Debug)]
pub struct Read {
    /// Of each limit, but for the user's when the session is revoked.
    pub decisions: Vec<Decision>,
    /// What was reserved of the day.
    pub reservation: Option<Reservation>,
    /// Whether the session is.
    pub revoked: bool,
}

/// Reads the replies to `asks`, the last of which is a user's or not; `None` if one makes no sense.
#[must_use]
pub fn read_replies(asks: &[Ask], replies: &[Value], of_user: bool) -> Option<Read> {
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

/// Reads the list of revoked sessions, each with the time until which it is denied.
#[must_use]
pub fn read_denied(reply: &Value) -> Option<Vec<(String, Timestamp)>> {
    let Value::Array(values) = reply else { return None };
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let pairs = values.chunks_exact(2).map(|pair| {
        let until = text(&pair[1])?.parse().ok()?;
        Some((text(&pair[0])?, Timestamp::from_millis(until)))
    });
    pairs.collect()
}
