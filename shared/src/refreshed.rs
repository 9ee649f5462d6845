//! A value that is re-read every few seconds or minutes, and what happens while it cannot be read.
//!
//! [`is_recent`] is the rule, [`Refreshed`] holds the value and lets one caller at a time read it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use crate::clock::Timestamp;
use crate::error::Outage;

/// When a value is re-read.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// From this age on, [`Refreshed::keep_fresh`] re-reads it.
    pub every: Duration,
    /// From this age on, [`Refreshed::current`] re-reads it before it is used. At least `every`.
    pub good_for: Duration,
    /// How long nobody tries again after a failed read.
    pub retry_after: Duration,
    /// The rule for a value that is too old and cannot be read again.
    pub while_unreadable: WhileUnreadable,
}

/// The rule for a value that is too old and cannot be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileUnreadable {
    /// It stays in use, however old.
    Keep,
    /// It is not used any more.
    FailClosed,
}

/// Returns whether `at` is less than `span` ago. A time in the future is not recent: after the clock was set back, nothing is
/// kept for longer than it should be.
#[must_use]
pub fn is_recent(at: Option<Timestamp>, span: Duration, now: Timestamp) -> bool {
    at.is_some_and(|at| at <= now && now.since(at) < span)
}

/// A value as it was last read.
pub struct Refreshed<T> {
    rule: Rule,
    state: Mutex<ReadState<T>>,
    /// Held by the one caller that reads.
    reading: AsyncMutex<()>,
}

struct ReadState<T> {
    value: Option<Arc<T>>,
    /// When the value was read, or first asked for if it was there from the start.
    known_at: Option<Timestamp>,
    read_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

impl<T> fmt::Debug for Refreshed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the value: it may be a secret.
        f.debug_struct("Refreshed")
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

impl<T> Refreshed<T> {
    /// Starts without a value: the first caller reads.
    #[must_use]
    pub fn new(rule: Rule) -> Self {
        Self::starting_with(None, rule)
    }

    /// Starts with a value, which counts as read when it is first asked for.
    #[must_use]
    pub fn starting_with(value: Option<Arc<T>>, rule: Rule) -> Self {
        Self {
            rule,
            state: Mutex::new(ReadState {
                value,
                known_at: None,
                read_at: None,
                failed_at: None,
            }),
            reading: AsyncMutex::default(),
        }
    }

    /// Returns the value as it was last read, however old.
    #[must_use]
    pub fn known(&self) -> Option<Arc<T>> {
        self.state().value.clone()
    }

    /// Returns the value of `now`: as known while that is young enough, else as `read` finds it. One caller reads at a time; the
    /// others go on with a value that may be kept, or wait for the reader.
    ///
    /// # Errors
    /// When the value cannot be read, and none is known or an old one must not be used.
    pub async fn current<E: From<Outage> + fmt::Display>(
        &self,
        now: Timestamp,
        read: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(value) = self.younger_than(self.rule.good_for, now) {
            return Ok(value);
        }
        let kept = self
            .known()
            .filter(|_| self.rule.while_unreadable == WhileUnreadable::Keep);
        let Some(kept) = kept else {
            let _reading = self.reading.lock().await;
            return match self.younger_than(self.rule.good_for, now) {
                Some(value) => Ok(value),
                None => self.read(now, read).await,
            };
        };
        match self.reading.try_lock() {
            Ok(_reading) => Ok(self.read(now, read).await.unwrap_or(kept)),
            Err(_) => Ok(kept),
        }
    }

    /// Re-reads the value if it is due and nobody else does. To be awaited beside other work.
    pub async fn keep_fresh<E: From<Outage> + fmt::Display>(
        &self,
        now: Timestamp,
        read: impl AsyncFnOnce() -> Result<T, E>,
    ) {
        if self.younger_than(self.rule.every, now).is_some() {
            return;
        }
        if let Ok(_reading) = self.reading.try_lock() {
            // The failure is logged, and the value stays as it was.
            let _ = self.read(now, read).await;
        }
    }

    /// Returns the value as it is now, unless it was read less than `every` ago: for a caller that knows of a change.
    ///
    /// # Errors
    /// When the value cannot be read, whatever is known.
    pub async fn renew<E: From<Outage> + fmt::Display>(
        &self,
        every: Duration,
        now: Timestamp,
        read: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let _reading = self.reading.lock().await;
        let read_lately = is_recent(self.state().read_at, every, now);
        match self.known().filter(|_| read_lately) {
            Some(value) => Ok(value),
            None => self.read(now, read).await,
        }
    }

    async fn read<E: From<Outage> + fmt::Display>(
        &self,
        now: Timestamp,
        read: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if is_recent(self.state().failed_at, self.rule.retry_after, now) {
            return Err(Outage("it could not be read a moment ago".to_owned()).into());
        }
        match read().await {
            Ok(value) => {
                let value = Arc::new(value);
                *self.state() = ReadState {
                    value: Some(Arc::clone(&value)),
                    known_at: Some(now),
                    read_at: Some(now),
                    failed_at: None,
                };
                Ok(value)
            }
            Err(error) => {
                tracing::warn!(%error, "a value could not be re-read");
                self.state().failed_at = Some(now);
                Err(error)
            }
        }
    }

    fn younger_than(&self, span: Duration, now: Timestamp) -> Option<Arc<T>> {
        let mut state = self.state();
        let value = state.value.clone()?;
        let known_at = *state.known_at.get_or_insert(now);
        is_recent(Some(known_at), span, now).then_some(value)
    }

    fn state(&self) -> MutexGuard<'_, ReadState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Poll;

    use tokio::sync::oneshot;

    use super::*;

    const RULE: Rule = Rule {
        every: Duration::from_secs(30),
        good_for: Duration::from_mins(1),
        retry_after: Duration::from_secs(5),
        while_unreadable: WhileUnreadable::Keep,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    /// A source that counts how often it was read, and can fail.
    #[derive(Default)]
    struct Source(AtomicU32);

    impl Source {
        fn read(&self) -> Ready<Result<u32, Outage>> {
            ready(Ok(self.0.fetch_add(1, Ordering::Relaxed) + 1))
        }

        fn fail(&self) -> Ready<Result<u32, Outage>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            ready(Err(Outage("down".to_owned())))
        }

        fn reads(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_time_is_recent_for_its_span_and_never_before_it_came() {
        let span = Duration::from_secs(10);
        for (since, expected) in [(0, true), (9, true), (10, false), (-1, false), (1_000, false)] {
            assert_eq!(is_recent(Some(at(0)), span, at(since)), expected, "{since}");
        }
        assert!(!is_recent(None, span, at(0)));
    }

    #[tokio::test]
    async fn a_value_is_read_once_while_it_is_good_and_after_the_clock_was_set_back() {
        let (value, source) = (Refreshed::new(RULE), Source::default());
        for (now, expected) in [(0, 1), (59, 1), (60, 2), (119, 2), (0, 3), (1, 3)] {
            let current = value.current(at(now), || source.read()).await.unwrap();
            assert_eq!(*current, expected, "{now}");
        }
    }

    #[tokio::test]
    async fn beside_other_work_a_value_is_re_read_before_anybody_must_wait() {
        let (value, source) = (Refreshed::new(RULE), Source::default());
        for (now, expected) in [(0, 1), (29, 1), (30, 2), (59, 2)] {
            value.keep_fresh(at(now), || source.read()).await;
            assert_eq!(source.reads(), expected, "{now}");
        }
        assert_eq!(*value.current(at(89), || source.read()).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_value_to_start_with_is_old_when_it_has_been_used_for_its_time() {
        let (value, source) = (Refreshed::starting_with(Some(Arc::new(0)), RULE), Source::default());
        for (now, expected) in [(500, 0), (559, 0), (560, 1)] {
            assert_eq!(
                *value.current(at(now), || source.read()).await.unwrap(),
                expected,
                "{now}"
            );
        }
        let (value, source) = (Refreshed::starting_with(Some(Arc::new(0)), RULE), Source::default());
        let renewed = value.renew(RULE.every, at(500), || source.read()).await.unwrap();
        assert_eq!(*renewed, 1, "it was never read");
    }

    #[tokio::test]
    async fn an_unreadable_value_is_kept_or_fails_by_its_rule_and_is_tried_after_a_pause() {
        for while_unreadable in [WhileUnreadable::Keep, WhileUnreadable::FailClosed] {
            let keeps = while_unreadable == WhileUnreadable::Keep;
            let rule = Rule {
                while_unreadable,
                ..RULE
            };
            let (value, source) = (Refreshed::new(rule), Source::default());
            assert!(value.current(at(0), || source.fail()).await.is_err(), "none is known");
            assert!(value.current(at(4), || source.read()).await.is_err(), "nobody tries");
            assert_eq!(source.reads(), 1);
            value.current(at(5), || source.read()).await.unwrap();
            for (now, reads) in [(64, 2), (65, 3), (69, 3), (70, 4)] {
                let current = value.current(at(now), || source.fail()).await.ok();
                assert_eq!(current.is_some(), keeps || now < 65, "{now} {while_unreadable:?}");
                assert_eq!(source.reads(), reads, "{now}");
            }
            assert!(value.known().is_some(), "it is known all the same");
        }
    }

    #[tokio::test]
    async fn whoever_knows_of_a_change_reads_at_once_but_not_too_often() {
        let (value, source) = (Refreshed::new(RULE), Source::default());
        let often = Duration::from_secs(10);
        for (now, expected) in [(0, 1), (9, 1), (10, 2), (11, 2)] {
            assert_eq!(*value.renew(often, at(now), || source.read()).await.unwrap(), expected);
        }
        assert!(
            value.renew(often, at(20), || source.fail()).await.is_err(),
            "also if one is known"
        );
        assert_eq!(*value.current(at(21), || source.read()).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn one_caller_reads_and_the_others_wait_or_go_on_with_what_is_kept() {
        for (while_unreadable, expected) in [(WhileUnreadable::Keep, 1), (WhileUnreadable::FailClosed, 7)] {
            let value = Refreshed::new(Rule {
                while_unreadable,
                ..RULE
            });
            let two_read = async || -> Result<u32, Outage> { panic!("two read at once") };
            for (now, expected) in [(0, 7), (60, expected)] {
                let (answer, answered) = oneshot::channel();
                let slow = async || answered.await.map_err(|_| Outage("gone".to_owned()));
                let second = async {
                    let other = value.current(at(now), two_read);
                    let mut other = Box::pin(other);
                    // It has begun, and cannot end unless an old value is kept.
                    let begun = futures_util::poll!(&mut other);
                    answer.send(7).unwrap();
                    match begun {
                        Poll::Ready(value) => value,
                        Poll::Pending => other.await,
                    }
                };
                let (first, second) = tokio::join!(value.current(at(now), slow), second);
                assert_eq!(
                    (*first.unwrap(), *second.unwrap()),
                    (7, expected),
                    "{now} {while_unreadable:?}"
                );
                value.state().value = Some(Arc::new(1));
            }
        }
    }
}
