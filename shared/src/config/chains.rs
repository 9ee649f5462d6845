//! Chains of providers, in order of preference.

use std::collections::BTreeMap;

use super::ConfigError;
use super::provider_name::ProviderName;
use crate::plan::Tier;

/// Providers in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chains {
    /// The chain that all tiers share.
    pub base: Vec<ProviderName>,
    /// Chains of tiers that have a better one.
    pub by_tier: BTreeMap<Tier, Vec<ProviderName>>,
}

/// Reads a chain, whose providers are separated by commas.
pub(super) fn chain(variable: &'static str, text: &str) -> Result<Vec<ProviderName>, ConfigError> {
    let refuse = |problem: String| ConfigError { variable, problem };
    let mut chain = Vec::new();
    for name in text.split(',') {
        let name = ProviderName::parse(name).map_err(refuse)?;
        if chain.contains(&name) {
            return Err(refuse(format!("{name} is listed twice")));
        }
        if chain.contains(&ProviderName::Local) {
            return Err(refuse(format!(
                "{name} would never be asked: local, before it, always answers"
            )));
        }
        chain.push(name);
    }
    Ok(chain)
}
