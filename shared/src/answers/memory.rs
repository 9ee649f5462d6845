//! The first layer: answers in process, evicted by use.

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};

use super::entry::Entry;
use super::key::Key;
use crate::clock::Timestamp;

/// How many plain entries are kept.
const CAPACITY: u64 = 10_000;

/// Up to 10,000 answers, fewer where many are long. Scan-resistant: a burst of questions asked once does not push out those that
/// many users share.
#[derive(Debug)]
pub(super) struct Memory(Cache<Key, KeptEntry, ByLength, DefaultHashBuilder, CountEvictions>);

/// An entry with the time since when this process has it.
#[derive(Debug, Clone)]
pub(super) struct KeptEntry {
    /// The entry.
    pub(super) entry: Entry,
    /// Since when.
    pub(super) since: Timestamp,
}

#[derive(Debug, Clone)]
struct ByLength;

impl Weighter<Key, KeptEntry> for ByLength {
    fn weight(&self, _: &Key, kept: &KeptEntry) -> u64 {
        kept.entry.weight()
    }
}

#[derive(Debug, Clone)]
struct CountEvictions;

impl Lifecycle<Key, KeptEntry> for CountEvictions {
    type RequestState = usize;

    fn on_evict(&self, evicted: &mut usize, _: Key, _: KeptEntry) {
        *evicted += 1;
    }
}

impl Default for Memory {
    fn default() -> Self {
        // The estimate sizes no buffer beyond what is used: the cache grows with its content.
        let hasher = DefaultHashBuilder::default();
        Self(Cache::with(1000, CAPACITY, ByLength, hasher, CountEvictions))
    }
}

impl Memory {
    /// Returns the entry of `key`.
    pub(super) fn get(&self, key: &Key) -> Option<KeptEntry> {
        self.0.get(key)
    }

    /// Keeps an entry, unless a newer one is there. Returns how many others that pushed out.
    pub(super) fn put(&self, key: &Key, entry: &Entry, now: Timestamp) -> usize {
        let known = self.0.peek(key).map(|kept| kept.entry.at);
        if known.is_some_and(|at| at > entry.at) {
            return 0;
        }
        let kept = KeptEntry {
            entry: entry.clone(),
            since: now,
        };
        let mut evicted = 0;
        self.0.insert_with_lifecycle(key.clone(), kept, &mut evicted);
        // The entry that this one replaces counts as pushed out too.
        evicted.saturating_sub(usize::from(known.is_some()))
    }

    /// Counts the entries.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::{Group, Scope};

    const NOW: Timestamp = Timestamp::from_millis(9);

    #[test]
    fn holds_ten_thousand_plain_entries_and_fewer_long_ones() {
        let group = Group::of("w", Scope::Everybody, &[]);
        for (bytes, least, most) in [(4, 9_000, 10_000), (1270, 800, 910)] {
            let memory = Memory::default();
            let mut evicted = 0;
            for n in 0..20_000 {
                evicted += memory.put(&group.key(&[&n.to_string()]), &Entry::sample(0, bytes), NOW);
            }
            let kept = memory.len();
            assert!((least..=most).contains(&kept), "{kept} of {bytes} bytes");
            assert_eq!(kept + evicted, 20_000, "every eviction is counted");
        }
    }

    #[test]
    fn an_older_entry_does_not_replace_a_newer_one() {
        let memory = Memory::default();
        let key = Key::of("w", Scope::Everybody, &["q"]);
        for (at, expected) in [(2, 2), (1, 2), (3, 3)] {
            assert_eq!(memory.put(&key, &Entry::sample(at, 0), NOW), 0);
            assert_eq!(memory.get(&key).map(|copy| copy.entry.at.millis()), Some(expected));
        }
    }
}
