//! See `tests::fuzz::images`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::images(bytes));
