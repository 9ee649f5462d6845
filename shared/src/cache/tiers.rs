//! The layers as one cache: reads through from the first that knows, writes to all, remembers what one of them missed.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::flight::{Claim, Flights};
use super::lease::{self, Token, Told, Wanted};
use super::local::LocalCache;
use super::refresh;
use super::table::VerdictTable;
use super::unwritten::Unwritten;
use super::valkey::SharedVerdicts;
use super::{ByKey, Entry, Freshness, Judgement, Key};
use crate::clock::Timestamp;
use crate::config::{CacheLayers, CacheReads, CacheWrites};

/// How many verdicts that the shared cache missed one request writes back.
const WRITTEN_BACK: usize = 50;

/// All layers.
#[derive(Debug)]
pub struct Cache {
    local: LocalCache,
    shared: Option<SharedVerdicts>,
    table: VerdictTable,
    layers: CacheLayers,
    flights: Flights,
    unwritten: Unwritten,
    /// How long judging took the last time, in microseconds.
    judging: AtomicU64,
}

/// What the cache knows of some keys.
#[derive(Debug, Default)]
pub struct Found {
    /// Entries that may be served, as they are or as stale ones.
    pub entries: ByKey<Entry>,
    /// Of those, the fresh ones that this request is to judge anew.
    pub early: HashSet<Key>,
    /// How many are fresh in this process.
    pub local: usize,
    /// How many are fresh in the shared cache.
    pub shared: usize,
    /// How many are fresh in the table.
    pub table: usize,
    /// What the shared cache should be told: it answers, and does not know.
    pub news: Vec<Judgement>,
    /// How many others were pushed out of this process.
    pub evicted: usize,
    /// Whether a layer did not answer.
    pub degraded: bool,
}

/// What is known about the leases on some questions.
#[derive(Debug)]
pub enum Leases {
    /// None are needed: no cache is shared.
    Unneeded,
    /// The shared cache is down: only this process's own flights are known.
    Unknown,
    /// One for each.
    Told(Vec<Told>),
}

impl Cache {
    /// A cache of these layers.
    #[must_use]
    pub fn new(shared: Option<SharedVerdicts>, table: VerdictTable, layers: CacheLayers) -> Self {
        Self {
            local: LocalCache::default(),
            shared,
            table,
            layers,
            flights: Flights::default(),
            unwritten: Unwritten::default(),
            judging: AtomicU64::new(0),
        }
    }

    /// Looks keys of one preference up: those that this process does not have fresh in the shared cache, the rest in the table.
    /// Meanwhile some of what the shared cache has missed is written back, if it answers again.
    pub async fn read(&self, keys: &[Key], now: Timestamp) -> Found {
        let (found, ()) = tokio::join!(self.look_up(keys, now), self.write_back(now));
        found
    }

    async fn look_up(&self, keys: &[Key], now: Timestamp) -> Found {
        let mut found = Found::default();
        for key in keys {
            if let Some(entry) = self.local.get(key) {
                found.local += usize::from(found.keep(key, entry, now));
            }
        }
        let unknown = found.without_fresh(keys, now);
        if let Some(shared) = self.shared_to_read().filter(|_| !unknown.is_empty()) {
            match shared.read(&unknown).await {
                Ok(entries) => found.shared = self.learn(&mut found, &entries, now),
                Err(_) => found.degraded = true,
            }
        }
        let unknown = found.without_fresh(&unknown, now);
        if !unknown.is_empty() {
            match self.table.read(&unknown).await {
                Ok(entries) => {
                    found.table = self.learn(&mut found, &entries, now);
                    let tell = self.shared_to_read().is_some() && self.writes_shared() && !found.degraded;
                    let entries = entries.into_iter();
                    let entries = entries.filter(|(_, entry)| tell && entry.freshness(now) != Freshness::Gone);
                    found.news = entries.map(|(key, entry)| Judgement::repeated(key, entry)).collect();
                }
                Err(_) => found.degraded = true,
            }
        }
        self.draw_early(&mut found, now);
        found
    }

    /// Takes over what a layer knows; how many of it are fresh.
    fn learn(&self, found: &mut Found, entries: &ByKey<Entry>, now: Timestamp) -> usize {
        let mut fresh = 0;
        for (key, entry) in entries {
            if entry.freshness(now) != Freshness::Gone {
                found.evicted += self.local.put(key, entry);
                fresh += usize::from(found.keep(key, entry.clone(), now));
            }
        }
        fresh
    }

    fn draw_early(&self, found: &mut Found, now: Timestamp) {
        let cost = Duration::from_micros(self.judging.load(Ordering::Relaxed));
        for (key, entry) in &found.entries {
            let age = now.since(entry.judged_at);
            let fresh = entry.freshness(now) == Freshness::Fresh;
            if fresh && refresh::could_be_early(age, cost) && refresh::is_early(age, cost, refresh::draw()) {
                found.early.insert(key.clone());
            }
        }
    }

    /// Notes how long it took to judge: the longer, the earlier are hot verdicts refreshed.
    pub fn note_judging(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.judging.store(micros, Ordering::Relaxed);
    }

    /// Keeps verdicts in this process; how many others that has pushed out.
    pub fn keep(&self, judgements: &[Judgement]) -> usize {
        let evicted = judgements
            .iter()
            .map(|judgement| self.local.put(&judgement.key, &judgement.entry));
        evicted.sum()
    }

    /// Writes verdicts to the layers beyond this process, and gives back the leases that `token` has on them. What the shared
    /// cache refuses as late, the table is not told either. Whether every layer answered.
    pub async fn write(&self, token: Option<&Token>, judgements: &[Judgement], now: Timestamp) -> bool {
        let mut written = true;
        let all: Vec<&Judgement> = judgements.iter().collect();
        let mut late = HashSet::new();
        if let Some(shared) = self.shared_to_write() {
            // Who does not read the shared cache has taken no lease there, and is bound by none.
            let token = token.filter(|_| self.shared_to_read().is_some());
            if let Ok(refused) = shared.store(token, &all, now).await {
                late = refused;
            } else {
                self.unwritten.add(judgements);
                written = false;
            }
        }
        if self.layers.writes != CacheWrites::Shared || self.shared.is_none() {
            let in_time: Vec<&Judgement> = all.into_iter().filter(|one| !late.contains(&one.key)).collect();
            written &= self.table.write(&in_time).await.is_ok();
        }
        written
    }

    async fn write_back(&self, now: Timestamp) {
        let missed = self.unwritten.take(WRITTEN_BACK);
        if !self.tell(&missed, now).await {
            self.unwritten.add(&missed);
        }
    }

    /// Tells the shared cache verdicts that were given before; whether it took them.
    pub async fn tell(&self, news: &[Judgement], now: Timestamp) -> bool {
        let all: Vec<&Judgement> = news.iter().collect();
        match self.shared_to_write() {
            Some(shared) if !all.is_empty() => shared.store(None, &all, now).await.is_ok(),
            _ => true,
        }
    }

    /// Asks about questions of one preference across the fleet, and takes the leases that are wished for.
    pub async fn ask_leases(&self, token: Option<&Token>, wanted: &[Wanted], now: Timestamp) -> Leases {
        let (Some(shared), Some(token)) = (self.shared_to_read(), token) else {
            return Leases::Unneeded;
        };
        match shared.claim(token, wanted, now).await {
            Ok(told) => Leases::Told(told),
            Err(_) => Leases::Unknown,
        }
    }

    /// Renews leases for as long as this is polled. Who has lost one goes on judging all the same: it is paid for.
    pub async fn renew_leases(&self, token: Option<&Token>, keys: &[Key]) -> Infallible {
        loop {
            tokio::time::sleep(lease::RENEWAL).await;
            if let (Some(shared), Some(token)) = (self.shared_to_read(), token) {
                // One that fails is tried again a second later, before the lease lapses.
                let _ = shared.renew(token, keys).await;
            }
        }
    }

    /// Gives leases back without a verdict.
    pub async fn release_leases(&self, token: Option<&Token>, keys: &[Key]) {
        if let (Some(shared), Some(token)) = (self.shared_to_read(), token) {
            // Else they lapse.
            let _ = shared.release(token, keys).await;
        }
    }

    /// The entry of a key that was judged after `newer_than`, or the duty to judge it in this process, or a place in the queue.
    #[must_use]
    pub fn claim(&self, key: &Key, newer_than: Timestamp) -> Claimed {
        match self.flights.claim(key) {
            Claim::Follow(follow) => Claimed::Unknown(Claim::Follow(follow)),
            // Whoever had the lead before may have answered between the caller's look and this claim.
            lead @ Claim::Lead(_) => match self.local.get(key) {
                Some(entry) if entry.judged_at > newer_than => Claimed::Known(entry),
                _ => Claimed::Unknown(lead),
            },
        }
    }

    /// How many verdicts this process keeps.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.local.len()
    }

    fn shared_to_read(&self) -> Option<&SharedVerdicts> {
        self.shared.as_ref().filter(|_| self.layers.reads == CacheReads::Shared)
    }

    fn shared_to_write(&self) -> Option<&SharedVerdicts> {
        self.shared.as_ref().filter(|_| self.writes_shared())
    }

    fn writes_shared(&self) -> bool {
        self.layers.writes != CacheWrites::Table
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

impl Found {
    /// Keeps an entry that may be served, unless a newer one is known; whether it is fresh.
    fn keep(&mut self, key: &Key, entry: Entry, now: Timestamp) -> bool {
        let freshness = entry.freshness(now);
        let newer_is_there = self
            .entries
            .get(key)
            .is_some_and(|kept| kept.judged_at > entry.judged_at);
        if !newer_is_there && freshness != Freshness::Gone {
            self.entries.insert(key.clone(), entry);
        }
        freshness == Freshness::Fresh
    }

    /// Those of `keys` that no layer so far knows fresh. Another instance may have judged anew what is stale here.
    fn without_fresh(&self, keys: &[Key], now: Timestamp) -> Vec<Key> {
        let is_fresh = |key: &Key| {
            let entry = self.entries.get(key);
            entry.is_some_and(|entry| entry.freshness(now) == Freshness::Fresh)
        };
        keys.iter().filter(|key| !is_fresh(key)).cloned().collect()
    }
}
