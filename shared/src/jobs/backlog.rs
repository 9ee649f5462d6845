//! How long a job waits: the depth of its queue by the rate of its workers, which they leave in the shared cache.
//!
//! A worker notes how many jobs an event had and how long it took. The rate of all is what that comes to with as many workers
//! as the deployment allows: the jobs done in the last minute say nothing if there were few.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::{FromRedisValue, Pipeline};

use super::job::Priority;
use crate::clock::Timestamp;
use crate::queue::{Depth, Queue};
use crate::refreshed::is_recent;
use crate::valkey::Valkey;

/// A wait from which on no job is taken.
pub const LONGEST: Duration = Duration::from_hours(1);

/// How long one reading of depth and pace is used.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// How long the one before is used by the others while one caller reads.
const USED_MEANWHILE: Duration = Duration::from_secs(10);

/// The span whose work makes one note, in seconds.
const SLOT_SECONDS: i64 = 10;

/// The notes that make the pace.
const SLOTS_OF_A_PACE: i64 = 6;
const SLOTS: usize = 6;

/// How long a note is kept in the cache: a little longer than it counts.
const KEPT_SECONDS: u64 = 70;

/// The time that a job is taken to need while no worker has noted any.
const FIRST_GUESS: Pace = Pace { jobs: 1, millis: 500 };

/// Work that was done: so many jobs in so much time of one worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// Jobs.
    pub jobs: u64,
    /// Milliseconds of workers.
    pub millis: u64,
}

impl Pace {
    /// Returns the time until `depth` and one more job are done by `workers` at this pace.
    #[must_use]
    pub fn wait(self, depth: Depth, workers: u32) -> Duration {
        let pace = if self.jobs == 0 { FIRST_GUESS } else { self };
        let each = |jobs: u64| jobs.saturating_mul(pace.millis) / pace.jobs.max(1);
        // Those in flight are half done, as a mean.
        let before = depth.waiting + depth.in_flight.div_ceil(2);
        Duration::from_millis(each(before) / u64::from(workers.max(1)) + each(1))
    }
}

/// The pace of the workers, and the wait that was last worked out, by priority.
#[derive(Debug)]
pub struct Backlog {
    valkey: Option<Valkey>,
    workers: u32,
    /// The work noted here, where there is no cache: the local server is all of its fleet.
    here: Mutex<[[(i64, Pace); SLOTS]; 2]>,
    known: Mutex<[Option<KnownWait>; 2]>,
}

/// A wait that was worked out.
#[derive(Debug, Clone, Copy)]
struct KnownWait {
    wait: Duration,
    /// When it was read.
    read_at: Timestamp,
    /// When somebody last began to read it.
    asked_at: Timestamp,
}

const fn place(priority: Priority) -> usize {
    match priority {
        Priority::Normal => 0,
        Priority::Low => 1,
    }
}

impl Backlog {
    /// Makes it for so many workers, with their pace in `valkey`.
    #[must_use]
    pub fn new(valkey: Option<Valkey>, workers: u32) -> Self {
        Self {
            valkey,
            workers,
            here: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Returns how long a job waits in `queue` until it is done; `None` if nobody knows. One caller reads it every two seconds; the
    /// others do not wait for that.
    pub async fn wait(&self, priority: Priority, queue: &Queue, now: Timestamp) -> Option<Duration> {
        if let Some(wait) = self.known_wait(priority, now) {
            return Some(wait);
        }
        let (depth, pace) = tokio::join!(queue.depth(), self.pace(priority, now));
        let wait = pace.wait(depth.ok()?, self.workers_of(priority));
        self.known.lock().unwrap_or_else(PoisonError::into_inner)[place(priority)] = Some(KnownWait {
            wait,
            read_at: now,
            asked_at: now,
        });
        Some(wait)
    }

    /// Returns the wait that is known, unless the caller is to read it.
    fn known_wait(&self, priority: Priority, now: Timestamp) -> Option<Duration> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known[place(priority)].as_mut()?;
        if is_recent(Some(known.asked_at), GOOD_FOR, now) && is_recent(Some(known.read_at), USED_MEANWHILE, now) {
            return Some(known.wait);
        }
        known.asked_at = now;
        None
    }

    /// Low priority has a tenth of the workers; AWS takes 2 as the least.
    fn workers_of(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Normal => self.workers,
            Priority::Low => low_workers(self.workers),
        }
    }

    /// Notes that a worker has done some jobs in `took`. A note that is lost changes an estimate a little.
    pub async fn note(&self, priority: Priority, jobs: usize, took: Duration, now: Timestamp) {
        let done = Pace {
            jobs: jobs as u64,
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        let slot = slot(now);
        let Some(valkey) = &self.valkey else {
            let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = &mut here[place(priority)][place_of(slot)];
            if kept.0 != slot {
                *kept = (slot, Pace::default());
            }
            kept.1 = sum(kept.1, done);
            return;
        };
        let key = key(priority, slot);
        let mut commands = redis::pipe();
        commands.cmd("HINCRBY").arg(&key).arg("jobs").arg(done.jobs);
        commands.cmd("HINCRBY").arg(&key).arg("millis").arg(done.millis);
        commands.cmd("EXPIRE").arg(&key).arg(KEPT_SECONDS);
        let _ = valkey.ask(&commands).await;
    }

    async fn pace(&self, priority: Priority, now: Timestamp) -> Pace {
        let slots = slot(now) - SLOTS_OF_A_PACE + 1..=slot(now);
        let Some(valkey) = &self.valkey else {
            let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
            let recent = here[place(priority)].iter().filter(|(at, _)| slots.contains(at));
            return recent.map(|(_, pace)| *pace).fold(Pace::default(), sum);
        };
        let mut commands = Pipeline::new();
        for slot in slots {
            commands.cmd("HMGET").arg(key(priority, slot)).arg("jobs").arg("millis");
        }
        let replies = valkey.ask(&commands).await.unwrap_or_default();
        let noted = replies.into_iter().filter_map(|reply| {
            let (jobs, millis) = <(Option<u64>, Option<u64>)>::from_redis_value(reply).ok()?;
            Some(Pace {
                jobs: jobs?,
                millis: millis?,
            })
        });
        noted.fold(Pace::default(), sum)
    }
}

/// Returns the workers of low priority.
#[must_use]
pub fn low_workers(workers: u32) -> u32 {
    (workers / 10).max(2)
}

const fn slot(now: Timestamp) -> i64 {
    now.seconds().div_euclid(SLOT_SECONDS)
}

/// The place of a slot's note among those of a minute.
fn place_of(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(SLOTS_OF_A_PACE)).unwrap_or(0)
}

fn sum(one: Pace, other: Pace) -> Pace {
    Pace {
        jobs: one.jobs.saturating_add(other.jobs),
        millis: one.millis.saturating_add(other.millis),
    }
}

fn key(priority: Priority, slot: i64) -> String {
    format!("pace:{}:{slot}", place(priority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_the_depth_by_the_rate_of_all_workers() {
        let depth = |waiting, in_flight| Depth { waiting, in_flight };
        let pace = |jobs, millis| Pace { jobs, millis };
        for (pace, depth, workers, millis) in [
            (pace(0, 0), depth(0, 0), 10, 500),
            (pace(10, 1_000), depth(0, 0), 10, 100),
            (pace(10, 1_000), depth(1_000, 0), 10, 10_100),
            (pace(10, 1_000), depth(1_000, 200), 10, 11_100),
            (pace(10, 1_000), depth(1_000, 0), 1, 100_100),
            (pace(2, 1), depth(0, 0), 1, 0),
        ] {
            assert_eq!(
                pace.wait(depth, workers),
                Duration::from_millis(millis),
                "{pace:?} {depth:?}"
            );
        }
    }

    /// Works through a queue with `workers`, each of which takes events of up to 10 jobs and needs `cost` for one. Returns what
    /// they have noted when `done` jobs are done, the depth then, and how long the rest took.
    fn work_through(jobs: u64, workers: u32, done: u64, cost: impl Fn(u64) -> u64) -> (Pace, Depth, u64) {
        let mut free: Vec<u64> = vec![0; workers as usize];
        let (mut left, mut events) = (jobs, Vec::new());
        for number in 0.. {
            if left == 0 {
                break;
            }
            let (start, taken) = (*free.iter().min().unwrap(), left.min(10));
            let took = cost(number);
            *free.iter_mut().min().unwrap() = start + took;
            events.push((start, start + took, taken));
            left -= taken;
        }
        events.sort_by_key(|(_, end, _)| *end);
        let (mut pace, mut now) = (Pace::default(), 0);
        for (start, end, taken) in &events {
            if pace.jobs < done {
                pace = sum(
                    pace,
                    Pace {
                        jobs: *taken,
                        millis: end - start,
                    },
                );
                now = *end;
            }
        }
        let in_flight = events.iter().filter(|(start, end, _)| *start <= now && *end > now);
        let in_flight = in_flight.map(|(.., taken)| taken).sum();
        let depth = Depth {
            waiting: jobs - pace.jobs - in_flight,
            in_flight,
        };
        (pace, depth, free.iter().max().unwrap() - now)
    }

    #[test]
    fn the_wait_is_within_a_factor_of_two_of_what_it_takes() {
        let even = |_| 400;
        let ragged = |number: u64| 100 + number * 7_919 % 900;
        let mixed = |number: u64| if number.is_multiple_of(5) { 3_000 } else { 200 };
        let costs: [&dyn Fn(u64) -> u64; 3] = [&even, &ragged, &mixed];
        for (place, cost) in costs.into_iter().enumerate() {
            for workers in [1, 4, 10] {
                // The first events to end are the quick ones: each worker has had some.
                for done in [500, 1_500] {
                    let (pace, depth, took) = work_through(2_000, workers, done, cost);
                    let wait = u64::try_from(pace.wait(depth, workers).as_millis()).unwrap();
                    let fits = wait <= took * 2 && took <= wait * 2;
                    assert!(fits, "cost {place}, {workers} workers, {done} done: {wait} for {took}");
                }
            }
        }
    }

    #[tokio::test]
    async fn notes_count_for_a_minute_and_each_priority_by_itself() {
        let backlog = Backlog::new(None, 10);
        let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        backlog.note(Priority::Normal, 10, Duration::from_secs(1), at(0)).await;
        backlog.note(Priority::Normal, 10, Duration::from_secs(3), at(5)).await;
        let both = Pace {
            jobs: 20,
            millis: 4_000,
        };
        assert_eq!(backlog.pace(Priority::Normal, at(59)).await, both);
        assert_eq!(backlog.pace(Priority::Low, at(59)).await, Pace::default());
        assert_eq!(backlog.pace(Priority::Normal, at(60)).await, Pace::default());
        backlog.note(Priority::Normal, 1, Duration::from_secs(1), at(60)).await;
        let one = Pace { jobs: 1, millis: 1_000 };
        assert_eq!(backlog.pace(Priority::Normal, at(61)).await, one);
    }

    #[test]
    fn one_caller_reads_a_wait_and_the_others_use_the_one_before_for_a_while() {
        let backlog = Backlog::new(None, 10);
        let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        let wait = Duration::from_secs(7);
        assert_eq!(backlog.known_wait(Priority::Normal, at(0)), None, "nothing is known");
        backlog.known.lock().unwrap()[place(Priority::Normal)] = Some(KnownWait {
            wait,
            read_at: at(0),
            asked_at: at(0),
        });
        for (seconds, known) in [
            (1, Some(wait)),
            (2, None),
            (2, Some(wait)),
            (3, Some(wait)),
            (4, None),
            (9, None),
            (9, Some(wait)),
            // The readers get no answer: all ask now.
            (10, None),
            (10, None),
        ] {
            assert_eq!(backlog.known_wait(Priority::Normal, at(seconds)), known, "{seconds}");
        }
        assert_eq!(backlog.known_wait(Priority::Low, at(1)), None);
    }

    #[test]
    fn low_priority_has_a_tenth_but_never_fewer_than_two() {
        for (workers, low) in [(100, 10), (10, 2), (2, 2), (1000, 100)] {
            assert_eq!(low_workers(workers), low);
        }
    }
}
