//! The authors of verdicts: whose count for whom, in which version.

use std::sync::Arc;

use judge::JUDGE_VERSION;

use super::payload;
use super::prompt::PROMPT_VERSION;
use super::verdict::ModelClass;
use crate::answers::{Class, Reader};
use crate::config::providers::{Chains, ProviderName};
use crate::models::spend::Budget;
use crate::plan::Tier;

/// Marks the author of a verdict that waits for confirmation.
const UNCONFIRMED: &str = "/unconfirmed";

/// Names a provider with its version: of the embedded judge, or of what a model is asked.
pub(super) fn author(name: &ProviderName) -> Arc<str> {
    match name {
        ProviderName::Local => format!("{name}/{JUDGE_VERSION}").into(),
        name => format!("{name}/prompt-{PROMPT_VERSION}").into(),
    }
}

/// Names a provider as the author of a verdict that waits for confirmation. No reader counts it among the current authors: the
/// verdict serves the one who asked, and stands in while nobody answers.
pub(super) fn unconfirmed(name: &ProviderName) -> Arc<str> {
    format!("{}{UNCONFIRMED}", author(name)).into()
}

/// Reports whether an author's verdict waits for confirmation.
pub(super) fn is_unconfirmed(by: &str) -> bool {
    by.ends_with(UNCONFIRMED)
}

/// Returns the class of a model's answers.
pub(super) const fn class(model: ModelClass) -> Class {
    Class(model as u8)
}

/// Describes a request of `tier`. Verdicts of every provider of these chains count.
pub(super) fn reader(chains: &Chains, tier: &Tier) -> Reader {
    let all = std::iter::once(&chains.base).chain(chains.by_tier.values());
    let chain = chains.of(tier, Budget::Whole).iter().map(ToString::to_string);
    Reader {
        class: class(chains.class_for(tier)),
        current: all.flatten().map(author).collect(),
        chain: chain.collect::<Vec<_>>().join(",").into(),
        reads: payload::is_readable,
    }
}
