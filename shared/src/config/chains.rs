//! Chains of providers, as settings list them.

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

/// Reads a chain of providers that are asked about texts.
pub(super) fn of_texts(variable: &'static str, text: &str) -> Result<Vec<ProviderName>, ConfigError> {
    let chain = parse(variable, text)?;
    match chain.iter().find(|name| name.is_moderator()) {
        None => Ok(chain),
        Some(name) => Err(ConfigError {
            variable,
            problem: format!("{name} judges images alone: it can be in CLEARVIEW_DETECT_PROVIDERS"),
        }),
    }
}

/// Reads a chain: names by commas, of which none stands twice, and `local` nowhere but last.
pub(super) fn parse(variable: &'static str, text: &str) -> Result<Vec<ProviderName>, ConfigError> {
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
