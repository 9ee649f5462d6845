//! Early refresh: who draws it, and how likely.

use std::time::Duration;

use proptest::prelude::*;
use shared::answers::early_refresh::{could_be_early, is_early};

const FRESH: Duration = Duration::from_hours(6);

/// Up to three times as long as a verdict is fresh, in milliseconds.
fn ages() -> impl Strategy<Value = Duration> {
    let fresh = FRESH.as_secs() * 1000;
    prop_oneof![0..3 * fresh, fresh - 20_000..fresh + 10].prop_map(Duration::from_millis)
}

fn costs() -> impl Strategy<Value = Duration> {
    (0u64..10_000).prop_map(Duration::from_millis)
}

fn draws() -> impl Strategy<Value = f64> {
    prop_oneof![1.2e-16..=1.0, Just(1.0)]
}

proptest! {
    #[test]
    fn the_probability_of_a_refresh_is_that_of_the_paper(age in ages(), cost in costs(), random in draws()) {
        let left = FRESH.saturating_sub(age).as_secs_f64();
        let probability = (-left / cost.as_secs_f64().max(1e-9)).exp();
        // Where the two differ by rounding alone, either answer is right.
        prop_assume!((random - probability).abs() > 1e-9 || left == 0.0);
        prop_assert_eq!(is_early(age, FRESH, cost, random), random <= probability);
    }

    #[test]
    fn what_has_run_out_is_always_refreshed_and_what_costs_nothing_never_before(age in ages(), random in draws()) {
        prop_assert_eq!(is_early(age, FRESH, Duration::ZERO, random), age >= FRESH);
    }

    #[test]
    fn older_or_dearer_verdicts_are_refreshed_no_later(
        age in ages(), older in ages(), cost in costs(), dearer in costs(), random in draws()
    ) {
        if is_early(age, FRESH, cost, random) {
            prop_assert!(is_early(age.max(older), FRESH, cost.max(dearer), random));
        }
    }

    #[test]
    fn none_is_drawn_where_none_could_be(age in ages(), cost in costs(), random in draws()) {
        prop_assert!(could_be_early(age, FRESH, cost) || !is_early(age, FRESH, cost, random));
    }
}
