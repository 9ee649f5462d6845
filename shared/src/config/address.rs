//! The limits by address: one figure for each class of endpoints.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{ConfigError, Settings};

/// The bounds of a limit by address.
pub(super) const PER_ADDRESS: RangeInclusive<u64> = 1..=1_000_000;

/// The class of every endpoint without a class of its own.
const OTHER: &str = "other";

/// The classes, with requests from one address in any 60 seconds.
const DEFAULTS: [(&str, u64); 7] = [
    ("classify", 100),
    ("auth", 100),
    ("detect", 6000),
    ("rank", 300),
    ("chat", 60),
    ("jobs", 600),
    (OTHER, 300),
];

/// Requests from one address in any 60 seconds, by class. Each class is counted separately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressLimits(BTreeMap<&'static str, u64>);

impl Default for AddressLimits {
    fn default() -> Self {
        Self(BTreeMap::from(DEFAULTS))
    }
}

impl AddressLimits {
    /// Returns the class of an endpoint, and its limit.
    #[must_use]
    pub fn of(&self, endpoint: &str) -> (&'static str, u64) {
        let found = self.0.get_key_value(endpoint).or_else(|| self.0.get_key_value(OTHER));
        found.map_or((OTHER, 0), |(class, limit)| (*class, *limit))
    }

    pub(super) fn read(env: &Settings<'_>, variable: &'static str) -> Result<Self, ConfigError> {
        let Some(text) = env.optional(variable) else {
            return Ok(Self::default());
        };
        Self::parse(&text).map_err(|problem| ConfigError { variable, problem })
    }

    /// Reads a number for all classes, or JSON such as `{"classify":200}`, which leaves the others at their defaults.
    fn parse(text: &str) -> Result<Self, String> {
        let set: BTreeMap<String, u64> = match text.parse() {
            Ok(limit) => DEFAULTS.map(|(class, _)| (class.to_owned(), limit)).into(),
            Err(_) => serde_json::from_str(text)
                .map_err(|_| format!("{text:?} is neither a number nor JSON of classes and numbers"))?,
        };
        let mut limits = Self::default();
        for (name, limit) in set {
            let found = limits.0.iter_mut().find(|(class, _)| **class == name);
            let (_, of_class) = found.ok_or_else(|| format!("there is no class {name:?}"))?;
            if !PER_ADDRESS.contains(&limit) {
                let (least, most) = PER_ADDRESS.into_inner();
                return Err(format!("{limit} is not a number from {least} to {most}"));
            }
            *of_class = limit;
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_for_all_classes_and_json_for_those_that_it_names() {
        let all = AddressLimits::parse("7").unwrap();
        assert_eq!(all.of("classify"), ("classify", 7));
        assert_eq!(all.of("usage"), ("other", 7));
        let one = AddressLimits::parse(r#"{"chat":9}"#).unwrap();
        assert_eq!((one.of("chat"), one.of("auth")), (("chat", 9), ("auth", 100)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, words) in [
            ("0", "from 1"),
            ("1000001", "to 1000000"),
            ("many", "neither"),
            ("-1", "neither"),
            (r#"{"posts":1}"#, "no class"),
            (r#"{"chat":0}"#, "from 1"),
            (r#"{"chat":"9"}"#, "neither"),
        ] {
            let problem = AddressLimits::parse(text).unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}
