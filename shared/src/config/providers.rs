//! The settings of model providers: their chains, addresses, keys and prices, and the daily spend limit.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::assistants::Assistants;
use super::per_provider::parse_tokens;
use super::{ConfigError, Settings};
use super::{chains, image_providers};
use crate::money::{Money, Price};
use crate::plan::Tier;

pub use super::chains::Chains;
pub use super::image_providers::Doubt;
pub use super::openai::{KeyHeader, OpenAiSettings, parse_key};
pub use super::per_provider::{Effort, PerProvider};
pub use super::provider_name::ProviderName;

/// The entry whose price applies to every provider without one.
const OTHER: &str = "other";

/// An operator's decision about a provider's breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forced {
    /// The provider is never called.
    Open,
    /// The provider is always called.
    Closed,
}

/// All settings of providers.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// `CLEARVIEW_PROVIDERS`: the chain, in order of preference (`local`);
    /// `CLEARVIEW_PROVIDERS_BY_TIER`: chains of tiers that have a better one, as JSON (none).
    pub chains: Chains,
    /// `CLEARVIEW_RANK_PROVIDERS`: the chain of rank, for every tier (as `CLEARVIEW_PROVIDERS`).
    pub rank: Chains,
    /// `CLEARVIEW_ASSISTANTS`: the assistants that users may name, with chains of their own, as JSON (none).
    pub assistants: Assistants,
    /// `CLEARVIEW_DETECT_PROVIDERS`: the chain of detect, for every tier (`local`).
    pub detect: Chains,
    /// `local>` before that chain, and `CLEARVIEW_DETECT_DOUBT`: the embedded model looks first, and the chain is asked where it
    /// is in doubt (none: the chain is asked at once).
    pub detect_doubt: Option<Doubt>,
    /// `CLEARVIEW_LOCAL_FALLBACK`: the embedded judge stands in at the end of every chain (`on`).
    pub stand_in: bool,
    /// `CLEARVIEW_OPENAI_…`: the address of that protocol, and its key.
    pub openai: OpenAiSettings,
    /// `CLEARVIEW_REASONING_EFFORT`: how much a model reasons (the least that it takes).
    pub effort: PerProvider<Effort>,
    /// `CLEARVIEW_MAX_OUTPUT_TOKENS`: the most tokens that a model writes in one answer (by the number of posts).
    pub max_output: PerProvider<u32>,
    /// `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`: another endpoint for Bedrock (AWS's own).
    pub bedrock_endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL_REKOGNITION`: another endpoint for Rekognition (AWS's own).
    pub rekognition_endpoint: Option<String>,
    /// `CLEARVIEW_MODEL_TIMEOUT_MS`: the time limit of one call to a model (5000).
    pub call_timeout: Duration,
    /// `CLEARVIEW_PARALLEL_CALLS`: calls to models that one request makes at a time (4).
    pub parallel_calls: usize,
    /// `CLEARVIEW_CALL_TOKENS`: the most tokens of posts in one call, by estimate (16000).
    pub call_tokens: usize,
    /// `CLEARVIEW_PRICES`: dollars per million tokens, or per call, by provider, as JSON (none: calls cost nothing).
    pub prices: BTreeMap<ProviderName, Price>,
    /// The price of `other`: of every network provider without a price of its own.
    pub other_price: Option<Price>,
    /// `CLEARVIEW_DAILY_SPEND_LIMIT`: dollars that may be spent on models in a UTC day (no limit).
    pub daily_spend_limit: Option<Money>,
    /// `CLEARVIEW_BREAKERS`: providers that are never or always called, such as `openai:gpt-5-mini=open` (none).
    pub forced: BTreeMap<ProviderName, Forced>,
}

impl ProviderSettings {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        let (prices, other_price) = prices(env, "CLEARVIEW_PRICES")?;
        let chains = Chains {
            base: chains::of_texts("CLEARVIEW_PROVIDERS", &env.text("CLEARVIEW_PROVIDERS", "local"))?,
            by_tier: by_tier(env, "CLEARVIEW_PROVIDERS_BY_TIER")?,
        };
        let (detect, detect_doubt) = image_providers::read(env)?;
        let settings = Self {
            rank: match env.optional("CLEARVIEW_RANK_PROVIDERS") {
                None => chains.clone(),
                Some(text) => Chains {
                    base: chains::of_texts("CLEARVIEW_RANK_PROVIDERS", &text)?,
                    by_tier: BTreeMap::new(),
                },
            },
            chains,
            assistants: Assistants::read(env)?,
            detect,
            detect_doubt,
            stand_in: env.switch("CLEARVIEW_LOCAL_FALLBACK", true)?,
            openai: OpenAiSettings::read(env)?,
            effort: PerProvider::read(env, "CLEARVIEW_REASONING_EFFORT", Effort::parse)?,
            max_output: PerProvider::read(env, "CLEARVIEW_MAX_OUTPUT_TOKENS", parse_tokens)?,
            bedrock_endpoint: env.aws_endpoint("AWS_ENDPOINT_URL_BEDROCK_RUNTIME")?,
            rekognition_endpoint: env.aws_endpoint("AWS_ENDPOINT_URL_REKOGNITION")?,
            call_timeout: env.millis("CLEARVIEW_MODEL_TIMEOUT_MS", 5000)?,
            parallel_calls: env.number("CLEARVIEW_PARALLEL_CALLS", 4, &(1..=50))?,
            call_tokens: env.number("CLEARVIEW_CALL_TOKENS", 16_000, &(100..=1_000_000))?,
            prices,
            other_price,
            daily_spend_limit: limit(env, "CLEARVIEW_DAILY_SPEND_LIMIT")?,
            forced: forced(env, "CLEARVIEW_BREAKERS")?,
        };
        settings.check()?;
        Ok(settings)
    }

    /// Returns every provider of any chain, once, in order.
    #[must_use]
    pub fn all(&self) -> Vec<&ProviderName> {
        let mut all = Vec::new();
        let of_assistants = self.assistants.iter().map(|assistant| &assistant.chains);
        for chains in [&self.chains, &self.rank, &self.detect]
            .into_iter()
            .chain(of_assistants)
        {
            for name in std::iter::once(&chains.base).chain(chains.by_tier.values()).flatten() {
                if !all.contains(&name) {
                    all.push(name);
                }
            }
        }
        all
    }

    /// Warns of settings for providers that no chain has.
    pub(super) fn warnings(&self) -> Vec<String> {
        let all = self.all();
        let named = [
            ("CLEARVIEW_BREAKERS", self.forced.keys().collect()),
            ("CLEARVIEW_REASONING_EFFORT", self.effort.names()),
            ("CLEARVIEW_MAX_OUTPUT_TOKENS", self.max_output.names()),
        ];
        let named = named
            .into_iter()
            .flat_map(|(variable, names): (_, Vec<_>)| names.into_iter().map(move |name| (variable, name)));
        named
            .filter(|(_, name)| !all.contains(name))
            .map(|(variable, name)| format!("{variable} names {name}, which is in no chain: it has no effect"))
            .collect()
    }

    /// Returns the price of a provider's calls.
    #[must_use]
    pub fn price(&self, name: &ProviderName) -> Price {
        self.known_price(name).unwrap_or_default()
    }

    fn known_price(&self, name: &ProviderName) -> Option<Price> {
        let other = self.other_price.filter(|_| name.is_remote());
        self.prices.get(name).copied().or(other)
    }

    /// Checks rules across several settings.
    fn check(&self) -> Result<(), ConfigError> {
        self.all()
            .into_iter()
            .find_map(|name| self.lacking_of(name))
            .map_or(Ok(()), Err)
    }

    /// Returns the first setting that a provider of these chains needs and has not.
    pub(crate) fn lacking(&self, chains: &Chains) -> Option<ConfigError> {
        let all = chains.base.iter().chain(chains.by_tier.values().flatten());
        all.into_iter().find_map(|name| self.lacking_of(name))
    }

    fn lacking_of(&self, name: &ProviderName) -> Option<ConfigError> {
        let of_openai = matches!(name, ProviderName::OpenAi(_) | ProviderName::Moderation(_));
        if of_openai && self.openai.lacks_key() {
            return Some(ConfigError {
                variable: "CLEARVIEW_OPENAI_API_KEY",
                problem: format!("{name} needs it, or CLEARVIEW_OPENAI_API_KEY_SECRET, or another base URL"),
            });
        }
        let unpriced = self.daily_spend_limit.is_some() && name.is_remote() && self.known_price(name).is_none();
        unpriced.then(|| ConfigError {
            variable: "CLEARVIEW_PRICES",
            problem: format!(
                "with a daily spend limit, {name} needs a price (it may be 0), or there must be one of \"other\""
            ),
        })
    }
}

fn by_tier(env: &Settings<'_>, variable: &'static str) -> Result<BTreeMap<Tier, Vec<ProviderName>>, ConfigError> {
    let named: BTreeMap<String, String> = json(env, variable)?;
    let tier = |name: &str| {
        Tier::parse(name).ok_or_else(|| ConfigError {
            variable,
            problem: format!("{name:?} cannot be the name of a tier"),
        })
    };
    named
        .iter()
        .map(|(name, list)| Ok((tier(name)?, chains::of_texts(variable, list)?)))
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(default)]
    input: Option<f64>,
    #[serde(default)]
    output: Option<f64>,
    #[serde(default)]
    call: Option<f64>,
}

impl Listed {
    /// Reads the price of tokens, of calls, or of both.
    fn price(&self, name: &str) -> Result<Price, String> {
        let tokens = match (self.input, self.output) {
            (Some(input), Some(output)) => Some((input, output)),
            (None, None) if self.call.is_some() => Some((0.0, 0.0)),
            _ => None,
        };
        let (input, output) = tokens.ok_or_else(|| format!("{name}: give input and output, or call, or all three"))?;
        let call = self.call.unwrap_or_default();
        let price = Price::per_million(input, output).and_then(|price| price.and_per_call(call));
        price.ok_or_else(|| format!("{name}: {input}, {output} and {call} are no prices"))
    }
}

type Prices = (BTreeMap<ProviderName, Price>, Option<Price>);

fn prices(env: &Settings<'_>, variable: &'static str) -> Result<Prices, ConfigError> {
    let listed: BTreeMap<String, Listed> = json(env, variable)?;
    let refuse = |problem: String| ConfigError { variable, problem };
    let (mut prices, mut other) = (BTreeMap::new(), None);
    for (name, listed) in listed {
        let price = listed.price(&name).map_err(refuse)?;
        if name == OTHER {
            other = Some(price);
        } else {
            prices.insert(ProviderName::parse(&name).map_err(refuse)?, price);
        }
    }
    Ok((prices, other))
}

fn limit(env: &Settings<'_>, variable: &'static str) -> Result<Option<Money>, ConfigError> {
    let Some(text) = env.optional(variable) else {
        return Ok(None);
    };
    let limit = text.parse().ok().and_then(Money::from_dollars);
    limit.map(Some).ok_or_else(|| ConfigError {
        variable,
        problem: format!("{text:?} is no sum of dollars such as 200 or 12.50"),
    })
}

fn forced(env: &Settings<'_>, variable: &'static str) -> Result<BTreeMap<ProviderName, Forced>, ConfigError> {
    let refuse = |problem: String| ConfigError { variable, problem };
    let text = env.optional(variable).unwrap_or_default();
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    parts
        .map(|part| {
            let (name, state) = part.rsplit_once('=').unwrap_or((part, ""));
            let state = match state.trim() {
                "open" => Forced::Open,
                "closed" => Forced::Closed,
                _ => return Err(refuse(format!("{part:?} is neither PROVIDER=open nor PROVIDER=closed"))),
            };
            Ok((ProviderName::parse(name).map_err(refuse)?, state))
        })
        .collect()
}

fn json<T: for<'a> Deserialize<'a> + Default>(env: &Settings<'_>, variable: &'static str) -> Result<T, ConfigError> {
    match env.optional(variable) {
        None => Ok(T::default()),
        Some(text) => serde_json::from_str(&text).map_err(|error| ConfigError {
            variable,
            problem: error.to_string(),
        }),
    }
}
