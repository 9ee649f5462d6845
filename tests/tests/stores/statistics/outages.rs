//! Counting while the cache is away: by each process, under a source of its own, with a bounded loss.

use std::time::Duration;

use shared::statistics::Observation;
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::service::{Plan, TableService};
use tests::statistics::CountAndDeliver;

use super::{SLOT, World, count, seen, today, user};

/// Past the longest time for which a dependency is skipped.
const SKIPPED: Duration = Duration::from_secs(6);

#[tokio::test]
async fn without_the_cache_a_process_counts_and_writes_after_ten_seconds_with_the_next_request() {
    let mut world = World::start().await;
    let (app, ann) = (world.plan.app(), user());
    assert!(!count(&app, &ann, "det_0").await);
    world.redis.kill();
    assert!(count(&app, &ann, "det_1").await, "it says so");
    assert!(count(&app, &ann, "det_1").await);
    assert_eq!(world.parts().await, 0);
    world.clock().advance(Duration::from_secs(10));
    assert!(count(&app, &ann, "det_2").await);
    assert_eq!(world.parts().await, 1);
    assert_eq!(
        today(&world.plan.app(), &ann).await,
        2,
        "what the cache held is lost, and nothing else"
    );
    // It is back, and empty: what the process has counted counts once, also if the job runs again.
    world.redis.restart();
    world.clock().advance(SKIPPED);
    assert!(!count(&app, &ann, "det_2").await);
    assert!(!count(&app, &ann, "det_3").await);
    assert_eq!(today(&app, &ann).await, 3);
    world.clock().advance(SLOT * 2);
    assert_eq!(app.statistics.flush(world.now()).await.written, 1);
    assert_eq!(today(&world.plan.app(), &ann).await, 3);
}

#[tokio::test]
async fn five_hundred_are_written_at_once_and_the_rest_at_the_end_of_the_process() {
    let mut world = World::start().await;
    world.redis.kill();
    let (app, ann, bob) = (world.plan.app(), user(), user());
    let now = world.now();
    for n in 0..499 {
        count(&app, if n % 2 == 0 { &ann } else { &bob }, &format!("det_{n}")).await;
    }
    assert_eq!(world.parts().await, 0);
    count(&app, &ann, "det_499").await;
    assert_eq!(world.parts().await, 2, "one for each user, not for each observation");
    count(&app, &bob, "det_500").await;
    app.statistics.settle(now).await;
    let other = world.plan.app();
    assert_eq!((today(&other, &ann).await, today(&other, &bob).await), (251, 250));
    assert_eq!(world.parts().await, 2, "overwritten by the larger count");
}

#[tokio::test]
async fn with_the_table_away_too_a_process_keeps_what_fits_and_says_what_is_lost() {
    let tables = TableService::start().await;
    let proxy = Proxy::to(tables.address()).await;
    let mut redis = Redis::start();
    let plan = Plan::default().with_tables_at(proxy.address).with_cache_at(redis.url());
    let (app, ann) = (plan.app(), user());
    redis.kill();
    proxy.set(Mode::Cut);
    let now = plan.clock().now();
    let ids: Vec<String> = (0..5_200).map(|n| format!("det_{n}")).collect();
    let mut lost = 0;
    for batch in ids.chunks(100) {
        let observations: Vec<Observation<'_>> = batch.iter().map(|id| seen(id, now)).collect();
        let counted = app.statistics.count_and_deliver(&ann, &observations, now).await;
        assert!(counted.degraded);
        lost += counted.lost;
    }
    assert_eq!(lost, 200);
    proxy.set(Mode::Pass);
    plan.clock().advance(SKIPPED);
    app.statistics.deliver(plan.clock().now()).await.unwrap();
    assert_eq!(today(&plan.app(), &ann).await, 5_000);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_and_a_count_whose_answer_is_lost_count_once() {
    let tables = TableService::start().await;
    let (to_tables, redis) = (Proxy::to(tables.address()).await, Redis::start());
    let to_cache = Proxy::to(redis.address()).await;
    let plan = Plan::default()
        .with_tables_at(to_tables.address)
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "200")
        .with_cache_at(format!("redis://{}", to_cache.address));
    let (app, ann) = (plan.app(), user());
    count(&app, &ann, "det_0").await;
    // The commands arrive, their answers do not.
    to_cache.set(Mode::LoseReplies);
    assert!(count(&app, &ann, "det_1").await);
    to_cache.set(Mode::Pass);
    to_tables.set(Mode::LoseReplies);
    assert!(app.statistics.deliver(plan.clock().now()).await.is_err());
    to_tables.set(Mode::Pass);
    plan.clock().advance(SKIPPED);
    app.statistics.deliver(plan.clock().now()).await.unwrap();
    assert_eq!(today(&app, &ann).await, 2);
    plan.clock().advance(SLOT * 2);
    assert!(app.statistics.flush(plan.clock().now()).await.failure.is_none());
    assert_eq!(today(&plan.app(), &ann).await, 2);
}

#[tokio::test]
async fn without_a_cache_at_all_nothing_is_degraded() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let (app, ann) = (plan.app(), user());
    assert!(!count(&app, &ann, "det_1").await);
    assert_eq!(today(&app, &ann).await, 1, "its own, before they are written");
    app.settle().await;
    assert_eq!(today(&plan.app(), &ann).await, 1);
    assert_eq!(app.statistics.flush(plan.clock().now()).await.written, 0);
}

#[tokio::test]
async fn a_flush_that_cannot_write_leaves_all_where_it_is_and_counts_what_is_overdue() {
    let tables = TableService::start().await;
    let (proxy, redis) = (Proxy::to(tables.address()).await, Redis::start());
    let plan = Plan::default().with_tables_at(proxy.address).with_cache_at(redis.url());
    let (app, users) = (plan.app(), [user(), user(), user()]);
    for user in &users {
        count(&app, user, "det_1").await;
    }
    proxy.set(Mode::Cut);
    plan.clock().advance(SLOT * 2);
    let flushed = app.statistics.flush(plan.clock().now()).await;
    assert!(flushed.failure.is_some());
    assert_eq!((flushed.written, flushed.overdue), (0, 0));
    plan.clock().advance(SLOT * 2);
    assert_eq!(app.statistics.flush(plan.clock().now()).await.overdue, 3);
    proxy.set(Mode::Pass);
    plan.clock().advance(SKIPPED);
    // One call finds that the table is back.
    assert_eq!(today(&app, &users[0]).await, 1);
    let flushed = app.statistics.flush(plan.clock().now()).await;
    assert_eq!(
        (flushed.written, flushed.overdue, flushed.failure.is_none()),
        (3, 0, true)
    );
}
