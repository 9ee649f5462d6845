//! Values by hashed key, many to a key, as the build script has laid them out: nothing is read before it is looked up.

use super::LoadError;
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
    /// Reads what `build/index.rs` writes.
    pub(super) fn of(bytes: &'static [u8]) -> Result<Self, LoadError> {
        const DAMAGED: LoadError = LoadError("an index ends early");
        let (bits, rest) = bytes.split_first().ok_or(DAMAGED)?;
        let bits = Some(u32::from(*bits))
            .filter(|bits| (1..u32::BITS).contains(bits))
            .ok_or(DAMAGED)?;
        let numbers = rest.as_chunks::<4>().0;
        let (starts, entries) = numbers.split_at_checked((1 << bits) + 1).ok_or(DAMAGED)?;
        let count = starts.last().map_or(0, |end| u32::from_le_bytes(*end) as usize);
        let keys = entries.get(..count).ok_or(DAMAGED)?;
        let values = rest[(starts.len() + keys.len()) * 4..].as_chunks().0;
        if values.len() < count {
            return Err(DAMAGED);
        }
        Ok(Self {
            bits,
            starts,
            keys,
            values,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_indexes_are_errors() {
        let damaged: [&'static [u8]; 5] = [b"", b"\x01", b"\0\0\0\0\0", &[2; 13], &[1; 13]];
        for bytes in damaged {
            assert!(Index::of(bytes).is_err(), "{bytes:?}");
        }
        assert!(Index::of(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_ok());
    }
}
