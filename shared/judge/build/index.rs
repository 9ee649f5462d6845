//! Entries in the order and the bytes in which the judge looks them up (`src/layout.rs`).

use crate::layout::{CODE_BITS, place_of};
use crate::source::Entries;

/// About one entry to a bucket.
pub(crate) fn written(entries: &Entries) -> Vec<u8> {
    let bits = entries.len().max(2).ilog2() + 1;
    let mut placed: Vec<((usize, u32), u16)> = entries
        .iter()
        .map(|((key, subject), code)| (place_of(*key, bits), subject << CODE_BITS | u16::from(*code)))
        .collect();
    placed.sort_unstable();
    let mut starts = vec![0_u32; (1 << bits) + 1];
    for ((bucket, _), _) in &placed {
        starts[bucket + 1] += 1;
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut bytes = vec![u8::try_from(bits).unwrap_or(u8::MAX)];
    bytes.extend(starts.iter().flat_map(|start| start.to_le_bytes()));
    bytes.extend(placed.iter().flat_map(|((_, rest), _)| rest.to_le_bytes()));
    bytes.extend(placed.iter().flat_map(|(_, value)| value.to_le_bytes()));
    bytes
}
