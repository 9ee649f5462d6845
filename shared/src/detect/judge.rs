//! The seam where the providers of a tier are asked about one image, in order, and the embedded model last.

use std::sync::Arc;

use vision::looks::Depth;
use vision::{Look, Model};

use super::embedded;
use super::judgement::Judgement;
use crate::answers::{Class, Reader};
use crate::app::App;
use crate::clock::Deadline;
use crate::config::providers::{Chains, ProviderName, ProviderSettings};
use crate::error::Outage;
use crate::identity::Principal;
use crate::models::call::{ModelUsage, RunningUsage};
use crate::models::class::ModelClass;
use crate::models::spend::Budget;
use crate::plan::Tier;

/// An image, decoded, in the forms in which judges are shown it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The looks of the embedded model.
    pub looks: Arc<[Look]>,
    /// A small JPEG for models elsewhere, where the chain has any.
    pub jpeg: Option<Arc<[u8]>>,
}

/// An image that is judged for somebody.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The user who pays.
    pub principal: &'a Principal,
    /// The image.
    pub image: &'a Prepared,
    /// Names the image by its pixels: a failure may be blamed on it.
    pub digest: &'a str,
    /// `traceparent` of the calls.
    pub trace: Option<&'a str>,
    /// The end of the request.
    pub deadline: Deadline,
}

/// The outcome of asking.
#[derive(Debug, Default)]
pub struct Opinion {
    /// The judgement with its author, if anybody could judge.
    pub judged: Option<Judged>,
    /// The failures on the way.
    pub failure: Option<Outage>,
    /// The day's limit on spending decided who was asked.
    pub spend_limited: bool,
    /// The usage of models.
    pub bill: ModelUsage,
}

/// A judgement and its author.
#[derive(Debug)]
pub struct Judged {
    /// The judgement.
    pub judgement: Judgement,
    /// The provider.
    pub by: ProviderName,
    /// The class of that provider.
    pub class: ModelClass,
}

/// Asks the providers of the tier's chain in turn, the embedded model among them where it is named.
pub async fn judge(app: &App, subject: &Subject<'_>) -> Opinion {
    let usage = RunningUsage::default();
    let chains = &app.config.providers.detect;
    let tier = &subject.principal.tier;
    // The embedded model costs nothing: no budget is read for it.
    let budget = if leaves_the_process(&app.config.providers, tier) {
        app.models.budget().await
    } else {
        Budget::Whole
    };
    let (mut judged, mut failures) = (None, Vec::new());
    for name in chains.of(tier, budget) {
        let answer = match name {
            ProviderName::Local => embedded(app, subject.image).await,
            remote => Err(format!("{remote} judges no images")),
        };
        match answer {
            Ok(judgement) => {
                let (by, class) = (name.clone(), chains.class_of(name));
                judged = Some(Judged { judgement, by, class });
                break;
            }
            Err(failure) => failures.push(failure),
        }
    }
    Opinion {
        judged,
        failure: (!failures.is_empty()).then(|| Outage(failures.join("; "))),
        spend_limited: app.models.is_limited(chains, tier, budget),
        bill: usage.settled().await,
    }
}

/// Returns the depth that a plan's number of looks means.
pub(super) const fn depth(looks: Option<u64>) -> Depth {
    match looks {
        Some(14..) => Depth::Fourteen,
        _ => Depth::Four,
    }
}

/// Returns the class of a model's judgements.
pub(super) const fn class(model: ModelClass) -> Class {
    Class(model as u8)
}

/// Names a provider with the version of its judgements.
pub(super) fn author(name: &ProviderName) -> Arc<str> {
    match name {
        ProviderName::Local => format!("{name}/{}", Model::NAME).into(),
        name => name.to_string().into(),
    }
}

/// Describes a request of `tier`: judgements of every configured provider count.
pub(super) fn reader(settings: &ProviderSettings, tier: &Tier) -> Reader {
    let Chains { base, by_tier } = &settings.detect;
    let names: Vec<String> = chain(settings, tier).iter().map(ToString::to_string).collect();
    Reader {
        class: class(settings.detect.class_for(tier)),
        current: base.iter().chain(by_tier.values().flatten()).map(author).collect(),
        chain: names.join(",").into(),
        reads: Judgement::is_readable,
    }
}

/// Reports whether a tier's chain has a model elsewhere, which is shown the image in another form, and may cost money.
pub(super) fn leaves_the_process(settings: &ProviderSettings, tier: &Tier) -> bool {
    chain(settings, tier).iter().any(ProviderName::is_remote)
}

/// Reports whether a tier's chain has the embedded model as a provider of its own.
pub(super) fn has_embedded(settings: &ProviderSettings, tier: &Tier) -> bool {
    settings.detect.has_embedded(tier)
}

fn chain<'a>(settings: &'a ProviderSettings, tier: &Tier) -> &'a [ProviderName] {
    let Chains { base, by_tier } = &settings.detect;
    by_tier.get(tier).unwrap_or(base)
}

/// Asks the embedded model, which never fails but by a defect.
pub(super) async fn embedded(app: &App, image: &Prepared) -> Result<Judgement, String> {
    let looks = Arc::clone(&image.looks);
    let thresholds = app.config.detect.thresholds(embedded::KIND);
    let judged = app.processor.run(move || embedded::judge(&looks, thresholds)).await;
    match judged {
        Ok(Ok(judgement)) => Ok(judgement),
        Ok(Err(malformed)) => Err(malformed.to_string()),
        Err(crashed) => Err(crashed.to_string()),
    }
}
