//! Limits over sliding windows: a limit ([`Policy`]), the arrival of a request ([`Origin`]), and the rule that decides.
//!
//! The rule is an exact log: every admitted request with its time and weight. A request is admitted if the requests
//! admitted within the window before it, and itself, are within the limit; a refusal leaves no trace. So no window of
//! that length ever holds more than the limit, while two counters or a leaky bucket admit nearly twice as much. In the
//! shared cache the same rule runs as a script ([`scripts`]); here it serves single instances and outages.

pub mod deny_list;
pub mod device;
pub mod local;
pub mod scripts;
pub mod store;

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::DAILY;
use crate::plan::conservative_share;
use crate::source::Source;

/// The name of the limits by address.
pub const IP: &str = "ip";

/// The least that an instance admits by itself, if the limit does: one full batch of posts, or the requests of the
/// devices behind one address. The day's quota still bounds the money.
pub const LEAST_SHARE: u64 = 50;

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Its name in the headers.
    pub name: &'static str,
    /// The most units in any window.
    pub limit: u64,
    /// The length of a window.
    pub window: Duration,
}

impl Policy {
    /// Limits requests from one address.
    #[must_use]
    pub const fn ip(per_minute: u64) -> Self {
        Self {
            name: IP,
            limit: per_minute,
            window: Duration::from_mins(1),
        }
    }

    /// Limits registrations from one address: to a client, another figure of the same policy.
    #[must_use]
    pub const fn registrations(per_hour: u64) -> Self {
        Self {
            name: IP,
            limit: per_hour,
            window: Duration::from_hours(1),
        }
    }

    /// Limits units of one user's meter.
    #[must_use]
    pub const fn burst(per_minute: u64) -> Self {
        Self {
            name: "burst",
            limit: per_minute,
            window: Duration::from_mins(1),
        }
    }

    /// Returns what one instance of `fleet` allows by itself: its share of 80 % of the limit, but never less than
    /// [`LEAST_SHARE`].
    #[must_use]
    pub fn share(self, fleet: u32) -> Self {
        let share = conservative_share(self.limit, fleet);
        Self {
            limit: share.max(LEAST_SHARE.min(self.limit)),
            ..self
        }
    }
}

/// The arrival of a request.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The subscriber.
    pub source: &'a Source,
    /// The endpoint of the request; `None` if the address was counted before.
    pub endpoint: Option<&'a str>,
    /// The time of the request.
    pub now: Timestamp,
}

/// The standing of a limit after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub policy: Policy,
    /// Units left in the window that ends now.
    pub remaining: u64,
    /// The time until there is more, from now.
    pub reset: Duration,
}

impl Standing {
    /// True if the plan has a figure for the limit, so that the client sees its standing.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.policy.limit < u64::MAX
    }

    /// Returns the standing of the day's limit for a request that it refused while the rest was unknown: nothing, until
    /// trying again makes sense.
    #[must_use]
    pub const fn of_the_day(limit: u64, retry_after: Duration) -> Self {
        Self {
            policy: Policy {
                name: DAILY,
                limit,
                window: Duration::from_hours(24),
            },
            remaining: 0,
            reset: retry_after,
        }
    }
}

/// The decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The standing of the limit, with this request if it is admitted.
    pub standing: Standing,
    /// The time for which it is refused, from now; `None` if it is admitted.
    pub wait: Option<Duration>,
}

/// The recent admissions, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Log {
    entries: VecDeque<LogEntry>,
    used: u64,
}

#[derive(Debug, Clone, Copy)]
struct LogEntry {
    at: Timestamp,
    weight: u64,
    id: u64,
}

impl Log {
    /// Decides on a request of `weight` units, and notes it under `id` if it is admitted. One without weight only looks.
    pub fn decide(&mut self, policy: &Policy, weight: u64, id: u64, now: Timestamp) -> Decision {
        self.forget(policy.window, now);
        let fits = weight == 0 || self.used.saturating_add(weight) <= policy.limit;
        let wait = (!fits).then(|| self.wait(policy, weight, now));
        if fits && weight > 0 {
            self.used += weight;
            self.entries.push_back(LogEntry { at: now, weight, id });
        }
        let oldest = self.entries.front();
        Decision {
            standing: Standing {
                policy: *policy,
                remaining: policy.limit.saturating_sub(self.used),
                reset: oldest.map_or(Duration::ZERO, |entry| entry.at.plus(policy.window).since(now)),
            },
            wait,
        }
    }

    /// Notes a request that was admitted elsewhere.
    pub fn note(&mut self, policy: &Policy, weight: u64, id: u64, now: Timestamp) {
        self.forget(policy.window, now);
        if weight > 0 {
            self.used = self.used.saturating_add(weight);
            self.entries.push_back(LogEntry { at: now, weight, id });
        }
    }

    /// Removes the entry of `id`, as if its request had never been.
    pub fn take_back(&mut self, id: u64) {
        if let Some(at) = self.entries.iter().rposition(|entry| entry.id == id)
            && let Some(entry) = self.entries.remove(at)
        {
            self.used -= entry.weight;
        }
    }

    /// Drops entries that no window ending now or later holds.
    fn forget(&mut self, window: Duration, now: Timestamp) {
        // After the clock was set back, the newest entry counts as made now and the others keep their distance: they
        // never count as older than they are, and all of them leave the window within its length.
        if let Some(ahead) = self.entries.back().map(|newest| newest.at.since(now))
            && !ahead.is_zero()
        {
            for entry in &mut self.entries {
                entry.at = entry.at.minus(ahead);
            }
        }
        while let Some(oldest) = self.entries.front().filter(|entry| entry.at.plus(window) <= now) {
            self.used -= oldest.weight;
            self.entries.pop_front();
        }
    }

    /// Returns the time until a request of `weight` would be admitted, if no other is. One that can never be waits for
    /// the window.
    fn wait(&self, policy: &Policy, weight: u64, now: Timestamp) -> Duration {
        let excess = self.used.saturating_add(weight).saturating_sub(policy.limit);
        let mut freed = 0;
        let freeing = self.entries.iter().find(|entry| {
            freed += entry.weight;
            freed >= excess
        });
        freeing.map_or(policy.window, |entry| entry.at.plus(policy.window).since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy::burst(50);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_full_window_refuses_until_its_oldest_entries_leave_it() {
        let mut log = Log::default();
        for (id, (second, weight)) in [(0, 20), (10, 20), (20, 10)].into_iter().enumerate() {
            assert_eq!(log.decide(&POLICY, weight, id as u64, at(second)).wait, None);
        }
        let refused = log.decide(&POLICY, 30, 9, at(30));
        assert_eq!(refused.wait, Some(Duration::from_secs(40)), "two entries must leave");
        assert_eq!((refused.standing.remaining, refused.standing.reset.as_secs()), (0, 30));
        assert_eq!(log.decide(&POLICY, 20, 9, at(60)).wait, None, "one has left");
        assert_eq!(log.decide(&POLICY, 0, 10, at(60)).standing.remaining, 0);
    }

    #[test]
    fn an_entry_taken_back_leaves_no_trace() {
        let mut log = Log::default();
        log.decide(&POLICY, 20, 1, at(0));
        log.decide(&POLICY, 30, 2, at(1));
        log.take_back(1);
        assert_eq!(log.decide(&POLICY, 20, 3, at(1)).wait, None);
        log.take_back(77);
        assert_eq!(log.decide(&POLICY, 0, 4, at(1)).standing.remaining, 0);
    }

    #[test]
    fn a_smaller_limit_bites_at_once() {
        let mut log = Log::default();
        log.decide(&Policy::burst(500), 400, 1, at(0));
        let refused = log.decide(&POLICY, 1, 2, at(1));
        assert_eq!((refused.standing.remaining, refused.wait.is_some()), (0, true));
    }

    #[test]
    fn a_share_is_at_least_a_full_batch_and_never_beyond_the_limit() {
        for (limit, fleet, share) in [
            (50, 10, 50),
            (500, 10, 50),
            (500, 2, 200),
            (6000, 10, 480),
            (13, 10, 13),
            (50, 1, 50),
        ] {
            assert_eq!(Policy::burst(limit).share(fleet).limit, share, "{limit} of {fleet}");
        }
    }
}
