//! How long random tests go on: a little on every commit, long in `make nightly`.

/// So many times as long, set when the tests are built (1).
const TIMES: Option<&str> = option_env!("NIGHTLY_TIMES");

/// The number of random cases, given that of every commit.
#[must_use]
pub fn cases(on_every_commit: u32) -> u32 {
    let times = TIMES.map_or(1, |times| times.parse().expect("NIGHTLY_TIMES is a number"));
    on_every_commit.saturating_mul(times)
}
