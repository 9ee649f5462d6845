//! Plans: figures by default, as read, and in force.

use serde_json::json;

use super::*;

fn tier(name: &str) -> Tier {
    Tier::parse(name).unwrap()
}

fn read(json: Value) -> (Plan, Vec<String>) {
    let (plan, faults) = Plan::read(serde_json::from_value(json).unwrap());
    let told = |fault: Fault| format!("{} {}", fault.pointer, fault.detail);
    (plan, faults.into_iter().map(told).collect())
}

#[test]
fn each_tier_has_the_figures_of_the_contract_until_something_else_is_said() {
    let plans = Plans::default();
    let shown = |name: &str| json!(plans.of(&tier(name)));
    assert_eq!(
        shown("free"),
        json!({
            "posts": {"perDay": 1000, "perMinute": 50}, "images": {"perDay": 17280, "perMinute": 13},
            "rankings": {"perDay": 50, "perMinute": 10}, "tokens": {"perDay": 20000},
            "replies": {"perMinute": 10, "atOnce": 2},
        })
    );
    assert_eq!(
        shown("pro"),
        json!({
            "posts": {"perDay": 50000, "perMinute": 500}, "images": {"perDay": 100_000, "perMinute": 120},
            "rankings": {"perDay": 2000, "perMinute": 60}, "tokens": {"perDay": 1_000_000},
            "replies": {"perMinute": 60, "atOnce": 8},
        })
    );
    assert_eq!(
        shown("trial"),
        json!({
            "posts": {"perDay": 100, "perMinute": 50}, "images": {"perDay": 1728, "perMinute": 13},
            "rankings": {"perDay": 5, "perMinute": 10}, "tokens": {"perDay": 2000},
            "replies": {"perMinute": 10, "atOnce": 2},
        })
    );
    assert_eq!(shown("gold"), Value::Null);
}

#[test]
fn a_tier_or_meter_that_is_not_named_keeps_its_default() {
    let plans = Plans::parse(
        r#"{"free":{"posts":{"perDay":7,"perMinute":60},"images":{"perMinute":5}},"team-2":{"posts":{"perDay":99,"perMinute":70}}}"#,
    )
    .unwrap();
    let allowed = |name: &str, meter| {
        let allowance = plans.allowance(&tier(name), meter);
        (allowance.per_day, allowance.per_minute)
    };
    for (name, meter, expected) in [
        ("free", Meter::Posts, (Some(7), Some(60))),
        ("free", Meter::Images, (None, Some(5))),
        ("free", Meter::Rankings, (Some(50), Some(10))),
        ("pro", Meter::Posts, (Some(50_000), Some(500))),
        ("team-2", Meter::Posts, (Some(99), Some(70))),
        ("team-2", Meter::Rankings, (Some(50), Some(10))),
        ("gone", Meter::Posts, (Some(7), Some(60))),
        // A tenth of what is configured, and never nothing of something.
        ("trial", Meter::Posts, (Some(1), Some(60))),
        ("trial", Meter::Images, (None, Some(5))),
        ("trial", Meter::Tokens, (Some(2_000), None)),
    ] {
        assert_eq!(allowed(name, meter), expected, "{name} {meter}");
    }
}

#[test]
fn a_meter_that_this_version_does_not_know_is_kept_and_ignored() {
    let said = json!({"prayers": {"perMoon": [1, 2]}, "posts": {"perDay": 5, "perMinute": 50}});
    let (plan, faults) = read(said.clone());
    assert_eq!((json!(plan), faults), (said, vec![]));
    let plans = Plans::default().with(Tier::free(), plan);
    let shown = json!(plans.of(&Tier::free()));
    assert_eq!(shown["prayers"], json!({"perMoon": [1, 2]}));
    assert_eq!(
        (&shown["posts"]["perDay"], &shown["tokens"]["perDay"]),
        (&json!(5), &json!(20_000))
    );
    let (again, faults) = read(shown.clone());
    assert_eq!(
        (json!(again), faults),
        (shown, vec![]),
        "a plan in force can be stored as it is shown"
    );
}

#[test]
fn a_meter_that_cannot_be_used_spoils_no_other() {
    let (plan, faults) = read(json!({
        "posts": {"perDay": 5, "perMinute": 49}, "images": {"perMinute": 9, "perMoon": 1}, "tokens": {"perDay": 8},
    }));
    assert_eq!(
        faults,
        [
            "/images/perMoon is no figure of this meter",
            "/posts/perMinute must be a whole number from 50 to 1000000000000"
        ]
    );
    assert_eq!(
        json!(plan),
        json!({"images": {"perMinute": 9}, "tokens": {"perDay": 8}})
    );
}

#[test]
fn the_smallest_and_the_largest_figures_are_taken_and_no_others() {
    for (plan, fault) in [
        (json!({}), ""),
        (json!({"posts": {"perDay": 0, "perMinute": 50}}), ""),
        (json!({"posts": {"perDay": MOST, "perMinute": MOST}}), ""),
        (json!({"replies": {"perMinute": 0, "atOnce": 0}}), ""),
        (
            json!({"posts": {"perDay": 1, "perMinute": MOST + 1}}),
            "/posts/perMinute must",
        ),
        (json!({"posts": {"perDay": -1, "perMinute": 50}}), "/posts/perDay must"),
        (json!({"posts": {"perDay": 1.5, "perMinute": 50}}), "/posts/perDay must"),
        (
            json!({"posts": {"perDay": null, "perMinute": 50}}),
            "/posts/perDay must",
        ),
        (json!({"posts": {"perMinute": 50}}), "/posts/perDay is missing"),
        (json!({"posts": 5}), "/posts must be an object"),
        (json!({"images": {"perDay": 5}}), "/images/perMinute is missing"),
        (json!({"rankings": {"perMinute": 5}}), "/rankings/perDay is missing"),
        (
            json!({"tokens": {"perDay": 5, "perMinute": 5}}),
            "/tokens/perMinute is no",
        ),
        (json!({"replies": {"perMinute": 5}}), "/replies/atOnce is missing"),
        (json!({"a/b~": 5}), "/a~1b~0 must be an object"),
        (
            json!({"prayers": {"text": "x".repeat(5000)}}),
            " says more than 4096 bytes",
        ),
    ] {
        let (_, faults) = read(plan.clone());
        let told = faults.first().map(String::as_str).unwrap_or_default();
        assert!(
            told.starts_with(fault) && told.is_empty() == fault.is_empty(),
            "{plan}: {told}"
        );
    }
}

#[test]
fn plans_that_cannot_be_meant_are_refused() {
    for (json, words) in [
        ("[]", "invalid type"),
        (r#"{"free":7}"#, "invalid type"),
        (
            r#"{"free":{"posts":{"perDay":10,"perMinute":49}}}"#,
            "/free/posts/perMinute must be",
        ),
        (r#"{"Free!":{"posts":{"perDay":1,"perMinute":50}}}"#, "name of a tier"),
    ] {
        let problem = Plans::parse(json).unwrap_err();
        assert!(problem.contains(words), "{json}: {problem}");
    }
}

#[test]
fn the_fleet_together_stays_within_80_percent_of_what_was_left() {
    for (left, fleet) in [(1000, 1), (1000, 10), (7, 10), (0, 3), (u64::MAX, 1), (999, 1000)] {
        let together = u128::from(conservative_share(left, fleet)) * u128::from(fleet);
        assert!(together * 5 <= u128::from(left) * 4, "{left} {fleet}");
    }
    assert_eq!(conservative_share(1000, 10), 80);
}
