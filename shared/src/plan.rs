//! Plans: the figures of each tier by meter, and the use of a day. Defaults come from the environment; the settings table's
//! plans are laid over them.

pub mod meter;

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

    /// The better of the two default tiers.
    #[must_use]
    pub fn pro() -> Self {
        Self(Arc::from("pro"))
    }

    /// The tier of devices that could not prove their identity: unless its plan says otherwise, a tenth of `free` by day.
    #[must_use]
    pub fn trial() -> Self {
        Self(Arc::from("trial"))
    }

    /// Parses `name` as a tier, if it has the form of one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let fits = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        fits.then(|| Self(Arc::from(name)))
    }

    /// Returns its name.
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
    /// The fault, in words.
    pub detail: String,
}

impl Fault {
    fn at(path: &[&str], detail: impl Into<String>) -> Self {
        let mut pointer = String::new();
        for step in path {
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        let detail = detail.into();
        Self { pointer, detail }
    }
}

/// The figures of one tier, by meter. It need not name each meter. Meters that this version does not know are kept: a roll-back
/// must not lose figures that a later version stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    #[serde(flatten)]
    allowances: BTreeMap<Meter, Allowance>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Plan {
    /// The most bytes of unknown meters in a plan: all plans are one item of the settings table.
    const MOST_UNKNOWN: usize = 4_096;

    /// The option of a plan that is no meter: `"detect":{"looks":14}` looks closer than four times.
    const DETECT: &str = "detect";

    /// Reads a plan such as `{"posts":{"perDay":1000,"perMinute":50}}`. Returns it without the meters that cannot be used, and
    /// their faults.
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
                } else if name == Self::DETECT && !matches!(looks(&value), Some(4 | 14)) {
                    faults.push(Fault::at(&[&name, "looks"], "must be 4 or 14"));
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
    /// The fault, in words: another form, a badly named tier, a figure out of bounds.
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

    /// Returns true if there is a plan for `tier`.
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

    /// Returns how many looks the plan of `tier` has at what detect is sent, if it says so.
    #[must_use]
    pub fn looks(&self, tier: &Tier) -> Option<u64> {
        looks(self.0.get(tier)?.unknown.get(Plan::DETECT)?)
    }

    /// Returns the figures of `tier` for `meter`. A meter that its plan does not name has the figures of `free`; for `trial`,
    /// with a tenth of the day.
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

fn looks(option: &Value) -> Option<u64> {
    option.get("looks")?.as_u64()
}

/// Returns what one process of `processes` may admit by itself while no store answers and `units` are left: its share of 80 %.
#[must_use]
pub fn conservative_share(units: u64, processes: u32) -> u64 {
    // Widened, so that no plan is too large for the multiplication.
    let share = u128::from(units) * 4 / 5 / u128::from(processes.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// The use of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The tier whose plan applies.
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
mod tests;
