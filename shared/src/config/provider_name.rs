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
    /// `openai-moderation:` and a model of `/moderations`, at the configured address of OpenAI's protocol.
    Moderation(Arc<str>),
    /// `rekognition`: the moderation labels of Amazon Rekognition.
    Rekognition,
}

impl ProviderName {
    /// Reads `local`, `openai:MODEL`, `bedrock:MODEL`, `openai-moderation:MODEL` or `rekognition`.
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
            "openai-moderation" if fits(model) => Ok(Self::Moderation(Arc::from(model))),
            "rekognition" if name == "rekognition" => Ok(Self::Rekognition),
            "openai" | "bedrock" | "openai-moderation" => {
                Err(format!("{name:?} names no model, as {kind}:MODEL would"))
            }
            _ => Err(format!(
                "there is no provider {name:?}; there are local, openai:MODEL, bedrock:MODEL, openai-moderation:MODEL and \
                 rekognition"
            )),
        }
    }

    /// True if calls leave this process.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        !matches!(self, Self::Local)
    }

    /// True for a moderator: it takes one image and no prompt, answers with scores of its own, and counts no tokens.
    #[must_use]
    pub const fn is_moderator(&self) -> bool {
        matches!(self, Self::Moderation(_) | Self::Rekognition)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::OpenAi(model) => write!(f, "openai:{model}"),
            Self::Bedrock(model) => write!(f, "bedrock:{model}"),
            Self::Moderation(model) => write!(f, "openai-moderation:{model}"),
            Self::Rekognition => f.write_str("rekognition"),
        }
    }
}
