//! See `tests::fuzz::signatures`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::signatures(bytes));
