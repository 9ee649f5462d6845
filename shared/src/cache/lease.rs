//! Leases: who in the fleet may judge a question now, and what becomes of those who may not.
//!
//! A lease lives in the shared cache for [`LENGTH`] and is renewed every [`RENEWAL`] while its holder judges, so one whose
//! holder died lapses by itself. It is the holder's token; who lost it can store nothing any more (`lua/store.lua`).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Entry, Key};
use crate::clock::{Deadline, Timestamp};
use crate::ids::random_bytes;

/// How long a lease lasts that nobody renews.
pub const LENGTH: Duration = Duration::from_secs(3);

/// How often its holder renews it.
pub const RENEWAL: Duration = Duration::from_secs(1);

/// How often those who wait for a verdict look whether it is there.
pub const LOOK: Duration = Duration::from_millis(50);

/// Names a request among all that ever ask for a lease: 16 of the base64url alphabet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// A new one; `None` where the system has no randomness.
    #[must_use]
    pub fn draw() -> Option<Self> {
        let bytes = random_bytes::<12>().ok()?;
        Some(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// The token that the shared cache holds as `text`.
    #[must_use]
    pub fn held(text: &str) -> Self {
        Self(text.into())
    }

    /// As the shared cache holds it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A question that the caller would like to have answered.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which.
    pub key: Key,
    /// What was judged later than this is an answer.
    pub newer_than: Timestamp,
    /// What else would do.
    pub wish: Wish,
}

/// What to do about a lease, if there is no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Take it if it is free.
    Claim,
    /// Only look.
    Watch,
    /// Take it if it is free, or still held by this one, who has had it for too long.
    TakeFrom(Token),
}

/// What there is to say about a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It has been answered.
    Judged(Entry),
    /// The lease is the caller's.
    Granted,
    /// Somebody else has it.
    Held(Token),
    /// Nobody has it, and the caller did not want it.
    Free,
}

/// How much time a request has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Enough to wait for somebody else.
    Waits,
    /// Enough to judge, if it begins now.
    Near,
    /// None.
    Over,
}

impl Patience {
    /// In its last quarter a request waits for others no more, so that there is time to judge.
    #[must_use]
    pub fn of(deadline: Deadline) -> Self {
        if deadline.left().is_zero() {
            Self::Over
        } else if deadline.is_near() {
            Self::Near
        } else {
            Self::Waits
        }
    }
}

/// Somebody who waits for another's verdict.
#[derive(Debug, Clone)]
pub struct Waiter {
    /// Whether a stale verdict would do.
    pub has_stale: bool,
    /// Who had the lease when the wait began.
    pub holder: Token,
}

/// What a waiter does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Take this verdict.
    Settle(Entry),
    /// Judge: the lease is its own now.
    Judge,
    /// Go on waiting.
    Wait,
    /// Do without a new verdict.
    GiveUp,
}

impl Waiter {
    /// What to ask for at the next look. Who has a stale verdict leaves the lease to others. Who has none takes it once it
    /// lapses, or, with its own time near, from the one who has had it all along; only one of many can, as it is another's then.
    #[must_use]
    pub fn wish(&self, patience: Patience) -> Wish {
        match patience {
            _ if self.has_stale => Wish::Watch,
            Patience::Over => Wish::Watch,
            Patience::Waits => Wish::Claim,
            Patience::Near => Wish::TakeFrom(self.holder.clone()),
        }
    }

    /// What to do about what was told.
    #[must_use]
    pub fn step(&self, told: Told, patience: Patience) -> Step {
        match (told, patience) {
            (Told::Judged(entry), _) => Step::Settle(entry),
            (Told::Granted, _) => Step::Judge,
            (Told::Held(_), Patience::Waits) => Step::Wait,
            (Told::Held(_), Patience::Near) if !self.has_stale => Step::Wait,
            (Told::Held(_) | Told::Free, _) => Step::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::verdict::ModelClass;

    fn waiter(has_stale: bool) -> Waiter {
        Waiter {
            has_stale,
            holder: Token::held("first"),
        }
    }

    const ALL: [Patience; 3] = [Patience::Waits, Patience::Near, Patience::Over];

    #[test]
    fn a_verdict_ends_every_wait() {
        let entry = Entry {
            score: 0.5,
            class: ModelClass::Embedded,
            judged_at: Timestamp::from_millis(1),
            explanation: None,
        };
        for patience in ALL {
            for has_stale in [true, false] {
                let step = waiter(has_stale).step(Told::Judged(entry.clone()), patience);
                assert_eq!(step, Step::Settle(entry.clone()));
            }
        }
    }

    #[test]
    fn who_has_a_stale_verdict_waits_while_somebody_judges_and_never_takes_the_lease() {
        let waiter = waiter(true);
        for (patience, of_held) in ALL.into_iter().zip([Step::Wait, Step::GiveUp, Step::GiveUp]) {
            assert_eq!(waiter.wish(patience), Wish::Watch);
            assert_eq!(waiter.step(Told::Held(Token::held("any")), patience), of_held);
            assert_eq!(waiter.step(Told::Free, patience), Step::GiveUp);
        }
    }

    #[test]
    fn who_has_none_takes_the_lease_when_it_lapses_and_from_its_first_holder_when_time_is_near() {
        let waiter = waiter(false);
        assert_eq!(waiter.wish(Patience::Waits), Wish::Claim);
        assert_eq!(waiter.wish(Patience::Near), Wish::TakeFrom(Token::held("first")));
        for patience in [Patience::Waits, Patience::Near] {
            assert_eq!(waiter.step(Told::Granted, patience), Step::Judge);
            assert_eq!(waiter.step(Told::Held(Token::held("second")), patience), Step::Wait);
        }
        assert_eq!(waiter.wish(Patience::Over), Wish::Watch);
        let over = waiter.step(Told::Held(Token::held("second")), Patience::Over);
        assert_eq!(over, Step::GiveUp);
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(Token::draw(), Token::draw());
    }
}
