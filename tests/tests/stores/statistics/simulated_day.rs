//! A day of a fleet: devices with captures each 5, 10 or 15 seconds, deliveries that are doubled, late and out of order, a
//! cache that is lost, instances that are killed, and a close that is killed and repeated.
//!
//! Small on every commit; `make nightly` runs it with 20 times as many devices. Time is set by hand.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use futures_util::future::join_all;
use quota_reset::handle;
use serde_json::json;
use shared::app::App;
use shared::clock::Timestamp;
use shared::ids::UserId;
use shared::statistics::Observation;
use shared::statistics::rows::{Granularity, Grouping, RowQuery};
use shared::statistics::slot::Slot;
use tests::dice::Dice;
use tests::proxy::Proxy;
use tests::redis::Redis;
use tests::runs::cases;
use tests::service::{Plan, START, TableService};
use tests::statistics::CountAndDeliver;

/// Devices on every commit.
const DEVICES: u32 = 8;

/// Captures of a device on its day.
const CAPTURES: u64 = 400;

/// Instances at a time.
const INSTANCES: usize = 3;

/// A delivery: when, whose, which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Delivery {
    at: std::cmp::Reverse<i64>,
    device: usize,
    capture: u64,
    captured: i64,
}

/// The deliveries of a day, in the order of their time.
fn deliveries(devices: usize, dice: &mut Dice) -> (BinaryHeap<Delivery>, BTreeSet<(usize, u64)>) {
    let (mut all, mut distinct) = (BinaryHeap::new(), BTreeSet::new());
    for device in 0..devices {
        let interval = [5_000, 10_000, 15_000][device % 3];
        // A session that begins some time in the first minutes.
        let mut captured = START.millis() + i64::try_from(dice.roll(600_000)).unwrap();
        for capture in 0..CAPTURES {
            captured += interval;
            distinct.insert((device, capture));
            // One in ten comes late, as a job would: within its ten minutes. One in ten comes twice.
            let late = |dice: &mut Dice| {
                if dice.roll(10) == 0 {
                    i64::try_from(dice.roll(600_000)).unwrap()
                } else {
                    0
                }
            };
            let times = if dice.roll(10) == 0 { 2 } else { 1 };
            for _ in 0..times {
                let at = std::cmp::Reverse(captured + late(dice));
                all.push(Delivery {
                    at,
                    device,
                    capture,
                    captured,
                });
            }
        }
    }
    (all, distinct)
}

struct Fleet {
    redis: Redis,
    plan: Plan,
    instances: Vec<App>,
    users: Vec<UserId>,
    delivered: BTreeSet<(usize, u64)>,
    /// By device: what was delivered, and was nowhere after the cache or an instance was lost.
    lost: Vec<u64>,
    writes: u64,
    /// Deliveries and writes while the cache was away.
    without_cache: (u64, u64),
}

impl Fleet {
    async fn deliver(&mut self, batch: &[Delivery], dice: &mut Dice) {
        let now = self.plan.clock().now();
        let instances = &self.instances;
        let users = &self.users;
        let counts = batch.iter().map(|delivery| {
            let app = dice.pick(instances);
            async move {
                let id = format!("det_{}_{}", delivery.device, delivery.capture);
                let observation = Observation {
                    id: &id,
                    at: Timestamp::from_millis(delivery.captured),
                    application: Some(["app", "web", "game"][usize::try_from(delivery.capture % 3).unwrap()]),
                    device: Some("phone"),
                    level: u8::from(delivery.capture % 20 == 0) * 2,
                    similar: delivery.capture % 4 == 0,
                    failed_open: false,
                };
                app.statistics
                    .count_and_deliver(&users[delivery.device], &[observation], now)
                    .await
            }
        });
        for counted in join_all(counts).await {
            assert_eq!(counted.lost, 0);
            let (deliveries, writes) = (u64::from(counted.degraded), counted.writes as u64);
            if counted.degraded {
                self.without_cache.0 += deliveries;
                self.without_cache.1 += writes;
            } else {
                self.writes += writes;
            }
        }
        self.delivered
            .extend(batch.iter().map(|delivery| (delivery.device, delivery.capture)));
    }

    /// The schedule of each five minutes.
    async fn flush(&mut self) {
        let flushed = self.instances[0].statistics.flush(self.plan.clock().now()).await;
        assert!(flushed.overdue == 0 || flushed.failure.is_some(), "{flushed:?}");
        self.writes += flushed.written as u64;
    }

    /// Notes what is nowhere any more: neither in the table, nor in a cache that is there.
    async fn note_lost(&mut self) {
        let app = self.plan.app();
        for (device, user) in self.users.iter().enumerate() {
            let delivered = self.delivered.iter().filter(|(of, _)| *of == device).count() as u64;
            self.lost[device] = delivered - super::today(&app, user).await;
        }
    }
}

#[tokio::test]
async fn every_detection_counts_at_most_once_and_what_is_lost_is_what_was_not_written() {
    let devices = usize::try_from(cases(DEVICES)).unwrap();
    let mut dice = Dice::of(25);
    let (tables, redis) = (TableService::start().await, Redis::start());
    let plan = Plan::default()
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let (mut day, distinct) = deliveries(devices, &mut dice);
    let deliveries = day.len();
    let mut fleet = Fleet {
        redis,
        instances: (0..INSTANCES).map(|_| plan.app()).collect(),
        plan,
        users: (0..devices).map(|_| super::user()).collect(),
        delivered: BTreeSet::new(),
        lost: vec![0; devices],
        writes: 0,
        without_cache: (0, 0),
    };
    let (lost_after, killed_after) = (deliveries / 2, deliveries * 3 / 4);
    let (mut delivered, mut slot) = (0, Slot::of(START));
    while let Some(first) = day.pop() {
        let mut batch = vec![first];
        while batch.len() < 32 && day.peek().is_some_and(|next| next.at.0 < first.at.0 + 1_000) {
            batch.extend(day.pop());
        }
        let now = fleet.plan.clock().now();
        let then = Timestamp::from_millis(first.at.0.max(now.millis()));
        fleet.plan.clock().advance(then.since(now));
        if Slot::of(then) != slot {
            slot = Slot::of(then);
            // Most times at the right time; sometimes the schedule does not come.
            if dice.roll(5) > 0 {
                fleet.plan.clock().advance(Duration::from_secs(16));
                fleet.flush().await;
            }
        }
        fleet.deliver(&batch, &mut dice).await;
        let before = delivered;
        delivered += batch.len();
        if before < lost_after && delivered >= lost_after {
            // The cache is lost midway with all that it held, and stays away for a while.
            fleet.redis.kill();
            fleet.note_lost().await;
        }
        if before < lost_after + deliveries / 40 && delivered >= lost_after + deliveries / 40 {
            // One instance is killed without a warning meanwhile; the others are told to end.
            for app in &fleet.instances[1..] {
                app.settle().await;
            }
            fleet.instances = (0..INSTANCES).map(|_| fleet.plan.app()).collect();
            fleet.note_lost().await;
        }
        if before < lost_after + deliveries / 20 && delivered >= lost_after + deliveries / 20 {
            fleet.redis.restart();
        }
        if before < killed_after && delivered >= killed_after {
            // All instances are killed without a warning: the cache has what they have counted.
            fleet.instances = (0..INSTANCES).map(|_| fleet.plan.app()).collect();
        }
    }
    for app in &fleet.instances {
        app.settle().await;
    }
    close_killed_and_repeated(&mut fleet, &tables).await;
    check(&fleet, &distinct).await;
}

/// Closes the day a few times, each run killed somewhere, until one ends.
async fn close_killed_and_repeated(fleet: &mut Fleet, tables: &TableService) {
    let end = START.day().next().start().plus(Duration::from_mins(20));
    let clock = fleet.plan.clock().clone();
    clock.advance(end.since(clock.now()));
    fleet.flush().await;
    let event = json!({"statistics": {"scheduledTime": end.to_string()}});
    for requests in [10, 25, 40] {
        let proxy = Proxy::to(tables.address()).await;
        let plan = fleet.plan.clone().with_tables_at(proxy.address);
        let app = plan.app();
        tokio::select! {
            () = proxy.passed_on(requests) => {}
            done = handle(&app, event.clone()) => { done.unwrap(); }
        }
        clock.advance(Duration::from_mins(1));
    }
    handle(&fleet.instances[1], event).await.unwrap();
}

async fn check(fleet: &Fleet, distinct: &BTreeSet<(usize, u64)>) {
    let mut of_devices: BTreeMap<usize, u64> = BTreeMap::new();
    for (device, _) in distinct {
        *of_devices.entry(*device).or_default() += 1;
    }
    let query = RowQuery {
        from: START.day(),
        to: START.day(),
        granularity: Granularity::Day,
        by: Grouping::Level,
    };
    let (mut all, now) = (0, fleet.plan.clock().now());
    for (device, user) in fleet.users.iter().enumerate() {
        let (page, _) = fleet.instances[0].statistics.rows_of(user, &query, now).await.unwrap();
        let counted: u64 = page.rows.iter().map(|row| row.counts.total()).sum();
        let (lost, sent) = (fleet.lost[device], of_devices[&device]);
        assert!(counted <= sent, "{device}: {counted} of {sent}: something counts twice");
        assert!(
            counted + lost >= sent,
            "{device}: {counted} of {sent}, of which {lost} may be lost"
        );
        all += counted;
    }
    let totals = fleet.instances[0].statistics.totals(&query).await.unwrap();
    assert_eq!(totals.rows.iter().map(|row| row.counts.total()).sum::<u64>(), all);
    let sent = distinct.len() as u64;
    let (without, writes) = fleet.without_cache;
    let least: u64 = fleet.lost.iter().sum();
    println!(
        "{} devices: {sent} detections, {all} counted, {} lost with the cache and an instance (it held {least}); {} writes, one \
         for {} detections; without the cache {writes} for {without} deliveries",
        fleet.users.len(),
        sent - all,
        fleet.writes,
        (sent - without) / fleet.writes.max(1),
    );
    assert!(
        fleet.writes * 10 <= sent - without,
        "{} writes for {sent} detections",
        fleet.writes
    );
}
