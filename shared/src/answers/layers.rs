//! The layers as one store of answers: reads from the first that knows, writes to all.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::early_refresh;
use super::entry::{AHEAD, Entry, Freshness, Life, Reader, Update};
use super::key::Key;
use super::lease::{self, LeaseRequest, LeaseState, Token, Write};
use super::memory::Memory;
use super::single_flight::Flights;
use super::state::{Outcome, Question, State};
use super::table::AnswerTable;
use super::valkey::SharedAnswers;
use crate::clock::{Deadline, Timestamp};
use crate::config::CacheLayers;
use crate::telemetry::Counts;

/// Questions to be answered.
#[derive(Debug, Clone, Copy)]
pub struct Questions<'a> {
    /// The workload that asks: how long its answers take is known apart from others'.
    pub workload: &'static str,
    /// Distinct keys of one group.
    pub keys: &'a [Key],
    /// How long their answers are good.
    pub life: Life,
    /// The one for whom they are asked.
    pub reader: &'a Reader,
    /// Until when.
    pub deadline: Deadline,
    /// The time of the request.
    pub now: Timestamp,
}

/// All layers, and the questions under way.
#[derive(Debug)]
pub struct Answers {
    memory: Memory,
    shared: Option<SharedAnswers>,
    table: AnswerTable,
    layers: CacheLayers,
    pub(super) flights: Flights,
    /// How long each workload's last question took.
    costs: Mutex<BTreeMap<&'static str, Duration>>,
}

/// The layers' answers to some questions.
#[derive(Debug)]
pub struct Found {
    pub(super) questions: Vec<Question>,
    pub(super) tally: Tally,
    /// True if a layer did not answer.
    pub(super) degraded: bool,
}

/// Counts of questions, by what came of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Known in this process.
    pub memory: usize,
    /// Known in the shared cache.
    pub shared: usize,
    /// Known in the table.
    pub table: usize,
    /// Answered meanwhile for another request, here or elsewhere in the fleet.
    pub joined: usize,
    /// Answered for this request.
    pub asked: usize,
    /// Of those, known and fresh: asked for again before they ran out.
    pub refreshed: usize,
    /// Answers of others that were pushed out of this process.
    pub evicted: usize,
    /// Answers that this process keeps.
    pub kept: usize,
}

impl Tally {
    /// Returns it as it is counted in a record, for so many distinct questions.
    #[must_use]
    pub fn counts(&self, distinct: usize) -> Counts {
        Counts {
            distinct,
            local_hits: self.memory,
            shared_hits: self.shared,
            table_hits: self.table,
            joined: self.joined,
            asked: self.asked,
            refreshed: self.refreshed,
            evicted: self.evicted,
            ..Counts::default()
        }
    }
}

/// The state of the leases on some questions.
#[derive(Debug)]
pub enum Leases {
    /// None are needed: no cache is shared.
    Unneeded,
    /// The shared cache is down: only this process's own questions are known.
    Unknown,
    /// One for each.
    Known(Vec<LeaseState>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Memory,
    Shared,
    Table,
}

impl Answers {
    /// Joins these layers.
    #[must_use]
    pub fn new(shared: Option<SharedAnswers>, table: AnswerTable, layers: CacheLayers) -> Self {
        Self {
            memory: Memory::default(),
            shared,
            table,
            layers,
            flights: Flights::default(),
            costs: Mutex::default(),
        }
    }

    /// Looks questions up in this process, and those that it cannot settle in the shared cache. The table is read here only where
    /// no shared cache answers. Else [`Answers::coalesce`] reads it, while it claims the leases.
    pub async fn read(&self, asked: &Questions<'_>) -> Found {
        let mut found = Found {
            questions: vec![Question::new(); asked.keys.len()],
            tally: Tally::default(),
            degraded: false,
        };
        for (place, key) in asked.keys.iter().enumerate() {
            if let Some(copy) = self.memory.get(key) {
                let mut freshness = copy.entry.freshness(asked.life, asked.reader, asked.now);
                if freshness == Freshness::Fresh && asked.now.since(copy.since) >= asked.life.in_process {
                    freshness = Freshness::Stale;
                }
                found.learn(place, &copy.entry, freshness, asked.now, Layer::Memory);
            }
        }
        let open = found.open();
        if !open.is_empty() {
            let shared = match self.shared_to_read() {
                Some(shared) => Some(shared.read(&asked.keys_at(&open)).await),
                None => None,
            };
            match shared {
                Some(Ok(entries)) => self.learn(asked, &mut found, (&open, entries), Layer::Shared),
                answer => {
                    found.degraded |= answer.is_some();
                    if asked.life.in_table {
                        self.read_table(asked, &mut found, &open).await;
                    }
                }
            }
        }
        self.draw_early(asked, &mut found);
        found
    }

    async fn read_table(&self, asked: &Questions<'_>, found: &mut Found, places: &[usize]) {
        let read = self.table.read(&asked.keys_at(places)).await.map_err(|_| ());
        self.learn_from_table(asked, found, places, read);
    }

    /// Reads the table for some questions; `Err` when it is down.
    pub(super) async fn ask_table(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, ()> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.table.read(keys).await.map_err(|_| ())
    }

    /// Takes over what the table knows of the questions at `places`.
    pub(super) fn learn_from_table(
        &self,
        asked: &Questions<'_>,
        found: &mut Found,
        places: &[usize],
        read: Result<Vec<Option<Entry>>, ()>,
    ) {
        for place in places {
            found.questions[*place].unread = false;
        }
        match read {
            Ok(entries) => self.learn(asked, found, (places, entries), Layer::Table),
            Err(()) => found.degraded = true,
        }
    }

    fn learn(
        &self,
        asked: &Questions<'_>,
        found: &mut Found,
        (places, entries): (&[usize], Vec<Option<Entry>>),
        layer: Layer,
    ) {
        for (place, entry) in places.iter().zip(entries) {
            let Some(entry) = entry else { continue };
            let freshness = entry.freshness(asked.life, asked.reader, asked.now);
            if freshness != Freshness::Gone {
                found.tally.evicted += self.memory.put(&asked.keys[*place], &entry, asked.now);
            }
            found.learn(*place, &entry, freshness, asked.now, layer);
        }
    }

    fn draw_early(&self, asked: &Questions<'_>, found: &mut Found) {
        let costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = costs.get(asked.workload).copied().unwrap_or_default();
        drop(costs);
        let fresh = asked.life.fresh;
        for question in &mut found.questions {
            let State::Settled(Outcome::Cached(entry)) = &question.state else {
                continue;
            };
            let age = asked.now.since(entry.at);
            // A lesser answer would take the place of a better one.
            if entry.class <= asked.reader.class
                && early_refresh::could_be_early(age, fresh, cost)
                && early_refresh::is_early(age, fresh, cost, early_refresh::draw())
            {
                question.refresh();
            }
        }
    }

    /// Notes how long it took to ask: the longer, the earlier are hot answers refreshed.
    pub(super) fn note_cost(&self, workload: &'static str, took: Duration) {
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        costs.insert(workload, took);
    }

    /// Returns the answer that this process keeps, if it is newer than `newer_than`.
    pub(super) fn kept_since(&self, key: &Key, newer_than: Timestamp, now: Timestamp) -> Option<Entry> {
        let entry = self.memory.get(key)?.entry;
        (entry.at > newer_than && entry.at <= now.plus(AHEAD)).then_some(entry)
    }

    /// Keeps answers in this process. Returns how many others that pushed out.
    pub fn keep(&self, updates: &[Update], now: Timestamp) -> usize {
        let evicted = updates
            .iter()
            .map(|update| self.memory.put(&update.key, &update.entry, now));
        evicted.sum()
    }

    /// Writes answers to the layers beyond this process and gives leases back. Returns whether every layer answered.
    pub async fn write(&self, write: &Write<'_>) -> bool {
        let shared = async {
            // A process that does not read the shared cache has taken no lease there, and is bound by none.
            let reads = self.layers.reads_shared();
            let write = Write {
                token: write.token.filter(|_| reads),
                released: if reads { write.released } else { &[] },
                ..*write
            };
            match &self.shared {
                Some(shared) if self.layers.writes_shared() => {
                    // Leases that are not given back lapse.
                    shared.store(&write).await.is_ok() || write.updates.is_empty()
                }
                _ => true,
            }
        };
        let table = async {
            let writes = write.in_table && (self.layers.writes_table() || self.shared.is_none());
            !writes || self.table.write(write.updates, write.kept).await.is_ok()
        };
        let (shared, table) = tokio::join!(shared, table);
        shared && table
    }

    /// Passes answers of the table on to the shared cache, which gives the leases on them back. Returns whether it answered.
    pub(super) async fn pass_on(&self, write: &Write<'_>) -> bool {
        match self.shared_to_read().filter(|_| self.layers.writes_shared()) {
            Some(shared) if !write.updates.is_empty() => shared.store(write).await.is_ok(),
            _ => true,
        }
    }

    /// Asks about questions of one group across the fleet, and takes the leases that are wished for.
    pub async fn claim_leases(&self, token: Option<&Token>, requests: &[LeaseRequest], now: Timestamp) -> Leases {
        let (Some(shared), Some(token)) = (self.shared_to_read(), token) else {
            return Leases::Unneeded;
        };
        match shared.claim(token, requests, now).await {
            Ok(states) => Leases::Known(states),
            Err(_) => Leases::Unknown,
        }
    }

    /// Renews leases for as long as this is polled. A holder that has lost one goes on asking all the same: it is paid for.
    pub async fn renew_leases(&self, token: Option<&Token>, keys: &[Key]) -> Infallible {
        loop {
            tokio::time::sleep(lease::RENEWAL).await;
            if let (Some(shared), Some(token)) = (self.shared_to_read(), token) {
                // One that fails is tried again a second later, before the lease lapses.
                let _ = shared.renew(token, keys).await;
            }
        }
    }

    /// Counts the answers that this process keeps.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.memory.len()
    }

    fn shared_to_read(&self) -> Option<&SharedAnswers> {
        self.shared.as_ref().filter(|_| self.layers.reads_shared())
    }
}

impl Questions<'_> {
    /// Returns the time since when an answer must have been given to be fresh.
    pub(super) fn fresh_since(&self) -> Timestamp {
        self.now.minus(self.life.fresh)
    }

    pub(super) fn keys_at(&self, places: &[usize]) -> Vec<Key> {
        places.iter().map(|place| self.keys[*place].clone()).collect()
    }
}

impl Found {
    /// Reports whether every question has an answer that nobody need be asked for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.open().is_empty()
    }

    fn open(&self) -> Vec<usize> {
        let places = 0..self.questions.len();
        places.filter(|place| !self.questions[*place].is_settled()).collect()
    }

    fn learn(&mut self, place: usize, entry: &Entry, freshness: Freshness, now: Timestamp, layer: Layer) {
        let question = &mut self.questions[place];
        let was_hit = question.is_hit();
        question.learn(entry, freshness, now);
        let hit = usize::from(question.is_hit() && !was_hit);
        match layer {
            Layer::Memory => self.tally.memory += hit,
            Layer::Shared => self.tally.shared += hit,
            Layer::Table => self.tally.table += hit,
        }
    }
}
