//! Questions that are being asked in this process: others who ask one of them meanwhile wait for the answer.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::entry::Entry;
use super::key::Key;
use crate::error::Outage;

/// All questions under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, watch::Receiver<Option<Landing>>>>>);

/// How a flight ended.
#[derive(Debug, Clone)]
pub(super) enum Landing {
    /// With an answer.
    Answered(Entry),
    /// Everybody of this chain was asked, and nobody could answer.
    Unanswered(Outage, Arc<str>),
}

/// The part of a caller in a question.
#[derive(Debug)]
pub(super) enum Claim {
    /// Nobody else asks it.
    Lead(Leader),
    /// Somebody else does.
    Follow(Follower),
}

/// The duty to ask a question. Dropped without an answer, it frees the question for the next.
#[derive(Debug)]
pub(super) struct Leader {
    flights: Flights,
    key: Key,
    landing: watch::Sender<Option<Landing>>,
}

/// A place among those who wait for an answer.
#[derive(Debug)]
pub(super) struct Follower(watch::Receiver<Option<Landing>>);

impl Flights {
    /// Takes the lead on a question, or joins those who wait for it.
    pub(super) fn claim(&self, key: &Key) -> Claim {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match flights.entry(key.clone()) {
            Place::Occupied(place) => Claim::Follow(Follower(place.get().clone())),
            Place::Vacant(place) => {
                let (landing, receiver) = watch::channel(None);
                place.insert(receiver);
                Claim::Lead(Leader {
                    flights: self.clone(),
                    key: key.clone(),
                    landing,
                })
            }
        }
    }
}

impl Leader {
    /// Ends the flight for all who wait.
    pub(super) fn land(self, landing: Landing) {
        self.landing.send_replace(Some(landing));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.key);
    }
}

impl Follower {
    /// Returns how the flight ended, or `None` when its leader went away.
    pub(super) async fn wait(mut self) -> Option<Landing> {
        let landing = self.0.wait_for(Option::is_some).await.ok()?;
        landing.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Scope;

    fn question() -> (Flights, Key) {
        (Flights::default(), Key::of("w", Scope::Everybody, &["q"]))
    }

    fn leader(claim: Claim) -> Leader {
        match claim {
            Claim::Lead(leader) => leader,
            Claim::Follow(_) => panic!("somebody has the lead"),
        }
    }

    fn follower(claim: Claim) -> Follower {
        match claim {
            Claim::Follow(follower) => follower,
            Claim::Lead(_) => panic!("nobody has the lead"),
        }
    }

    #[tokio::test]
    async fn those_who_ask_meanwhile_get_the_one_answer() {
        let (flights, key) = question();
        let leader = leader(flights.claim(&key));
        let followers = [follower(flights.claim(&key)), follower(flights.claim(&key))];
        leader.land(Landing::Answered(Entry::sample(1, 4)));
        for follower in followers {
            let landing = follower.wait().await;
            assert!(matches!(landing, Some(Landing::Answered(entry)) if entry == Entry::sample(1, 4)));
        }
        assert!(matches!(flights.claim(&key), Claim::Lead(_)), "the flight has landed");
    }

    #[tokio::test]
    async fn a_leader_who_goes_away_frees_the_question() {
        let (flights, key) = question();
        let leader = leader(flights.claim(&key));
        let follower = follower(flights.claim(&key));
        drop(leader);
        assert!(follower.wait().await.is_none());
        assert!(matches!(flights.claim(&key), Claim::Lead(_)));
    }
}
