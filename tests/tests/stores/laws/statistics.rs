//! Counts of one user over any history of counting, writing, crashing and losing the cache, against sets of ids.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use shared::app::App;
use shared::clock::Timestamp;
use shared::ids::UserId;
use shared::statistics::Observation;
use tests::redis::Redis;
use tests::runs::cases;
use tests::service::{Plan, START, TableService};
use tests::statistics::CountAndDeliver;

/// The possible next events.
#[derive(Debug, Clone)]
enum Step {
    /// An instance counts one of a few ids, which it or another may have counted before.
    Count { instance: usize, id: u8 },
    /// The same, and the cache is away.
    CountAlone { instance: usize, id: u8 },
    /// The schedule comes.
    Flush { instance: usize },
    /// An instance writes what it has counted by itself.
    Deliver { instance: usize },
    /// An instance dies and another takes its place.
    Die { instance: usize },
    /// The cache forgets everything.
    Forget,
    /// Time passes.
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let instance = || 0..2_usize;
    prop_oneof![
        8 => (instance(), any::<u8>()).prop_map(|(instance, id)| Step::Count { instance, id: id % 24 }),
        3 => (instance(), any::<u8>()).prop_map(|(instance, id)| Step::CountAlone { instance, id: id % 24 }),
        2 => instance().prop_map(|instance| Step::Flush { instance }),
        1 => instance().prop_map(|instance| Step::Deliver { instance }),
        1 => instance().prop_map(|instance| Step::Die { instance }),
        1 => Just(Step::Forget),
        3 => (1..500_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

struct World {
    plan: Plan,
    /// The instances with the cache, and each one's other half, which has none.
    instances: Vec<App>,
    alone: Vec<App>,
    redis: Redis,
    user: UserId,
    sent: BTreeSet<u8>,
}

impl World {
    fn of(plan: &Plan, redis: Redis) -> Self {
        Self {
            instances: (0..2).map(|_| plan.app()).collect(),
            alone: (0..2).map(|_| without_cache(plan)).collect(),
            plan: plan.clone(),
            redis,
            user: UserId::random().unwrap(),
            sent: BTreeSet::new(),
        }
    }

    fn now(&self) -> Timestamp {
        self.plan.clock().now()
    }

    async fn count(&mut self, app: usize, id: u8, with_cache: bool) {
        let (name, now) = (format!("det_{id}"), self.now());
        let observation = Observation {
            id: &name,
            // The time at which it was sent in: the same for each delivery.
            at: START.plus(Duration::from_secs(u64::from(id) * 40)),
            application: Some("app"),
            device: None,
            level: id % 4,
            similar: false,
            failed_open: false,
        };
        let apps = if with_cache { &self.instances } else { &self.alone };
        let counted = apps[app]
            .statistics
            .count_and_deliver(&self.user, &[observation], now)
            .await;
        assert_eq!((counted.lost, counted.degraded), (0, false));
        self.sent.insert(id);
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Count { instance, id } => self.count(instance, id, true).await,
            Step::CountAlone { instance, id } => self.count(instance, id, false).await,
            Step::Flush { instance } => {
                let flushed = self.instances[instance].statistics.flush(self.now()).await;
                assert!(flushed.failure.is_none(), "{flushed:?}");
            }
            Step::Deliver { instance } => {
                self.alone[instance].statistics.deliver(self.now()).await.unwrap();
            }
            Step::Die { instance } => {
                self.instances[instance] = self.plan.app();
                self.alone[instance] = without_cache(&self.plan);
            }
            Step::Forget => self.redis.flush(),
            Step::Wait { seconds } => self.plan.clock().advance(Duration::from_secs(seconds)),
        }
    }

    /// The count now, as anybody reads it: of the table and the cache.
    async fn counted(&self) -> u64 {
        let read = self.instances[0]
            .statistics
            .day_so_far(&self.user, START.day(), self.now());
        let (hours, away) = read.await.unwrap();
        assert!(!away);
        hours.day().total.total()
    }
}

/// An instance whose cache never answers, but for the flag that it would raise.
fn without_cache(plan: &Plan) -> App {
    plan.clone().with_cache_at("").app()
}

async fn run(steps: &[Step], world: &mut World) -> Result<(), TestCaseError> {
    let (mut before, mut may_be_lost) = (0, false);
    for step in steps {
        world.take(step).await;
        let counted = world.counted().await;
        prop_assert!(counted <= world.sent.len() as u64, "{counted} of {}", world.sent.len());
        may_be_lost |= matches!(step, Step::Forget | Step::Die { .. });
        if !matches!(step, Step::Forget | Step::Die { .. }) {
            prop_assert!(counted >= before, "{step:?}: {counted} after {before}");
        }
        before = counted;
    }
    // Everything is written in the end, and nothing is lost unless a cache or an instance was.
    for app in world.alone.iter().chain(&world.instances) {
        app.settle().await;
    }
    world.plan.clock().advance(Duration::from_hours(1));
    let flushed = world.instances[0].statistics.flush(world.now()).await;
    prop_assert!(flushed.failure.is_none() && flushed.overdue == 0);
    prop_assert!(world.redis.keys().is_empty(), "{:?}", world.redis.keys());
    let counted = world.counted().await;
    prop_assert!(counted >= before);
    if !may_be_lost {
        prop_assert_eq!(counted, world.sent.len() as u64);
    }
    let again = world.instances[1].statistics.flush(world.now()).await;
    prop_assert_eq!((again.written, world.counted().await), (0, counted));
    Ok(())
}

#[test]
fn any_history_of_counts_writes_and_crashes_counts_each_once_at_most() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (tables, mut redis) = (runtime.block_on(TableService::start()), Some(Redis::start()));
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(cases(24))
    });
    let histories = prop::collection::vec(step(), 1..40);
    let redis = std::cell::RefCell::new(&mut redis);
    runner
        .run(&histories, |steps| {
            let server = redis.borrow_mut().take().unwrap_or_else(Redis::start);
            server.flush();
            let plan = Plan::default()
                .with_tables_at(tables.address())
                .with_cache_at(server.url());
            let mut world = World::of(&plan, server);
            let result = runtime.block_on(run(&steps, &mut world));
            **redis.borrow_mut() = Some(world.redis);
            result
        })
        .unwrap();
}
