//! Statistics: what is counted once, written rarely and kept, with the cache, without it, and when it is lost.

mod captures;
mod counting;
mod outages;
mod rollup;
mod simulated_day;

use std::time::Duration;

use shared::app::App;
use shared::clock::{Clock, Day, Timestamp};
use shared::ids::UserId;
use shared::statistics::Observation;
use tests::redis::Redis;
use tests::service::{Plan, START, TableService};
use tests::statistics::CountAndDeliver;

/// Five minutes.
pub(crate) const SLOT: Duration = Duration::from_mins(5);

/// A cache, tables and a clock that some instances share.
pub(crate) struct World {
    pub(crate) redis: Redis,
    pub(crate) tables: TableService,
    pub(crate) plan: Plan,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::on(Redis::start()).await
    }

    pub(crate) async fn on(redis: Redis) -> Self {
        let tables = TableService::start().await;
        let plan = Plan::default()
            .with_tables_at(tables.address())
            .with_cache_at(redis.url());
        Self { redis, tables, plan }
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.plan.clock()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// How many parts of slots the table has.
    pub(crate) async fn parts(&self) -> usize {
        let tables = self.tables.tables();
        let scan = tables.client().scan().table_name("clearview-statistics");
        let items = scan.send().await.unwrap().items.unwrap_or_default();
        items
            .iter()
            .filter(|item| item["owner"].as_s().unwrap().starts_with("slots#"))
            .count()
    }
}

pub(crate) fn seen(id: &str, at: Timestamp) -> Observation<'_> {
    Observation {
        id,
        at,
        application: Some("com.example.app"),
        device: Some("phone"),
        level: 0,
        similar: false,
        failed_open: false,
    }
}

/// Counts one observation, and returns whether it was degraded.
pub(crate) async fn count(app: &App, user: &UserId, id: &str) -> bool {
    let now = app.clock.now();
    let counted = app.statistics.count_and_deliver(user, &[seen(id, now)], now).await;
    counted.degraded
}

/// Returns how many observations of a user's day are counted, closed or not.
pub(crate) async fn counted(app: &App, user: &UserId, day: Day) -> u64 {
    let so_far = app.statistics.day_so_far(user, day, app.clock.now()).await;
    so_far.unwrap().0.day().total.total()
}

/// Today's.
pub(crate) async fn today(app: &App, user: &UserId) -> u64 {
    counted(app, user, START.day()).await
}

pub(crate) fn user() -> UserId {
    UserId::random().unwrap()
}
