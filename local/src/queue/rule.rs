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
mod tests {
    use super::*;

    const NONE: QueueFaults = QueueFaults {
        twice: 0,
        late: 0,
        undeleted: 0,
        lost: 0,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn sent(body: &str, group: Option<&str>) -> Sent {
        Sent {
            id: body.to_owned(),
            body: body.to_owned(),
            group: group.map(str::to_owned),
            at: at(0),
            receives: 0,
            first_received: None,
        }
    }

    fn bodies(batch: &Batch) -> Vec<&str> {
        batch
            .receipts
            .iter()
            .map(|receipt| receipt.sent.body.as_str())
            .collect()
    }

    #[test]
    fn a_message_is_hidden_while_in_flight_and_comes_again_unless_it_is_deleted() {
        let mut queue = QueueState::default();
        queue.send(&sent("a", None), None, NONE);
        let first = queue.receive(10, None, at(0));
        assert_eq!(bodies(&first), ["a"]);
        assert!(queue.receive(10, None, at(29)).receipts.is_empty());
        let again = queue.receive(10, None, at(30));
        assert_eq!((bodies(&again), again.receipts[0].sent.receives), (vec!["a"], 2));
        assert_eq!(again.receipts[0].sent.first_received, Some(at(0)));
        assert!(
            queue.delete(&first.receipts[0].handle, NONE).is_some(),
            "an older receipt"
        );
        assert!(queue.receive(10, None, at(90)).receipts.is_empty());
        assert_eq!(queue.delete(&first.receipts[0].handle, NONE), None);
    }

    #[test]
    fn a_flood_of_one_group_delays_no_other() {
        let mut queue = QueueState::default();
        for n in 0..100 {
            queue.send(&sent(&format!("flood{n}"), Some("flood")), None, NONE);
        }
        queue.send(&sent("quiet", Some("quiet")), None, NONE);
        assert_eq!(bodies(&queue.receive(3, None, at(1))), ["flood0", "quiet", "flood1"]);
    }

    #[test]
    fn a_message_that_was_received_too_often_is_a_dead_letter() {
        let mut queue = QueueState::default();
        queue.rules.redrive = Some(Redrive {
            queue: "dead".to_owned(),
            most_receives: 2,
        });
        queue.send(&sent("a", None), None, NONE);
        for receipt in 0..2 {
            let batch = queue.receive(10, Some(Duration::ZERO), at(receipt));
            assert_eq!((bodies(&batch), batch.dead.len()), (vec!["a"], 0));
        }
        let batch = queue.receive(10, None, at(3));
        assert_eq!((batch.receipts.len(), batch.dead[0].1.receives), (0, 2));
        assert_eq!(queue.count(at(3)), (Depth::default(), 0));
    }

    #[test]
    fn visibility_can_be_changed_while_a_message_is_in_flight() {
        let mut queue = QueueState::default();
        queue.send(&sent("a", None), None, NONE);
        let handle = queue.receive(1, None, at(0)).receipts[0].handle.clone();
        assert!(queue.hide(&handle, Duration::from_secs(100), at(10)));
        assert!(queue.receive(1, None, at(109)).receipts.is_empty());
        assert!(!queue.hide(&handle, Duration::ZERO, at(110)), "it is visible");
        assert_eq!(queue.receive(1, None, at(110)).receipts.len(), 1);
        assert!(queue.hide(&handle, Duration::ZERO, at(111)));
        assert_eq!(queue.receive(1, None, at(111)).receipts.len(), 1);
        assert!(!queue.hide("7.1", Duration::ZERO, at(111)) && !queue.hide("x", Duration::ZERO, at(111)));
    }

    #[test]
    fn delay_retention_and_counts_follow_the_clock() {
        let mut queue = QueueState::default();
        queue.rules.retention = Duration::from_secs(60);
        queue.send(&sent("now", None), None, NONE);
        queue.send(&sent("later", None), Some(Duration::from_secs(5)), NONE);
        let depth = |waiting, in_flight| Depth { waiting, in_flight };
        assert_eq!(queue.count(at(0)), (depth(1, 0), 1));
        assert_eq!(bodies(&queue.receive(10, None, at(4))), ["now"]);
        assert_eq!(queue.count(at(5)), (depth(1, 1), 0));
        assert_eq!(queue.count(at(60)), (depth(0, 0), 0));
        queue.send(
            &Sent {
                at: at(61),
                ..sent("x", None)
            },
            None,
            NONE,
        );
        assert_eq!(queue.purge().len(), 1);
        assert!(queue.receive(10, None, at(62)).receipts.is_empty());
    }

    #[test]
    fn it_misbehaves_as_often_as_it_is_told() {
        let mut queue = QueueState::default();
        let faults = QueueFaults {
            twice: 2,
            late: 3,
            undeleted: 1,
            lost: 0,
        };
        for (body, copies) in [("a", 1), ("b", 2), ("c", 1)] {
            assert_eq!(queue.send(&sent(body, None), None, faults).len(), copies, "{body}");
        }
        let batch = queue.receive(10, None, at(1));
        assert_eq!(bodies(&batch), ["a", "b", "b"]);
        assert_eq!(bodies(&queue.receive(10, None, at(2))), ["c"], "late");
        assert_eq!(queue.delete(&batch.receipts[0].handle, faults), None);
        assert_eq!(queue.receive(10, None, at(31)).receipts.len(), 3);
        assert!(!falls_due(5, 0) && falls_due(6, 3) && !falls_due(7, 3));
    }
}
