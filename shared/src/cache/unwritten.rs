//! What the shared cache could not be told while it was down: written back once it answers again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use super::{Entry, Judgement, Key};

/// How much is remembered: as many entries without explanation.
const CAPACITY: u64 = 1_000;

/// The newest verdicts that the shared cache has not taken, an older one of the same key never among them.
#[derive(Debug, Default)]
pub struct Unwritten(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, (u64, Entry)>,
    /// By arrival, the oldest first.
    order: BTreeMap<u64, Key>,
    arrivals: u64,
    weight: u64,
}

impl Unwritten {
    /// Remembers verdicts; beyond what there is room for, those that came first are forgotten.
    pub fn add<'a>(&self, judgements: impl IntoIterator<Item = &'a Judgement>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Judgement { key, entry, .. } in judgements {
            let newer_is_there = state
                .entries
                .get(key)
                .is_some_and(|(_, kept)| kept.judged_at > entry.judged_at);
            if !newer_is_there {
                state.remove(key);
                state.insert(key, entry);
            }
        }
        while state.weight > CAPACITY {
            let Some((_, key)) = state.order.pop_first() else {
                break;
            };
            state.remove(&key);
        }
    }

    /// Takes up to `most` of the newest, to be written now; what fails is to be added again.
    pub fn take(&self, most: usize) -> Vec<Judgement> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((_, key)) = state.order.pop_last()
            && let Some(entry) = state.remove(&key)
        {
            taken.push(Judgement::repeated(key, entry));
        }
        taken
    }
}

impl State {
    fn insert(&mut self, key: &Key, entry: &Entry) {
        self.arrivals += 1;
        self.weight += entry.weight();
        self.order.insert(self.arrivals, key.clone());
        self.entries.insert(key.clone(), (self.arrivals, entry.clone()));
    }

    fn remove(&mut self, key: &Key) -> Option<Entry> {
        let (arrival, entry) = self.entries.remove(key)?;
        self.order.remove(&arrival);
        self.weight -= entry.weight();
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CanonicalPreference;

    fn entry(name: &str, at: i64, reason_bytes: usize) -> Judgement {
        Judgement::repeated(
            CanonicalPreference::of("hide").key(name),
            Entry::sample(at, reason_bytes),
        )
    }

    #[test]
    fn the_newest_thousand_are_remembered_and_given_back_once() {
        let unwritten = Unwritten::default();
        let all: Vec<_> = (0..1_500).map(|n| entry(&n.to_string(), n, 0)).collect();
        unwritten.add(&all);
        let first = unwritten.take(50);
        assert_eq!(first.len(), 50);
        assert_eq!(first[0], all[1_499]);
        let mut rest = unwritten.take(usize::MAX);
        assert_eq!(rest.len(), 950);
        rest.sort_by_key(|judgement| judgement.entry.judged_at);
        assert_eq!(rest[0], all[500]);
        assert!(unwritten.take(1).is_empty());
    }

    #[test]
    fn entries_with_long_explanations_take_the_room_of_many() {
        let unwritten = Unwritten::default();
        let all: Vec<_> = (0..200).map(|n| entry(&n.to_string(), n, 1270)).collect();
        unwritten.add(&all);
        assert_eq!(unwritten.take(usize::MAX).len(), 1_000 / 11);
    }

    #[test]
    fn of_one_key_the_newest_verdict_alone_is_remembered() {
        for order in [[1, 2], [2, 1]] {
            let unwritten = Unwritten::default();
            unwritten.add(&order.map(|at| entry("post", at, 0)));
            assert_eq!(unwritten.take(9), [entry("post", 2, 0)]);
        }
    }
}
