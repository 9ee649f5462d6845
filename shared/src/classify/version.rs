//! The authors of verdicts: whose count for whom, in which version.

use std::sync::Arc;

use judge::JUDGE_VERSION;

use super::payload;
use crate::answers::{Class, Reader};
use crate::config::providers::{ProviderName, ProviderSettings};
use crate::plan::Tier;
use crate::provider::prompt::PROMPT_VERSION;
use crate::provider::verdict::ModelClass;

/// Names a provider with its version: of the embedded judge, or of what a model is asked.
pub(super) fn author(name: &ProviderName) -> Arc<str> {
    match name {
        ProviderName::Local => format!("{name}/{JUDGE_VERSION}").into(),
        name => format!("{name}/prompt-{PROMPT_VERSION}").into(),
    }
}

/// Returns the class of a model's answers.
pub(super) const fn class(model: ModelClass) -> Class {
    Class(model as u8)
}

/// Describes a request of `tier`, which is given models of that class. Verdicts of every configured provider count.
pub(super) fn reader(settings: &ProviderSettings, tier: &Tier, model: ModelClass) -> Reader {
    let chain = settings.by_tier.get(tier).unwrap_or(&settings.chain);
    let chain: Vec<String> = chain.iter().map(ToString::to_string).collect();
    Reader {
        class: class(model),
        current: settings.all().into_iter().map(author).collect(),
        chain: chain.join(",").into(),
        reads: payload::is_readable,
    }
}
