//! Sessions and their refresh tokens: decides about a token that was shown, given the session as stored.
//!
//! A session is a family of refresh tokens, numbered by generation. Only the newest is good, and once. For [`GRACE`]
//! after it was spent, a token of any generation still gives the same device the newest one: a lost answer is no theft.
//! Shown later, it revokes the session.

use std::time::Duration;

use super::Fingerprint;
use super::keys::KeySet;
use super::lifetimes::{IDLE_SESSION, LONGEST_SESSION};
use crate::clock::Timestamp;
use crate::digest::sha256_base64url;
use crate::ids::{SessionId, UserId};

/// How long a spent token may be shown again by the device that spent it.
pub const GRACE: Duration = Duration::from_mins(1);

/// The most tokens of a family that are spent within [`GRACE`]. It bounds what is stored: a client that asks for more is given the
/// newest token again, unspent.
pub const MOST_SPENT: usize = 32;

/// A refresh token as the client shows it: user, session, generation and secret, joined with dots.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its user.
    pub user: UserId,
    /// Its session.
    pub session: SessionId,
    /// The number of tokens before it.
    pub generation: u64,
    secret: String,
}

impl RefreshToken {
    /// Derives the token of `generation` in `session`; `None` if its master was withdrawn.
    #[must_use]
    pub fn derive(keys: &KeySet, session: &Session, generation: u64) -> Option<Self> {
        Some(Self {
            user: session.user.clone(),
            session: session.id.clone(),
            generation,
            secret: keys.refresh_secret(&session.master, &session.id, generation, &session.salt)?,
        })
    }

    /// Parses a token that a client shows; `None` if it has not the form of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let token = Self {
            user: UserId::parse(parts.next()?)?,
            session: SessionId::parse(parts.next()?)?,
            generation: parts.next()?.parse().ok()?,
            secret: parts.next()?.to_owned(),
        };
        // Compared as text, so that no other spelling (`+1`, `01`) of the same token exists.
        (parts.next().is_none() && token.reveal() == text).then_some(token)
    }

    /// Returns the token as the client keeps it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{}.{}.{}.{}", self.user, self.session, self.generation, self.secret)
    }

    /// Returns its hash, which is stored.
    #[must_use]
    pub fn hash(&self) -> String {
        sha256_base64url(self.reveal().as_bytes())
    }
}

/// A session as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its user.
    pub user: UserId,
    /// Its id.
    pub id: SessionId,
    /// The generation of the newest refresh token.
    pub generation: u64,
    /// The hash of the newest refresh token.
    pub hash: String,
    /// The salt that its tokens are derived with, beside the master.
    pub salt: String,
    /// The name of that master.
    pub master: String,
    /// The device it is bound to.
    pub fingerprint: Option<Fingerprint>,
    /// The time at which it began.
    pub created_at: Timestamp,
    /// The time at which the token before the newest was spent; at first, the time at which it began.
    pub refreshed_at: Timestamp,
    /// The time at which each of the latest generations was spent; the one before the newest is last.
    pub spent: Vec<Timestamp>,
    /// True if it was ended.
    pub revoked: bool,
}

impl Session {
    /// Returns the time at which it ends if it is not refreshed again.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.refreshed_at
            .plus(IDLE_SESSION)
            .min(self.created_at.plus(LONGEST_SESSION))
    }

    /// Returns the session after its newest token was spent at `now` for the one of hash `successor`.
    #[must_use]
    pub fn spend(&self, successor: String, now: Timestamp) -> Self {
        let mut spent: Vec<_> = self.spent_lately(now).to_vec();
        spent.push(now);
        Self {
            generation: self.generation + 1,
            hash: successor,
            refreshed_at: now,
            spent,
            ..self.clone()
        }
    }

    /// Returns the end of [`Session::spent`] that lies within [`GRACE`]. It starts at the first such time, because the
    /// place in the list is the generation.
    fn spent_lately(&self, now: Timestamp) -> &[Timestamp] {
        let lately = self.spent.iter().position(|at| now.since(*at) <= GRACE);
        lately.map_or(&[], |start| &self.spent[start..])
    }

    /// True if `generation` was spent within [`GRACE`].
    fn spent_just_now(&self, generation: u64, now: Timestamp) -> bool {
        let before_newest = self.generation.saturating_sub(generation);
        before_newest <= self.spent_lately(now).len() as u64
    }

    /// True if it is neither ended nor expired.
    #[must_use]
    pub fn lives(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at() > now
    }
}

/// The decision about a refresh token that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshDecision {
    /// It is the newest: spend it.
    Spend,
    /// It was spent a moment ago by the same device: give the newest.
    GiveNewest,
    /// It was spent before: revoke the session.
    Reused,
    /// It is not ours, or its session has ended.
    Refuse(&'static str),
}

/// Decides about `shown`, given its session as stored and the device's fingerprint.
#[must_use]
pub fn decide(
    keys: &KeySet,
    session: &Session,
    shown: &RefreshToken,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
) -> RefreshDecision {
    if session.revoked {
        return RefreshDecision::Refuse("the session is revoked");
    }
    if session.expires_at() <= now {
        return RefreshDecision::Refuse("the session has expired");
    }
    let newest = shown.generation == session.generation && shown.hash() == session.hash;
    // Deriving an older token again proves it. An invented one must not be able to end a session.
    let derived = || RefreshToken::derive(keys, session, shown.generation);
    let spent = shown.generation < session.generation && derived().is_some_and(|token| token.hash() == shown.hash());
    if !newest && !spent {
        return RefreshDecision::Refuse("the refresh token is unknown");
    }
    let same_device = session.fingerprint.is_none() || session.fingerprint.as_ref() == fingerprint;
    if newest {
        // A client that never sends its fingerprint here still gets its refresh; one that sends another does not.
        return if !same_device && fingerprint.is_some() {
            RefreshDecision::Refuse("the device fingerprint does not match")
        } else if session.spent_lately(now).len() < MOST_SPENT {
            RefreshDecision::Spend
        } else {
            RefreshDecision::GiveNewest
        };
    }
    if same_device && session.spent_just_now(shown.generation, now) {
        RefreshDecision::GiveNewest
    } else {
        RefreshDecision::Reused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_795_300_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    struct Fixture {
        keys: KeySet,
        session: Session,
    }

    impl Fixture {
        /// A session whose newest token is of `generation`, refreshed at START.
        fn at_generation(generation: u64, fingerprint: Option<&str>) -> Self {
            let keys = KeySet::parse(&KeySet::generate().unwrap()).unwrap();
            let (user, id) = (UserId::random().unwrap(), SessionId::random().unwrap());
            let mut session = Session {
                user,
                id,
                generation,
                hash: String::new(),
                salt: "salt".into(),
                master: "1".into(),
                fingerprint: fingerprint.map(Fingerprint::of),
                created_at: START,
                refreshed_at: START,
                spent: vec![START; usize::try_from(generation.min(1)).unwrap()],
                revoked: false,
            };
            session.hash = RefreshToken::derive(&keys, &session, generation).unwrap().hash();
            Self { keys, session }
        }

        fn token(&self, generation: u64) -> RefreshToken {
            RefreshToken::derive(&self.keys, &self.session, generation).unwrap()
        }

        fn decide(&self, generation: u64, fingerprint: Option<&str>, now: Timestamp) -> RefreshDecision {
            let fingerprint = fingerprint.map(Fingerprint::of);
            decide(
                &self.keys,
                &self.session,
                &self.token(generation),
                fingerprint.as_ref(),
                now,
            )
        }
    }

    #[test]
    fn a_token_survives_being_written_and_read() {
        let fixture = Fixture::at_generation(7, None);
        let text = fixture.token(7).reveal();
        assert!(RefreshToken::parse(&text).unwrap() == fixture.token(7));
        for bad in [
            "",
            "a.b.c.d",
            &format!("{text}.x"),
            &text.replacen(".7.", ".07.", 1),
            &text.replacen(".7.", ".+7.", 1),
        ] {
            assert!(RefreshToken::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_token_of_any_generation_may_be_shown_again_for_a_minute_and_later_betrays_theft() {
        let mut fixture = Fixture::at_generation(0, None);
        for (generation, second) in [(1, 0), (2, 10), (3, 50)] {
            let successor = fixture.token(generation).hash();
            fixture.session = fixture.session.spend(successor, after(second));
        }
        for (generation, second, expected) in [
            (3, 51, RefreshDecision::Spend),
            (2, 51, RefreshDecision::GiveNewest),
            (1, 51, RefreshDecision::GiveNewest),
            (0, 51, RefreshDecision::GiveNewest),
            (0, 60, RefreshDecision::GiveNewest),
            (0, 61, RefreshDecision::Reused),
            (1, 61, RefreshDecision::GiveNewest),
            (1, 71, RefreshDecision::Reused),
            (2, 110, RefreshDecision::GiveNewest),
            (2, 111, RefreshDecision::Reused),
            (3, 111, RefreshDecision::Spend),
        ] {
            assert_eq!(
                fixture.decide(generation, None, after(second)),
                expected,
                "{generation} at {second}"
            );
        }
    }

    #[test]
    fn a_family_that_is_refreshed_all_the_time_stays_small_and_goes_on() {
        let mut fixture = Fixture::at_generation(0, None);
        for _ in 0..MOST_SPENT {
            assert_eq!(
                fixture.decide(fixture.session.generation, None, after(1)),
                RefreshDecision::Spend
            );
            let successor = fixture.token(fixture.session.generation + 1).hash();
            fixture.session = fixture.session.spend(successor, after(1));
        }
        let newest = fixture.session.generation;
        assert_eq!(fixture.decide(newest, None, after(61)), RefreshDecision::GiveNewest);
        assert_eq!(fixture.decide(0, None, after(61)), RefreshDecision::GiveNewest);
        assert_eq!(fixture.decide(newest, None, after(62)), RefreshDecision::Spend);
        let next = fixture.session.spend(fixture.token(newest + 1).hash(), after(62));
        assert_eq!(next.spent, [after(62)]);
    }

    #[test]
    fn an_invented_token_cannot_end_a_session() {
        let fixture = Fixture::at_generation(3, None);
        for generation in 0..5 {
            let text = format!(
                "{}.{}.{generation}.{}",
                fixture.session.user,
                fixture.session.id,
                "A".repeat(43)
            );
            let invented = RefreshToken::parse(&text).unwrap();
            let decision = decide(&fixture.keys, &fixture.session, &invented, None, after(1));
            assert!(
                matches!(decision, RefreshDecision::Refuse(_)),
                "{generation}: {decision:?}"
            );
        }
    }

    #[test]
    fn a_lost_answer_is_repeated_for_the_same_device_alone() {
        let fixture = Fixture::at_generation(1, Some("phone"));
        assert_eq!(fixture.decide(0, Some("phone"), after(5)), RefreshDecision::GiveNewest);
        assert_eq!(fixture.decide(0, Some("laptop"), after(5)), RefreshDecision::Reused);
        assert_eq!(fixture.decide(0, None, after(5)), RefreshDecision::Reused);
        assert!(matches!(
            fixture.decide(1, Some("laptop"), after(5)),
            RefreshDecision::Refuse(_)
        ));
        assert_eq!(fixture.decide(1, Some("phone"), after(5)), RefreshDecision::Spend);
    }

    #[test]
    fn a_session_ends_idle_after_30_days_and_in_any_case_after_90() {
        let mut fixture = Fixture::at_generation(1, None);
        let day = |n: u64| after(n * 86_400);
        assert_eq!(
            fixture.decide(1, None, day(30).plus(Duration::ZERO)),
            RefreshDecision::Refuse("the session has expired")
        );
        assert_eq!(fixture.decide(1, None, day(29)), RefreshDecision::Spend);
        fixture.session.refreshed_at = day(80);
        assert_eq!(fixture.session.expires_at(), day(90));
        fixture.session.revoked = true;
        assert_eq!(
            fixture.decide(1, None, day(81)),
            RefreshDecision::Refuse("the session is revoked")
        );
    }
}
