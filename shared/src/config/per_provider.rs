//! Settings with one value for all providers, or one for each that is named.

use std::collections::BTreeMap;

use serde_json::Value;

use super::provider_name::ProviderName;
use super::{ConfigError, Settings};

/// How much a model reasons before it answers, by `OpenAI`'s names; in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Nothing is sent: the model reasons as much as it does by default.
    Unsent,
    /// No reasoning.
    None,
    /// Hardly any.
    Minimal,
    /// A little.
    Low,
    /// The default of most models.
    Medium,
    /// Much.
    High,
    /// As much as the model can.
    Xhigh,
}

impl Effort {
    const NAMED: [(&str, Self); 7] = [
        ("unsent", Self::Unsent),
        ("none", Self::None),
        ("minimal", Self::Minimal),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("xhigh", Self::Xhigh),
    ];

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let named = Self::NAMED.iter().find(|(_, effort)| *effort == self);
        named.map_or("", |(name, _)| name)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let named = Self::NAMED.iter().find(|(name, _)| *name == text);
        named
            .map(|(_, effort)| *effort)
            .ok_or_else(|| format!("{text:?} is none of {}", Self::NAMED.map(|(name, _)| name).join(", ")))
    }
}

/// One value for all providers, or one for each that is named.
#[derive(Debug, Clone)]
pub struct PerProvider<T> {
    all: Option<T>,
    each: BTreeMap<ProviderName, T>,
}

impl<T: Copy> PerProvider<T> {
    /// Returns the value for `name`, if there is one.
    #[must_use]
    pub fn of(&self, name: &ProviderName) -> Option<T> {
        self.each.get(name).copied().or(self.all)
    }

    /// Lists the providers that have a value of their own.
    pub(super) fn names(&self) -> Vec<&ProviderName> {
        self.each.keys().collect()
    }

    /// Reads a value, or JSON with a value for each provider.
    pub(super) fn read(
        env: &Settings<'_>,
        variable: &'static str,
        parse: fn(&str) -> Result<T, String>,
    ) -> Result<Self, ConfigError> {
        let refuse = |problem: String| ConfigError { variable, problem };
        let (mut all, mut each) = (None, BTreeMap::new());
        match env.optional(variable) {
            None => {}
            Some(text) if text.starts_with('{') => {
                let named: BTreeMap<String, Value> =
                    serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
                for (name, value) in named {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let name = ProviderName::parse(&name).map_err(refuse)?;
                    each.insert(name, parse(&value).map_err(refuse)?);
                }
            }
            Some(text) => all = Some(parse(&text).map_err(refuse)?),
        }
        Ok(Self { all, each })
    }
}

/// Reads a bound on the tokens of an answer.
pub(super) fn parse_tokens(text: &str) -> Result<u32, String> {
    let tokens = text.parse().ok().filter(|tokens| (16..=1_000_000).contains(tokens));
    tokens.ok_or_else(|| format!("{text:?} is not a number from 16 to 1000000"))
}
