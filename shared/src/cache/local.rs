//! The cache's first layer: verdicts in process, evicted by use.

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Entry, Key};

/// How much is kept: as many entries without explanation.
const CAPACITY: u64 = 10_000;

/// How many bytes of explanation weigh as much as an entry without.
const BYTES_PER_UNIT: usize = 128;

/// Up to 10,000 verdicts, fewer where many have an explanation. Scan-resistant: a burst of posts seen once does not push out
/// those that many users share.
#[derive(Debug)]
pub struct LocalCache(Cache<Key, Entry, ByExplanation>);

#[derive(Debug, Clone)]
struct ByExplanation;

impl Weighter<Key, Entry> for ByExplanation {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        let bytes = entry.explanation.as_ref().map_or(0, |explanation| {
            explanation.reason.len() + explanation.matched.as_ref().map_or(0, String::len)
        });
        1 + bytes.div_ceil(BYTES_PER_UNIT) as u64
    }
}

impl Default for LocalCache {
    fn default() -> Self {
        // The estimate sizes no buffer beyond what is used: the cache grows with its content.
        Self(Cache::with_weighter(1000, CAPACITY, ByExplanation))
    }
}

impl LocalCache {
    /// The entry of `key`.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Entry> {
        self.0.get(key)
    }

    /// Keeps an entry, unless a newer one is there.
    pub fn put(&self, key: &Key, entry: &Entry) {
        let newer_is_there = self.0.peek(key).is_some_and(|kept| kept.judged_at > entry.judged_at);
        if !newer_is_there {
            self.0.insert(key.clone(), entry.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CanonicalPreference;
    use crate::clock::Timestamp;
    use crate::provider::verdict::{Explanation, ModelClass};

    fn entry(at: i64, reason_bytes: usize) -> Entry {
        Entry {
            score: 0.5,
            class: ModelClass::Embedded,
            judged_at: Timestamp::from_millis(at),
            explanation: (reason_bytes > 0).then(|| {
                std::sync::Arc::new(Explanation {
                    reason: "x".repeat(reason_bytes),
                    matched: None,
                })
            }),
        }
    }

    #[test]
    fn holds_ten_thousand_plain_entries_and_fewer_heavy_ones() {
        let preference = CanonicalPreference::of("hide");
        for (reason_bytes, least, most) in [(0, 9_000, 10_000), (1270, 800, 910)] {
            let cache = LocalCache::default();
            for n in 0..20_000 {
                cache.put(&preference.key(&n.to_string()), &entry(0, reason_bytes));
            }
            let kept = cache.0.len();
            assert!((least..=most).contains(&kept), "{kept} of {reason_bytes} bytes");
        }
    }

    #[test]
    fn an_older_entry_does_not_replace_a_newer_one() {
        let cache = LocalCache::default();
        let key = CanonicalPreference::of("hide").key("post");
        cache.put(&key, &entry(2, 0));
        cache.put(&key, &entry(1, 0));
        assert_eq!(cache.get(&key).map(|entry| entry.judged_at.millis()), Some(2));
    }
}
