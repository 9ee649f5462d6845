//! Meters: the units that are counted, and the figures by which a plan limits each.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Fault;

/// The most units that a plan may give: far beyond any use, and exact in every JSON reader (below 2^53).
pub const MOST: u64 = 1_000_000_000_000;

/// A unit that is counted. Keys of counters carry its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Meter {
    /// Posts judged by classify.
    Posts,
    /// Images judged by detect.
    Images,
    /// Rankings made by rank.
    Rankings,
    /// Tokens read and written by chat.
    Tokens,
    /// Replies given by chat.
    Replies,
}

/// A figure of a meter in a plan.
struct Figure {
    name: &'static str,
    least: u64,
    required: bool,
}

const PER_DAY: Figure = Figure::required("perDay", 0);
const PER_MINUTE: Figure = Figure::required("perMinute", 0);
const AT_ONCE: Figure = Figure::required("atOnce", 0);

const PER_DAY_OR_NONE: Figure = Figure {
    required: false,
    ..PER_DAY
};

const PER_MINUTE_OF_POSTS: Figure = Figure::required("perMinute", Meter::Posts.least_per_minute());

impl Figure {
    const fn required(name: &'static str, least: u64) -> Self {
        Self {
            name,
            least,
            required: true,
        }
    }
}

impl Meter {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Posts, Self::Images, Self::Rankings, Self::Tokens, Self::Replies];

    /// Its name in plans, answers and keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Posts => "posts",
            Self::Images => "images",
            Self::Rankings => "rankings",
            Self::Tokens => "tokens",
            Self::Replies => "replies",
        }
    }

    /// Returns the meter of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|meter| meter.name() == name)
    }

    /// Returns the meters that have a counter for each day.
    pub fn daily() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|meter| meter.has(PER_DAY.name))
    }

    /// Returns the least `perMinute` that a plan may have: as many units as one request may use.
    #[must_use]
    pub const fn least_per_minute(self) -> u64 {
        match self {
            Self::Posts => 50,
            _ => 0,
        }
    }

    const fn figures(self) -> &'static [Figure] {
        match self {
            Self::Posts => &[PER_DAY, PER_MINUTE_OF_POSTS],
            Self::Images => &[PER_DAY_OR_NONE, PER_MINUTE],
            Self::Rankings => &[PER_DAY, PER_MINUTE],
            Self::Tokens => &[PER_DAY],
            Self::Replies => &[PER_MINUTE, AT_ONCE],
        }
    }

    fn has(self, figure: &str) -> bool {
        self.figures().iter().any(|known| known.name == figure)
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The figures of a plan for one meter. A figure that is absent limits nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowance {
    /// Units in a UTC day. Without it, nothing is counted by day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u64>,
    /// Units in any 60 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u64>,
    /// Units under way at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u64>,
}

impl Allowance {
    pub(super) const fn new(per_day: Option<u64>, per_minute: Option<u64>, at_once: Option<u64>) -> Self {
        Self {
            per_day,
            per_minute,
            at_once,
        }
    }

    /// Reads a plan's figures for `meter`. Returns `None` if one cannot be used. A figure that the meter does not have is a
    /// fault, but does no harm.
    pub(super) fn read(meter: Meter, json: &Value, faults: &mut Vec<Fault>) -> Option<Self> {
        let Some(figures) = json.as_object() else {
            faults.push(Fault::at(&[meter.name()], "must be an object"));
            return None;
        };
        let before = faults.len();
        for Figure { name, least, required } in meter.figures() {
            let path = [meter.name(), name];
            let fits = |value: &Value| value.as_u64().is_some_and(|units| (*least..=MOST).contains(&units));
            match figures.get(*name) {
                None if *required => faults.push(Fault::at(&path, "is missing")),
                Some(value) if !fits(value) => {
                    faults.push(Fault::at(
                        &path,
                        format!("must be a whole number from {least} to {MOST}"),
                    ));
                }
                _ => {}
            }
        }
        let usable = faults.len() == before;
        for name in figures.keys().filter(|name| !meter.has(name)) {
            faults.push(Fault::at(&[meter.name(), name], "is no figure of this meter"));
        }
        let figure = |name: &str| figures.get(name).filter(|_| meter.has(name))?.as_u64();
        usable.then(|| Self::new(figure("perDay"), figure("perMinute"), figure("atOnce")))
    }

    /// Returns whether the plan has none of the meter: a figure of 0 admits nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        [self.per_day, self.per_minute, self.at_once].contains(&Some(0))
    }

    /// Returns the same with a tenth of the day, rounded up so that something stays something.
    pub(super) fn with_a_tenth_by_day(self) -> Self {
        Self {
            per_day: self.per_day.map(|units| units.div_ceil(10)),
            ..self
        }
    }
}
