//! See `tests::fuzz::preferences`.
#![no_main]

use std::sync::LazyLock;

use judge::Judge;

static JUDGE: LazyLock<Judge> = LazyLock::new(|| Judge::load().expect("the embedded model"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::preferences(&JUDGE, bytes));
