//! Values by hashed key, many to a key, as the build script has laid them out: nothing is read before it is looked up.

use super::layout::{CODE_BITS, Subject, place_of};

/// How strongly an entry speaks for its subject, by its code (`build/source.rs`): against it, weakly, often for something
/// else, strongly, nearly settling it, surely.
const STRENGTHS: [f32; 6] = [-1.2, 0.3, 0.6, 1.0, 1.5, 3.0];

/// Entries in the order of their buckets.
#[derive(Debug)]
pub(super) struct Index {
    bits: u32,
    /// By bucket: where its entries start; one more for the end of the last.
    starts: &'static [[u8; 4]],
    keys: &'static [[u8; 4]],
    values: &'static [[u8; 2]],
}

/// Where the entries of a key stand, from the first to the one after the last: a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32, u32);

impl Index {
    /// Expects what `build/index.rs` writes. What is cut off is not found.
    pub(super) fn of(bytes: &'static [u8]) -> Self {
        let (bits, rest) = bytes
            .split_first()
            .map_or((1, bytes), |(bits, rest)| (u32::from(*bits), rest));
        let starts = rest.as_chunks::<4>().0;
        let (starts, entries) = starts.split_at(starts.len().min((1 << bits) + 1));
        let count = starts.last().map_or(0, |end| u32::from_le_bytes(*end) as usize);
        let keys = &entries[..entries.len().min(count)];
        let values = &rest[(starts.len() + keys.len()) * 4..];
        Self {
            bits,
            starts,
            keys,
            values: values.as_chunks().0,
        }
    }

    /// Where a key's entries stand, if it has any.
    pub(super) fn find(&self, key: u64) -> Option<Place> {
        let (bucket, rest) = place_of(key, self.bits);
        let [first, end] = [self.starts[bucket], self.starts[bucket + 1]].map(u32::from_le_bytes);
        let bucket = &self.keys[first as usize..end as usize];
        let mut same = (first..end)
            .zip(bucket)
            .filter(|(_, other)| u32::from_le_bytes(**other) == rest);
        let (start, _) = same.next()?;
        Some(Place(start, same.next_back().map_or(start, |(last, _)| last) + 1))
    }

    /// The subjects of a place, and how strongly its key speaks for each.
    pub(super) fn at(&self, Place(start, end): Place) -> impl Iterator<Item = (Subject, f32)> {
        self.values[start as usize..end as usize].iter().map(|value| {
            let value = u16::from_le_bytes(*value);
            let code = value & ((1 << CODE_BITS) - 1);
            (
                value >> CODE_BITS,
                STRENGTHS.get(usize::from(code)).copied().unwrap_or(0.0),
            )
        })
    }
}
