//! The cache's first layer: verdicts in process, evicted by use.

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};

use super::{Entry, Key};

/// How much is kept: as many entries without explanation.
const CAPACITY: u64 = 10_000;

/// Up to 10,000 verdicts, fewer where many have an explanation. Scan-resistant: a burst of posts seen once does not push out
/// those that many users share.
#[derive(Debug)]
pub struct LocalCache(Cache<Key, Entry, ByExplanation, DefaultHashBuilder, CountEvictions>);

#[derive(Debug, Clone)]
struct ByExplanation;

impl Weighter<Key, Entry> for ByExplanation {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.weight()
    }
}

#[derive(Debug, Clone)]
struct CountEvictions;

impl Lifecycle<Key, Entry> for CountEvictions {
    type RequestState = usize;

    fn on_evict(&self, evicted: &mut usize, _: Key, _: Entry) {
        *evicted += 1;
    }
}

impl Default for LocalCache {
    fn default() -> Self {
        // The estimate sizes no buffer beyond what is used: the cache grows with its content.
        let hasher = DefaultHashBuilder::default();
        Self(Cache::with(1000, CAPACITY, ByExplanation, hasher, CountEvictions))
    }
}

impl LocalCache {
    /// The entry of `key`.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Entry> {
        self.0.get(key)
    }

    /// Keeps an entry, unless a newer one is there; how many others that has pushed out.
    #[must_use]
    pub fn put(&self, key: &Key, entry: &Entry) -> usize {
        let mut evicted = 0;
        let newer_is_there = self.0.peek(key).is_some_and(|kept| kept.judged_at > entry.judged_at);
        if !newer_is_there {
            self.0.insert_with_lifecycle(key.clone(), entry.clone(), &mut evicted);
        }
        evicted
    }

    /// How many entries are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CanonicalPreference;

    #[test]
    fn holds_ten_thousand_plain_entries_and_fewer_heavy_ones() {
        let preference = CanonicalPreference::of("hide");
        for (reason_bytes, least, most) in [(0, 9_000, 10_000), (1270, 800, 910)] {
            let cache = LocalCache::default();
            let mut evicted = 0;
            for n in 0..20_000 {
                evicted += cache.put(&preference.key(&n.to_string()), &Entry::sample(0, reason_bytes));
            }
            let kept = cache.len();
            assert!((least..=most).contains(&kept), "{kept} of {reason_bytes} bytes");
            assert_eq!(kept + evicted, 20_000, "every eviction is counted");
        }
    }

    #[test]
    fn an_older_entry_does_not_replace_a_newer_one() {
        let cache = LocalCache::default();
        let key = CanonicalPreference::of("hide").key("post");
        assert_eq!(cache.put(&key, &Entry::sample(2, 0)), 0);
        assert_eq!(cache.put(&key, &Entry::sample(1, 0)), 0);
        assert_eq!(cache.get(&key).map(|entry| entry.judged_at.millis()), Some(2));
    }
}
