//! The slices of users and sources: a counter of each and day in the cache of the limits. A sum is told when a call is counted, and
//! read only beside the counters of the whole day: no call waits for it alone.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use redis::{Pipeline, Value};

use super::Budget;
use super::slices::{SliceOwner, SliceUse};
use crate::clock::{Day, Timestamp};
use crate::config::Config;
use crate::identity::Principal;
use crate::money::Money;
use crate::valkey::{Failure, Valkey};

/// The most slices that a process keeps; the least recently used goes first.
const KEPT: usize = 20_000;

/// How long a counter is kept: past its day, whatever the time.
const KEPT_FOR: Duration = Duration::from_hours(48);

/// Counts the money that the calls for each user, and from each source, cost today.
#[derive(Debug)]
pub struct SliceStore {
    valkey: Option<Valkey>,
    limit: Option<Money>,
    fleet_size: u32,
    used: Cache<String, Arc<Mutex<SliceUse>>>,
}

/// A slice of one owner: its size, its use and the name of its counter.
#[derive(Debug)]
struct OwnSlice {
    name: String,
    size: Money,
    used: Arc<Mutex<SliceUse>>,
}

/// The most that a call under way may cost: it counts as spent by its user and its source until this is dropped.
#[derive(Debug)]
#[must_use = "it counts for as long as it is there"]
pub struct SliceHold {
    parts: Vec<OwnSlice>,
    most: Money,
}

impl Drop for SliceHold {
    fn drop(&mut self) {
        for part in &self.parts {
            part.used().release(self.most);
        }
    }
}

impl OwnSlice {
    fn used(&self) -> MutexGuard<'_, SliceUse> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SliceStore {
    /// Makes it in `valkey`, with the configured limit; in this process alone where there is no cache.
    #[must_use]
    pub fn new(valkey: Option<Valkey>, config: &Config) -> Self {
        Self {
            valkey,
            limit: config.providers.daily_spend_limit,
            fleet_size: config.fleet_size,
            used: Cache::new(KEPT),
        }
    }

    /// Returns what the slices of `payer` still allow today. Reads the fleet's sums first if it `looks`.
    pub async fn budget(&self, payer: &Principal, now: Timestamp, looks: bool) -> Budget {
        let parts = self.parts(payer, now.day());
        if looks {
            self.read(&parts).await;
        }
        let budgets = parts.iter().map(|part| part.used().budget(part.size, self.fleet_size));
        budgets.max().unwrap_or(Budget::Whole)
    }

    /// Sets aside what a call for `payer` may cost at most, if each of the slices has room for it.
    #[must_use]
    pub fn set_aside(&self, payer: &Principal, most: Money, now: Timestamp) -> Option<SliceHold> {
        let mut hold = SliceHold {
            parts: Vec::new(),
            most,
        };
        for part in self.parts(payer, now.day()) {
            if !part.used().set_aside(most, part.size, self.fleet_size) {
                return None;
            }
            hold.parts.push(part);
        }
        Some(hold)
    }

    /// Counts a call for `payer` in this process, at once. To be followed by [`Self::write_noted`].
    pub fn note(&self, payer: &Principal, money: Money, now: Timestamp) {
        for part in self.parts(payer, now.day()) {
            part.used().note(money);
        }
    }

    /// Adds all that is counted for `payer` and not sent to the fleet's sums. A part that cannot be sent now goes with the next call's.
    pub async fn write_noted(&self, payer: &Principal, now: Timestamp) {
        let parts = self.parts(payer, now.day());
        let sent = parts.into_iter().map(|part| {
            let money = part.used().take();
            (part, money)
        });
        let sent: Vec<(OwnSlice, Money)> = sent.filter(|(_, money)| *money != Money::default()).collect();
        if sent.is_empty() {
            return;
        }
        let Some(valkey) = &self.valkey else {
            for (part, money) in &sent {
                part.used().trust(*money);
            }
            return;
        };
        let mut commands = Pipeline::new();
        for (part, money) in &sent {
            commands.cmd("INCRBY").arg(&part.name).arg(money.nanos());
            commands.cmd("EXPIRE").arg(&part.name).arg(KEPT_FOR.as_secs());
        }
        let answer = valkey.ask(&commands).await;
        for (n, (part, money)) in sent.iter().enumerate() {
            let mut used = part.used();
            match &answer {
                Ok(replies) => used.learn(replies.get(2 * n).map_or_else(Money::default, sum), *money),
                // Perhaps it has arrived: counted twice it would be taken from its owner.
                Err(Failure::Unknown(_)) => used.trust(*money),
                Err(Failure::Unasked(_) | Failure::Failed(_)) => used.miss(*money),
            }
        }
    }

    async fn read(&self, parts: &[OwnSlice]) {
        let Some(valkey) = self.valkey.as_ref().filter(|_| !parts.is_empty()) else {
            return;
        };
        let mut commands = Pipeline::new();
        for part in parts {
            commands.cmd("GET").arg(&part.name);
        }
        let answer = valkey.ask(&commands).await;
        for (n, part) in parts.iter().enumerate() {
            match &answer {
                Ok(replies) => {
                    let sum = replies.get(n).map_or_else(Money::default, sum);
                    part.used().learn(sum, Money::default());
                }
                // A single lost answer is no outage.
                Err(Failure::Unknown(_)) => {}
                Err(Failure::Unasked(_) | Failure::Failed(_)) => part.used().miss(Money::default()),
            }
        }
    }

    /// Returns the slices of `payer`; none where no limit is set.
    fn parts(&self, payer: &Principal, day: Day) -> Vec<OwnSlice> {
        let Some(limit) = self.limit else {
            return Vec::new();
        };
        let user = (SliceOwner::User, payer.user.as_str());
        let source = payer
            .source
            .as_ref()
            .map(|source| (SliceOwner::Source, source.as_str()));
        let part = |(owner, name): (SliceOwner, &str)| {
            let name = format!("spent:{{{name}}}:{day}");
            let made = || Ok::<_, Infallible>(Arc::default());
            let kept = match self.used.get_or_insert_with(&name, made) {
                Ok(kept) => kept,
                Err(never) => match never {},
            };
            OwnSlice {
                name,
                size: owner.slice(limit),
                used: kept,
            }
        };
        std::iter::once(user).chain(source).map(part).collect()
    }
}

/// Reads a sum; a value that is none counts as nothing.
fn sum(reply: &Value) -> Money {
    let nanos = match reply {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    Money::from_nanos(nanos.unwrap_or_default())
}
