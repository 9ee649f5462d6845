//! Leases: who in the fleet may ask a question now, and what becomes of those who may not.
//!
//! A lease lives in the shared cache for [`LENGTH`] and is renewed every [`RENEWAL`] while its holder asks, so one whose holder
//! died lapses by itself. It is the holder's token. A holder that lost it can store nothing any more (`lua/store.lua`).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::entry::{Entry, Update};
use super::key::Key;
use crate::clock::{Deadline, Timestamp};
use crate::ids::random_bytes;

/// How long a lease lasts that nobody renews.
pub const LENGTH: Duration = Duration::from_secs(3);

/// How often its holder renews it.
pub const RENEWAL: Duration = Duration::from_secs(1);

/// How often those who wait for an answer look for it.
pub const LOOK: Duration = Duration::from_millis(50);

/// Names a request among all that ever ask for a lease: 16 of the base64url alphabet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// Draws a new one; `None` where the system has no randomness.
    #[must_use]
    pub fn draw() -> Option<Self> {
        let bytes = random_bytes::<12>().ok()?;
        Some(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// Reads the token that the shared cache holds as `text`.
    #[must_use]
    pub fn held(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the form in which the shared cache holds it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A question that the caller would like to have answered.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// The question.
    pub key: Key,
    /// Only a later answer is one.
    pub newer_than: Timestamp,
    /// The action on the lease.
    pub wish: Wish,
}

/// The action on a lease, if there is no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Take it if it is free.
    Claim,
    /// Only look.
    Watch,
    /// Take it if it is free, or still held by this one, who has had it for too long.
    TakeFrom(Token),
}

/// How a question stands in the fleet.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseState {
    /// It has been answered.
    Answered(Entry),
    /// The lease is the caller's.
    Granted,
    /// Somebody else has it.
    Held(Token),
    /// Nobody has it, and the caller did not want it.
    Free,
}

/// How much time a request has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// Enough to wait for somebody else.
    Enough,
    /// Enough to ask, if it begins now.
    Little,
    /// None.
    Nothing,
}

impl Remaining {
    /// Reads a deadline. In its last quarter a request waits for others no more, so that there is time to ask.
    #[must_use]
    pub fn of(deadline: Deadline) -> Self {
        if deadline.left().is_zero() {
            Self::Nothing
        } else if deadline.is_near() {
            Self::Little
        } else {
            Self::Enough
        }
    }
}

/// A request that waits for the answer to another's question.
#[derive(Debug, Clone)]
pub struct Waiter {
    /// True if a stale answer would do: one that was good until it was too old.
    pub has_stale: bool,
    /// The holder of the lease when the wait began.
    pub holder: Token,
}

/// A waiter's next step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Take this answer.
    Settle(Entry),
    /// Ask: the lease is its own now.
    Ask,
    /// Go on waiting.
    Wait,
    /// Do without a new answer.
    GiveUp,
}

impl Waiter {
    /// Returns what to wish for at the next look. A waiter with a stale answer leaves the lease to others. One without takes it
    /// once it lapses; with its own time near, it takes it from the first holder. Only one of many can, as it is another's then.
    #[must_use]
    pub fn wish(&self, remaining: Remaining) -> Wish {
        match remaining {
            _ if self.has_stale => Wish::Watch,
            Remaining::Nothing => Wish::Watch,
            Remaining::Enough => Wish::Claim,
            Remaining::Little => Wish::TakeFrom(self.holder.clone()),
        }
    }

    /// Returns the next step.
    #[must_use]
    pub fn step(&self, state: LeaseState, remaining: Remaining) -> Step {
        match (state, remaining) {
            (LeaseState::Answered(entry), _) => Step::Settle(entry),
            (LeaseState::Granted, _) => Step::Ask,
            (LeaseState::Held(_), Remaining::Enough) => Step::Wait,
            (LeaseState::Held(_), Remaining::Little) if !self.has_stale => Step::Wait,
            (LeaseState::Held(_) | LeaseState::Free, _) => Step::GiveUp,
        }
    }
}

/// Entries to be written, and leases to be given back with them.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// The token under which the questions were asked.
    pub token: Option<&'a Token>,
    /// The answers, of one group.
    pub updates: &'a [Update],
    /// Questions of the same group whose leases are given back without an answer.
    pub released: &'a [Key],
    /// How long an answer is kept from when it was given.
    pub kept: Duration,
    /// True if they are worth a write to the table.
    pub in_table: bool,
    /// The time of the request.
    pub now: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(has_stale: bool) -> Waiter {
        Waiter {
            has_stale,
            holder: Token::held("first"),
        }
    }

    const ALL: [Remaining; 3] = [Remaining::Enough, Remaining::Little, Remaining::Nothing];

    #[test]
    fn an_answer_ends_every_wait() {
        let entry = Entry::sample(1, 4);
        for remaining in ALL {
            for has_stale in [true, false] {
                let step = waiter(has_stale).step(LeaseState::Answered(entry.clone()), remaining);
                assert_eq!(step, Step::Settle(entry.clone()));
            }
        }
    }

    #[test]
    fn a_waiter_with_a_stale_answer_waits_while_somebody_asks_and_never_takes_the_lease() {
        let waiter = waiter(true);
        for (remaining, of_held) in ALL.into_iter().zip([Step::Wait, Step::GiveUp, Step::GiveUp]) {
            assert_eq!(waiter.wish(remaining), Wish::Watch);
            let held = LeaseState::Held(Token::held("any"));
            assert_eq!(waiter.step(held, remaining), of_held);
            assert_eq!(waiter.step(LeaseState::Free, remaining), Step::GiveUp);
        }
    }

    #[test]
    fn a_waiter_without_takes_the_lease_when_it_lapses_and_from_its_first_holder_when_time_is_near() {
        let waiter = waiter(false);
        let held = || LeaseState::Held(Token::held("second"));
        assert_eq!(waiter.wish(Remaining::Enough), Wish::Claim);
        assert_eq!(waiter.wish(Remaining::Little), Wish::TakeFrom(Token::held("first")));
        for remaining in [Remaining::Enough, Remaining::Little] {
            assert_eq!(waiter.step(LeaseState::Granted, remaining), Step::Ask);
            assert_eq!(waiter.step(held(), remaining), Step::Wait);
        }
        assert_eq!(waiter.wish(Remaining::Nothing), Wish::Watch);
        assert_eq!(waiter.step(held(), Remaining::Nothing), Step::GiveUp);
    }
}
