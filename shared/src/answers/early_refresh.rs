//! Early refresh: one reader asks again shortly before an answer runs out, so that it never runs out for all at once.
//!
//! The rule is `XFetch` (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015). The
//! request that draws a refresh makes it within its own time, as nothing may run on after an answer. The lease makes it the only
//! one. Everybody else is served the fresh answer meanwhile.

use std::time::Duration;

/// True if an answer of this `age`, fresh for `fresh`, is asked for again, when asking takes `cost`: with the probability
/// `exp(-left / cost)`, `left` being the rest of its fresh time. `random` is evenly drawn from above 0 to 1.
#[must_use]
pub fn is_early(age: Duration, fresh: Duration, cost: Duration, random: f64) -> bool {
    age.as_secs_f64() - cost.as_secs_f64() * random.ln() >= fresh.as_secs_f64()
}

/// True if any `random` of 53 bits could make [`is_early`] say yes. If none can, none need be drawn.
#[must_use]
pub fn could_be_early(age: Duration, fresh: Duration, cost: Duration) -> bool {
    is_early(age, fresh, cost, SMALLEST)
}

/// 2^-53.
const SMALLEST: f64 = f64::EPSILON / 2.0;

/// Draws evenly from above 0 to 1. Where the system has no randomness it returns 1, which refreshes nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub fn draw() -> f64 {
    let bits = getrandom::u64().map_or(u64::MAX, |bits| bits) >> 11;
    (bits + 1) as f64 * SMALLEST
}
