//! The last rung: the embedded model stands in for the providers. Its verdicts are never remembered.

use std::sync::Arc;

use super::resolve::Asking;
use super::verdict::Verdict;
use super::{Outcome, Source};

impl Asking<'_> {
    /// Lets the stand-in judge questions that have no outcome. One that it does not judge either stays without.
    pub(super) async fn stand_in(&self, outcomes: &mut [Option<Outcome>]) {
        let places = 0..outcomes.len();
        let without: Vec<usize> = places.filter(|place| outcomes[*place].is_none()).collect();
        if without.is_empty() {
            return;
        }
        let question = self.question(without.iter().map(|place| self.post(*place)).collect());
        if let Ok(verdicts) = self.app().providers.stand_in(&question).await {
            for (place, verdict) in without.into_iter().zip(verdicts) {
                outcomes[place] = Some(standing_in(verdict));
            }
        }
    }
}

fn standing_in(verdict: Verdict) -> Outcome {
    Outcome {
        score: verdict.score,
        source: Source::Local,
        explanation: verdict.explanation.map(Arc::new),
    }
}

impl Default for Outcome {
    /// Nobody judged: the post is allowed.
    fn default() -> Self {
        Self {
            score: 0.0,
            source: Source::Default,
            explanation: None,
        }
    }
}
