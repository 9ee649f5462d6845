//! The layers as one cache: reads through from the first that knows, writes to all.

use std::collections::HashMap;

use super::flight::{Claim, Flights};
use super::local::LocalCache;
use super::table::VerdictTable;
use super::{Entry, Freshness, Key};
use crate::clock::Timestamp;

/// All layers.
#[derive(Debug)]
pub struct Cache {
    local: LocalCache,
    table: VerdictTable,
    flights: Flights,
}

/// What the cache knows of some keys.
#[derive(Debug, Default)]
pub struct Found {
    /// Entries that may be served, as they are or as stale ones.
    pub entries: HashMap<Key, Entry>,
    /// How many came from this process.
    pub local: usize,
    /// How many came from the table.
    pub table: usize,
    /// Whether a layer did not answer.
    pub degraded: bool,
}

impl Cache {
    /// A cache with `table` as its last layer.
    #[must_use]
    pub fn new(table: VerdictTable) -> Self {
        Self {
            local: LocalCache::default(),
            table,
            flights: Flights::default(),
        }
    }

    /// Looks keys up: those that this process does not have fresh, in the table.
    pub async fn read(&self, keys: &[Key], now: Timestamp) -> Found {
        let mut found = Found::default();
        let mut unknown = Vec::new();
        for key in keys {
            match self.local.get(key) {
                Some(entry) if entry.freshness(now) == Freshness::Fresh => {
                    found.local += 1;
                    found.entries.insert(key.clone(), entry);
                }
                Some(entry) => {
                    // Another instance may have judged it anew.
                    keep_servable(&mut found.entries, key, entry, now);
                    unknown.push(key.clone());
                }
                None => unknown.push(key.clone()),
            }
        }
        if unknown.is_empty() {
            return found;
        }
        match self.table.read(&unknown).await {
            Ok(entries) => {
                for (key, entry) in entries {
                    self.local.put(&key, &entry);
                    found.table += usize::from(entry.freshness(now) == Freshness::Fresh);
                    keep_servable(&mut found.entries, &key, entry, now);
                }
            }
            Err(_) => found.degraded = true,
        }
        found
    }

    /// Writes entries to all layers; whether all of them took them.
    pub async fn write(&self, entries: &[(Key, Entry)]) -> bool {
        for (key, entry) in entries {
            self.local.put(key, entry);
        }
        entries.is_empty() || self.table.write(entries).await.is_ok()
    }

    /// The entry of a key that was judged since the caller looked, or the duty to judge it, or a place in the queue.
    #[must_use]
    pub fn claim(&self, key: &Key, now: Timestamp) -> Claimed {
        match self.flights.claim(key) {
            Claim::Follow(follow) => Claimed::Unknown(Claim::Follow(follow)),
            // Whoever had the lead before may have answered between the caller's look and this claim.
            lead @ Claim::Lead(_) => match self.local.get(key) {
                Some(entry) if entry.freshness(now) == Freshness::Fresh => Claimed::Known(entry),
                _ => Claimed::Unknown(lead),
            },
        }
    }
}

/// What came of claiming a question.
#[derive(Debug)]
pub enum Claimed {
    /// It has been answered.
    Known(Entry),
    /// It has not.
    Unknown(Claim),
}

fn keep_servable(entries: &mut HashMap<Key, Entry>, key: &Key, entry: Entry, now: Timestamp) {
    let newer_is_there = entries.get(key).is_some_and(|kept| kept.judged_at > entry.judged_at);
    if !newer_is_there && entry.freshness(now) != Freshness::Gone {
        entries.insert(key.clone(), entry);
    }
}
