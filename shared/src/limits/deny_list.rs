//! Revoked sessions whose access tokens may still be honoured, as this process knows them.
//!
//! In the shared cache each has a mark beside its user's limits, read with them, and an entry in one list for all. This process
//! reads that list once a minute, so that a revoked session stays out while the cache is down.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::lifetimes::{ACCESS_TOKEN_SECONDS, GRACE_SECONDS, LEEWAY_SECONDS};
use crate::ids::SessionId;
use crate::refreshed::is_recent;

/// How long a session is denied: longer than any access token lives, including the grace of an outage.
pub const DENIED_FOR: Duration =
    Duration::from_secs((ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS + GRACE_SECONDS).unsigned_abs());

/// The largest age of this process's copy while the cache answers.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// Denied sessions, each until its last token has expired.
#[derive(Debug, Default)]
pub struct DenyList(Mutex<DenyListCopy>);

#[derive(Debug, Default)]
struct DenyListCopy {
    denied: HashMap<String, Timestamp>,
    read_at: Option<Timestamp>,
}

impl DenyList {
    /// Denies a session that is revoked now.
    pub fn add(&self, session: &SessionId, now: Timestamp) {
        let mut state = self.state();
        state.denied.retain(|_, until| *until > now);
        state.denied.insert(session.as_str().to_owned(), now.plus(DENIED_FOR));
    }

    /// True if a session is known to be revoked.
    #[must_use]
    pub fn holds(&self, session: &SessionId, now: Timestamp) -> bool {
        self.state()
            .denied
            .get(session.as_str())
            .is_some_and(|until| *until > now)
    }

    /// True if the copy is old enough to be read again; then the caller must do it.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        let fresh = is_recent(state.read_at, GOOD_FOR, now);
        if !fresh {
            state.read_at = Some(now);
        }
        !fresh
    }

    /// Takes over the cache's list: sessions with the time until which they are denied.
    pub fn learn(&self, listed: impl IntoIterator<Item = (String, Timestamp)>, now: Timestamp) {
        let mut state = self.state();
        state.denied.extend(listed);
        state.denied.retain(|_, until| *until > now);
    }

    /// Notes that the copy could not be read: the next request tries again.
    pub fn miss(&self) {
        self.state().read_at = None;
    }

    fn state(&self) -> MutexGuard<'_, DenyListCopy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(letter: char) -> SessionId {
        SessionId::parse(&format!("s_{}", letter.to_string().repeat(22))).unwrap()
    }

    #[test]
    fn a_session_is_denied_for_as_long_as_a_token_of_it_may_be_good() {
        let list = DenyList::default();
        let now = Timestamp::from_seconds(1000);
        list.add(&session('a'), now);
        assert!(list.holds(
            &session('a'),
            now.plus(DENIED_FOR.saturating_sub(Duration::from_millis(1)))
        ));
        assert!(!list.holds(&session('a'), now.plus(DENIED_FOR)));
        assert!(!list.holds(&session('b'), now));
    }

    #[test]
    fn the_copy_is_read_once_a_minute_by_one_request() {
        let list = DenyList::default();
        let at = Timestamp::from_seconds;
        assert!(list.is_due(at(0)));
        assert!(!list.is_due(at(59)));
        assert!(list.is_due(at(60)));
        list.learn([(session('a').as_str().to_owned(), at(100))], at(60));
        assert!(list.holds(&session('a'), at(99)));
        list.miss();
        assert!(list.is_due(at(61)));
        assert!(list.holds(&session('a'), at(99)), "what was known stays known");
    }
}
