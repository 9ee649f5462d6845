//! The cache's second layer: verdicts in Valkey, which all instances share, and the leases on questions.
//!
//! Keys of one preference share a hash slot, so each call is one round trip also where the cache is a cluster.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use redis::Value;

use super::lease::{self, Token, Told, Wanted, Wish};
use super::{AHEAD, Judgement, Key, value};
use crate::cache::{ByKey, Entry};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::valkey::{Failure, Invocation, Script, Valkey};

/// The most by which an entry is kept for a shorter time than it could be: what was written together does not go together.
const SPREAD: f64 = 0.1;

/// The shared cache.
#[derive(Debug)]
pub struct SharedVerdicts {
    valkey: Valkey,
    claim: Script,
    store: Script,
    renew: Script,
    release: Script,
}

impl SharedVerdicts {
    /// In the cache behind `valkey`.
    #[must_use]
    pub fn new(valkey: Valkey) -> Self {
        let judged_at = include_str!("lua/judged_at.lua");
        Self {
            valkey,
            claim: Script::new(format!("{judged_at}{}", include_str!("lua/claim.lua"))),
            store: Script::new(format!("{judged_at}{}", include_str!("lua/store.lua"))),
            renew: Script::new(include_str!("lua/renew.lua")),
            release: Script::new(include_str!("lua/release.lua")),
        }
    }

    /// The entries of `keys`, which are of one preference. A value that makes no sense is a miss.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn read(&self, keys: &[Key]) -> Result<ByKey<Entry>, Outage> {
        let mut commands = redis::pipe();
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        commands.cmd("MGET").arg(names);
        let replies = self.valkey.ask(&commands).await.map_err(Failure::into_outage)?;
        let values = only_array(replies)?.into_iter();
        let entries = keys.iter().zip(values).filter_map(|(key, reply)| match reply {
            Value::BulkString(bytes) => Some((key.clone(), value::decode(&bytes)?)),
            _ => None,
        });
        Ok(entries.collect())
    }

    /// Asks about questions of one preference, and takes the leases that are wished for. One [`Told`] for each.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn claim(&self, token: &Token, wanted: &[Wanted], now: Timestamp) -> Result<Vec<Told>, Outage> {
        let keys: Vec<&Key> = wanted.iter().map(|wanted| &wanted.key).collect();
        let mut call = self
            .claim
            .on(with_leases(&keys))
            .with(token.as_str())
            .with(lease::LENGTH.as_millis())
            .with(now.plus(AHEAD).millis());
        for wanted in wanted {
            call = call.with(wanted.newer_than.millis()).with(match &wanted.wish {
                Wish::Claim => "claim",
                Wish::Watch => "watch",
                Wish::TakeFrom(holder) => holder.as_str(),
            });
        }
        let told: Vec<Told> = only_array(self.run(&[call]).await?)?
            .into_iter()
            .filter_map(read_told)
            .collect();
        if told.len() == wanted.len() {
            Ok(told)
        } else {
            Err(nonsense())
        }
    }

    /// Stores verdicts, never an older one over a newer one, and gives back the leases that `token` has on them. The keys of
    /// those that came too late.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn store(
        &self,
        token: Option<&Token>,
        judgements: &[&Judgement],
        now: Timestamp,
    ) -> Result<HashSet<Key>, Outage> {
        let mut by_slot: BTreeMap<&str, Vec<(&Judgement, Duration)>> = BTreeMap::new();
        for judgement in judgements {
            let length = time_to_live(&judgement.key, &judgement.entry, now);
            if length >= Duration::from_millis(1) {
                let slot = by_slot.entry(judgement.key.slot()).or_default();
                slot.push((judgement, length));
            }
        }
        if by_slot.is_empty() {
            return Ok(HashSet::new());
        }
        let calls: Vec<Invocation<'_>> = by_slot.values().map(|slot| self.storing(token, slot, now)).collect();
        let replies = self.run(&calls).await?;
        let stored = replies.into_iter().map(|reply| only_array(vec![reply]));
        let mut late = HashSet::new();
        for (slot, stored) in by_slot.values().zip(stored) {
            let refused = slot.iter().zip(stored?).filter(|(_, stored)| *stored == Value::Int(0));
            late.extend(refused.map(|((judgement, _), _)| judgement.key.clone()));
        }
        Ok(late)
    }

    fn storing(&self, token: Option<&Token>, slot: &[(&Judgement, Duration)], now: Timestamp) -> Invocation<'_> {
        let keys: Vec<&Key> = slot.iter().map(|(judgement, _)| &judgement.key).collect();
        let call = self
            .store
            .on(with_leases(&keys))
            .with(token.map_or("", Token::as_str))
            .with(now.plus(AHEAD).millis());
        slot.iter().fold(call, |call, (judgement, length)| {
            call.with(judgement.known.millis())
                .with_bytes(value::encode(&judgement.entry))
                .with(length.as_millis())
        })
    }

    /// Renews the leases that `token` still has on `keys`, which are of one preference; how many those are.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn renew(&self, token: &Token, keys: &[Key]) -> Result<usize, Outage> {
        let call = self.renew.on(leases(keys)).with(token.as_str());
        self.count(call.with(lease::LENGTH.as_millis())).await
    }

    /// Gives back the leases that `token` still has on `keys`, which are of one preference; how many those were.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn release(&self, token: &Token, keys: &[Key]) -> Result<usize, Outage> {
        self.count(self.release.on(leases(keys)).with(token.as_str())).await
    }

    async fn count(&self, call: Invocation<'_>) -> Result<usize, Outage> {
        match self.run(&[call]).await?.as_slice() {
            [Value::Int(count)] => usize::try_from(*count).map_err(|_| nonsense()),
            _ => Err(nonsense()),
        }
    }

    async fn run(&self, calls: &[Invocation<'_>]) -> Result<Vec<Value>, Outage> {
        self.valkey.run(calls).await.map_err(Failure::into_outage)
    }
}

/// How long an entry is kept from `now` on: as long as it may be served, less up to a tenth, which depends on its key.
fn time_to_live(key: &Key, entry: &Entry, now: Timestamp) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    #[expect(clippy::cast_precision_loss, reason = "a fraction")]
    let fraction = hasher.finish() as f64 / u64::MAX as f64;
    entry.expires_at().since(now).mul_f64(1.0 - SPREAD * fraction)
}

fn leases(keys: &[Key]) -> Vec<String> {
    keys.iter().map(Key::lease).collect()
}

/// The keys of verdicts, then those of their leases.
fn with_leases(keys: &[&Key]) -> Vec<String> {
    let verdicts = keys.iter().map(|key| key.as_str().to_owned());
    verdicts.chain(keys.iter().map(|key| key.lease())).collect()
}

/// What `lua/claim.lua` says of one question; `None` if that makes no sense.
fn read_told(reply: Value) -> Option<Told> {
    let Value::BulkString(bytes) = reply else {
        return None;
    };
    match bytes.split_first()? {
        // A verdict that only another version can read: it is judged for this request, and stays.
        (b'v', verdict) => Some(value::decode(verdict).map_or(Told::Granted, Told::Judged)),
        (b'g', []) => Some(Told::Granted),
        (b'f', []) => Some(Told::Free),
        (b'h', holder) => Some(Told::Held(Token::held(std::str::from_utf8(holder).ok()?))),
        _ => None,
    }
}

fn only_array(replies: Vec<Value>) -> Result<Vec<Value>, Outage> {
    match <[Value; 1]>::try_from(replies) {
        Ok([Value::Array(values)]) => Ok(values),
        _ => Err(nonsense()),
    }
}

fn nonsense() -> Outage {
    Outage("the cache's answer makes no sense".to_owned())
}
