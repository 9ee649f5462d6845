//! Eight instances on one table, one user, and a network between that loses, cuts and delays.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use shared::admission;
use shared::app::App;
use shared::clock::Clock;
use shared::error::Error;
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::plan::{Meter, Tier, conservative_share};
use shared::quota::store::{Certainty, Charged};
use tests::dice::Dice;
use tests::proxy::{Mode, Proxy};
use tests::service::{Plan, TableService};

const INSTANCES: u32 = 8;
const LIMIT: u64 = 1_000;
const ROUNDS: u32 = 6;
const BATCHES_PER_ROUND: u32 = 6;

/// Longer than a count is remembered and than a failed table is skipped.
const A_WHILE: Duration = Duration::from_secs(61);

/// Timeouts of a table in milliseconds: where many answers are lost on purpose, and where none may be.
const SHORT: &str = "400";
const LONG: &str = "10000";

/// The units admitted to the user.
#[derive(Debug, Default, Clone, Copy)]
struct Admitted {
    by_table: u64,
    alone: u64,
    /// The part of `alone` whose own write may have been done as well.
    ambiguous: u64,
}

impl Admitted {
    const fn all(self) -> u64 {
        self.by_table + self.alone
    }
}

struct Fleet {
    tables: TableService,
    clock: Clock,
    instances: Vec<(Arc<App>, Proxy)>,
    principal: Principal,
}

impl Fleet {
    /// `size` is the setting: how many instances each of them thinks that there are.
    async fn start(size: u32, timeout_ms: &str) -> Self {
        let tables = TableService::start().await;
        let plan = Plan::default()
            .with("CLEARVIEW_FLEET_SIZE", size.to_string())
            .with("CLEARVIEW_TABLE_TIMEOUT_MS", timeout_ms);
        let mut instances = Vec::new();
        for _ in 0..INSTANCES {
            let proxy = Proxy::to(tables.address()).await;
            instances.push((Arc::new(plan.clone().with_tables_at(proxy.address).app()), proxy));
        }
        Self {
            tables,
            clock: plan.clock().clone(),
            instances,
            principal: Principal {
                user: UserId::random().unwrap(),
                session: SessionId::random().unwrap(),
                tier: Tier::free(),
                source: None,
            },
        }
    }

    async fn charge(&self, app: &App, units: u64) -> Result<Charged, Error> {
        let now = self.clock.now();
        let admitted = admission::enter_by_day(app, &self.principal, Meter::Posts, units, now).await?;
        admitted.charge(app, None).await
    }

    /// Batches through all instances at once, each behind a network of its own.
    async fn round(&self, dice: &mut Dice, modes: &[Mode], admitted: &mut [Admitted]) {
        let mut charges = Vec::new();
        for (instance, (app, proxy)) in self.instances.iter().enumerate() {
            proxy.set(*dice.pick(modes));
            for _ in 0..BATCHES_PER_ROUND {
                let units = 1 + dice.roll(50);
                charges.push(async move { (instance, units, self.charge(app, units).await) });
            }
        }
        for (instance, units, outcome) in join_all(charges).await {
            let mine = &mut admitted[instance];
            match outcome {
                Ok(charge) if charge.certainty == Certainty::Sure => mine.by_table += units,
                Ok(charge) => {
                    mine.alone += units;
                    if charge.certainty == Certainty::Ambiguous {
                        mine.ambiguous += units;
                    }
                }
                Err(Error::QuotaExceeded { .. } | Error::ReducedCapacity { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// The network is well again; what waits in the instances is delivered.
    async fn heal(&self) {
        for (app, proxy) in &self.instances {
            proxy.set(Mode::Pass);
            // A busy machine may be late once.
            for _ in 0..3 {
                self.clock.advance(A_WHILE);
                // More than fits, so that it delivers and charges nothing. Waiting units go first.
                let _ = self.charge(app, LIMIT).await;
            }
        }
    }

    async fn stored(&self) -> u64 {
        self.tables
            .tables()
            .used(self.principal.user.as_str(), self.clock.now())
            .await
    }
}

fn sum(admitted: &[Admitted], of: impl Fn(&Admitted) -> u64) -> u64 {
    admitted.iter().map(of).sum()
}

const ANYTHING: [Mode; 6] = [
    Mode::Pass,
    Mode::Pass,
    Mode::Cut,
    Mode::Delay(Duration::from_millis(20)),
    Mode::LoseRequests,
    Mode::LoseReplies,
];

#[tokio::test]
async fn the_table_never_admits_beyond_the_limit_and_instances_alone_never_beyond_their_share() {
    for seed in 0..6 {
        let fleet = Fleet::start(INSTANCES, SHORT).await;
        let mut dice = Dice::of(seed);
        let mut admitted = [Admitted::default(); INSTANCES as usize];
        for round in 0..ROUNDS {
            fleet.round(&mut dice, &ANYTHING, &mut admitted).await;
            let what = format!("seed {seed}, round {round}: {admitted:?}");
            assert!(sum(&admitted, |one| one.by_table) <= LIMIT, "{what}");
            // Skipped tables are probed in the next round.
            fleet.clock.advance(Duration::from_secs(6));
        }
        let together = sum(&admitted, |one| one.all());
        let shares = u64::from(INSTANCES) * conservative_share(LIMIT, INSTANCES);
        assert!(together <= LIMIT + shares, "seed {seed}: {admitted:?}");
        fleet.heal().await;
        // All that was admitted is counted, and beyond it no more than the writes whose answers were lost.
        let stored = fleet.stored().await;
        let most = together + sum(&admitted, |one| one.ambiguous) + lost_in_vain(&admitted);
        assert!(stored >= together, "seed {seed}: {stored} of {admitted:?}");
        assert!(stored <= most, "seed {seed}: {stored} of {admitted:?}");
    }
}

/// A write whose answer was lost, and which no ledger admitted either, is charged in vain: at most what was refused.
fn lost_in_vain(admitted: &[Admitted]) -> u64 {
    LIMIT.saturating_sub(sum(admitted, |one| one.by_table))
}

#[tokio::test]
async fn a_fleet_that_admits_nothing_alone_is_exact_whatever_the_network_does() {
    for seed in 10..14 {
        // The share of each is less than one unit.
        let fleet = Fleet::start(1_000_000, SHORT).await;
        let mut dice = Dice::of(seed);
        let mut admitted = [Admitted::default(); INSTANCES as usize];
        for _ in 0..ROUNDS {
            fleet.round(&mut dice, &ANYTHING, &mut admitted).await;
            fleet.clock.advance(Duration::from_secs(6));
        }
        assert_eq!(sum(&admitted, |one| one.alone), 0, "seed {seed}");
        assert!(sum(&admitted, |one| one.all()) <= LIMIT, "seed {seed}: {admitted:?}");
        fleet.heal().await;
        let stored = fleet.stored().await;
        assert!(stored <= LIMIT, "seed {seed}: {stored}");
        assert!(stored >= sum(&admitted, |one| one.all()), "seed {seed}: {stored}");
    }
}

#[tokio::test]
async fn a_charge_is_ambiguous_only_if_the_table_may_have_seen_it() {
    let fleet = Fleet::start(INSTANCES, "1500").await;
    let (app, proxy) = &fleet.instances[0];
    let charge = || async {
        let charged = fleet.charge(app, 1).await;
        charged.unwrap().certainty
    };
    assert_eq!(charge().await, Certainty::Sure);
    proxy.set(Mode::LoseReplies);
    assert_eq!(charge().await, Certainty::Ambiguous);
    // Now the table is skipped: nothing is sent.
    assert_eq!(charge().await, Certainty::NotInTable);
}

#[tokio::test]
async fn when_nothing_fails_stored_is_what_was_admitted_to_the_unit() {
    for seed in 20..23 {
        let fleet = Fleet::start(INSTANCES, LONG).await;
        let mut dice = Dice::of(seed);
        let mut admitted = [Admitted::default(); INSTANCES as usize];
        let slow_at_most = [Mode::Pass, Mode::Delay(Duration::from_millis(5))];
        for _ in 0..ROUNDS {
            fleet.round(&mut dice, &slow_at_most, &mut admitted).await;
        }
        assert_eq!(sum(&admitted, |one| one.alone), 0, "seed {seed}");
        assert_eq!(fleet.stored().await, sum(&admitted, |one| one.by_table), "seed {seed}");
        assert!(fleet.stored().await > LIMIT - 50, "seed {seed}: the limit was reached");
    }
}
