//! Counting, writing and reading: in the shared cache, in this process while that is away, and in the table.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use redis::Value;

use super::Observation;
use super::buffer::{PartWrite, SlotBuffer};
use super::cache::{self, OpenSlot, SlotScripts};
use super::slot::Slot;
use super::table::StatisticsTable;
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::{UserId, random_bytes};
use crate::valkey::{Failure, Invocation, Valkey};

/// Writes at a time: what a process has counted by itself is at most 500 parts.
const WRITES_AT_A_TIME: usize = 16;

/// Slots that a process keeps for its next requests to write or to confirm; others are left to the schedule.
const MOST_PASSING: usize = 16;

/// Lambda ends a process half a second after it has told it to end.
const SETTLE_WITHIN: Duration = Duration::from_millis(450);

/// How long after a write that failed the next is tried: the table may be skipped for a moment.
const SETTLE_AGAIN: Duration = Duration::from_millis(25);

/// Statistics of all users.
#[derive(Debug)]
pub struct Statistics {
    pub(super) cache: Option<Valkey>,
    pub(super) scripts: SlotScripts,
    pub(super) table: StatisticsTable,
    buffer: Mutex<SlotBuffer>,
    passing: Mutex<PassingSlots>,
    /// Names this process among the sources.
    process: OnceLock<String>,
    named: AtomicU64,
}

/// Observations that are being counted.
#[derive(Debug)]
pub struct Counting<'a> {
    user: &'a UserId,
    /// Those of each slot together.
    of_slots: Vec<Vec<Observation<'a>>>,
    /// Scripts before those that count.
    confirmed: usize,
}

/// Slots that are written by whoever passes by: this process's next requests.
#[derive(Debug, Default)]
struct PassingSlots {
    /// Found in the cache, and over, or grown by 500.
    found: Vec<(UserId, OpenSlot)>,
    /// Written, and to be confirmed.
    written: Vec<(UserId, OpenSlot)>,
}

/// The outcome of counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountOutcome {
    /// True if the shared cache was done without, although there is one, or something was lost.
    pub degraded: bool,
    /// Observations that are not counted anywhere: neither cache nor table has answered for long.
    pub lost: usize,
}

impl Statistics {
    /// Counts in `cache`; in this process alone where there is none.
    #[must_use]
    pub fn new(cache: Option<Valkey>, table: StatisticsTable) -> Self {
        Self {
            cache,
            scripts: SlotScripts::default(),
            table,
            buffer: Mutex::default(),
            passing: Mutex::default(),
            process: OnceLock::new(),
            named: AtomicU64::new(0),
        }
    }

    /// Returns the table.
    #[must_use]
    pub const fn table(&self) -> &StatisticsTable {
        &self.table
    }

    /// Counts observations of a user, in a round trip of its own, which can be made beside another. See
    /// [`counting`](Self::counting) for scripts that ride in one that is made anyway.
    pub async fn count(&self, user: &UserId, observations: &[Observation<'_>], now: Timestamp) -> CountOutcome {
        let (invocations, counting) = self.counting(user, observations, now);
        let replies = match &self.cache {
            Some(valkey) if !invocations.is_empty() => valkey.run(&invocations).await,
            _ => Ok(Vec::new()),
        };
        self.counted(&counting, replies.as_deref(), now)
    }

    /// Returns the scripts that count observations of a user, for a pipeline to the shared cache; give its answer to
    /// [`counted`](Self::counted). There are none without a cache. They also look for a slot of the user that is over, and confirm
    /// some that this process has written.
    #[must_use]
    pub fn counting<'a>(
        &'a self,
        user: &'a UserId,
        observations: &[Observation<'a>],
        now: Timestamp,
    ) -> (Vec<Invocation<'a>>, Counting<'a>) {
        let mut of_slots: BTreeMap<Slot, Vec<Observation<'a>>> = BTreeMap::new();
        for observation in observations {
            of_slots.entry(Slot::of(observation.at)).or_default().push(*observation);
        }
        let mut invocations = Vec::with_capacity(of_slots.len() * 2 + 1);
        let mut confirmed = 0;
        if self.cache.is_some() {
            for (user, written) in std::mem::take(&mut self.passing().written) {
                invocations.push(self.scripts.confirm(&user, &written, now));
            }
            confirmed = invocations.len();
            for (slot, observations) in &of_slots {
                let source = format!("{}.{}", self.process(), self.named.fetch_add(1, Ordering::Relaxed));
                invocations.push(self.scripts.count((user, *slot), &source, observations, now));
                invocations.push(self.scripts.note(user, *slot, now));
            }
            invocations.push(self.scripts.look(user, now));
        }
        let of_slots = of_slots.into_values().collect();
        let counting = Counting {
            user,
            of_slots,
            confirmed,
        };
        (invocations, counting)
    }

    /// Learns if the cache has counted: `replies` are those to the scripts of [`counting`](Self::counting), or the failure of
    /// their pipeline. This process counts those that the cache may not have counted. If it had, they count once all the same.
    pub fn counted(
        &self,
        counting: &Counting<'_>,
        replies: Result<&[Value], &Failure>,
        now: Timestamp,
    ) -> CountOutcome {
        let mut outcome = CountOutcome {
            degraded: replies.is_err(),
            ..CountOutcome::default()
        };
        let replies = replies.ok().and_then(|replies| replies.get(counting.confirmed..));
        let looked = replies.and_then(|replies| replies.get(2 * counting.of_slots.len()));
        if let Some(open) = looked.and_then(|reply| cache::read_look(reply, now)) {
            let mut passing = self.passing();
            if passing.found.len() < MOST_PASSING {
                passing.found.push((counting.user.clone(), open));
            }
        }
        for (n, observations) in counting.of_slots.iter().enumerate() {
            let reply = replies.and_then(|replies| replies.get(2 * n));
            let taken = reply.and_then(cache::read_number).unwrap_or(0);
            for observation in observations.iter().skip(taken) {
                if !self.buffer().note(counting.user, observation, now) {
                    outcome.lost += 1;
                }
            }
        }
        outcome.degraded |= outcome.lost > 0;
        outcome
    }

    /// Writes the slots that were found to be over while others were counted, and what this process has counted by itself if 500
    /// wait or one has waited for 10 seconds. Returns how many parts went to the table. Run it beside the other waits of a
    /// request: nothing depends on its end.
    pub async fn deliver_if_due(&self, now: Timestamp) -> usize {
        let found = std::mem::take(&mut self.passing().found);
        let found = join_all(found.into_iter().map(|found| self.write_found(found, now)));
        let is_due = self.buffer().is_due(now);
        let own = async {
            // A part that could not be written waits for the next request.
            if is_due {
                self.deliver(now).await.unwrap_or(0)
            } else {
                0
            }
        };
        let (found, own) = tokio::join!(found, own);
        found.into_iter().sum::<usize>() + own
    }

    /// Writes a slot that was found; its confirmation rides in the next pipeline. Should anything fail, the schedule writes it.
    async fn write_found(&self, (user, open): (UserId, OpenSlot), now: Timestamp) -> usize {
        let written = self
            .table
            .write_part((&user, open.slot), &open.source, &open.marks, now);
        let Ok(written) = written.await else { return 0 };
        let mut passing = self.passing();
        if passing.written.len() < MOST_PASSING {
            passing.written.push((user, open));
        }
        usize::from(written)
    }

    /// Writes what this process has counted by itself to the table. Returns how many parts it wrote.
    ///
    /// # Errors
    /// When the table is down: the rest waits.
    pub async fn deliver(&self, now: Timestamp) -> Result<usize, Outage> {
        let writes = self.buffer().writes();
        let written: Vec<Result<bool, Outage>> = stream::iter(writes)
            .map(|write| async move {
                let source = format!("{}-{}", self.process(), write.number);
                let part = (&write.user, write.slot);
                let written = self.table.write_part(part, &source, &write.marks, now).await?;
                self.buffer().confirm(&write, now);
                Ok(written)
            })
            .buffer_unordered(WRITES_AT_A_TIME)
            .collect()
            .await;
        self.buffer().tidy(now);
        let mut number = 0;
        for written in written {
            number += usize::from(written?);
        }
        Ok(number)
    }

    /// Writes all that waits before the process ends, or says in the log that it is lost.
    pub async fn settle(&self, now: Timestamp) {
        let settled = async {
            while self.deliver(now).await.is_err() {
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
        };
        if tokio::time::timeout(SETTLE_WITHIN, settled).await.is_err() {
            let lost = self.buffer().waiting();
            tracing::error!(lost, "observations that were counted without the shared cache are lost");
        }
    }

    /// Forgets a user in the cache and in this process, and deletes their rows and slots; returns the number of items.
    ///
    /// # Errors
    /// When the table is down; the same call again deletes the rest.
    pub async fn erase(&self, user: &UserId, now: Timestamp) -> Result<usize, Outage> {
        self.buffer().erase(user);
        if let Some(valkey) = &self.cache {
            let mut commands = redis::pipe();
            let mut deletion = redis::cmd("DEL");
            let (first, last) = (Slot::of(now.minus(cache::KEPT)), Slot::of(now).next());
            for slot in (first.number()..=last.number()).map(Slot::numbered) {
                deletion.arg(cache::key(user, slot));
            }
            commands.add_command(deletion);
            // Should this fail, what is open is written under an id that nobody has, and goes with the slots of its day.
            let _ = valkey.ask(&commands).await;
        }
        self.table.erase(user, now).await
    }

    /// Returns this process's own parts of some slots of a user.
    pub(super) fn own_parts(&self, user: &UserId, first: Slot) -> Vec<PartWrite> {
        let buffer = self.buffer();
        let parts = buffer.of_user(user, first).map(|(slot, marks)| PartWrite {
            user: user.clone(),
            slot,
            number: 0,
            marks: marks.clone(),
        });
        parts.collect()
    }

    /// Returns the slots of a user that are in the cache, among some.
    ///
    /// # Errors
    /// When the cache is down.
    pub(super) async fn open_slots(&self, user: &UserId, slots: &[Slot]) -> Result<Vec<OpenSlot>, Outage> {
        let Some(valkey) = self.cache.as_ref().filter(|_| !slots.is_empty()) else {
            return Ok(Vec::new());
        };
        let replies = valkey.run(&[self.scripts.open(user, slots)]).await;
        let replies = replies.map_err(Failure::into_outage)?;
        Ok(replies
            .first()
            .map(|reply| cache::read_open(reply, slots))
            .unwrap_or_default())
    }

    fn process(&self) -> &str {
        // Without random bytes two processes may overwrite each other's parts.
        self.process
            .get_or_init(|| URL_SAFE_NO_PAD.encode(random_bytes::<9>().unwrap_or_default()))
    }

    fn passing(&self) -> MutexGuard<'_, PassingSlots> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn buffer(&self) -> MutexGuard<'_, SlotBuffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
