//! The names of providers.

use std::fmt;
use std::sync::Arc;

/// The longest name of a model.
const LONGEST_MODEL: usize = 200;

/// A provider of answers that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderName {
    /// `local`: the embedded model.
    Local,
    /// `openai:` and a model of a server that speaks OpenAI's protocol at the configured address.
    OpenAi(Arc<str>),
    /// `bedrock:` and a model or inference profile of Amazon Bedrock.
    Bedrock(Arc<str>),
}

impl ProviderName {
    /// Reads `local`, `openai:MODEL` or `bedrock:MODEL`.
    ///
    /// # Errors
    /// The problem, in words.
    pub fn parse(name: &str) -> Result<Self, String> {
        let name = name.trim();
        let (kind, model) = name.split_once(':').unwrap_or((name, ""));
        let fits = |model: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/@+".contains(&b);
            (1..=LONGEST_MODEL).contains(&model.len()) && model.bytes().all(plain)
        };
        match kind {
            "local" if name == "local" => Ok(Self::Local),
            "openai" if fits(model) => Ok(Self::OpenAi(Arc::from(model))),
            "bedrock" if fits(model) => Ok(Self::Bedrock(Arc::from(model))),
            "openai" | "bedrock" => Err(format!("{name:?} names no model, as {kind}:MODEL would")),
            _ => Err(format!(
                "there is no provider {name:?}; there are local, openai:MODEL and bedrock:MODEL"
            )),
        }
    }

    /// True if calls leave this process.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        !matches!(self, Self::Local)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::OpenAi(model) => write!(f, "openai:{model}"),
            Self::Bedrock(model) => write!(f, "bedrock:{model}"),
        }
    }
}
