//! The seam where the providers of a tier are asked about one image, in order, and the embedded model last.

use std::sync::Arc;

use vision::looks::Region;
use vision::{Look, Picture, Unreadable};

use super::judgement::Judgement;
use super::{cascade, embedded, prompt};
use crate::app::App;
use crate::clock::Deadline;
use crate::config::providers::ProviderName;
use crate::error::Outage;
use crate::identity::Principal;
use crate::models::call::{CallContext, ModelUsage, RunningUsage};
use crate::models::chain::{Answered, ChainAnswer};
use crate::models::class::ModelClass;

/// An image, decoded, in the forms in which judges are shown it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The looks of the embedded model.
    pub looks: Arc<[Look]>,
    /// A small JPEG for models elsewhere, where the chain has any.
    pub jpeg: Option<Arc<[u8]>>,
}

impl Prepared {
    /// Prepares looks at these regions of a picture, and all of it in small for judges elsewhere.
    ///
    /// # Errors
    /// If a region is not within the picture, or it cannot be encoded.
    pub fn of(picture: &Picture, regions: &[Region], elsewhere: bool) -> Result<Self, Unreadable> {
        let looks = regions.iter().map(|region| Look::at(picture, *region));
        let looks = looks.collect::<Option<Arc<[Look]>>>();
        let jpeg = elsewhere.then(|| picture.shrunk()).transpose()?;
        Ok(Self {
            looks: looks.ok_or(Unreadable::Damaged)?,
            jpeg: jpeg.map(Arc::from),
        })
    }
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

/// Asks the providers of the tier's chain in turn, the embedded model among them where it is named. Where the embedded model looks
/// first, they are asked only if it is in doubt.
pub async fn judge(app: &App, subject: &Subject<'_>) -> Opinion {
    let settings = &app.config.providers;
    let by_embedded = |judgement| Judged {
        judgement,
        by: ProviderName::Local,
        class: ModelClass::Embedded,
    };
    if let Some(doubt) = settings.detect_doubt
        && let Ok(judgement) = embedded(app, subject.image).await
        && !cascade::is_doubtful(&judgement, doubt)
    {
        return Opinion {
            judged: Some(by_embedded(judgement)),
            ..Opinion::default()
        };
    }
    let usage = RunningUsage::default();
    let asked = ask_elsewhere(app, subject, &usage).await;
    let mut failures: Vec<String> = asked.failure.iter().map(ToString::to_string).collect();
    let judged = match asked.answer {
        Some(Answered { value, by, class }) => Some(Judged {
            judgement: value,
            by,
            class,
        }),
        None if settings.detect.has_embedded(&subject.principal.tier) => match embedded(app, subject.image).await {
            Ok(judgement) => Some(by_embedded(judgement)),
            Err(failure) => {
                failures.push(format!("{}: {failure}", ProviderName::Local));
                None
            }
        },
        None => None,
    };
    Opinion {
        judged,
        failure: (!failures.is_empty()).then(|| Outage(failures.join("; "))),
        spend_limited: asked.spend_limited,
        bill: usage.settled().await,
    }
}

/// Asks the chain's models beyond this process, which are shown a small JPEG.
async fn ask_elsewhere(app: &App, subject: &Subject<'_>, usage: &RunningUsage) -> ChainAnswer<Judgement> {
    let Some(jpeg) = &subject.image.jpeg else {
        return ChainAnswer {
            answer: None,
            failure: None,
            spend_limited: false,
        };
    };
    let context = CallContext {
        payer: subject.principal,
        deadline: subject.deadline,
        trace: subject.trace,
        blamed: &[subject.principal.user.as_str(), subject.digest],
        is_retry: false,
        usage,
    };
    let read = |name: &ProviderName, text: &str| cascade::read(name, text, &app.config.detect);
    let chains = &app.config.providers.detect;
    app.models
        .first_answer(chains, &prompt::question(jpeg), &context, read)
        .await
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
