//! A ranking as it is remembered: JSON bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::aggregate::{combine, nearest};
use super::answer::Sample;
use super::question::Question;

/// A ranking of a question's items, which are named by their places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The places, best first.
    pub order: Vec<usize>,
    /// By place, 0..=1.
    pub scores: Vec<f64>,
    /// The agreement of the samples, -1..=1.
    pub agreement: f64,
    /// The number of samples combined: fewer than were asked for if some had no answer.
    pub samples: usize,
    /// By place; empty if none were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Ranking {
    /// Combines samples; `None` if there is none. The reasons are those of the sample that is nearest to the whole.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let orders: Vec<Vec<usize>> = samples.iter().map(|sample| sample.order.clone()).collect();
        let consensus = combine(&orders);
        let nearest = nearest(&consensus.order, &orders)?;
        Some(Self {
            order: consensus.order,
            scores: consensus.scores,
            agreement: consensus.agreement,
            samples: samples.len(),
            reasons: samples.get(nearest)?.reasons.clone(),
        })
    }

    /// Ranks by likeness of text. The embedded ranker says the same in every sample.
    #[must_use]
    pub fn by_likeness(question: &Question) -> Self {
        let query = [question.query.as_str(), &question.criteria].join(" ");
        let texts: Vec<&str> = question.items.iter().map(String::as_str).collect();
        let scores = judge::likeness(&query, &texts);
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
        Self {
            order,
            scores: scores.into_iter().map(f64::from).collect(),
            agreement: 1.0,
            samples: question.samples,
            reasons: Vec::new(),
        }
    }

    /// Returns the rank of an item by its place, from 1 on.
    #[must_use]
    pub fn rank(&self, place: usize) -> usize {
        let position = self.order.iter().position(|other| *other == place);
        position.map_or(self.order.len(), |position| position + 1)
    }

    /// Encodes it.
    #[must_use]
    pub fn encode(&self) -> Arc<[u8]> {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Decodes what [`Self::encode`] wrote; anything else is `None`.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let ranking: Self = serde_json::from_slice(bytes).ok()?;
        let items = ranking.order.len();
        let mut seen = vec![false; items];
        for place in &ranking.order {
            *seen.get_mut(*place)? = true;
        }
        let whole = seen.into_iter().all(|seen| seen)
            && ranking.scores.len() == items
            && ranking.scores.iter().all(|score| (0.0..=1.0).contains(score))
            && (-1.0..=1.0).contains(&ranking.agreement)
            && (ranking.reasons.is_empty() || ranking.reasons.len() == items);
        whole.then_some(ranking)
    }

    /// Reports whether [`Self::decode`] can read these bytes.
    #[must_use]
    pub fn is_readable(bytes: &[u8]) -> bool {
        Self::decode(bytes).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::question::Item;
    use super::*;

    fn sample(order: &[usize], reason: &str) -> Sample {
        Sample {
            order: order.to_vec(),
            reasons: vec![reason.to_owned(); order.len()],
        }
    }

    #[test]
    fn the_reasons_are_those_of_the_sample_nearest_to_the_whole() {
        let samples = [
            sample(&[2, 1, 0], "odd"),
            sample(&[0, 2, 1], "near"),
            sample(&[0, 1, 2], "whole"),
        ];
        let ranking = Ranking::of(&samples).unwrap();
        assert_eq!((ranking.order.as_slice(), ranking.samples), ([0, 2, 1].as_slice(), 3));
        assert_eq!(ranking.reasons[0], "near");
        assert_eq!(Ranking::of(&[]), None);
    }

    #[test]
    fn a_ranking_reads_back_as_it_was_written_and_senseless_bytes_are_none() {
        let ranking = Ranking::of(&[sample(&[1, 0], "why"), sample(&[0, 1], "why")]).unwrap();
        assert_eq!(Ranking::decode(&ranking.encode()), Some(ranking));
        for bytes in [
            "",
            "{}",
            r#"{"order":[0,0],"scores":[1,0],"agreement":1,"samples":1}"#,
            r#"{"order":[0,2],"scores":[1,0],"agreement":1,"samples":1}"#,
            r#"{"order":[0,1],"scores":[1],"agreement":1,"samples":1}"#,
            r#"{"order":[0,1],"scores":[1,-1],"agreement":1,"samples":1}"#,
            r#"{"order":[0,1],"scores":[1,0],"agreement":2,"samples":1}"#,
            r#"{"order":[0,1],"scores":[1,0],"agreement":1,"samples":1,"reasons":["a"]}"#,
        ] {
            assert!(!Ranking::is_readable(bytes.as_bytes()), "{bytes}");
        }
    }

    #[test]
    fn likeness_ranks_by_query_and_criteria_and_leaves_ties_in_their_order() {
        let items = ["red shoes", "a hat", "blue shoes"].map(|text| Item { id: text, text });
        let ranking = Ranking::by_likeness(&Question::of("shoes", "blue", &items, 2, true));
        // Sorted: a hat, blue shoes, red shoes.
        assert_eq!(ranking.order, [1, 2, 0]);
        let ranking = Ranking::by_likeness(&Question::of("gloves", "", &items, 2, true));
        assert_eq!((ranking.order, ranking.scores), (vec![0, 1, 2], vec![0.0; 3]));
    }
}
