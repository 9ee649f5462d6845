//! Questions that are being answered in this process: whoever asks one of them meanwhile waits for the answer.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{Entry, Key};
use crate::error::Outage;
use crate::plan::Tier;

/// All questions under way.
#[derive(Debug, Clone, Default)]
pub struct Flights(Arc<Mutex<HashMap<Key, watch::Receiver<Option<Landing>>>>>);

/// How a flight ended.
#[derive(Debug, Clone)]
pub enum Landing {
    /// With a verdict.
    Judged(Entry),
    /// Every provider of this tier's chain was asked, and none could judge.
    Unjudged(Outage, Tier),
}

/// What a caller is to do about a question.
#[derive(Debug)]
pub enum Claim {
    /// Answer it: nobody else does.
    Lead(Lead),
    /// Wait: somebody else does.
    Follow(Follow),
}

/// The duty to answer a question. Dropped without an answer, it frees the question for the next.
#[derive(Debug)]
pub struct Lead {
    flights: Flights,
    key: Key,
    answer: watch::Sender<Option<Landing>>,
}

/// A place among those who wait for an answer.
#[derive(Debug)]
pub struct Follow(watch::Receiver<Option<Landing>>);

impl Flights {
    /// Takes the lead on a question, or joins those who wait for it.
    #[must_use]
    pub fn claim(&self, key: &Key) -> Claim {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match flights.entry(key.clone()) {
            Slot::Occupied(slot) => Claim::Follow(Follow(slot.get().clone())),
            Slot::Vacant(slot) => {
                let (answer, receiver) = watch::channel(None);
                slot.insert(receiver);
                Claim::Lead(Lead {
                    flights: self.clone(),
                    key: key.clone(),
                    answer,
                })
            }
        }
    }
}

impl Lead {
    /// Tells all who wait how it ended.
    pub fn land(self, landing: Landing) {
        self.answer.send_replace(Some(landing));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.key);
    }
}

impl Follow {
    /// How it ended, or `None` when whoever had the lead went away.
    pub async fn wait(mut self) -> Option<Landing> {
        self.0
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|answer| answer.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::CanonicalPreference;
    use crate::classify::verdict::ModelClass;
    use crate::clock::Timestamp;

    fn entry() -> Entry {
        Entry {
            score: 0.5,
            class: ModelClass::Embedded,
            judged_at: Timestamp::from_millis(1),
            explanation: None,
        }
    }

    fn lead(claim: Claim) -> Lead {
        match claim {
            Claim::Lead(lead) => lead,
            Claim::Follow(_) => panic!("somebody has the lead"),
        }
    }

    fn follow(claim: Claim) -> Follow {
        match claim {
            Claim::Follow(follow) => follow,
            Claim::Lead(_) => panic!("nobody has the lead"),
        }
    }

    #[tokio::test]
    async fn those_who_ask_meanwhile_get_the_one_answer() {
        let (flights, key) = (Flights::default(), CanonicalPreference::of("hide").key("post"));
        let leader = lead(flights.claim(&key));
        let followers = [follow(flights.claim(&key)), follow(flights.claim(&key))];
        leader.land(Landing::Judged(entry()));
        for follower in followers {
            let landing = follower.wait().await;
            assert!(matches!(landing, Some(Landing::Judged(judged)) if judged == entry()));
        }
        assert!(matches!(flights.claim(&key), Claim::Lead(_)), "the flight has landed");
    }

    #[tokio::test]
    async fn a_leader_who_goes_away_frees_the_question() {
        let (flights, key) = (Flights::default(), CanonicalPreference::of("hide").key("post"));
        let leader = lead(flights.claim(&key));
        let follower = follow(flights.claim(&key));
        drop(leader);
        assert!(follower.wait().await.is_none());
        assert!(matches!(flights.claim(&key), Claim::Lead(_)));
    }
}
