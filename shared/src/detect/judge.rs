//! The seam where the providers of a tier are asked about one image, in order, and the embedded model last.

use std::sync::Arc;

use vision::Look;

use super::embedded;
use super::judgement::Judgement;
use crate::app::App;
use crate::clock::Deadline;
use crate::config::providers::ProviderName;
use crate::error::Outage;
use crate::identity::Principal;
use crate::models::call::{ModelUsage, RunningUsage};
use crate::models::class::ModelClass;

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
    let (mut judged, mut failures) = (None, Vec::new());
    for name in chains.of(&subject.principal.tier, app.models.budget().await) {
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
        spend_limited: false,
        bill: usage.settled().await,
    }
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
