//! Items and rankings as clients write and read them, in a request or in a job.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{Item, Question, Ranking};
use crate::error::Violation;
use crate::object::Object;

const LONGEST_QUERY: usize = 500;
const LONGEST_CRITERIA: usize = 1_000;
const MOST_ITEMS: usize = 50;
const LONGEST_ID: usize = 64;
const LONGEST_TEXT: usize = 500;
const MOST_SAMPLES: usize = 5;

/// An item as a client writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyItem<'a> {
    /// The client's name for it.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The text that is ranked.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
}

/// The parts of a body that ask for a ranking.
#[derive(Debug, Clone, Copy)]
pub struct AskedRanking<'a> {
    /// The query.
    pub query: &'a str,
    /// Further criteria; may be empty.
    pub criteria: &'a str,
    /// The query and the items.
    pub items: &'a [Object<BodyItem<'a>>],
    /// How many rankings are combined.
    pub samples: usize,
}

impl<'a> AskedRanking<'a> {
    /// Returns every bound of the contract that it breaks.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        bound(&mut violations, "/query".to_owned(), self.query, 1..=LONGEST_QUERY);
        bound(
            &mut violations,
            "/criteria".to_owned(),
            self.criteria,
            0..=LONGEST_CRITERIA,
        );
        if !(2..=MOST_ITEMS).contains(&self.items.len()) {
            violations.push(Violation::at("/items", format!("must have 2 to {MOST_ITEMS} items")));
        }
        if !(1..=MOST_SAMPLES).contains(&self.samples) {
            violations.push(Violation::at("/samples", format!("must be 1 to {MOST_SAMPLES}")));
        }
        let mut ids = HashSet::with_capacity(self.items.len());
        for (n, Object(item)) in self.items.iter().enumerate().take(MOST_ITEMS) {
            bound(&mut violations, format!("/items/{n}/id"), &item.id, 1..=LONGEST_ID);
            let text = format!("/items/{n}/text");
            bound(&mut violations, text, &item.text, 1..=LONGEST_TEXT);
            if !ids.insert(&*item.id) {
                violations.push(Violation::at(format!("/items/{n}/id"), "must be unique"));
            }
        }
        violations
    }

    /// Returns the items.
    #[must_use]
    pub fn items(&self) -> Vec<Item<'a>> {
        let items = self.items.iter();
        let items = items.map(|Object(item)| Item {
            id: &item.id,
            text: &item.text,
        });
        items.collect()
    }
}

/// Notes a text whose length in characters is out of bounds.
pub fn bound(violations: &mut Vec<Violation>, pointer: String, text: &str, length: RangeInclusive<usize>) {
    let (least, most) = (*length.start(), *length.end());
    // Bytes first: counting the characters of an acceptable text is rarely needed.
    if text.len() < least || (text.len() > most && text.chars().count() > most) {
        violations.push(Violation::at(
            pointer,
            format!("must have {least} to {most} characters"),
        ));
    }
}

/// The place of an item as a client reads it.
#[derive(Debug, Serialize)]
pub struct RankResult<'a> {
    id: &'a str,
    rank: usize,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Shows a ranking, best first, under the client's names.
#[must_use]
pub fn results<'a>(question: &Question, items: &[Item<'a>], ranking: &'a Ranking) -> Vec<RankResult<'a>> {
    let places = question.places().iter().zip(items);
    let mut results: Vec<RankResult<'_>> = places
        .map(|(place, item)| RankResult {
            id: item.id,
            rank: ranking.rank(*place),
            score: ranking.scores[*place],
            reason: ranking.reasons.get(*place).map(String::as_str),
        })
        .collect();
    results.sort_by_key(|result| result.rank);
    results
}
