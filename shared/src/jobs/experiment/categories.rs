//! The work of an experiment: every category is ranked, side by side.

use futures_util::future::join_all;

use super::failed;
use crate::admission;
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::jobs::message::JobMessage;
use crate::rank::experiment::{CategoryOutcome, Design, PlacedItem, Progress};
use crate::rank::{self, Figures, Item, Question, Ranked};
use crate::telemetry::{Degraded, Work};

/// The outcome of the categories, and its cost.
#[derive(Debug, Default)]
pub(in crate::jobs) struct CategoriesRun {
    pub(in crate::jobs) outcomes: Vec<CategoryOutcome>,
    /// Rankings that were not got.
    pub(in crate::jobs) unused: usize,
    /// Why a category failed, if one did.
    pub(in crate::jobs) cause: Option<String>,
    pub(in crate::jobs) works: Vec<Work>,
    pub(in crate::jobs) degraded: Vec<Degraded>,
}

/// Ranks every category.
pub(in crate::jobs) async fn run(app: &App, message: &JobMessage, design: &Design, now: Timestamp) -> CategoriesRun {
    let categories = design.categories.iter();
    let ranked = join_all(categories.map(|category| rank(app, message, (design, category), now))).await;
    let mut run = CategoriesRun::default();
    for (category, (work, result)) in design.categories.iter().zip(ranked) {
        run.works.push(work);
        match result {
            Ok((question, ranked)) => {
                run.unused += design.samples.saturating_sub(ranked.ranking.samples);
                run.degraded.extend_from_slice(&ranked.degraded);
                run.outcomes.push(outcome(category, design, &question, &ranked));
            }
            Err(error) => {
                run.unused += design.samples;
                run.degraded.push(Degraded::Model);
                run.cause = Some(error.cause().unwrap_or_else(|| error.to_string()));
                run.outcomes.push(failed(category));
            }
        }
    }
    run.degraded.sort_unstable();
    run.degraded.dedup();
    run
}

/// Ranks one category.
async fn rank(
    app: &App,
    message: &JobMessage,
    (design, category): (&Design, &str),
    now: Timestamp,
) -> (Work, Result<(Question, Ranked), Error>) {
    let items = items(design);
    let request = rank::Request {
        question: Question::of(category, "", &items, design.samples, true),
        may_stand_in: false,
        idempotency: None,
        trace: message.trace.clone(),
        now,
    };
    let admitted = admission::prepaid(&message.principal, message.job.meter(), now);
    let mut figures = Figures::default();
    let ranked = rank::run(app, &message.principal, &request, &admitted, &mut figures).await;
    (
        figures.work(design.samples),
        ranked.map(|ranked| (request.question, ranked)),
    )
}

/// Items of an experiment are their own names.
fn items(design: &Design) -> Vec<Item<'_>> {
    design.items.iter().map(|item| Item { id: item, text: item }).collect()
}

fn outcome(category: &str, design: &Design, question: &Question, ranked: &Ranked) -> CategoryOutcome {
    let ranking = &ranked.ranking;
    let mut results: Vec<PlacedItem> = question
        .places()
        .iter()
        .zip(&design.items)
        .map(|(place, item)| PlacedItem {
            item: item.clone(),
            rank: ranking.rank(*place),
            reason: ranking.reasons.get(*place).cloned(),
        })
        .collect();
    results.sort_by_key(|placed| placed.rank);
    CategoryOutcome {
        category: category.to_owned(),
        status: Progress::Done,
        results,
        agreement: Some(ranking.agreement),
        source: Some(ranked.source.name().to_owned()),
    }
}
