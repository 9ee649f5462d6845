//! The rule of limits as it runs inside the shared cache, and what its scripts answer.

use std::time::Duration;

use redis::Value;

use super::device::{Arrival, REMEMBERED_FOR};
use super::local::Ask;
use super::{Decision, Policy, Standing};
use crate::clock::Timestamp;
use crate::quota::outage::shadow::{RESERVE, Reservation};
use crate::valkey::{Invocation, Script};

/// The source of the scripts' time: the cache's own clock.
pub const SERVER_CLOCK: &str = include_str!("clock.lua");

const LOG: &str = include_str!("log.lua");

/// The scripts, each sent in full to a cache that does not know it.
#[derive(Debug)]
pub struct Scripts {
    address: Script,
    user: Script,
    device: Script,
    take_back_address: Script,
    take_back_user: Script,
    take_back_device: Script,
    denied: Script,
}

impl Scripts {
    /// Makes the scripts with a source of time: Lua that sets `now` to microseconds since any point.
    #[must_use]
    pub fn new(clock: &str) -> Self {
        Self {
            address: Script::new([clock, LOG, include_str!("address.lua")].concat()),
            user: Script::new([clock, LOG, RESERVE, include_str!("user.lua")].concat()),
            device: Script::new([clock, LOG, include_str!("device.lua")].concat()),
            take_back_address: Script::new([clock, LOG, include_str!("take_back_address.lua")].concat()),
            take_back_user: Script::new([clock, LOG, RESERVE, include_str!("take_back_user.lua")].concat()),
            take_back_device: Script::new([clock, LOG, include_str!("take_back_device.lua")].concat()),
            denied: Script::new(include_str!("denied.lua")),
        }
    }

    /// Decides on a request by one log. A user's script also checks if the session is revoked, and reserves units of
    /// the day. A device's also notes its arrival.
    #[must_use]
    pub fn decide(&self, ask: &Ask, id: &str) -> Invocation<'_> {
        let script = match (&ask.user, &ask.device) {
            (Some(_), _) => &self.user,
            (None, Some(_)) => &self.device,
            (None, None) => &self.address,
        };
        let invocation = script
            .on(keys(ask))
            .with(ask.policy.limit)
            .with(ask.policy.window.as_micros())
            .with(ask.weight)
            .with(id);
        if let Some(device) = &ask.device {
            return invocation
                .with(device.now.millis())
                .with(device.paces.first.as_millis())
                .with(device.paces.every)
                .with(device.paces.most)
                .with(REMEMBERED_FOR.as_millis());
        }
        match ask.user.as_ref().and_then(|user| user.booking.as_ref()) {
            Some(booking) => invocation.with(booking.units).with(booking.kept.as_secs()),
            None => invocation,
        }
    }

    /// Removes the entry `id` of a log, and its reservation.
    #[must_use]
    pub fn take_back(&self, ask: &Ask, id: &str) -> Invocation<'_> {
        match &ask.user {
            None if ask.device.is_some() => self.take_back_device.on(keys(ask)).with(id),
            None => self.take_back_address.on(keys(ask)).with(id),
            Some(user) => {
                let units = user.booking.as_ref().map_or(0, |booking| booking.units);
                self.take_back_user.on(keys(ask)).with(id).with(units)
            }
        }
    }

    /// Reads the list of revoked sessions.
    #[must_use]
    pub fn denied(&self, key: String, now: Timestamp) -> Invocation<'_> {
        self.denied.on([key]).with(now.millis())
    }
}

/// Returns the keys: the log; for a device also its state; for a user also the mark of the session, and the shadow count if units are reserved.
fn keys(ask: &Ask) -> Vec<String> {
    let mut keys = vec![ask.key.clone()];
    keys.extend(ask.device.as_ref().map(|device| device.state.clone()));
    if let Some(user) = &ask.user {
        keys.push(user.revoked.clone());
        keys.extend(user.booking.as_ref().map(|booking| booking.key.clone()));
    }
    keys
}

/// Reads a decision; `None` if the reply is none.
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

/// The cache's answers to all limits of a request.
#[derive(Debug)]
pub(super) struct LimitReplies {
    /// One for each limit, except the user's when the session is revoked.
    pub(super) decisions: Vec<Decision>,
    /// The reservation of the day.
    pub(super) reservation: Option<Reservation>,
    /// The arrival of the device.
    pub(super) arrival: Option<Arrival>,
    /// True if the session is revoked.
    pub(super) revoked: bool,
}

/// Reads the replies to `asks`; `None` if one makes no sense.
pub(super) fn read_replies(asks: &[Ask], replies: &[Value]) -> Option<LimitReplies> {
    let mut read = LimitReplies {
        decisions: Vec::with_capacity(asks.len()),
        reservation: None,
        arrival: None,
        revoked: false,
    };
    for (ask, reply) in asks.iter().zip(replies) {
        let Value::Array(values) = reply else { return None };
        if ask.user.is_some() && values.first() == Some(&Value::Int(-1)) {
            read.revoked = true;
            continue;
        }
        let decision = read_decision(reply, &ask.policy)?;
        read.decisions.push(decision);
        if ask.device.is_some() {
            read.arrival = read_arrival(values);
            if decision.wait.is_none() && read.arrival.is_none() {
                return None;
            }
            continue;
        }
        read.reservation = match values.get(4) {
            None => read.reservation,
            Some(Value::Int(known)) => Some(Reservation { known: *known == 1 }),
            Some(_) => return None,
        };
    }
    (replies.len() >= asks.len()).then_some(read)
}

/// Reads what follows on the decision about a device that is admitted.
fn read_arrival(values: &[Value]) -> Option<Arrival> {
    let [
        Value::Int(run),
        Value::Int(paced),
        Value::Int(bad),
        Value::BulkString(memory),
    ] = values.get(4..)?
    else {
        return None;
    };
    Some(Arrival {
        run: u32::try_from(*run).ok()?,
        paced: *paced == 1,
        bad: *bad == 1,
        memory: memory.clone(),
    })
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
