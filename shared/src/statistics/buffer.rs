//! The observations that a process counts by itself, while the shared cache is away or has no room: a plain state machine.
//!
//! They are kept by user and slot, each under a source of its own, and written to the table as a whole. Those that are not
//! written yet are bounded: by number, beyond which they are lost and said to be, and by age.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Observation;
use super::marks::Marks;
use super::slot::Slot;
use crate::clock::Timestamp;
use crate::ids::UserId;

/// Observations that are written at once.
pub const DUE_COUNT: usize = 500;

/// The age at which observations are written, with the next request.
pub const DUE_AGE: Duration = Duration::from_secs(10);

/// The most observations that wait while the table is away too.
pub const MOST_WAITING: usize = 5_000;

/// The observations of this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotBuffer {
    parts: BTreeMap<(UserId, Slot), BufferedPart>,
    /// Parts begun so far: each has a number of its own.
    begun: u64,
    waiting: usize,
    /// When the oldest of those that wait was noted.
    since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct BufferedPart {
    number: u64,
    marks: Marks,
    written: usize,
}

/// A part of a slot that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartWrite {
    /// Its user.
    pub user: UserId,
    /// Its slot.
    pub slot: Slot,
    /// The number of the part in this process.
    pub number: u64,
    /// Its whole content.
    pub marks: Marks,
}

impl SlotBuffer {
    /// Counts an observation, if it was not counted here before. Returns `false` if there is no room: it is lost.
    pub fn note(&mut self, user: &UserId, observation: &Observation<'_>, now: Timestamp) -> bool {
        let key = (user.clone(), Slot::of(observation.at));
        if self.waiting >= MOST_WAITING {
            let part = self.parts.get(&key);
            return part.is_some_and(|part| part.marks.contains(observation));
        }
        let part = self.parts.entry(key).or_insert_with(|| {
            self.begun += 1;
            BufferedPart {
                number: self.begun,
                marks: Marks::default(),
                written: 0,
            }
        });
        if part.marks.insert(observation) {
            self.waiting += 1;
            self.since.get_or_insert(now);
        }
        true
    }

    /// Returns true if what waits should be written with this request.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let is_old = self.since.is_some_and(|since| now.since(since) >= DUE_AGE);
        self.waiting >= DUE_COUNT || is_old
    }

    /// Returns how many observations wait.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns every part with observations that wait.
    #[must_use]
    pub fn writes(&self) -> Vec<PartWrite> {
        let waiting = self.parts.iter().filter(|(_, part)| part.written < part.marks.len());
        waiting
            .map(|((user, slot), part)| PartWrite {
                user: user.clone(),
                slot: *slot,
                number: part.number,
                marks: part.marks.clone(),
            })
            .collect()
    }

    /// Notes that a part is in the table, or in the cache, as it was. A part of a slot that is over is then forgotten.
    pub fn confirm(&mut self, write: &PartWrite, now: Timestamp) {
        let key = (write.user.clone(), write.slot);
        let Some(part) = self.parts.get_mut(&key).filter(|part| part.number == write.number) else {
            return;
        };
        let written = write.marks.len().max(part.written);
        self.waiting = self.waiting.saturating_sub(written - part.written);
        part.written = written;
        if part.written == part.marks.len() && write.slot.is_over(now) {
            self.parts.remove(&key);
        }
        if self.waiting == 0 {
            self.since = None;
        }
    }

    /// Forgets what is written of slots that are over.
    pub fn tidy(&mut self, now: Timestamp) {
        self.parts
            .retain(|(_, slot), part| !slot.is_over(now) || part.written < part.marks.len());
    }

    /// Returns the parts of a user's slots from `first` on.
    pub fn of_user(&self, user: &UserId, first: Slot) -> impl Iterator<Item = (Slot, &Marks)> {
        let parts = self.parts.range((user.clone(), first)..);
        let of_user = user.clone();
        parts
            .take_while(move |((user, _), _)| *user == of_user)
            .map(|((_, slot), part)| (*slot, &part.marks))
    }

    /// Forgets a user.
    pub fn erase(&mut self, user: &UserId) {
        for part in self.parts.extract_if(.., |(of, _), _| of == user) {
            self.waiting = self.waiting.saturating_sub(part.1.marks.len() - part.1.written);
        }
        if self.waiting == 0 {
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(id: &str, at: Timestamp) -> Observation<'_> {
        Observation {
            id,
            at,
            application: None,
            device: None,
            level: 0,
            similar: false,
            failed_open: false,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_200 + seconds)
    }

    #[test]
    fn what_waits_is_due_at_an_age_or_a_number() {
        let (mut buffer, user) = (SlotBuffer::default(), UserId::random().unwrap());
        assert!(buffer.note(&user, &observation("a", at(0)), at(0)));
        assert!(!buffer.is_due(at(9)) && buffer.is_due(at(10)));
        for write in buffer.writes() {
            buffer.confirm(&write, at(10));
        }
        assert!(!buffer.is_due(at(100)), "nothing waits");
        for n in 0..DUE_COUNT {
            assert!(!buffer.is_due(at(100)), "{n}");
            buffer.note(&user, &observation(&n.to_string(), at(100)), at(100));
        }
        assert!(buffer.is_due(at(100)));
    }

    #[test]
    fn a_part_is_written_as_a_whole_again_when_it_has_grown() {
        let (mut buffer, user) = (SlotBuffer::default(), UserId::random().unwrap());
        buffer.note(&user, &observation("a", at(0)), at(0));
        let first = buffer.writes();
        buffer.note(&user, &observation("b", at(1)), at(1));
        buffer.confirm(&first[0], at(2));
        assert_eq!(buffer.waiting(), 1);
        let second = buffer.writes();
        assert_eq!((second[0].number, second[0].marks.len()), (first[0].number, 2));
        buffer.confirm(&second[0], at(3));
        buffer.confirm(&first[0], at(3));
        assert!(buffer.writes().is_empty() && buffer.waiting() == 0);
        buffer.note(&user, &observation("a", at(0)), at(4));
        assert_eq!(buffer.waiting(), 0, "counted before");
        buffer.tidy(at(600));
        buffer.note(&user, &observation("c", at(2)), at(600));
        let late = buffer.writes();
        assert!(
            late[0].number > first[0].number,
            "not what the first part would be overwritten by"
        );
        assert_eq!(buffer.of_user(&user, Slot::of(at(0))).count(), 1);
        buffer.erase(&user);
        assert_eq!((buffer.waiting(), buffer.writes().len()), (0, 0));
    }

    #[test]
    fn beyond_the_most_an_observation_is_lost() {
        let (mut buffer, user) = (SlotBuffer::default(), UserId::random().unwrap());
        for n in 0..MOST_WAITING {
            assert!(buffer.note(&user, &observation(&n.to_string(), at(0)), at(0)));
        }
        assert!(!buffer.note(&user, &observation("one more", at(0)), at(0)));
        assert!(!buffer.note(&UserId::random().unwrap(), &observation("x", at(0)), at(0)));
        assert_eq!(buffer.waiting(), MOST_WAITING);
    }
}
