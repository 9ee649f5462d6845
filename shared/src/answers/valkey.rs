//! The second layer: answers in Valkey, which all instances share, and the leases on questions.
//!
//! Keys of one group share a hash slot, so each call is one round trip also where the cache is a cluster.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use redis::Value;

use super::codec;
use super::entry::{AHEAD, Entry};
use super::key::Key;
use super::lease::{self, LeaseRequest, LeaseState, Token, Wish, Write};
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::valkey::{Failure, Invocation, Script, Valkey};

/// The most by which an entry is kept for a shorter time than it could be: entries that were written together do not go together.
const SPREAD: f64 = 0.1;

/// The shared cache.
#[derive(Debug)]
pub struct SharedAnswers {
    valkey: Valkey,
    claim: Script,
    store: Script,
    renew: Script,
    release: Script,
}

impl SharedAnswers {
    /// Keeps answers in the cache behind `valkey`.
    #[must_use]
    pub fn new(valkey: Valkey) -> Self {
        let head = include_str!("lua/head.lua");
        Self {
            valkey,
            claim: Script::new(format!("{head}{}", include_str!("lua/claim.lua"))),
            store: Script::new(format!("{head}{}", include_str!("lua/store.lua"))),
            renew: Script::new(include_str!("lua/renew.lua")),
            release: Script::new(include_str!("lua/release.lua")),
        }
    }

    /// Reads the entries of `keys`, which are of one group, in their order. A value that makes no sense is a miss.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn read(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, Outage> {
        let mut commands = redis::pipe();
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        commands.cmd("MGET").arg(names);
        let replies = self.valkey.ask(&commands).await.map_err(Failure::into_outage)?;
        let values = only_array(replies)?;
        let decode = |value: &Value| match value {
            Value::BulkString(bytes) => codec::decode(bytes),
            _ => None,
        };
        exactly(keys.len(), values.iter().map(decode).collect())
    }

    /// Asks about questions of one group, and takes the leases that are wished for. Returns one state for each.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn claim(
        &self,
        token: &Token,
        requests: &[LeaseRequest],
        now: Timestamp,
    ) -> Result<Vec<LeaseState>, Outage> {
        let mut call = self
            .claim
            .on(with_leases(requests.iter().map(|request| &request.key)))
            .with(token.as_str())
            .with(lease::LENGTH.as_millis())
            .with(now.plus(AHEAD).millis());
        for request in requests {
            call = call.with(request.newer_than.millis()).with(match &request.wish {
                Wish::Claim => "claim",
                Wish::Watch => "watch",
                Wish::TakeFrom(holder) => holder.as_str(),
            });
        }
        let states = only_array(self.run(&[call]).await?)?;
        exactly(requests.len(), states.into_iter().filter_map(read_state).collect())
    }

    /// Stores answers of one group, and gives back the leases that the token has on them and on the released questions. An older
    /// answer never replaces a newer one. Returns the keys of answers that came too late.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn store(&self, write: &Write<'_>) -> Result<HashSet<Key>, Outage> {
        let lengths = write
            .updates
            .iter()
            .map(|update| time_to_live(&update.key, &update.entry, write));
        let updates: Vec<_> = write.updates.iter().zip(lengths).collect();
        // An entry that expires within this millisecond cannot be stored.
        let updates: Vec<_> = updates
            .into_iter()
            .filter(|(_, length)| *length >= Duration::from_millis(1))
            .collect();
        let mut calls = Vec::with_capacity(2);
        if !updates.is_empty() {
            let call = self
                .store
                .on(with_leases(updates.iter().map(|(update, _)| &update.key)))
                .with(write.token.map_or("", Token::as_str))
                .with(write.now.plus(AHEAD).millis());
            calls.push(updates.iter().fold(call, |call, (update, length)| {
                call.with(update.known.millis())
                    .with_bytes(codec::encode(&update.entry))
                    .with(length.as_millis())
            }));
        }
        if let Some(token) = write.token.filter(|_| !write.released.is_empty()) {
            calls.push(self.release.on(leases(write.released)).with(token.as_str()));
        }
        if calls.is_empty() {
            return Ok(HashSet::new());
        }
        let mut replies = self.run(&calls).await?;
        replies.truncate(1);
        if updates.is_empty() {
            return Ok(HashSet::new());
        }
        let stored = exactly(updates.len(), only_array(replies)?)?;
        let late = updates
            .iter()
            .zip(stored)
            .filter(|(_, stored)| *stored == Value::Int(0));
        Ok(late.map(|((update, _), _)| update.key.clone()).collect())
    }

    /// Renews the leases that `token` still has on `keys`, which are of one group. Returns how many those are.
    ///
    /// # Errors
    /// When the cache is down.
    pub async fn renew(&self, token: &Token, keys: &[Key]) -> Result<usize, Outage> {
        let call = self.renew.on(leases(keys)).with(token.as_str());
        match self.run(&[call.with(lease::LENGTH.as_millis())]).await?.as_slice() {
            [Value::Int(count)] => usize::try_from(*count).map_err(|_| nonsense()),
            _ => Err(nonsense()),
        }
    }

    async fn run(&self, calls: &[Invocation<'_>]) -> Result<Vec<Value>, Outage> {
        self.valkey.run(calls).await.map_err(Failure::into_outage)
    }
}

/// Returns how long an entry is kept from now on: as long as it may be served, less up to a tenth, which depends on its key.
fn time_to_live(key: &Key, entry: &Entry, write: &Write<'_>) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    #[expect(clippy::cast_precision_loss, reason = "a fraction")]
    let fraction = hasher.finish() as f64 / u64::MAX as f64;
    let left = entry.at.plus(write.kept).since(write.now);
    left.mul_f64(1.0 - SPREAD * fraction)
}

fn leases(keys: &[Key]) -> Vec<String> {
    keys.iter().map(Key::lease).collect()
}

/// The keys of answers, then those of their leases.
fn with_leases<'a>(keys: impl Iterator<Item = &'a Key> + Clone) -> Vec<String> {
    let answers = keys.clone().map(|key| key.as_str().to_owned());
    answers.chain(keys.map(Key::lease)).collect()
}

/// Reads what `lua/claim.lua` says of one question; `None` if that makes no sense.
fn read_state(reply: Value) -> Option<LeaseState> {
    let Value::BulkString(bytes) = reply else {
        return None;
    };
    match bytes.split_first()? {
        // An answer that only another version can read: this request asks for its own.
        (b'v', answer) => Some(codec::decode(answer).map_or(LeaseState::Granted, LeaseState::Answered)),
        (b'g', []) => Some(LeaseState::Granted),
        (b'f', []) => Some(LeaseState::Free),
        (b'h', holder) => Some(LeaseState::Held(Token::held(std::str::from_utf8(holder).ok()?))),
        _ => None,
    }
}

fn only_array(replies: Vec<Value>) -> Result<Vec<Value>, Outage> {
    match <[Value; 1]>::try_from(replies) {
        Ok([Value::Array(values)]) => Ok(values),
        _ => Err(nonsense()),
    }
}

fn exactly<T>(count: usize, values: Vec<T>) -> Result<Vec<T>, Outage> {
    if values.len() == count {
        Ok(values)
    } else {
        Err(nonsense())
    }
}

fn nonsense() -> Outage {
    Outage("the cache's answer makes no sense".to_owned())
}
