//! When a verdict that is still fresh is judged anew, so that one that many ask for never runs out for all of them at once.
//!
//! The rule is `XFetch` (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015). The
//! request that draws a refresh makes it, within its own time, as nothing may run on after an answer; the lease sees to it
//! that it alone does. Everybody else is served the fresh verdict meanwhile, where without it all would wait for a new one.

use std::time::Duration;

use super::FRESH;

/// Whether a verdict of this `age` is judged anew, when judging takes `cost`: with the probability `exp(-left / cost)`,
/// `left` being what remains of its fresh time. `random` is evenly drawn from above 0 to 1.
#[must_use]
pub fn is_early(age: Duration, cost: Duration, random: f64) -> bool {
    age.as_secs_f64() - cost.as_secs_f64() * random.ln() >= FRESH.as_secs_f64()
}

/// Whether any `random` of 53 bits could make [`is_early`] say yes: if none can, none need be drawn.
#[must_use]
pub fn could_be_early(age: Duration, cost: Duration) -> bool {
    is_early(age, cost, SMALLEST)
}

/// 2^-53.
const SMALLEST: f64 = f64::EPSILON / 2.0;

/// Evenly drawn from above 0 to 1; 1, which refreshes nothing, where the system has no randomness.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub fn draw() -> f64 {
    let bits = getrandom::u64().map_or(u64::MAX, |bits| bits) >> 11;
    (bits + 1) as f64 * SMALLEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_above_0_and_at_most_1() {
        for _ in 0..1000 {
            let random = draw();
            assert!((SMALLEST..=1.0).contains(&random), "{random}");
        }
    }
}
