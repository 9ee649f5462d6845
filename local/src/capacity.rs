//! Bounds the requests worked on at a time: as many as the processors keep up with, and no more than memory has room for.
//!
//! A request that finds no slot waits for one, unread, and is refused at once if too many wait already. The number of slots
//! follows from how late a timer fires. In an overloaded process everything waits its turn, including the answers of caches and
//! tables: their calls would time out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::clock::Stopwatch;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// The slots at the start, unless fewer are the most.
const FIRST: usize = 64;

/// The fewest slots, unless fewer are the most.
const LEAST: usize = 16;

/// How often the number of slots is adjusted while requests wait.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How late a timer may fire in a process that keeps up.
const LATE: Duration = Duration::from_millis(5);

/// The longest that a request waits for a slot: a client's patience is for the answer.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A body takes a slot for each started part of this size, so that the slots bound the memory of bodies too.
const BYTES_PER_SLOT: u64 = 640 * 1024;

/// The slots of a server and the queue for them.
#[derive(Debug)]
pub(crate) struct Capacity {
    most: usize,
    longest_wait: Duration,
    state: Mutex<Occupancy>,
    waiting: Notify,
}

#[derive(Debug)]
struct Occupancy {
    slots: usize,
    taken: usize,
    queue: VecDeque<QueuedRequest>,
}

#[derive(Debug)]
struct QueuedRequest {
    since: Stopwatch,
    slots: usize,
    granted: oneshot::Sender<Slot>,
}

/// The right to work on a request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: usize,
    capacity: Arc<Capacity>,
    /// True if the request had to wait for it.
    pub(crate) waited: bool,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.capacity.state().taken -= self.slots;
        self.capacity.grant();
    }
}

impl Capacity {
    /// Allows `most` requests at a time and half as many that wait, none for longer than a request may take.
    #[must_use]
    pub(crate) fn new(most: usize, request_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            most,
            longest_wait: LONGEST_WAIT.min(request_timeout),
            state: Mutex::new(Occupancy {
                slots: most.min(FIRST),
                taken: 0,
                queue: VecDeque::new(),
            }),
            waiting: Notify::new(),
        })
    }

    /// Waits for the right to work on a request whose body has `length` bytes; `None` if it is to be refused.
    pub(crate) async fn enter(self: &Arc<Self>, length: u64) -> Option<Slot> {
        let slots = slots_of(length, self.most);
        let granted = {
            let mut state = self.state();
            if state.queue.is_empty() && state.has_room_for(slots) {
                state.taken += slots;
                return Some(self.slot(slots, false));
            }
            if self.is_full(&mut state.queue) {
                return None;
            }
            let (granted, slot) = oneshot::channel();
            state.queue.push_back(QueuedRequest {
                since: Stopwatch::start(),
                slots,
                granted,
            });
            slot
        };
        self.waiting.notify_one();
        tokio::time::timeout(self.longest_wait, granted).await.ok()?.ok()
    }

    /// Reports that another request should come later: too many wait, or the first of them waits too long.
    fn is_full(&self, queue: &mut VecDeque<QueuedRequest>) -> bool {
        // Requests whose clients have left, or that were refused since, still stand in the queue.
        while queue.pop_front_if(|first| first.granted.is_closed()).is_some() {}
        let too_long = |first: &QueuedRequest| first.since.elapsed() > self.longest_wait / 2;
        queue.len() >= self.most.div_ceil(2) || queue.front().is_some_and(too_long)
    }

    /// Follows the load for as long as the server runs.
    pub(crate) fn follow_load(self: Arc<Self>) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                self.waiting.notified().await;
                while !self.state().queue.is_empty() {
                    let since = Stopwatch::start();
                    tokio::time::sleep(LOOK_EVERY).await;
                    let late = since.elapsed().saturating_sub(LOOK_EVERY);
                    {
                        let mut state = self.state();
                        state.slots = adjusted(state.slots, self.most, late);
                    }
                    self.grant();
                }
            }
        })
    }

    /// Gives free slots to the requests that have waited longest.
    fn grant(self: &Arc<Self>) {
        loop {
            let waiter = {
                let mut state = self.state();
                let Some(next) = state.queue.front() else { return };
                let (slots, gone) = (next.slots, next.granted.is_closed());
                if !gone {
                    if !state.has_room_for(slots) {
                        return;
                    }
                    state.taken += slots;
                }
                state.queue.pop_front().filter(|_| !gone)
            };
            if let Some(QueuedRequest { slots, granted, .. }) = waiter {
                // A request that leaves at this moment drops the slot, which returns it.
                drop(granted.send(self.slot(slots, true)));
            }
        }
    }

    /// Returns the slots that are taken, and the requests that wait.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.state();
        let waiting = state.queue.iter().filter(|request| !request.granted.is_closed());
        (state.taken, waiting.count())
    }

    fn slot(self: &Arc<Self>, slots: usize, waited: bool) -> Slot {
        Slot {
            slots,
            capacity: Arc::clone(self),
            waited,
        }
    }

    fn state(&self) -> MutexGuard<'_, Occupancy> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupancy {
    const fn has_room_for(&self, slots: usize) -> bool {
        self.taken + slots <= self.slots
    }
}

/// Returns the slots that a request takes; never more than there always are.
fn slots_of(length: u64, most: usize) -> usize {
    let parts = usize::try_from(length.div_ceil(BYTES_PER_SLOT)).unwrap_or(usize::MAX);
    parts.clamp(1, least(most))
}

/// Returns the next number of slots, given that requests wait and that a timer fired so `late`.
fn adjusted(slots: usize, most: usize, late: Duration) -> usize {
    let step = slots.div_ceil(8);
    if late > LATE {
        (slots - step).max(least(most))
    } else {
        (slots + step).min(most)
    }
}

fn least(most: usize) -> usize {
    LEAST.min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_the_load_within_their_bounds() {
        let (in_time, late) = (LATE, LATE + Duration::from_millis(1));
        for (slots, most, by, expected) in [
            (64, 512, in_time, 72),
            (64, 512, late, 56),
            (510, 512, in_time, 512),
            (16, 512, late, 16),
            (4, 4, late, 4),
            (4, 4, in_time, 4),
            (1, 1, late, 1),
        ] {
            assert_eq!(adjusted(slots, most, by), expected, "{slots} of {most}, {by:?}");
        }
    }

    #[test]
    fn a_large_body_takes_the_slots_of_many_small_ones() {
        for (length, most, expected) in [
            (0, 512, 1),
            (6_000, 512, 1),
            (4 * 1024 * 1024, 512, 7),
            (10 * 1024 * 1024, 512, 16),
            (u64::MAX, 512, 16),
            (10 * 1024 * 1024, 4, 4),
        ] {
            assert_eq!(slots_of(length, most), expected, "{length} of {most}");
        }
    }

    /// True if a future is not ready when it is polled once.
    async fn waits<F: Future + Unpin>(future: &mut F) -> bool {
        tokio::time::timeout(Duration::ZERO, future).await.is_err()
    }

    #[tokio::test]
    async fn those_beyond_the_slots_wait_and_those_beyond_these_are_refused() {
        let capacity = Capacity::new(2, LONGEST_WAIT);
        let (one, two) = (capacity.enter(1).await.unwrap(), capacity.enter(1).await.unwrap());
        assert!(!one.waited && !two.waited);
        let mut third = Box::pin(capacity.enter(1));
        assert!(waits(&mut third).await);
        assert!(capacity.enter(1).await.is_none(), "one place to wait in");
        drop(one);
        assert!(third.await.unwrap().waited);
        assert!(capacity.enter(1).await.is_some(), "what was dropped is free again");
        drop(two);
    }

    #[tokio::test]
    async fn a_request_whose_client_leaves_while_it_waits_takes_nothing() {
        let capacity = Capacity::new(1, LONGEST_WAIT);
        let only = capacity.enter(1).await.unwrap();
        let mut left = Box::pin(capacity.enter(1));
        assert!(waits(&mut left).await);
        drop(left);
        let mut patient = Box::pin(capacity.enter(1));
        assert!(waits(&mut patient).await, "its place is free");
        drop(only);
        assert!(patient.await.is_some());
    }

    #[tokio::test]
    async fn nobody_waits_for_longer_than_a_request_may_take() {
        let capacity = Capacity::new(1, Duration::from_millis(50));
        let only = capacity.enter(1).await.unwrap();
        assert!(capacity.enter(1).await.is_none());
        drop(only);
        assert!(capacity.enter(1).await.is_some());
    }
}
