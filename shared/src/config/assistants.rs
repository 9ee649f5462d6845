//! `CLEARVIEW_ASSISTANTS`: the assistants that users may name, each with its system prompt, chains and bounds.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::Deserialize;

use super::chains::{Chains, of_texts};
use super::provider_name::ProviderName;
use super::{ConfigError, Settings};
use crate::plan::Tier;

/// The variable that is read.
const VARIABLE: &str = "CLEARVIEW_ASSISTANTS";

/// The most bytes of a name.
const LONGEST_NAME: usize = 64;

/// The most bytes of a system prompt.
const LONGEST_SYSTEM: usize = 32_768;

/// The tokens of a reply.
const MAX_OUTPUT: RangeInclusive<u32> = 16..=32_768;

/// The bytes of all messages together.
const MAX_INPUT: RangeInclusive<usize> = 256..=262_144;

/// Which users a remembered reply is given to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// Nothing is remembered.
    Off,
    /// The user who asked.
    #[default]
    User,
    /// Everybody, where the question allows it.
    Shared,
}

/// An assistant: all that a request does not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assistant {
    /// The name that requests have as their `model`.
    pub name: Arc<str>,
    /// The system prompt; empty for none. It is no place for secrets: models repeat it.
    pub system: Arc<str>,
    /// The chain of each tier; `base` is that of `free`, and of every tier without one of its own.
    pub chains: Chains,
    /// The most tokens of a reply.
    pub max_output: u32,
    /// The most bytes of all messages together, without the system prompt.
    pub max_input: usize,
    /// Which users a remembered reply is given to.
    pub sharing: Sharing,
}

/// Assistants by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assistants(BTreeMap<Arc<str>, Arc<Assistant>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListedAssistant {
    #[serde(default)]
    system: String,
    providers: BTreeMap<String, String>,
    #[serde(default = "default_output")]
    max_output: u32,
    #[serde(default = "default_input")]
    max_input: usize,
    #[serde(default)]
    cache: Sharing,
}

const fn default_output() -> u32 {
    1_024
}

const fn default_input() -> usize {
    8_192
}

impl Assistants {
    /// Reads `{"name":{"system","providers":{tier: chain},"maxOutput","maxInput","cache"}}`.
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        let Some(text) = env.optional(VARIABLE) else {
            return Ok(Self::default());
        };
        Self::parse(&text).map_err(|problem| ConfigError {
            variable: VARIABLE,
            problem,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let listed: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let assistants = listed.into_iter().map(|(name, value)| {
            let assistant = Assistant::of(&name, value)?;
            Ok((Arc::clone(&assistant.name), Arc::new(assistant)))
        });
        assistants.collect::<Result<_, String>>().map(Self)
    }

    /// Returns the assistant of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Assistant>> {
        self.0.get(name)
    }

    /// Returns all, by the alphabet.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Assistant>> {
        self.0.values()
    }

    /// Reports whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns these with one more, which takes the place of the one of its name.
    #[must_use]
    pub fn with(mut self, assistant: Assistant) -> Self {
        self.0.insert(Arc::clone(&assistant.name), Arc::new(assistant));
        self
    }
}

impl Assistant {
    /// Reads one from JSON.
    ///
    /// # Errors
    /// The problem and its place.
    pub fn parse(name: &str, json: &str) -> Result<Self, String> {
        let value = serde_json::from_str(json).map_err(|error| format!("/{name}: {error}"))?;
        Self::of(name, value)
    }

    fn of(name: &str, value: serde_json::Value) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(format!(
                "{name:?} cannot be a name: 1 to {LONGEST_NAME} of A-Z a-z 0-9 . _ -"
            ));
        }
        let listed: ListedAssistant = serde_path_to_error::deserialize(value)
            .map_err(|error| format!("/{name}/{}: {}", error.path(), error.inner()))?;
        let at = |member: &str, problem: String| format!("/{name}/{member}: {problem}");
        if listed.system.len() > LONGEST_SYSTEM {
            return Err(at("system", format!("has more than {LONGEST_SYSTEM} bytes")));
        }
        let bounds = [
            (
                "maxOutput",
                (listed.max_output as usize),
                *MAX_OUTPUT.start() as usize..=*MAX_OUTPUT.end() as usize,
            ),
            ("maxInput", listed.max_input, MAX_INPUT),
        ];
        for (member, value, within) in bounds {
            if !within.contains(&value) {
                let problem = format!("{value} is not a number from {} to {}", within.start(), within.end());
                return Err(at(member, problem));
            }
        }
        Ok(Self {
            name: Arc::from(name),
            system: Arc::from(listed.system),
            chains: chains(name, &listed.providers)?,
            max_output: listed.max_output,
            max_input: listed.max_input,
            sharing: listed.cache,
        })
    }
}

/// Reads the chain of each tier.
fn chains(name: &str, listed: &BTreeMap<String, String>) -> Result<Chains, String> {
    let mut by_tier = BTreeMap::new();
    for (tier, list) in listed {
        let at = |problem: &str| format!("/{name}/providers/{tier}: {problem}");
        let parsed = Tier::parse(tier).ok_or_else(|| at("cannot be the name of a tier"))?;
        let chain = of_texts(VARIABLE, list).map_err(|error| at(&error.problem))?;
        if chain.contains(&ProviderName::Local) {
            return Err(at("local writes no replies"));
        }
        by_tier.insert(parsed, chain);
    }
    let base = by_tier.remove(&Tier::free());
    let base =
        base.ok_or_else(|| format!("/{name}/providers: \"free\" is missing, which every other tier falls back to"))?;
    Ok(Chains { base, by_tier })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const CHAIN: &str = r#""providers":{"free":"openai:small"}"#;

    fn read(json: &str) -> Result<Assistants, String> {
        let config = Config::read(|name| match name {
            VARIABLE => Some(json.to_owned()),
            "CLEARVIEW_OPENAI_API_KEY" => Some("sk-1".to_owned()),
            _ => None,
        });
        config
            .map(|config| config.providers.assistants)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_assistant_is_read_whole_and_a_tier_without_a_chain_takes_that_of_free() {
        let assistants = read(
            r#"{"coach":{"system":"Be kind.","providers":{"free":"openai:small, bedrock:b","pro":"openai:large"},
                "maxOutput":500,"maxInput":4000,"cache":"shared"},"plain":{"providers":{"free":"openai:small"}}}"#,
        );
        let assistants = assistants.unwrap();
        let names: Vec<&str> = assistants.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["coach", "plain"]);
        let coach = assistants.named("coach").unwrap();
        let chain = |tier: Tier| {
            let chain = coach.chains.by_tier.get(&tier).unwrap_or(&coach.chains.base);
            chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        assert_eq!(chain(Tier::pro()), "openai:large");
        for tier in [Tier::free(), Tier::trial()] {
            assert_eq!(chain(tier), "openai:small,bedrock:b");
        }
        assert_eq!(
            (&*coach.system, coach.max_output, coach.max_input),
            ("Be kind.", 500, 4000)
        );
        assert_eq!(coach.sharing, Sharing::Shared);
        let plain = assistants.named("plain").unwrap();
        assert_eq!((&*plain.system, plain.max_output, plain.max_input), ("", 1_024, 8_192));
        assert_eq!(plain.sharing, Sharing::User);
        assert!(assistants.named("gpt-5").is_none());
        assert_eq!(read("").unwrap(), Assistants::default());
    }

    #[test]
    fn a_bad_value_is_refused_with_its_place() {
        for (json, place) in [
            ("[]", "invalid type: sequence"),
            ("{", "EOF"),
            (r#"{"a b":{}}"#, "\"a b\" cannot be a name"),
            (r#"{"":{}}"#, "\"\" cannot be a name"),
            (r#"{"a":{}}"#, "missing field `providers`"),
            (r#"{"a":{"providers":"openai:small"}}"#, "/a/providers: "),
            (
                r#"{"a":{"providers":{"pro":"openai:small"}}}"#,
                "/a/providers: \"free\" is missing",
            ),
            (
                r#"{"a":{"providers":{"free":"oracle"}}}"#,
                "/a/providers/free: there is no provider",
            ),
            (
                r#"{"a":{"providers":{"free":"openai:x,local"}}}"#,
                "/a/providers/free: local writes",
            ),
            (
                r#"{"a":{"providers":{"free":"openai:x","Pro!":"openai:x"}}}"#,
                "/a/providers/Pro!: ",
            ),
            (
                &format!(r#"{{"a":{{{CHAIN},"maxOutput":15}}}}"#),
                "/a/maxOutput: 15 is not",
            ),
            (&format!(r#"{{"a":{{{CHAIN},"maxOutput":-1}}}}"#), "/a/maxOutput: "),
            (&format!(r#"{{"a":{{{CHAIN},"maxInput":9}}}}"#), "/a/maxInput: 9 is not"),
            (
                &format!(r#"{{"a":{{{CHAIN},"cache":"all"}}}}"#),
                "/a/cache: unknown variant",
            ),
            (&format!(r#"{{"a":{{{CHAIN},"model":"x"}}}}"#), "unknown field `model`"),
        ] {
            let problem = read(json).unwrap_err();
            assert!(problem.starts_with(VARIABLE), "{problem}");
            assert!(problem.contains(place), "{json}: {problem}");
        }
        let long = format!(r#"{{"a":{{{CHAIN},"system":"{}"}}}}"#, "x".repeat(LONGEST_SYSTEM + 1));
        assert!(read(&long).unwrap_err().contains("/a/system: "));
    }

    #[test]
    fn a_chain_of_an_assistant_needs_what_any_chain_needs() {
        let assistants = format!(r#"{{"a":{{{CHAIN}}}}}"#);
        let set = |key: Option<&str>, limit: Option<&str>| {
            let config = Config::read(|name| match name {
                VARIABLE => Some(assistants.clone()),
                "CLEARVIEW_OPENAI_API_KEY" => key.map(str::to_owned),
                "CLEARVIEW_DAILY_SPEND_LIMIT" => limit.map(str::to_owned),
                _ => None,
            });
            config.map(|_| ()).map_err(|error| error.variable)
        };
        assert_eq!(set(None, None), Err("CLEARVIEW_OPENAI_API_KEY"));
        assert_eq!(set(Some("sk-1"), None), Ok(()));
        assert_eq!(set(Some("sk-1"), Some("10")), Err("CLEARVIEW_PRICES"));
    }
}
