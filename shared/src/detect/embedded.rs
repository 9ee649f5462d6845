//! The embedded model as a judge: its classes as levels and categories. The worst of all looks counts.

use std::collections::BTreeMap;

use vision::{Look, Malformed, Model, Picture, Scores, Unreadable, looks};

use super::frames;
use super::judgement::{Category, Judgement};
use super::level::Level;
use crate::config::Thresholds;

/// The kind of judge that it is, in settings.
pub const KIND: &str = "local";

/// The reason why a file was not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotJudged {
    /// It is no image within the bounds.
    #[error("the file {0}")]
    Unreadable(#[from] Unreadable),
    /// The model cannot be used.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Decodes and judges the file of an image, with as many looks as a plan's number means.
///
/// # Errors
/// [`NotJudged`].
pub fn judge_file(bytes: &[u8], looks: u64, thresholds: Thresholds) -> Result<Judgement, NotJudged> {
    let picture = Picture::decode(bytes)?;
    let regions = looks::of(&picture, frames::depth(Some(looks)));
    let looks: Vec<Look> = regions
        .into_iter()
        .filter_map(|region| Look::at(&picture, region))
        .collect();
    Ok(judge(&looks, thresholds)?)
}

/// Judges the looks at one image. It takes some 20 ms of a core for each, and is not to be run where requests are awaited.
///
/// # Errors
/// If the model in the program cannot be used, or there are no looks.
pub fn judge(looks: &[Look], thresholds: Thresholds) -> Result<Judgement, Malformed> {
    let model = Model::load()?;
    let judge = |look: &Look| Ok(of_scores(&model.score(look)?, thresholds));
    let mut judgements = looks.iter().map(judge);
    let first = judgements.next().unwrap_or(Err(Malformed::NOTHING_TO_SEE))?;
    judgements.try_fold(first, |worst, next| Ok(worst.or_worse(next?)))
}

/// Returns the judgement of one look.
#[must_use]
pub fn of_scores(scores: &Scores, thresholds: Thresholds) -> Judgement {
    let (explicit, score) = (scores.explicit().min(1.0), scores.unsafe_at_all().min(1.0));
    Judgement {
        level: Level::of_two(explicit, score, thresholds),
        score,
        categories: BTreeMap::from([(Category::Sexual, explicit), (Category::Suggestive, scores.sexy)]),
        labels: scores.by_name().map(|(name, score)| (name.to_owned(), score)).into(),
        model: Model::NAME.to_owned(),
    }
}
