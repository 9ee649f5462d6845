//! SQS on this machine: the queues of jobs and of events, for the SDK's own client.
//!
//! [`rule`] is a queue as SQS defines it, `wire` its protocol, `shelf` what outlives the process, [`port`] the same for other
//! processes. A message comes once and in time here, as it mostly does in AWS; [`QueueFaults`] makes it come as it may.

mod call;
pub(crate) mod connector;
pub mod port;
pub mod rule;
mod shelf;
pub mod station;
mod terms;
mod wire;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::clock::{Clock, Timestamp};
use tokio::sync::Notify;

use self::rule::{QueueFaults, QueueRules, QueueState, Redrive};
use self::shelf::Shelf;

/// How often a waiting receive looks whether hidden messages are visible again: the clock may be one that is set by hand.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The region in the names of queues.
const REGION: &str = "local";

/// The account in the names of queues.
const ACCOUNT: &str = "000000000000";

/// The queues of this machine. Clones are the same.
#[derive(Clone)]
pub struct LocalQueues(Arc<Inner>);

struct Inner {
    clock: Clock,
    queues: Mutex<HashMap<String, QueueState>>,
    faults: Mutex<QueueFaults>,
    sends: AtomicU64,
    arrived: Notify,
    shelf: Shelf,
}

/// The queues that ClearView needs, with the rules that template.yaml gives them.
#[must_use]
pub fn wanted() -> [(&'static str, QueueRules); 5] {
    let day = Duration::from_hours(24);
    let dead = QueueRules {
        retention: 14 * day,
        ..QueueRules::default()
    };
    let dead_jobs = QueueRules {
        visibility: Duration::from_mins(3),
        ..dead.clone()
    };
    let redrive = |queue: &str, most_receives| {
        Some(Redrive {
            queue: queue.to_owned(),
            most_receives,
        })
    };
    let work = QueueRules {
        visibility: Duration::from_mins(3),
        retention: Duration::from_hours(1),
        redrive: redrive(DEAD_JOBS, 5),
        ..QueueRules::default()
    };
    let events = QueueRules {
        visibility: Duration::from_secs(90),
        retention: day,
        redrive: redrive(DEAD_WEBHOOKS, 6),
        ..QueueRules::default()
    };
    [
        (DEAD_JOBS, dead_jobs),
        (DEAD_WEBHOOKS, dead),
        (JOBS, work.clone()),
        (LOW_JOBS, work),
        (WEBHOOKS, events),
    ]
}

/// The queue of jobs.
pub const JOBS: &str = "clearview-jobs";
/// The queue of jobs of low priority.
pub const LOW_JOBS: &str = "clearview-jobs-low";
/// Jobs that no worker has ended. The worker ends them as failed; what it cannot read stays.
pub const DEAD_JOBS: &str = "clearview-jobs-dead";
/// The queue of events for webhooks.
pub const WEBHOOKS: &str = "clearview-webhooks";
/// Events that no endpoint took.
pub const DEAD_WEBHOOKS: &str = "clearview-webhooks-dead";

impl LocalQueues {
    /// Makes the queues, with the messages that were kept in `directory`.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(clock: Clock, directory: Option<PathBuf>) -> std::io::Result<Self> {
        let shelf = Shelf::new(directory);
        let mut queues = HashMap::new();
        for (name, rules) in wanted() {
            let mut state = QueueState::new(rules);
            for (number, sent, visible_at) in shelf.all(name)? {
                state.restore(number, sent, visible_at);
            }
            queues.insert(name.to_owned(), state);
        }
        Ok(Self(Arc::new(Inner {
            clock,
            queues: Mutex::new(queues),
            faults: Mutex::default(),
            sends: AtomicU64::new(0),
            arrived: Notify::new(),
            shelf,
        })))
    }

    /// Makes them misbehave from now on.
    pub fn misbehave(&self, faults: QueueFaults) {
        *self.0.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Returns how many messages of a queue wait, and how many are in flight or delayed.
    #[must_use]
    pub fn depth(&self, name: &str) -> (u64, u64) {
        let mut queues = self.queues();
        let count = queues.get_mut(name).map(|queue| queue.count(self.0.clock.now()));
        let (depth, delayed) = count.unwrap_or_default();
        (depth.waiting, depth.in_flight + delayed)
    }

    /// Returns when the next of a queue's hidden messages is visible again; `None` if none is hidden.
    #[must_use]
    pub fn next_visible(&self, name: &str) -> Option<Timestamp> {
        self.queues().get(name).and_then(QueueState::next_visible)
    }

    /// Returns the texts of the messages of a queue, in the order in which they were sent.
    #[must_use]
    pub fn bodies(&self, name: &str) -> Vec<String> {
        self.queues().get(name).map(QueueState::bodies).unwrap_or_default()
    }

    fn faults(&self) -> QueueFaults {
        *self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<String, QueueState>> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the URL of a queue.
fn url(base: &str, name: &str) -> String {
    format!("{}/{ACCOUNT}/{name}", base.trim_end_matches('/'))
}
