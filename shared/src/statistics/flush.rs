//! Writes the slots of users who have not come back, from the lists of the shared cache.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use redis::Value;

use super::SHARDS;
use super::cache::{self, ListedSlot, OpenSlot};
use super::store::Statistics;
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::valkey::{Failure, Invocation, Valkey};

/// How long after its end a slot is left alone: requests that count in it may be under way.
const GRACE: Duration = Duration::from_secs(15);

/// How long after its end a slot that is not written is overdue: two runs of the schedule.
pub const OVERDUE_AFTER: Duration = Duration::from_mins(10);

/// Slots that are read at a time.
const SLOTS_AT_A_TIME: usize = 100;

/// Writes at a time, of one list.
const WRITES_AT_A_TIME: usize = 16;

/// Lists at a time.
const LISTS_AT_A_TIME: usize = 4;

/// The outcome of a flush.
#[derive(Debug, Clone, Default)]
pub struct Flushed {
    /// Slots that were written.
    pub written: usize,
    /// Observations in them.
    pub observations: usize,
    /// Slots that are not written 10 minutes after their end.
    pub overdue: usize,
    /// The reason why not all were written that are over.
    pub failure: Option<Outage>,
}

impl Statistics {
    /// Writes every slot in the cache that is over; two runs at once only repeat each other's writes. A slot that could not be
    /// written stays on its list.
    pub async fn flush(&self, now: Timestamp) -> Flushed {
        let Some(valkey) = &self.cache else {
            return Flushed::default();
        };
        let lists: Vec<(ListProgress, Option<Outage>)> = stream::iter(0..SHARDS)
            .map(|shard| self.flush_list(valkey, shard, now))
            .buffer_unordered(LISTS_AT_A_TIME)
            .collect()
            .await;
        let mut flushed = Flushed::default();
        for (written, failure) in lists {
            flushed.written += written.written;
            flushed.observations += written.observations;
            flushed.failure = flushed.failure.or(failure);
        }
        match self.overdue(valkey, now).await {
            Ok(overdue) => flushed.overdue = overdue,
            Err(failure) => flushed.failure = flushed.failure.or(Some(failure)),
        }
        flushed
    }

    async fn flush_list(&self, valkey: &Valkey, shard: u32, now: Timestamp) -> (ListProgress, Option<Outage>) {
        let (mut all, mut passed_over) = (ListProgress::default(), 0);
        loop {
            match self.flush_some(valkey, (shard, passed_over), now).await {
                Ok(None) => return (all, None),
                Ok(Some((entries, some))) => {
                    passed_over += entries - some.removed;
                    all.written += some.written;
                    all.observations += some.observations;
                }
                Err(failure) => return (all, Some(failure)),
            }
        }
    }

    /// Writes the next slots of a list; returns how many entries those were. `None` if none is left.
    async fn flush_some(
        &self,
        valkey: &Valkey,
        (shard, passed_over): (u32, usize),
        now: Timestamp,
    ) -> Result<Option<(usize, ListProgress)>, Outage> {
        let due = self.scripts.due(shard, now.minus(GRACE), passed_over, SLOTS_AT_A_TIME);
        let replies = run(valkey, &[due]).await?;
        let (listed, entries) = replies.first().map(cache::read_due).unwrap_or_default();
        if entries == 0 {
            return Ok(None);
        }
        let written = self.write_listed(valkey, listed, now).await?;
        Ok(Some((entries, written)))
    }

    async fn write_listed(
        &self,
        valkey: &Valkey,
        listed: Vec<ListedSlot>,
        now: Timestamp,
    ) -> Result<ListProgress, Outage> {
        let reads: Vec<Invocation<'_>> = listed
            .iter()
            .map(|listed| self.scripts.open(&listed.user, &[listed.slot]))
            .collect();
        let read = run(valkey, &reads).await?;
        let open = |(listed, reply): (ListedSlot, &Value)| {
            let open = cache::read_open(reply, &[listed.slot]).pop();
            (listed, open)
        };
        let slots: Vec<(ListedSlot, Option<OpenSlot>)> = listed.into_iter().zip(&read).map(open).collect();
        // By number: a reference as an item would make this future one that cannot be sent to another thread.
        let counts: Vec<(bool, usize)> = stream::iter(0..slots.len())
            .map(|n| self.write_slot(&slots[n], now))
            .buffered(WRITES_AT_A_TIME)
            .try_collect()
            .await?;
        let there = slots.iter().filter_map(|(listed, open)| Some((listed, open.as_ref()?)));
        let confirms: Vec<Invocation<'_>> = there
            .map(|(listed, open)| self.scripts.confirm(&listed.user, open, now))
            .collect();
        let mut confirmed = run(valkey, &confirms).await?.into_iter();
        let is_done = |open: &Option<OpenSlot>| match open {
            // It was written by somebody else, or forgotten.
            None => true,
            Some(_) => confirmed.next() == Some(Value::Int(1)),
        };
        let done: Vec<Invocation<'_>> = slots
            .iter()
            .scan(is_done, |is_done, (listed, open)| Some((is_done(open), listed)))
            .filter(|(is_done, _)| *is_done)
            .map(|(_, listed)| self.scripts.forget(listed))
            .collect();
        let removed = run(valkey, &done).await?;
        Ok(ListProgress {
            written: counts.iter().filter(|(written, _)| *written).count(),
            observations: counts.iter().map(|(_, observations)| observations).sum(),
            removed: removed.iter().filter(|reply| **reply == Value::Int(1)).count(),
        })
    }

    async fn write_slot(
        &self,
        (listed, open): &(ListedSlot, Option<OpenSlot>),
        now: Timestamp,
    ) -> Result<(bool, usize), Outage> {
        let Some(open) = open else { return Ok((false, 0)) };
        let part = (&listed.user, listed.slot);
        let written = self.table.write_part(part, &open.source, &open.marks, now).await?;
        Ok((written, open.marks.len()))
    }

    async fn overdue(&self, valkey: &Valkey, now: Timestamp) -> Result<usize, Outage> {
        let then = now.minus(OVERDUE_AFTER);
        let counts: Vec<Invocation<'_>> = (0..SHARDS).map(|shard| self.scripts.overdue(shard, then)).collect();
        let replies = run(valkey, &counts).await?;
        Ok(replies.iter().filter_map(cache::read_number).sum())
    }
}

/// The outcome of a batch of a list, or of all of it.
#[derive(Default)]
struct ListProgress {
    written: usize,
    observations: usize,
    /// Entries that were taken from the list.
    removed: usize,
}

async fn run(valkey: &Valkey, invocations: &[Invocation<'_>]) -> Result<Vec<Value>, Outage> {
    if invocations.is_empty() {
        return Ok(Vec::new());
    }
    valkey.run(invocations).await.map_err(Failure::into_outage)
}
