//! How the lexicon's indexes are laid out: written by `build/index.rs`, read by `index.rs`.
//!
//! An index is one byte with the number of bits, n; 2^n + 1 numbers of four bytes, where the entries of a bucket start
//! and where the last ones end; then for each entry what remains of its key, four bytes, and for each its value, two:
//! its strength's code in the lower three bits, its subject above. All are little-endian, entries of one key together.

/// A subject's number.
pub(crate) type Subject = u16;

/// Bits of a value that hold its strength's code.
pub(crate) const CODE_BITS: u32 = 3;

/// A key's bucket, and what else of it is kept. Fibonacci hashing: the upper bits of short words' FNV hashes are alike.
pub(crate) fn place_of(key: u64, bits: u32) -> (usize, u32) {
    let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the upper bits are the bucket, these are what remains"
    )]
    ((spread >> (u64::BITS - bits)) as usize, spread as u32)
}
