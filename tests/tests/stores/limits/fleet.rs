//! Many instances with one table and one cache: what they admit together while stores fail, and what is stored afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use shared::admission;
use shared::app::App;
use shared::error::Error;
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::limits::Origin;
use shared::plan::{Meter, Tier};
use shared::source::Source;
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::service::{Plan, TableService};

/// The free plan's day.
const LIMIT: u64 = 1000;

/// Long enough for the next request to probe what has failed.
const NEXT_PROBE: Duration = Duration::from_secs(6);

pub(crate) struct Fleet {
    pub(crate) tables: TableService,
    pub(crate) network: Proxy,
    pub(crate) redis: Redis,
    pub(crate) plan: Plan,
    pub(crate) instances: Vec<Arc<App>>,
    pub(crate) ann: Principal,
}

pub(crate) fn somebody() -> Principal {
    Principal {
        user: UserId::random().unwrap(),
        session: SessionId::random().unwrap(),
        tier: Tier::free(),
        source: None,
    }
}

impl Fleet {
    pub(crate) async fn of(instances: usize) -> Self {
        let (tables, redis) = (TableService::start().await, Redis::start());
        let network = Proxy::to(tables.address()).await;
        let plan = Plan::default()
            .with_tables_at(network.address)
            .with_cache_at(redis.url())
            .with("CLEARVIEW_FLEET_SIZE", instances.to_string())
            .with("CLEARVIEW_TABLE_TIMEOUT_MS", "10000");
        let instances = (0..instances).map(|_| Arc::new(plan.app())).collect();
        Self {
            tables,
            network,
            redis,
            plan,
            instances,
            ann: somebody(),
        }
    }

    /// A charge through all that a request meets before it is judged; the units admitted.
    pub(crate) async fn charge(&self, instance: usize, units: u64) -> u64 {
        let (app, now) = (&self.instances[instance], self.plan.clock().now());
        let origin = Origin {
            source: &Source::of(Some("203.0.113.9")),
            endpoint: Some("classify"),
            now,
        };
        let admitted = match admission::enter(app, origin, &self.ann, Meter::Posts, units).await {
            Ok(admitted) => admitted,
            Err(rejection) => match rejection.error {
                Error::ReducedCapacity { .. } => return 0,
                error => panic!("{error:?}"),
            },
        };
        match admitted.charge(app, None).await {
            Ok(charged) => {
                let _ = admission::finish(app, charged.receipt, 0).await;
                units
            }
            Err(Error::ReducedCapacity { .. } | Error::QuotaExceeded { .. }) => 0,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Every instance charges at once, `rounds` times; the units admitted.
    async fn rush(&self, rounds: usize, units: u64) -> u64 {
        let mut admitted = 0;
        for _ in 0..rounds {
            let charges = (0..self.instances.len()).map(|instance| self.charge(instance, units));
            admitted += join_all(charges).await.iter().sum::<u64>();
        }
        admitted
    }

    async fn stored(&self) -> u64 {
        let now = self.plan.clock().now();
        self.tables.tables().used(self.ann.user.as_str(), now).await
    }

    /// The names of what the table keeps of ann's day.
    async fn kept(&self) -> BTreeSet<String> {
        let call = self.tables.tables().client().scan().table_name("clearview-quota");
        let items = call.send().await.unwrap().items.unwrap();
        let of_ann = items
            .into_iter()
            .find(|item| item["user"].as_s().unwrap() == self.ann.user.as_str());
        of_ann.unwrap().into_keys().collect()
    }

    fn wait_for_the_next_probe(&self) {
        self.plan.clock().advance(NEXT_PROBE);
    }
}

#[tokio::test]
async fn a_hundred_instances_without_the_quota_table_stay_within_80_percent_and_all_is_stored_once() {
    let fleet = Fleet::of(100).await;
    // The first charge of the day tells the cache that the table held nothing.
    let before = fleet.charge(0, 2).await + fleet.rush(1, 2).await;
    assert_eq!((before, fleet.stored().await), (202, 202));

    fleet.network.set(Mode::Cut);
    let meanwhile = fleet.rush(3, 7).await;
    assert!(before + meanwhile <= LIMIT * 4 / 5, "{before} + {meanwhile}");
    assert!(
        before + meanwhile > LIMIT * 4 / 5 - 7,
        "all of the 80 % can be used: {meanwhile}"
    );
    assert_eq!(fleet.stored().await, before);

    fleet.network.set(Mode::Pass);
    fleet.wait_for_the_next_probe();
    let after = fleet.rush(3, 1).await;
    assert_eq!(before + meanwhile + after, LIMIT, "the rest of the day, to the unit");
    assert_eq!(fleet.stored().await, LIMIT);
}

#[tokio::test]
async fn what_waits_for_a_user_who_does_not_come_back_is_delivered_with_the_requests_of_others() {
    let mut fleet = Fleet::of(2).await;
    fleet.charge(0, 10).await;
    fleet.network.set(Mode::Cut);
    assert_eq!(fleet.charge(0, 20).await, 20);
    fleet.network.set(Mode::Pass);
    fleet.wait_for_the_next_probe();
    let ann = std::mem::replace(&mut fleet.ann, somebody());
    assert_eq!(fleet.charge(0, 1).await, 1);
    let stored = fleet
        .tables
        .tables()
        .used(ann.user.as_str(), fleet.plan.clock().now())
        .await;
    assert_eq!(stored, 30);
}

#[tokio::test]
async fn with_both_stores_down_each_instance_keeps_to_its_share_and_all_is_stored_once() {
    let mut fleet = Fleet::of(10).await;
    let before = fleet.rush(1, 20).await;
    assert_eq!(before, 200);
    fleet.network.set(Mode::Cut);
    fleet.redis.kill();
    let meanwhile = fleet.rush(12, 5).await;
    // Nobody can know how many others there are beyond the setting, nor what they have seen: 80 % of the limit in all.
    assert!(meanwhile > 0 && meanwhile <= LIMIT * 4 / 5, "{meanwhile}");

    fleet.network.set(Mode::Pass);
    fleet.redis.restart();
    fleet.wait_for_the_next_probe();
    let after = fleet.rush(1, 1).await;
    assert_eq!(fleet.stored().await, before + meanwhile + after);
}

/// Each charge of an outage once made a parcel of its own: its user's next request had to write all of them, and the table
/// remembered their ids for days, so that a counter took longer to write the more outages it had seen.
async fn delivers_in_two_writes_and_grows_no_more_with_outages(fleet: &Fleet) {
    fleet.charge(0, 1).await;
    let (mut admitted, mut kept) = (1, Vec::new());
    for _ in 0..3 {
        fleet.network.set(Mode::Cut);
        for _ in 0..10 {
            assert_eq!(fleet.charge(0, 2).await, 2);
        }
        fleet.network.set(Mode::Pass);
        fleet.wait_for_the_next_probe();
        let before = fleet.network.requests();
        assert_eq!(fleet.charge(0, 1).await, 1);
        admitted += 21;
        assert!(fleet.network.requests() - before <= 3, "two parcels and the charge");
        assert_eq!(fleet.stored().await, admitted);
        kept.push(fleet.kept().await);
    }
    assert_eq!(kept[0], kept[1]);
    assert_eq!(kept[1], kept[2]);
}

#[tokio::test]
async fn what_the_fleet_admits_in_an_outage_is_two_writes_and_a_counter_does_not_grow_with_outages() {
    delivers_in_two_writes_and_grows_no_more_with_outages(&Fleet::of(1).await).await;
}

#[tokio::test]
async fn what_an_instance_admits_alone_is_two_writes_and_a_counter_does_not_grow_with_outages() {
    let mut fleet = Fleet::of(1).await;
    fleet.redis.kill();
    delivers_in_two_writes_and_grows_no_more_with_outages(&fleet).await;
}

#[tokio::test]
async fn what_an_instance_admitted_alone_is_delivered_before_it_ends() {
    let mut fleet = Fleet::of(2).await;
    let ann = fleet.charge(0, 10).await;
    fleet.redis.kill();
    fleet.network.set(Mode::Cut);
    assert_eq!((ann, fleet.charge(0, 20).await), (10, 20));
    let first = std::mem::replace(&mut fleet.ann, somebody());
    assert_eq!(fleet.charge(0, 30).await, 30);
    // In vain: nothing is lost by the attempt.
    fleet.instances[0].quota.settle().await;

    fleet.network.set(Mode::Pass);
    fleet.wait_for_the_next_probe();
    fleet.instances[0].quota.settle().await;
    assert_eq!(fleet.stored().await, 30);
    fleet.ann = first;
    assert_eq!(fleet.stored().await, 30);
}

#[tokio::test]
async fn a_cache_that_forgot_the_day_is_told_what_the_table_holds_before_it_is_relied_on() {
    let fleet = Fleet::of(4).await;
    assert_eq!(fleet.rush(1, 150).await, 600);
    fleet.redis.flush();
    assert_eq!(fleet.charge(1, 10).await, 10);
    fleet.network.set(Mode::Cut);
    let meanwhile = fleet.rush(10, 10).await;
    assert_eq!(meanwhile, LIMIT * 4 / 5 - 610);
    fleet.network.set(Mode::Pass);
    fleet.wait_for_the_next_probe();
    // Each instance delivers its own units with its next charge.
    assert_eq!(fleet.rush(1, 1).await, 4);
    assert_eq!(fleet.stored().await, 804);
}

#[tokio::test]
async fn a_request_that_is_cached_waits_for_the_network_twice() {
    let (tables, redis) = (TableService::start().await, Redis::start());
    let to_tables = Proxy::to(tables.address()).await;
    let to_cache = Proxy::to(redis.address()).await;
    let plan = Plan::default()
        .with_tables_at(to_tables.address)
        .with_cache_at(format!("redis://{}", to_cache.address));
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let classify = async || {
        let answer = service.client.classify(&ann, "Hide crypto", &["a", "b", "c"]).await;
        assert_eq!((answer.status, &answer.body["degraded"]), (200, &json!([])));
    };
    // The first request of a day teaches the cache what the table holds.
    classify().await;
    classify().await;
    let before = (to_cache.requests(), to_tables.requests());
    for n in 1..=5 {
        classify().await;
        assert_eq!(
            (to_cache.requests(), to_tables.requests()),
            (before.0 + n, before.1 + n)
        );
    }
}
