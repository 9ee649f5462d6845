//! What is served where no provider that is configured has answered: rung by rung, down to nothing.

use std::sync::Arc;

use super::Work;
use crate::cache::Key;
use crate::classify::verdict::Verdict;
use crate::classify::{Ask, Degraded, Outcome, Source};

impl Work<'_> {
    /// Others judge these, and there is no more time to wait for them.
    pub(super) async fn give_up(&mut self, ask: &Ask<'_>, keys: Vec<Key>) {
        if !keys.is_empty() {
            self.figures.model_failure = Some("another request judges, and has not come to an end".to_owned());
            self.go_down_the_ladder(ask, keys).await;
        }
    }

    /// Nobody who is configured answered: a stale verdict, else the stand-in's, else none (which allows the post).
    pub(super) async fn go_down_the_ladder(&mut self, ask: &Ask<'_>, keys: Vec<Key>) {
        // A verdict that was to be judged anew is served as it is.
        let mut unsettled = Vec::new();
        for key in keys {
            match self.lesser.remove(&key) {
                _ if self.settled.contains_key(&key) => {}
                Some(entry) => self.settle(&key, &entry, Source::Cache),
                None => unsettled.push(key),
            }
        }
        if unsettled.is_empty() {
            return;
        }
        self.degraded.push(Degraded::Model);
        let mut without = Vec::new();
        for key in unsettled {
            match self.stale.remove(&key) {
                Some(entry) => self.settle(&key, &entry, Source::Stale),
                None => without.push(key),
            }
        }
        if without.is_empty() {
            return;
        }
        let question = self.question(ask, without.iter());
        if let Ok(verdicts) = ask.app.providers.stand_in(&question).await {
            for (key, verdict) in without.into_iter().zip(verdicts) {
                self.settled.insert(key, standing_in(verdict));
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
