//! Experiments: the same items ranked in several categories, kept, and compared with others. Pure but for [`store`].

pub mod store;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::Violation;
use crate::object::present;
use crate::text::canonical::canonical;

const LONGEST_NAME: usize = 100;
const MOST_ITEMS: usize = 10;
const MOST_CATEGORIES: usize = 5;
const LONGEST_TEXT: usize = 500;
const MOST_SAMPLES: usize = 5;

/// The parts of an experiment, as its client writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Design {
    /// A name for its owner.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The items, each once.
    pub items: Vec<String>,
    /// The categories, each a query by itself.
    pub categories: Vec<String>,
    /// How often each category is asked.
    #[serde(default = "three")]
    pub samples: usize,
}

const fn three() -> usize {
    3
}

impl Design {
    /// Returns every bound of the contract that it breaks.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        if let Some(name) = &self.name {
            bound(&mut violations, "/name".to_owned(), name, LONGEST_NAME);
        }
        each(&mut violations, "/items", &self.items, 2..=MOST_ITEMS);
        each(&mut violations, "/categories", &self.categories, 1..=MOST_CATEGORIES);
        if !(1..=MOST_SAMPLES).contains(&self.samples) {
            violations.push(Violation::at("/samples", format!("must be 1 to {MOST_SAMPLES}")));
        }
        violations
    }

    /// Returns the rankings that it takes.
    #[must_use]
    pub const fn rankings(&self) -> usize {
        self.categories.len() * self.samples
    }
}

fn bound(violations: &mut Vec<Violation>, pointer: String, text: &str, most: usize) {
    if text.is_empty() || text.chars().count() > most {
        violations.push(Violation::at(pointer, format!("must have 1 to {most} characters")));
    }
}

fn each(violations: &mut Vec<Violation>, pointer: &str, texts: &[String], number: std::ops::RangeInclusive<usize>) {
    if !number.contains(&texts.len()) {
        let (least, most) = number.clone().into_inner();
        violations.push(Violation::at(pointer, format!("must have {least} to {most} entries")));
    }
    let mut seen = HashSet::with_capacity(texts.len());
    for (n, text) in texts.iter().enumerate().take(*number.end()) {
        bound(violations, format!("{pointer}/{n}"), text, LONGEST_TEXT);
        // Two spellings of one text cannot be told apart by a ranking.
        if !seen.insert(canonical(text)) {
            violations.push(Violation::at(format!("{pointer}/{n}"), "must be unique"));
        }
    }
}

/// How an experiment, or one of its categories, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// It waits, or is worked on.
    Queued,
    /// It is ranked: of an experiment, at least one category.
    Done,
    /// Nobody could rank it.
    Failed,
}

/// An item's place in a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedItem {
    /// The item.
    pub item: String,
    /// From 1 on.
    pub rank: usize,
    /// Why, if the ranker says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The outcome of a category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CategoryOutcome {
    /// The category.
    pub category: String,
    /// Done or failed.
    pub status: Progress,
    /// Its items, best first; none if it failed.
    pub results: Vec<PlacedItem>,
    /// How far the samples agree, -1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// The source of the ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// An item's mean rank over the categories that are done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AverageRank {
    /// The item.
    pub item: String,
    /// Its mean rank.
    pub rank: f64,
}

/// An experiment as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Its id.
    pub id: String,
    /// Its parts.
    pub design: Design,
    /// The time of its submit.
    pub created_at: Timestamp,
    /// The end of its work, once that has ended.
    pub finished_at: Option<Timestamp>,
    /// The outcome of each category, once that is known.
    pub categories: Vec<CategoryOutcome>,
}

/// Returns how an experiment stands whose work has ended.
#[must_use]
pub fn progress_of(categories: &[CategoryOutcome]) -> Progress {
    if categories.iter().any(|one| one.status == Progress::Done) {
        Progress::Done
    } else {
        Progress::Failed
    }
}

/// Returns the mean rank of each item over the categories that are done, best first; items of one mean in the order of their texts.
#[must_use]
pub fn average_ranks(categories: &[CategoryOutcome]) -> Vec<AverageRank> {
    let mut ranks: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for placed in categories.iter().flat_map(|category| &category.results) {
        ranks.entry(&placed.item).or_default().push(placed.rank);
    }
    let mut averages: Vec<AverageRank> = ranks
        .into_iter()
        .map(|(item, ranks)| AverageRank {
            item: item.to_owned(),
            rank: mean(&ranks),
        })
        .collect();
    averages.sort_by(|one, other| one.rank.total_cmp(&other.rank));
    averages
}

#[expect(clippy::cast_precision_loss, reason = "a few ranks of a few items")]
fn mean(ranks: &[usize]) -> f64 {
    ranks.iter().sum::<usize>() as f64 / ranks.len().max(1) as f64
}

/// The change of an item between two experiments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankChange<R> {
    /// The item.
    pub item: String,
    /// Its rank in the other experiment.
    pub before: R,
    /// Its rank in this one.
    pub after: R,
    /// How far it has risen: below 0 if it fell.
    pub change: f64,
}

/// The changes within a category.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CategoryChanges {
    /// The category.
    pub category: String,
    /// Its items that both experiments have, in the order of this one.
    pub items: Vec<RankChange<usize>>,
}

/// Compares what came of two experiments: the categories that are done in both, and the items that both have. Texts are the same
/// however they are spelt.
#[must_use]
pub fn compare(this: &[CategoryOutcome], other: &[CategoryOutcome]) -> (Vec<CategoryChanges>, Vec<RankChange<f64>>) {
    let done = |one: &&CategoryOutcome| one.status == Progress::Done;
    let categories = this.iter().filter(done).filter_map(|after| {
        let same = |before: &&CategoryOutcome| canonical(&before.category) == canonical(&after.category);
        let before = other.iter().filter(done).find(same)?;
        let items = after.results.iter().filter_map(|placed| {
            let found = before
                .results
                .iter()
                .find(|one| canonical(&one.item) == canonical(&placed.item))?;
            Some(RankChange {
                item: placed.item.clone(),
                before: found.rank,
                after: placed.rank,
                change: mean(&[found.rank]) - mean(&[placed.rank]),
            })
        });
        Some(CategoryChanges {
            category: after.category.clone(),
            items: items.collect(),
        })
    });
    let before = average_ranks(other);
    let averages = average_ranks(this).into_iter().filter_map(|after| {
        let found = before
            .iter()
            .find(|one| canonical(&one.item) == canonical(&after.item))?;
        Some(RankChange {
            change: found.rank - after.rank,
            before: found.rank,
            after: after.rank,
            item: after.item,
        })
    });
    (categories.collect(), averages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(items: &[&str], categories: &[&str], samples: usize) -> Design {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Design {
            name: None,
            items: owned(items),
            categories: owned(categories),
            samples,
        }
    }

    fn outcome(category: &str, items: &[&str]) -> CategoryOutcome {
        CategoryOutcome {
            category: category.to_owned(),
            status: if items.is_empty() {
                Progress::Failed
            } else {
                Progress::Done
            },
            results: items
                .iter()
                .enumerate()
                .map(|(n, item)| PlacedItem {
                    item: (*item).to_owned(),
                    rank: n + 1,
                    reason: None,
                })
                .collect(),
            agreement: None,
            source: None,
        }
    }

    #[test]
    fn each_broken_bound_is_named() {
        let long = "x".repeat(501);
        let many: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (asked, pointers) in [
            (design(&["a", "b"], &["c"], 3), vec![]),
            (design(&many[..10], &many[..5], 5), vec![]),
            (design(&["a"], &[], 0), vec!["/items", "/categories", "/samples"]),
            (design(&many, &many[..6], 6), vec!["/items", "/categories", "/samples"]),
            (design(&["a", ""], &[&long], 1), vec!["/items/1", "/categories/0"]),
            (
                design(&["Nike", " nike"], &["c", "C"], 1),
                vec!["/items/1", "/categories/1"],
            ),
        ] {
            let found = asked.violations();
            let found: Vec<&str> = found.iter().map(|one| one.pointer.as_str()).collect();
            assert_eq!(found, pointers);
        }
        let named = Design {
            name: Some(String::new()),
            ..design(&["a", "b"], &["c"], 1)
        };
        assert_eq!(named.violations()[0].pointer, "/name");
        let read: Design = serde_json::from_str(r#"{"items":["a","b"],"categories":["c","d"]}"#).unwrap();
        assert_eq!((read.samples, read.rankings()), (3, 6));
    }

    #[test]
    fn the_average_is_of_the_categories_that_are_done() {
        let categories = [
            outcome("x", &["a", "b", "c"]),
            outcome("y", &[]),
            outcome("z", &["b", "a", "c"]),
        ];
        let averages = average_ranks(&categories);
        let averages: Vec<(&str, f64)> = averages.iter().map(|one| (one.item.as_str(), one.rank)).collect();
        assert_eq!(averages, [("a", 1.5), ("b", 1.5), ("c", 3.0)]);
        assert_eq!(progress_of(&categories), Progress::Done);
        assert_eq!(progress_of(&categories[1..2]), Progress::Failed);
        assert!(average_ranks(&[]).is_empty());
    }

    #[test]
    fn a_comparison_is_of_what_both_have() {
        let before = [
            outcome("Running", &["a", "b", "c"]),
            outcome("hiking", &["a", "b"]),
            outcome("old", &["a"]),
        ];
        let after = [
            outcome("running", &["C", "a", "d"]),
            outcome("hiking", &[]),
            outcome("new", &["a"]),
        ];
        let (categories, averages) = compare(&after, &before);
        let change = |item: &str, before, after, change| RankChange {
            item: item.to_owned(),
            before,
            after,
            change,
        };
        assert_eq!(
            categories,
            [CategoryChanges {
                category: "running".to_owned(),
                items: vec![change("C", 3, 1, 2.0), change("a", 1, 2, -1.0)],
            }]
        );
        let found: Vec<(&str, f64)> = averages.iter().map(|one| (one.item.as_str(), one.change)).collect();
        assert_eq!(found, [("C", 2.0), ("a", -0.5)]);
        let (same, _) = compare(&before, &before);
        assert!(same.iter().flat_map(|one| &one.items).all(|item| item.change == 0.0));
    }
}
