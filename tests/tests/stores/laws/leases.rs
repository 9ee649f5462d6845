//! Leases and the answers stored under them: any order of claims, lapses, late writers and clocks that differ, on a real cache.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use shared::answers::lease::{LeaseRequest, LeaseState, Token, Wish};
use shared::answers::valkey::SharedAnswers;
use shared::answers::{Class, Entry, Key, Scope, Update, Write};
use shared::classify::LIFE;
use shared::clock::{Clock, Timestamp};
use shared::valkey::Valkey;
use tests::redis::Redis;
use tests::runs::cases;
use tests::service::{Plan, START};

const REQUESTS: usize = 4;

/// The possible next events. Requests have numbers.
#[derive(Debug, Clone)]
enum Step {
    /// A new request of this number claims the question; the one before of this number is frozen, and comes back no more.
    Claim { request: usize },
    /// A request takes the lease from its holder.
    Take { request: usize },
    /// A request stores what it has judged, on a clock that is off by so many seconds.
    Store { request: usize, off: i64 },
    /// An answer of the table, so many seconds old, is passed on.
    PassOn { age: i64 },
    /// A request gives up.
    Release { request: usize },
    /// Nobody renews.
    Lapse,
    /// Hours pass, and what is stored is fresh no more.
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let request = || 0..REQUESTS;
    prop_oneof![
        4 => request().prop_map(|request| Step::Claim { request }),
        1 => request().prop_map(|request| Step::Take { request }),
        5 => (request(), -5..5_i64).prop_map(|(request, off)| Step::Store { request, off }),
        1 => (0..10_i64).prop_map(|age| Step::PassOn { age }),
        1 => request().prop_map(|request| Step::Release { request }),
        2 => Just(Step::Lapse),
        1 => Just(Step::Wait),
    ]
}

/// A request that was granted the lease.
struct Granted {
    token: Token,
    known: Timestamp,
    /// Somebody else was granted it later.
    replaced: bool,
    /// And has stored a verdict.
    outdone: bool,
}

struct World {
    shared: SharedAnswers,
    clock: Clock,
    key: Key,
    requests: [Option<Granted>; REQUESTS],
    holder: Option<usize>,
    stored: Option<Timestamp>,
}

#[test]
fn one_holds_the_lease_and_no_late_or_older_verdict_is_ever_stored() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let redis = Redis::start();
    let mut runner = TestRunner::new(Config {
        cases: cases(128),
        ..Config::default()
    });
    runner
        .run(&proptest::collection::vec(step(), 1..50), |steps| {
            redis.flush();
            runtime.block_on(follow(&redis, &steps))
        })
        .unwrap();
}

async fn follow(redis: &Redis, steps: &[Step]) -> Result<(), TestCaseError> {
    let plan = Plan::default().with("CLEARVIEW_CACHE_URL", redis.url());
    let (config, clock) = (plan.config(), Clock::manual(START));
    let valkey = Valkey::new(config.cache.shared.as_ref().unwrap(), &config, clock.clone());
    let mut world = World {
        shared: SharedAnswers::new(valkey),
        clock,
        key: Key::of("workload", Scope::Everybody, &["question"]),
        requests: [const { None }; REQUESTS],
        holder: None,
        stored: None,
    };
    for step in steps {
        // Two judgements are never given at the same moment.
        world.clock.advance(Duration::from_secs(11));
        match *step {
            Step::Claim { request } => world.claim(request, Wish::Claim).await?,
            Step::Take { request } => {
                let holder = world.holder.and_then(|holder| world.requests[holder].as_ref());
                let wish = holder.map_or(Wish::Claim, |holder| Wish::TakeFrom(holder.token.clone()));
                world.claim(request, wish).await?;
            }
            Step::Store { request, off } => world.store(request, off).await?,
            Step::PassOn { age } => world.pass_on(age).await?,
            Step::Release { request } => world.release(request).await?,
            Step::Lapse => {
                let _ = redis.command(&["DEL", &world.key.lease()]);
                world.holder = None;
            }
            Step::Wait => world.clock.advance(LIFE.fresh + Duration::from_mins(1)),
        }
        world.check().await?;
    }
    Ok(())
}

impl World {
    fn is_fresh(&self) -> bool {
        let since = self.clock.now().minus(LIFE.fresh);
        self.stored.is_some_and(|stored| stored > since)
    }

    async fn claim(&mut self, request: usize, wish: Wish) -> Result<(), TestCaseError> {
        let (token, now) = (Token::draw().unwrap(), self.clock.now());
        let newer_than = now.minus(LIFE.fresh);
        let taking = matches!(wish, Wish::TakeFrom(_));
        let asked = LeaseRequest {
            key: self.key.clone(),
            newer_than,
            wish,
        };
        let state = self.shared.claim(&token, &[asked], now).await.unwrap().remove(0);
        match state {
            LeaseState::Answered(entry) => {
                prop_assert_eq!(Some(entry.at), self.stored);
                prop_assert!(self.is_fresh());
            }
            LeaseState::Granted => {
                prop_assert!(!self.is_fresh(), "there is an answer");
                prop_assert!(self.holder.is_none() || taking, "two hold the lease");
                for other in self.requests.iter_mut().flatten() {
                    other.replaced = true;
                }
                self.requests[request] = Some(Granted {
                    token,
                    known: newer_than,
                    replaced: false,
                    outdone: false,
                });
                self.holder = Some(request);
            }
            LeaseState::Held(holder) => {
                prop_assert!(!self.is_fresh() && !taking);
                let held = self.holder.and_then(|holder| self.requests[holder].as_ref());
                prop_assert_eq!(held.map(|held| &held.token), Some(&holder));
            }
            LeaseState::Free => prop_assert!(false, "it was wished for"),
        }
        Ok(())
    }

    async fn store(&mut self, request: usize, off: i64) -> Result<(), TestCaseError> {
        let Some(granted) = self.requests[request].take() else {
            return Ok(());
        };
        let at = Timestamp::from_millis(self.clock.now().millis() + off * 1000);
        let stored = self.tell(Some(&granted.token), at, granted.known).await;
        let others = self.holder.is_some_and(|holder| holder != request);
        if granted.outdone || others {
            prop_assert!(!stored, "late");
        }
        if self.holder == Some(request) {
            prop_assert!(stored || self.stored > Some(at), "in time");
            self.holder = None;
        }
        if stored {
            prop_assert!(self.stored <= Some(at), "an older verdict");
            self.stored = Some(at);
            for other in self.requests.iter_mut().flatten() {
                other.outdone |= other.replaced;
            }
        }
        Ok(())
    }

    async fn pass_on(&mut self, age: i64) -> Result<(), TestCaseError> {
        let at = Timestamp::from_millis(self.clock.now().millis() - age * 1000);
        let stored = self.tell(None, at, at).await;
        prop_assert_eq!(stored, self.stored <= Some(at));
        if stored {
            self.stored = Some(at);
        }
        Ok(())
    }

    async fn tell(&self, token: Option<&Token>, at: Timestamp, known: Timestamp) -> bool {
        let updates = [Update {
            key: self.key.clone(),
            entry: Entry {
                payload: (*b"yes").into(),
                class: Class(1),
                by: "model".into(),
                at,
            },
            known,
        }];
        self.write(token, &updates, &[]).await == 0
    }

    /// How many came too late.
    async fn write(&self, token: Option<&Token>, updates: &[Update], released: &[Key]) -> usize {
        let write = Write {
            token,
            updates,
            released,
            kept: LIFE.kept,
            in_table: true,
            now: self.clock.now(),
        };
        self.shared.store(&write).await.unwrap().len()
    }

    async fn release(&mut self, request: usize) -> Result<(), TestCaseError> {
        let Some(granted) = self.requests[request].take() else {
            return Ok(());
        };
        let keys = [self.key.clone()];
        let held = self.shared.renew(&granted.token, &keys).await.unwrap();
        prop_assert_eq!(held == 1, self.holder == Some(request));
        self.write(Some(&granted.token), &[], &keys).await;
        prop_assert_eq!(self.shared.renew(&granted.token, &keys).await.unwrap(), 0);
        if held == 1 {
            self.holder = None;
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let kept = self
            .shared
            .read(std::slice::from_ref(&self.key))
            .await
            .unwrap()
            .remove(0);
        prop_assert_eq!(kept.map(|entry| entry.at), self.stored);
        Ok(())
    }
}
