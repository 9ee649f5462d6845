//! The state of one question of a request, and the next step. Pure.

use super::entry::{AHEAD, Answer, Entry, Freshness};
use crate::clock::Timestamp;

/// The outcome of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that somebody else was given, or that is as good as any that can be had.
    Cached(Entry),
    /// An answer that was given to this request.
    Asked(Entry),
    /// An answer past its time, as nobody could answer.
    Stale(Entry),
    /// None.
    Nobody,
}

/// The state of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is known that could be served.
    Open,
    /// An answer is known for the case that nobody answers.
    Stale(Entry),
    /// A fresh answer of a lesser class than the reader's is known.
    Lesser(Entry),
    /// A fresh answer is served, and asked for again before it runs out.
    Refreshing(Entry),
    /// The outcome is known.
    Settled(Outcome),
}

/// A question with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) state: State,
    /// The time of the newest answer that was seen, usable or not.
    seen: Timestamp,
    /// True if the table may know more.
    pub(super) unread: bool,
}

/// The others who may be asking a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// This request: the lease is its own, or none is needed.
    Ours,
    /// This request, and perhaps other instances, as the leases cannot be seen.
    Unknown,
    /// Another request of this process.
    InProcess,
    /// Another instance.
    Elsewhere,
}

/// The next step for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask it.
    Ask,
    /// Wait for the other who asks it.
    Wait,
    /// Serve what is known.
    Serve,
}

/// The use of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settlement {
    /// It is new: pass it on and store it.
    Store(Entry),
    /// It was known: pass it on.
    Keep(Entry),
    /// There is none.
    Nothing,
}

impl Question {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Open,
            seen: Timestamp::from_millis(0),
            unread: true,
        }
    }

    pub(super) const fn is_settled(&self) -> bool {
        matches!(self.state, State::Settled(_))
    }

    /// True if a fresh answer is known.
    pub(super) const fn is_hit(&self) -> bool {
        matches!(self.state, State::Settled(_) | State::Lesser(_) | State::Refreshing(_))
    }

    /// Takes an answer of another into account.
    pub(super) fn learn(&mut self, entry: &Entry, freshness: Freshness, now: Timestamp) {
        // One of a time that makes no sense says nothing about which answers are newer.
        if entry.at <= now.plus(AHEAD) {
            self.seen = self.seen.max(entry.at);
        }
        let newer = |known: &Entry| if known.at > entry.at { known } else { entry }.clone();
        let next = match (&self.state, freshness) {
            (State::Settled(_), _) | (_, Freshness::Gone) | (State::Lesser(_), Freshness::Stale) => return,
            (State::Refreshing(known), Freshness::Lesser | Freshness::Stale) => {
                State::Settled(Outcome::Cached(known.clone()))
            }
            (_, Freshness::Fresh) => State::Settled(Outcome::Cached(entry.clone())),
            (State::Lesser(known), Freshness::Lesser) => State::Lesser(newer(known)),
            (State::Open | State::Stale(_), Freshness::Lesser) => State::Lesser(entry.clone()),
            (State::Stale(known), Freshness::Stale) => State::Stale(newer(known)),
            (State::Open, Freshness::Stale) => State::Stale(entry.clone()),
        };
        self.state = next;
    }

    /// Lets a fresh answer be asked for again.
    pub(super) fn refresh(&mut self) {
        if let State::Settled(Outcome::Cached(entry)) = &self.state {
            self.state = State::Refreshing(entry.clone());
        }
    }

    /// Returns the time that an answer must be newer than to be one, for answers that are fresh since `fresh_since`.
    pub(super) fn newer_than(&self, fresh_since: Timestamp) -> Timestamp {
        self.seen.max(fresh_since)
    }

    pub(super) const fn next(&self, asker: Asker) -> Next {
        match (&self.state, asker) {
            (State::Settled(_), _) | (State::Refreshing(_), Asker::Unknown | Asker::InProcess | Asker::Elsewhere) => {
                Next::Serve
            }
            (_, Asker::Ours | Asker::Unknown) => Next::Ask,
            (_, Asker::InProcess | Asker::Elsewhere) => Next::Wait,
        }
    }

    /// Settles the question by an answer that was given at `at`.
    pub(super) fn answer(&mut self, answer: Answer, at: Timestamp) -> Settlement {
        let known = match &self.state {
            State::Lesser(entry) | State::Refreshing(entry) => Some(entry.clone()),
            _ => None,
        };
        let (outcome, settlement) = match (answer, known) {
            // A lesser answer never takes the place of a better one.
            (Answer::Given(given), Some(known)) if given.class < known.class => keep(known),
            (Answer::Given(given), _) => {
                let entry = Entry {
                    payload: given.payload,
                    class: given.class,
                    by: given.by,
                    at,
                };
                (Outcome::Asked(entry.clone()), Settlement::Store(entry))
            }
            (Answer::Known, Some(known)) => keep(known),
            (Answer::Known | Answer::Nobody, _) => {
                self.give_up();
                return Settlement::Nothing;
            }
        };
        self.state = State::Settled(outcome);
        settlement
    }

    /// Settles the question by what is known.
    pub(super) fn give_up(&mut self) {
        let outcome = match &self.state {
            State::Settled(_) => return,
            State::Open => Outcome::Nobody,
            State::Stale(entry) => Outcome::Stale(entry.clone()),
            State::Lesser(entry) | State::Refreshing(entry) => Outcome::Cached(entry.clone()),
        };
        self.state = State::Settled(outcome);
    }

    /// Returns what came of the question.
    pub(super) fn outcome(mut self) -> Outcome {
        self.give_up();
        match self.state {
            State::Settled(outcome) => outcome,
            _ => Outcome::Nobody,
        }
    }
}

fn keep(known: Entry) -> (Outcome, Settlement) {
    (Outcome::Cached(known.clone()), Settlement::Keep(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::{Class, Given};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn entry(at: i64, class: u8) -> Entry {
        Entry {
            class: Class(class),
            ..Entry::sample(at, 4)
        }
    }

    fn in_state(state: State) -> Question {
        Question {
            state,
            ..Question::new()
        }
    }

    fn all() -> [State; 5] {
        [
            State::Open,
            State::Stale(entry(1, 1)),
            State::Lesser(entry(1, 1)),
            State::Refreshing(entry(1, 1)),
            State::Settled(Outcome::Cached(entry(1, 1))),
        ]
    }

    fn cached(entry: Entry) -> State {
        State::Settled(Outcome::Cached(entry))
    }

    #[test]
    fn each_state_and_each_asker_lead_to_one_step() {
        use Asker::{Elsewhere, InProcess, Ours, Unknown};
        use Next::{Ask, Serve, Wait};
        let askers = [Ours, Unknown, InProcess, Elsewhere];
        let expected = [
            [Ask, Ask, Wait, Wait],
            [Ask, Ask, Wait, Wait],
            [Ask, Ask, Wait, Wait],
            [Ask, Serve, Serve, Serve],
            [Serve, Serve, Serve, Serve],
        ];
        for (state, expected) in all().into_iter().zip(expected) {
            let question = in_state(state);
            assert_eq!(askers.map(|asker| question.next(asker)), expected, "{question:?}");
        }
    }

    #[test]
    fn a_fresh_answer_of_another_settles_every_open_question() {
        for state in all().into_iter().take(4) {
            let mut question = in_state(state);
            question.learn(&entry(5, 1), Freshness::Fresh, NOW);
            assert_eq!(question.state, cached(entry(5, 1)));
        }
    }

    #[test]
    fn answers_that_are_not_fresh_are_kept_in_hand() {
        let new = entry(5, 1);
        let expected = [
            [State::Lesser(new.clone()), State::Stale(new.clone()), State::Open],
            [
                State::Lesser(new.clone()),
                State::Stale(new.clone()),
                State::Stale(entry(1, 1)),
            ],
            [
                State::Lesser(new.clone()),
                State::Lesser(entry(1, 1)),
                State::Lesser(entry(1, 1)),
            ],
            [cached(entry(1, 1)), cached(entry(1, 1)), State::Refreshing(entry(1, 1))],
            [cached(entry(1, 1)), cached(entry(1, 1)), cached(entry(1, 1))],
        ];
        for (state, expected) in all().into_iter().zip(expected) {
            let freshness = [Freshness::Lesser, Freshness::Stale, Freshness::Gone];
            for (freshness, expected) in freshness.into_iter().zip(expected) {
                let mut question = in_state(state.clone());
                question.learn(&new, freshness, NOW);
                assert_eq!(question.state, expected, "{state:?} {freshness:?}");
            }
        }
    }

    #[test]
    fn of_two_answers_in_hand_the_newer_stays() {
        for freshness in [Freshness::Lesser, Freshness::Stale] {
            let mut question = Question::new();
            for at in [5, 3] {
                question.learn(&entry(at, 1), freshness, NOW);
            }
            question.give_up();
            assert!(
                matches!(question.outcome(), Outcome::Cached(kept) | Outcome::Stale(kept) if kept.at.millis() == 5)
            );
        }
    }

    #[test]
    fn only_what_is_newer_than_all_that_was_seen_is_an_answer() {
        let fresh_since = Timestamp::from_millis(10);
        let mut question = Question::new();
        assert_eq!(question.newer_than(fresh_since), fresh_since);
        for (at, freshness, expected) in [
            (5, Freshness::Stale, 10),
            (20, Freshness::Gone, 20),
            (30, Freshness::Lesser, 30),
            (15, Freshness::Stale, 30),
            (i64::MAX, Freshness::Gone, 30),
        ] {
            question.learn(&entry(at, 1), freshness, NOW);
            assert_eq!(question.newer_than(fresh_since).millis(), expected);
        }
    }

    fn given(class: u8) -> Answer {
        let Entry { payload, by, .. } = entry(9, class);
        Answer::Given(Given {
            payload,
            class: Class(class),
            by,
        })
    }

    #[test]
    fn each_answer_settles_by_what_is_known() {
        let known = || entry(1, 2);
        let asked = |class: u8| (Outcome::Asked(entry(9, class)), Settlement::Store(entry(9, class)));
        let kept = || (Outcome::Cached(known()), Settlement::Keep(known()));
        let served = |outcome: Outcome| (outcome, Settlement::Nothing);
        for (state, answer, (outcome, settlement)) in [
            (State::Open, given(1), asked(1)),
            (State::Stale(known()), given(1), asked(1)),
            (State::Lesser(known()), given(3), asked(3)),
            (State::Lesser(known()), given(1), kept()),
            (State::Refreshing(known()), given(2), asked(2)),
            (State::Refreshing(known()), given(1), kept()),
            (State::Lesser(known()), Answer::Known, kept()),
            (State::Lesser(known()), Answer::Nobody, served(Outcome::Cached(known()))),
            (
                State::Refreshing(known()),
                Answer::Nobody,
                served(Outcome::Cached(known())),
            ),
            (State::Stale(known()), Answer::Nobody, served(Outcome::Stale(known()))),
            (State::Open, Answer::Known, served(Outcome::Nobody)),
        ] {
            let mut question = in_state(state.clone());
            let what = format!("{state:?} {answer:?}");
            assert_eq!(question.answer(answer, Timestamp::from_millis(9)), settlement, "{what}");
            assert_eq!(question.state, State::Settled(outcome), "{what}");
        }
    }

    #[test]
    fn only_a_cached_answer_is_refreshed() {
        let mut question = in_state(cached(entry(1, 1)));
        question.refresh();
        assert_eq!(question.state, State::Refreshing(entry(1, 1)));
        for state in [State::Open, State::Settled(Outcome::Nobody)] {
            let mut question = in_state(state.clone());
            question.refresh();
            assert_eq!(question.state, state);
        }
    }
}
