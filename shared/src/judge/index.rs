//! Values by hashed key, many to a key: sorted once, without a hash map, because loading must take but few milliseconds.

/// Entries fall into this many buckets by a few bits of their key: one or two of the lexicon's to a bucket.
const BITS: u32 = 15;

/// Values in order of their keys.
#[derive(Debug)]
pub(super) struct Index<T> {
    /// By bucket: where its entries start; one more for the end of the last.
    starts: Vec<u32>,
    keys: Vec<u64>,
    values: Vec<T>,
}

impl<T: Copy> Index<T> {
    /// Expects entries in the order of [`sorted`].
    pub(super) fn of(entries: &[(u64, T)]) -> Self {
        Self {
            starts: starts(entries),
            keys: entries.iter().map(|(key, _)| *key).collect(),
            values: entries.iter().map(|(_, value)| *value).collect(),
        }
    }

    /// The values of a key, in the order of the entries, and where they stand: a number of the key's own.
    pub(super) fn get(&self, key: u64) -> Option<(u32, &[T])> {
        let bucket = bucket(key);
        let (first, end) = (self.starts[bucket], self.starts[bucket + 1]);
        let mut start = first;
        while start < end && self.keys[start as usize] != key {
            start += 1;
        }
        let same = self.keys[start as usize..end as usize]
            .iter()
            .take_while(|other| **other == key)
            .count();
        let start_at = start as usize;
        (same > 0).then(|| (start, &self.values[start_at..start_at + same]))
    }
}

/// Brings entries into the order of an index: by bucket, key and `rank`, entries of one rank as they came. A counting
/// sort by bucket leaves next to nothing to compare.
pub(super) fn sorted<T: Copy, R: Ord>(entries: &[(u64, T)], rank: impl Fn(&T) -> R) -> Vec<(u64, T)> {
    let starts = starts(entries);
    let mut next = starts.clone();
    let mut sorted = entries.to_vec();
    for entry in entries {
        let place = &mut next[bucket(entry.0)];
        sorted[*place as usize] = *entry;
        *place += 1;
    }
    for ends in starts.windows(2).filter(|ends| ends[1] - ends[0] > 1) {
        sorted[ends[0] as usize..ends[1] as usize].sort_by_key(|(key, value)| (*key, rank(value)));
    }
    sorted
}

fn starts<T>(entries: &[(u64, T)]) -> Vec<u32> {
    let mut starts = vec![0; (1 << BITS) + 1];
    for (key, _) in entries {
        starts[bucket(*key) + 1] += 1;
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    starts
}

/// Fibonacci hashing: the upper bits of short words' FNV hashes are alike.
fn bucket(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_key_are_found_in_order_of_rank_and_those_of_others_are_not() {
        let entries: Vec<(u64, u16)> = (0..100_000_u64)
            .map(|n| (n % 40_000, u16::try_from(n / 40_000).unwrap()))
            .collect();
        let reversed: Vec<(u64, u16)> = entries.into_iter().rev().collect();
        let index = Index::of(&sorted(&reversed, |value| *value));
        assert_eq!(index.get(7).unwrap().1, [0, 1, 2]);
        assert_eq!(index.get(39_999).unwrap().1, [0, 1]);
        assert_ne!(index.get(7).unwrap().0, index.get(8).unwrap().0);
        assert!(index.get(40_000).is_none());
        assert!(Index::<u16>::of(&[]).get(0).is_none());
    }
}
