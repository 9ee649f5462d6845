//! The embedded model as a judge: its classes as levels and categories. The worst of all looks counts.

use std::collections::BTreeMap;

use vision::{Look, Malformed, Model, Scores};

use super::judgement::{Category, Judgement};
use super::level::Level;
use crate::config::Thresholds;

/// The kind of judge that it is, in settings.
pub const KIND: &str = "local";

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
