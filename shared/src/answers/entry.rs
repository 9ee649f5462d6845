//! An answer as it is kept, and for whom it is good how long.

use std::sync::Arc;
use std::time::Duration;

use super::key::Key;
use crate::clock::Timestamp;

/// How far ahead a clock may be. An answer of a later time makes no sense.
pub const AHEAD: Duration = Duration::from_hours(1);

/// The bytes of a payload that weigh nothing.
const PLAIN_BYTES: usize = 32;

/// The bytes beyond them that weigh as much as a plain entry.
const BYTES_PER_UNIT: usize = 128;

/// How good an answerer is: the larger, the better. The numbers are the workload's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Class(pub u8);

/// An answer with all that a later reader needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The answer, in the workload's own form.
    pub payload: Arc<[u8]>,
    /// The class of the answerer.
    pub class: Class,
    /// The answerer and its version.
    pub by: Arc<str>,
    /// The time of the answer.
    pub at: Timestamp,
}

/// The answer to one open question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A new one, fit to be shared.
    Given(Given),
    /// The known one is as good as any that can be had.
    Known,
    /// None.
    Nobody,
}

/// A new answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The answer, in the workload's own form.
    pub payload: Arc<[u8]>,
    /// The class of the answerer.
    pub class: Class,
    /// The answerer and its version.
    pub by: Arc<str>,
}

/// An entry on its way to the layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The question.
    pub key: Key,
    /// Its answer.
    pub entry: Entry,
    /// Answers that are newer than this were not known when the question was taken up.
    pub known: Timestamp,
}

impl Update {
    /// Passes an entry of one layer on to another.
    #[must_use]
    pub const fn repeated(key: Key, entry: Entry) -> Self {
        let known = entry.at;
        Self { key, entry, known }
    }
}

/// How long answers are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// The age up to which an answer is served as it is.
    pub fresh: Duration,
    /// The time for which a process serves its copy before it looks into the shared layers again.
    pub in_process: Duration,
    /// The age up to which an answer is served if nobody can answer.
    pub kept: Duration,
    /// True if it is worth a write to the table.
    pub in_table: bool,
}

impl Life {
    /// A life in which a process serves its copy as long as it is fresh.
    #[must_use]
    pub const fn new(fresh: Duration, kept: Duration) -> Self {
        Self {
            fresh,
            in_process: fresh,
            kept,
            in_table: true,
        }
    }

    /// The same life with a shorter time in process.
    #[must_use]
    pub const fn with_in_process(self, in_process: Duration) -> Self {
        Self { in_process, ..self }
    }

    /// The same life in the caches alone.
    #[must_use]
    pub const fn without_table(self) -> Self {
        Self {
            in_table: false,
            ..self
        }
    }
}

/// The one for whom questions are asked.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The class that the reader is entitled to.
    pub class: Class,
    /// Everybody whose answers count, in their current versions.
    pub current: Arc<[Arc<str>]>,
    /// Names those who would be asked: two readers with one chain get no different answers from them.
    pub chain: Arc<str>,
    /// True if a payload can be read.
    pub reads: fn(&[u8]) -> bool,
}

/// How an entry may serve a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As it is.
    Fresh,
    /// If nobody of the reader's class can answer: it is fresh, and of a lesser class.
    Lesser,
    /// If nobody can answer: it is past its time, or its answerer has been replaced.
    Stale,
    /// Not at all.
    Gone,
}

impl Entry {
    /// Returns how this may serve `reader` at `now`. An answer from the near future is one of a clock that is ahead.
    #[must_use]
    pub fn freshness(&self, life: Life, reader: &Reader, now: Timestamp) -> Freshness {
        let age = now.since(self.at);
        if self.at > now.plus(AHEAD) || age >= life.kept || !(reader.reads)(&self.payload) {
            Freshness::Gone
        } else if age >= life.fresh || !reader.current.contains(&self.by) {
            Freshness::Stale
        } else if self.class < reader.class {
            Freshness::Lesser
        } else {
            Freshness::Fresh
        }
    }

    /// Returns how much room this takes: 1 if it is plain, and 1 more for each 128 bytes beyond.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let beyond = self.payload.len().saturating_sub(PLAIN_BYTES);
        1 + beyond.div_ceil(BYTES_PER_UNIT) as u64
    }
}

#[cfg(test)]
impl Entry {
    /// An entry for the tests of the layers: answered `at` so many milliseconds, with so many bytes.
    pub(super) fn sample(at: i64, bytes: usize) -> Self {
        Self {
            payload: vec![7; bytes].into(),
            class: Class(1),
            by: "model/1".into(),
            at: Timestamp::from_millis(at),
        }
    }
}

#[cfg(test)]
impl Reader {
    /// A reader of that class for whom `model/1` and `better/1` answer.
    pub(super) fn sample(class: u8) -> Self {
        Self {
            class: Class(class),
            current: ["model/1", "better/1"].map(Arc::from).into(),
            chain: "model".into(),
            reads: |payload| payload != b"senseless",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const LIFE: Life = Life::new(Duration::from_hours(6), Duration::from_hours(24));

    #[test]
    fn an_entry_is_fresh_then_stale_then_gone() {
        let entry = Entry::sample(100 * HOUR, 4);
        for (age, expected) in [
            (-HOUR - 1, Freshness::Gone),
            (-HOUR, Freshness::Fresh),
            (0, Freshness::Fresh),
            (6 * HOUR - 1, Freshness::Fresh),
            (6 * HOUR, Freshness::Stale),
            (24 * HOUR - 1, Freshness::Stale),
            (24 * HOUR, Freshness::Gone),
        ] {
            let now = Timestamp::from_millis(100 * HOUR + age);
            assert_eq!(entry.freshness(LIFE, &Reader::sample(1), now), expected, "{age}");
        }
    }

    #[test]
    fn an_entry_serves_by_the_class_and_the_version_of_its_answerer() {
        let now = Timestamp::from_millis(100 * HOUR);
        let freshness = |by: &str, class: u8, reader: u8| {
            let entry = Entry {
                by: by.into(),
                class: Class(class),
                ..Entry::sample(now.millis(), 4)
            };
            entry.freshness(LIFE, &Reader::sample(reader), now)
        };
        for (by, class, reader, expected) in [
            ("model/1", 1, 1, Freshness::Fresh),
            ("better/1", 2, 1, Freshness::Fresh),
            ("better/1", 2, 2, Freshness::Fresh),
            ("model/1", 1, 2, Freshness::Lesser),
            ("model/0", 1, 1, Freshness::Stale),
            ("better/0", 2, 1, Freshness::Stale),
            ("model/0", 1, 2, Freshness::Stale),
        ] {
            assert_eq!(freshness(by, class, reader), expected, "{by} for {reader}");
        }
    }

    #[test]
    fn a_payload_that_cannot_be_read_is_no_answer() {
        let entry = Entry {
            payload: Arc::from(*b"senseless"),
            ..Entry::sample(0, 0)
        };
        let now = Timestamp::from_millis(1);
        assert_eq!(entry.freshness(LIFE, &Reader::sample(1), now), Freshness::Gone);
    }

    #[test]
    fn a_long_payload_weighs_more() {
        let weights = [0, 32, 33, 160, 161].map(|bytes| Entry::sample(0, bytes).weight());
        assert_eq!(weights, [1, 1, 2, 2, 3]);
    }
}
