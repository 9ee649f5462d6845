//! The state machine's counts of a provider as one process keeps them without a cache. The fleet's, in `fleet.lua`, are kept by
//! the same rules; a test holds the two together.

use std::collections::HashMap;

use super::{BLAME_SPAN, CallOutcome, MOST_BLAMED, PROBES, Phase, Snapshot, Tally, WINDOW};
use crate::clock::Timestamp;
use crate::digest::sha256;

/// Seconds in the window, each with counts of its own.
const SECONDS: i64 = WINDOW.as_secs().cast_signed();

/// The most names that are remembered at once; beyond it nobody new is blamed, and so nothing new counts.
pub const MOST_NAMES: usize = 10_000;

/// The users and contents that a failed call was made for, as hashes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Blame(Vec<u64>);

impl Blame {
    /// Makes it of these names, such as a user and the texts asked about.
    #[must_use]
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hashes: Vec<u64> = names.into_iter().map(hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    /// Returns the hashes, each once.
    #[must_use]
    pub fn hashes(&self) -> &[u64] {
        &self.0
    }
}

/// The first eight bytes of a SHA-256: an attacker cannot make another's.
fn hash(name: &str) -> u64 {
    let hash = sha256(name.as_bytes());
    hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// A change of what is known of a provider, or a look at it.
#[derive(Debug, Clone)]
pub enum FleetAct<'a> {
    /// Nothing is changed.
    Look,
    /// A probe is taken.
    Lease(u64),
    /// A phase starts.
    Shift(u64, Phase),
    /// A retry is taken out of the budget.
    Retry,
    /// A call of this epoch has ended.
    Report {
        /// The epoch in which it began.
        epoch: u64,
        /// Its end.
        outcome: CallOutcome,
        /// Until when the provider asked not to be called.
        hold: Option<Timestamp>,
        /// The status of a refusal that no other question changes.
        refusal: Option<u16>,
        /// The users and contents that can have provoked it.
        blame: Option<&'a Blame>,
    },
}

#[derive(Debug, Default, Clone, Copy)]
struct Second {
    number: i64,
    counts: Tally,
}

/// The counts of one provider.
#[derive(Debug)]
pub struct Window {
    snapshot: Snapshot,
    seconds: Vec<Second>,
    blamed: HashMap<u64, u32>,
    blamed_since: Timestamp,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            snapshot: Snapshot::NEW,
            seconds: Vec::new(),
            blamed: HashMap::new(),
            blamed_since: Timestamp::from_millis(0),
        }
    }
}

impl Window {
    /// Returns what is known at `now`.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let counted = self.seconds.iter().filter(|second| is_within(second.number, now));
        let tally = counted.fold(Tally::default(), |sum, second| Tally {
            calls: sum.calls + second.counts.calls,
            failures: sum.failures + second.counts.failures,
            provoked: sum.provoked + second.counts.provoked,
            slow: sum.slow + second.counts.slow,
            retries: sum.retries + second.counts.retries,
            streak: 0,
        });
        Snapshot {
            tally: Tally {
                streak: self.snapshot.tally.streak,
                ..tally
            },
            ..self.snapshot
        }
    }

    /// Does something. Returns whether it was done, and what is known after it.
    pub fn run(&mut self, act: &FleetAct<'_>, now: Timestamp) -> (bool, Snapshot) {
        let done = match *act {
            FleetAct::Look => false,
            FleetAct::Lease(epoch) => self.lease(epoch),
            FleetAct::Shift(epoch, phase) => self.shift(epoch, phase),
            FleetAct::Retry => self.retry(now),
            FleetAct::Report {
                epoch,
                outcome,
                hold,
                refusal,
                blame,
            } => {
                if let Some(until) = hold {
                    self.hold(until);
                }
                if let Some(status) = refusal {
                    self.refuse(status);
                }
                let is_current = epoch == self.snapshot.epoch;
                let counts = blame.is_none_or(|blame| self.blame(blame, now));
                self.report(epoch, if counts { outcome } else { CallOutcome::Neutral }, now);
                is_current
            }
        };
        (done, self.snapshot(now))
    }

    /// Goes on from what the fleet has counted.
    pub fn adopt(&mut self, snapshot: Snapshot, now: Timestamp) {
        self.seconds.clear();
        self.seconds.push(Second {
            number: now.seconds(),
            counts: snapshot.tally,
        });
        self.snapshot = snapshot;
    }

    /// Takes a probe of epoch `epoch`, if one is left.
    pub const fn lease(&mut self, epoch: u64) -> bool {
        match &mut self.snapshot.phase {
            Phase::HalfOpen { leased, .. } if *leased < PROBES && self.snapshot.epoch == epoch => {
                *leased += 1;
                true
            }
            _ => false,
        }
    }

    /// Starts `phase` with fresh counts, unless another change of epoch `epoch` was quicker.
    pub fn shift(&mut self, epoch: u64, phase: Phase) -> bool {
        let is_first = self.snapshot.epoch == epoch;
        if is_first {
            self.snapshot.epoch += 1;
            self.snapshot.phase = phase;
            self.snapshot.tally = Tally::default();
            self.seconds.clear();
        }
        is_first
    }

    /// Counts a result of a call that began in `epoch`; older ones are ignored.
    pub fn report(&mut self, epoch: u64, outcome: CallOutcome, now: Timestamp) {
        if self.snapshot.epoch != epoch {
            return;
        }
        if let Phase::HalfOpen { leased, good, bad, .. } = &mut self.snapshot.phase {
            match outcome {
                CallOutcome::Good { .. } => *good += 1,
                CallOutcome::Failed { .. } | CallOutcome::Provoked { .. } => *bad += 1,
                // It said nothing: another may be made.
                CallOutcome::Neutral => *leased = leased.saturating_sub(1),
            }
        }
        let (failed, provoked, slow) = match outcome {
            CallOutcome::Good { slow } => {
                self.snapshot.refusal = None;
                (false, false, slow)
            }
            CallOutcome::Failed { slow } => (true, false, slow),
            CallOutcome::Provoked { slow } => (true, true, slow),
            CallOutcome::Neutral => return,
        };
        self.snapshot.tally.streak = if failed { self.snapshot.tally.streak + 1 } else { 0 };
        let counts = self.second(now);
        counts.calls += 1;
        counts.failures += u32::from(failed);
        counts.provoked += u32::from(provoked);
        counts.slow += u32::from(slow);
    }

    /// Takes a retry out of the budget, if it has one.
    pub fn retry(&mut self, now: Timestamp) -> bool {
        let allowed = self.snapshot(now).tally.allows_retry();
        if allowed {
            self.second(now).retries += 1;
        }
        allowed
    }

    /// Notes that the provider asked not to be called before `until`.
    pub fn hold(&mut self, until: Timestamp) {
        self.snapshot.held_until = self.snapshot.held_until.max(Some(until));
    }

    /// Notes that the provider refused a call with `status`, for a reason that no other question changes.
    pub const fn refuse(&mut self, status: u16) {
        self.snapshot.refusal = Some(status);
    }

    /// Reports whether a failure that a request could have provoked counts: not if its user or one of its contents has brought as
    /// many as they may. Notes it if it does.
    pub fn blame(&mut self, blame: &Blame, now: Timestamp) -> bool {
        if now.since(self.blamed_since) >= BLAME_SPAN || now < self.blamed_since {
            self.blamed.clear();
            self.blamed_since = now;
        }
        let is_spent = |name: &u64| self.blamed.get(name).is_some_and(|count| *count >= MOST_BLAMED);
        if blame.0.iter().any(is_spent) || self.blamed.len() >= MOST_NAMES {
            return false;
        }
        for name in &blame.0 {
            *self.blamed.entry(*name).or_default() += 1;
        }
        true
    }

    fn second(&mut self, now: Timestamp) -> &mut Tally {
        self.seconds.retain(|second| is_within(second.number, now));
        let number = now.seconds();
        let known = self.seconds.iter().position(|second| second.number == number);
        let at = known.unwrap_or_else(|| {
            self.seconds.push(Second {
                number,
                counts: Tally::default(),
            });
            self.seconds.len() - 1
        });
        &mut self.seconds[at].counts
    }
}

/// Reports whether a second is one of the window's last, or of a clock that is a little ahead.
fn is_within(second: i64, now: Timestamp) -> bool {
    let age = now.seconds() - second;
    (-SECONDS..SECONDS).contains(&age)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(10_000 + seconds)
    }

    const FAILED: CallOutcome = CallOutcome::Failed { slow: false };
    const GOOD: CallOutcome = CallOutcome::Good { slow: false };

    #[test]
    fn calls_leave_the_window_after_thirty_seconds_but_a_streak_stays() {
        let mut window = Window::default();
        for second in 0..9 {
            window.report(0, FAILED, at(second));
        }
        let tally = window.snapshot(at(31)).tally;
        assert_eq!((tally.calls, tally.failures, tally.streak), (7, 7, 9));
        window.report(0, GOOD, at(32));
        assert_eq!(window.snapshot(at(32)).tally.streak, 0);
    }

    #[test]
    fn a_result_of_an_older_epoch_changes_nothing() {
        let mut window = Window::default();
        assert!(window.shift(0, Phase::Closed));
        let before = window.snapshot(at(0));
        window.report(0, FAILED, at(0));
        assert_eq!(window.snapshot(at(0)), before);
        assert!(!window.shift(0, Phase::Closed), "somebody was quicker");
    }

    #[test]
    fn a_user_or_a_content_is_blamed_three_times_and_again_after_ten_minutes() {
        let mut window = Window::default();
        for n in 0..3 {
            let (user, text) = (format!("u{n}"), format!("text {n}"));
            assert!(window.blame(&Blame::of(["ann", &text]), at(n)));
            assert!(window.blame(&Blame::of([&*user, "poison"]), at(n)));
        }
        assert!(!window.blame(&Blame::of(["ann", "other"]), at(9)));
        assert!(!window.blame(&Blame::of(["zoe", "other", "poison"]), at(9)));
        assert!(window.blame(&Blame::of(["zoe", "other"]), at(9)));
        assert!(window.blame(&Blame::of(["ann"]), at(601)));
    }

    #[test]
    fn retries_come_out_of_the_budget() {
        let mut window = Window::default();
        assert!(!window.retry(at(0)), "no floor");
        for _ in 0..25 {
            window.report(0, GOOD, at(0));
        }
        assert_eq!([(); 4].map(|()| window.retry(at(1))), [true, true, false, false]);
    }
}
