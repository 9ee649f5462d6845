//! Plans: how much each tier may use of each meter, and how much of a day is used. Defaults come from the environment;
//! [`store`] lays the settings table's over them.

pub mod meter;
pub mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::Timestamp;

pub use self::meter::{Allowance, MOST, Meter};

/// The name of a plan, such as `free` or `pro`: 1–32 of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Tier(Arc<str>);

impl Tier {
    /// The tier of a newly registered user.
    #[must_use]
    pub fn free() -> Self {
        Self(Arc::from("free"))
    }

    /// The better of the two tiers that there are by default.
    #[must_use]
    pub fn pro() -> Self {
        Self(Arc::from("pro"))
    }

    /// The tier of devices that could not prove what they are: unless its plan says otherwise, a tenth of `free` by day.
    #[must_use]
    pub fn trial() -> Self {
        Self(Arc::from("trial"))
    }

    /// `name` as a tier, if it may be one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let fits = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Self(Arc::from(name)))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of a plan that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the plan.
    pub pointer: String,
    /// What is wrong there, in words.
    pub detail: String,
}

impl Fault {
    fn at(path: &[&str], detail: impl Into<String>) -> Self {
        let steps = path.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
        Self {
            pointer: steps.map(|step| format!("/{step}")).collect(),
            detail: detail.into(),
        }
    }
}

/// What one tier may use, by meter. It need not name each meter, and keeps what it says of meters that this version does
/// not know: a roll-back must not lose what a later version stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    #[serde(flatten)]
    allowances: BTreeMap<Meter, Allowance>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Plan {
    /// The most bytes that a plan may say of unknown meters: all plans are one item of the settings table.
    const MOST_UNKNOWN: usize = 4_096;

    /// Reads a plan such as `{"posts":{"perDay":1000,"perMinute":50}}`. Returns it without the meters that cannot be used,
    /// and what is wrong.
    #[must_use]
    pub fn read(json: Map<String, Value>) -> (Self, Vec<Fault>) {
        let (mut plan, mut faults) = (Self::default(), Vec::new());
        for (name, value) in json {
            if let Some(meter) = Meter::parse(&name) {
                let allowance = Allowance::read(meter, &value, &mut faults);
                plan.allowances.extend(allowance.map(|allowance| (meter, allowance)));
            } else {
                if !value.is_object() {
                    faults.push(Fault::at(&[&name], "must be an object"));
                }
                plan.unknown.insert(name, value);
            }
        }
        if serde_json::to_vec(&plan.unknown).map_or(0, |bytes| bytes.len()) > Self::MOST_UNKNOWN {
            let detail = format!("says more than {} bytes of unknown meters", Self::MOST_UNKNOWN);
            faults.push(Fault::at(&[], detail));
        }
        (plan, faults)
    }

    fn of(&self, meter: Meter) -> Option<Allowance> {
        self.allowances.get(&meter).copied()
    }
}

/// The plans of all tiers. The one of `free` names each meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans(BTreeMap<Tier, Plan>);

impl Default for Plans {
    fn default() -> Self {
        let daily = |per_day, per_minute| Allowance::new(Some(per_day), Some(per_minute), None);
        let plan = |posts, images, rankings, tokens, (per_minute, at_once)| Plan {
            allowances: BTreeMap::from([
                (Meter::Posts, posts),
                (Meter::Images, images),
                (Meter::Rankings, rankings),
                (Meter::Tokens, Allowance::new(Some(tokens), None, None)),
                (Meter::Replies, Allowance::new(None, Some(per_minute), Some(at_once))),
            ]),
            unknown: Map::new(),
        };
        let free = plan(daily(1_000, 50), daily(17_280, 13), daily(50, 10), 20_000, (10, 2));
        let pro = plan(
            daily(50_000, 500),
            daily(100_000, 120),
            daily(2_000, 60),
            1_000_000,
            (60, 8),
        );
        Self(BTreeMap::from([(Tier::free(), free), (Tier::pro(), pro)]))
    }
}

impl Plans {
    /// Reads plans from JSON such as `{"free":{"posts":{"perDay":1000,"perMinute":50}}}`, over the defaults.
    ///
    /// # Errors
    /// What is wrong, in words: not of this form, a tier named badly, a figure out of bounds.
    pub fn parse(json: &str) -> Result<Self, String> {
        let named: BTreeMap<String, Map<String, Value>> =
            serde_json::from_str(json).map_err(|error| error.to_string())?;
        named.into_iter().try_fold(Self::default(), |plans, (name, json)| {
            let tier = Tier::parse(&name).ok_or_else(|| format!("{name:?} cannot be the name of a tier"))?;
            let (plan, faults) = Plan::read(json);
            match faults.first() {
                None => Ok(plans.with(tier, plan)),
                Some(Fault { pointer, detail }) => Err(format!("/{name}{pointer} {detail}")),
            }
        })
    }

    /// Lays `plan` over that of `tier`: meters that it does not name stay as they are.
    #[must_use]
    pub fn with(mut self, tier: Tier, plan: Plan) -> Self {
        let own = self.0.entry(tier).or_default();
        own.allowances.extend(plan.allowances);
        own.unknown.extend(plan.unknown);
        self
    }

    /// Returns whether there is a plan for `tier`.
    #[must_use]
    pub fn has(&self, tier: &Tier) -> bool {
        *tier == Tier::trial() || self.0.contains_key(tier)
    }

    /// Returns the plan in force for `tier`, which names each meter, if there is one.
    #[must_use]
    pub fn of(&self, tier: &Tier) -> Option<Plan> {
        self.has(tier).then(|| Plan {
            allowances: Meter::ALL.map(|meter| (meter, self.allowance(tier, meter))).into(),
            unknown: self.0.get(tier).map(|plan| plan.unknown.clone()).unwrap_or_default(),
        })
    }

    /// Returns what `tier` may use of `meter`. A meter that its plan does not name is that of `free`; of `trial`, with a
    /// tenth of the day.
    #[must_use]
    pub fn allowance(&self, tier: &Tier, meter: Meter) -> Allowance {
        let of = |tier: &Tier| self.0.get(tier).and_then(|plan| plan.of(meter));
        of(tier).unwrap_or_else(|| {
            // Never absent, as `free` names each meter.
            let free = of(&Tier::free()).unwrap_or(Allowance::new(Some(0), Some(0), Some(0)));
            if *tier == Tier::trial() {
                free.with_a_tenth_by_day()
            } else {
                free
            }
        })
    }
}

/// How much of a day is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Under which plan.
    pub tier: Tier,
    /// Units used.
    pub used: u64,
    /// Units allowed.
    pub limit: u64,
    /// When the next day starts.
    pub reset_at: Timestamp,
}

impl Usage {
    /// Units left; none when more is used than is allowed, as after a change to a smaller plan.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
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
}
