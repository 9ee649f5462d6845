//! The authors of judgements: whose count for whom, in which version.

use std::sync::Arc;

use vision::Model;

use super::judgement::Judgement;
use super::prompt::PROMPT_VERSION;
use crate::answers::{Class, Reader};
use crate::config::providers::{Chains, ProviderName, ProviderSettings};
use crate::models::class::ModelClass;
use crate::plan::Tier;

/// Returns the class of a model's judgements.
pub(super) const fn class(model: ModelClass) -> Class {
    Class(model as u8)
}

/// Names a provider with the version of its judgements: of the embedded model, or of what another is asked.
pub(super) fn author(name: &ProviderName) -> Arc<str> {
    match name {
        ProviderName::Local => format!("{name}/{}", Model::NAME).into(),
        name => format!("{name}/detect-{PROMPT_VERSION}").into(),
    }
}

/// Describes a request of `tier`: judgements of every configured provider count. Where the embedded model looks first, what it is
/// sure of is as good as any other's.
pub(super) fn reader(settings: &ProviderSettings, tier: &Tier) -> Reader {
    let Chains { base, by_tier } = &settings.detect;
    let names: Vec<String> = chain(settings, tier).iter().map(ToString::to_string).collect();
    let first = settings.detect_doubt.map(|_| ProviderName::Local);
    let all = first.iter().chain(base).chain(by_tier.values().flatten());
    let of_chain = settings.detect.class_for(tier);
    Reader {
        class: class(if first.is_some() {
            ModelClass::Embedded
        } else {
            of_chain
        }),
        current: all.map(author).collect(),
        chain: names.join(",").into(),
        reads: Judgement::is_readable,
    }
}

/// Reports whether a tier's chain has a model elsewhere, which is shown the image in another form, and may cost money.
pub(super) fn leaves_the_process(settings: &ProviderSettings, tier: &Tier) -> bool {
    chain(settings, tier).iter().any(ProviderName::is_remote)
}

fn chain<'a>(settings: &'a ProviderSettings, tier: &Tier) -> &'a [ProviderName] {
    let Chains { base, by_tier } = &settings.detect;
    by_tier.get(tier).unwrap_or(base)
}
