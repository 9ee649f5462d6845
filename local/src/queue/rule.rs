//! One queue as SQS defines it: a plain state machine, `now` an argument.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html>

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use shared::clock::Timestamp;
use shared::queue::Depth;

/// By how much a late message is late.
const LATE: Duration = Duration::from_secs(2);

/// The settings of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRules {
    /// How long a received message is hidden.
    pub visibility: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// How long a new message is hidden.
    pub delay: Duration,
    /// How long a receive waits for a first message.
    pub wait: Duration,
    /// Where a message goes that was received too often.
    pub redrive: Option<Redrive>,
}

impl Default for QueueRules {
    fn default() -> Self {
        Self {
            visibility: Duration::from_secs(30),
            retention: Duration::from_hours(4 * 24),
            delay: Duration::ZERO,
            wait: Duration::ZERO,
            redrive: None,
        }
    }
}

/// A redrive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the queue of dead letters.
    pub queue: String,
    /// The receipts after which a message goes there, instead of being received again.
    pub most_receives: u32,
}

/// Misbehaviour that SQS allows itself, each in one of so many cases; 0 is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueFaults {
    /// A sent message is delivered twice.
    pub twice: u32,
    /// A sent message is delivered late.
    pub late: u32,
    /// A deleted message is delivered again.
    pub undeleted: u32,
    /// The answer to a send is lost.
    pub lost: u32,
}

/// A message as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// Its text.
    pub body: String,
    /// Its group.
    pub group: Option<String>,
    /// When it was sent.
    pub at: Timestamp,
    /// How often it was received.
    pub receives: u32,
    /// When it was received first.
    pub first_received: Option<Timestamp>,
}

#[derive(Debug)]
struct KeptMessage {
    sent: Sent,
    visible_at: Timestamp,
}

/// A message that was received, with the handle of this receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Names the message and this receipt.
    pub handle: String,
    /// The message.
    pub sent: Sent,
}

/// The outcome of a receive.
#[derive(Debug, Default)]
pub struct Batch {
    /// Messages.
    pub receipts: Vec<Receipt>,
    /// Messages that were received too often: they go to the dead letters.
    pub dead: Vec<(u64, Sent)>,
}

/// A queue and its messages.
#[derive(Debug, Default)]
pub struct QueueState {
    /// Its settings.
    pub rules: QueueRules,
    /// In the order in which they were sent.
    messages: BTreeMap<u64, KeptMessage>,
    /// The messages that are hidden, by the time at which they are visible again.
    hidden: BTreeSet<(Timestamp, u64)>,
    /// The visible ones by group, and the groups in their turn: a flood of one delays no other.
    visible: HashMap<Option<String>, VecDeque<u64>>,
    turns: VecDeque<Option<String>>,
    next: u64,
    sends: u64,
    deletes: u32,
}

impl QueueState {
    /// Makes an empty queue.
    #[must_use]
    pub fn new(rules: QueueRules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Takes a message that was sent; returns its numbers, two if it is delivered twice.
    pub fn send(&mut self, sent: &Sent, delay: Option<Duration>, faults: QueueFaults) -> Vec<u64> {
        let delay = delay.unwrap_or(self.rules.delay);
        self.sends += 1;
        let late = if falls_due(self.sends, faults.late) {
            LATE
        } else {
            Duration::ZERO
        };
        let visible_at = sent.at.plus(delay + late);
        let copies = if falls_due(self.sends, faults.twice) { 2 } else { 1 };
        (0..copies).map(|_| self.keep(sent.clone(), visible_at)).collect()
    }

    /// Keeps a message; returns its number.
    pub fn keep(&mut self, sent: Sent, visible_at: Timestamp) -> u64 {
        self.restore(self.next + 1, sent, visible_at);
        self.next
    }

    /// Keeps a message under the number that it had.
    pub fn restore(&mut self, number: u64, sent: Sent, visible_at: Timestamp) {
        self.next = self.next.max(number);
        self.hidden.insert((visible_at, number));
        self.messages.insert(number, KeptMessage { sent, visible_at });
    }

    /// Receives up to `most` visible messages, and hides them for `visibility`.
    pub fn receive(&mut self, most: usize, visibility: Option<Duration>, now: Timestamp) -> Batch {
        self.forget_old(now);
        self.show_due(now);
        let mut batch = Batch::default();
        let until = now.plus(visibility.unwrap_or(self.rules.visibility));
        while batch.receipts.len() < most
            && let Some(number) = self.take_turn()
        {
            let most_receives = self.rules.redrive.as_ref().map(|redrive| redrive.most_receives);
            let Some(kept) = self.messages.get_mut(&number) else {
                continue;
            };
            if most_receives.is_some_and(|most| kept.sent.receives >= most) {
                let kept = self.messages.remove(&number);
                batch.dead.extend(kept.map(|kept| (number, kept.sent)));
                continue;
            }
            kept.sent.receives += 1;
            kept.sent.first_received.get_or_insert(now);
            kept.visible_at = until;
            self.hidden.insert((until, number));
            batch.receipts.push(Receipt {
                handle: format!("{number}.{}", kept.sent.receives),
                sent: kept.sent.clone(),
            });
        }
        batch
    }

    /// Deletes the message of a receipt, also of an older one; returns its number. Nothing happens if it is gone.
    pub fn delete(&mut self, handle: &str, faults: QueueFaults) -> Option<u64> {
        let (number, _) = read_handle(handle)?;
        self.deletes += 1;
        if falls_due(self.deletes.into(), faults.undeleted) {
            return None;
        }
        let kept = self.messages.remove(&number)?;
        self.hidden.remove(&(kept.visible_at, number));
        Some(number)
    }

    /// Hides a message that is hidden for `span` from now on; returns false if it is not.
    pub fn hide(&mut self, handle: &str, span: Duration, now: Timestamp) -> bool {
        let Some((number, _)) = read_handle(handle) else {
            return false;
        };
        let Some(kept) = self.messages.get_mut(&number) else {
            return false;
        };
        if kept.visible_at <= now || !self.hidden.remove(&(kept.visible_at, number)) {
            return false;
        }
        kept.visible_at = now.plus(span);
        self.hidden.insert((kept.visible_at, number));
        true
    }

    /// Returns how many messages wait, are in flight, and are delayed.
    pub fn count(&mut self, now: Timestamp) -> (Depth, u64) {
        self.forget_old(now);
        self.show_due(now);
        let (mut in_flight, mut delayed) = (0, 0);
        for (_, number) in &self.hidden {
            match self.messages.get(number).map_or(0, |kept| kept.sent.receives) {
                0 => delayed += 1,
                _ => in_flight += 1,
            }
        }
        let waiting = (self.messages.len() as u64).saturating_sub(in_flight + delayed);
        (Depth { waiting, in_flight }, delayed)
    }

    /// Returns when the next of the hidden messages is visible again.
    #[must_use]
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.hidden.first().map(|(at, _)| *at)
    }

    /// Returns the texts of all messages.
    #[must_use]
    pub fn bodies(&self) -> Vec<String> {
        self.messages.values().map(|kept| kept.sent.body.clone()).collect()
    }

    /// Deletes all messages; returns their numbers.
    pub fn purge(&mut self) -> Vec<u64> {
        let numbers = self.messages.keys().copied().collect();
        (self.hidden, self.visible, self.turns) = Default::default();
        self.messages.clear();
        numbers
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some(oldest) = self.messages.first_entry() {
            if oldest.get().sent.at.plus(self.rules.retention) > now {
                return;
            }
            let (number, kept) = oldest.remove_entry();
            self.hidden.remove(&(kept.visible_at, number));
        }
    }

    fn show_due(&mut self, now: Timestamp) {
        while let Some((at, number)) = self.hidden.first().copied() {
            if at > now {
                return;
            }
            self.hidden.pop_first();
            let Some(kept) = self.messages.get(&number) else {
                continue;
            };
            let group = &kept.sent.group;
            let waiting = self.visible.entry(group.clone()).or_default();
            if waiting.is_empty() {
                self.turns.push_back(group.clone());
            }
            waiting.push_back(number);
        }
    }

    /// Takes a message of the group whose turn it is.
    fn take_turn(&mut self) -> Option<u64> {
        let group = self.turns.pop_front()?;
        let waiting = self.visible.get_mut(&group)?;
        let number = waiting.pop_front();
        if waiting.is_empty() {
            self.visible.remove(&group);
        } else {
            self.turns.push_back(group);
        }
        number
    }
}

/// Returns whether the `nth` case is one of each `every`.
#[must_use]
pub fn falls_due(nth: u64, every: u32) -> bool {
    every > 0 && nth.is_multiple_of(every.into())
}

fn read_handle(handle: &str) -> Option<(u64, u32)> {
    let (number, receipt) = handle.split_once('.')?;
    Some((number.parse().ok()?, receipt.parse().ok()?))
}

#[cfg(test)]
mod tests;
