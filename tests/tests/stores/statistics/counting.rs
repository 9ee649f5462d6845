//! Counting in the shared cache, and writing what is over.

use futures_util::future::join_all;
use shared::statistics::Observation;
use shared::statistics::slot::Slot;
use shared::valkey::Valkey;
use tests::redis::Redis;
use tests::statistics::CountAndDeliver;

use super::{SLOT, World, count, seen, today, user};

#[tokio::test]
async fn an_observation_counts_once_however_often_and_wherever_its_job_runs() {
    let world = World::start().await;
    let (one, other, ann) = (world.plan.app(), world.plan.app(), user());
    for app in [&one, &other, &one] {
        assert!(!count(app, &ann, "det_1").await);
    }
    assert!(!count(&other, &ann, "det_2").await);
    assert_eq!((today(&one, &ann).await, world.parts().await), (2, 0));
    // Written, gone from the cache, and delivered once more.
    world.clock().advance(SLOT * 2);
    let flushed = other.statistics.flush(world.now()).await;
    assert_eq!((flushed.written, flushed.observations, flushed.overdue), (1, 2, 0));
    assert!(
        world.redis.keys().iter().all(|key| !key.starts_with("slot:")),
        "{:?}",
        world.redis.keys()
    );
    assert_eq!(today(&one, &ann).await, 2);
    let late = world.now().minus(SLOT * 2);
    one.statistics
        .count(&ann, &[seen("det_1", late), seen("det_3", late)], world.now())
        .await;
    assert_eq!(today(&one, &ann).await, 3);
    assert_eq!(one.statistics.flush(world.now()).await.written, 0, "more may come late");
    world.clock().advance(SLOT * 2);
    assert_eq!(one.statistics.flush(world.now()).await.written, 1);
    assert_eq!((today(&one, &ann).await, world.parts().await), (3, 2));
    assert_eq!(one.statistics.flush(world.now()).await.written, 0, "nothing is left");
}

#[tokio::test]
async fn a_script_touches_one_place_of_a_cluster_and_rides_in_a_pipeline_with_others() {
    let world = World::on(Redis::cluster()).await;
    let (app, ann) = (world.plan.app(), user());
    let config = world.plan.config();
    let valkey = Valkey::new(config.cache.shared.as_ref().unwrap(), &config, world.clock().clone());
    let now = world.now();
    let observations: Vec<Observation<'_>> = ["a", "b", "a"].iter().map(|id| seen(id, now)).collect();
    let (invocations, counting) = app.statistics.counting(&ann, &observations, now);
    assert_eq!(invocations.len(), 3);
    let replies = valkey.run(&invocations).await;
    let outcome = app.statistics.counted(&counting, replies.as_deref(), now);
    assert_eq!((outcome.degraded, outcome.lost), (false, 0));
    assert_eq!(today(&app, &ann).await, 2);
    world.clock().advance(SLOT * 2);
    assert_eq!(app.statistics.flush(world.now()).await.written, 1);
    assert!(world.redis.keys().is_empty(), "{:?}", world.redis.keys());
}

#[tokio::test]
async fn a_count_in_the_next_slot_finds_the_one_before_and_the_process_writes_it() {
    let world = World::start().await;
    let (app, other, ann) = (world.plan.app(), world.plan.app(), user());
    for n in 0..5 {
        count(&other, &ann, &format!("det_{n}")).await;
    }
    world.clock().advance(SLOT);
    let now = world.now();
    let first = app.statistics.count_and_deliver(&ann, &[seen("det_5", now)], now).await;
    assert_eq!((first.writes, world.parts().await), (1, 1));
    // Written, but not confirmed: it counts once all the same, and is written again.
    assert_eq!(today(&app, &ann).await, 6);
    let second = other
        .statistics
        .count_and_deliver(&ann, &[seen("det_6", now)], now)
        .await;
    assert_eq!((second.writes, today(&app, &ann).await), (0, 7), "it is there already");
    let bob = user();
    app.statistics.count_and_deliver(&bob, &[seen("det_7", now)], now).await;
    let third = other
        .statistics
        .count_and_deliver(&ann, &[seen("det_8", now)], now)
        .await;
    assert_eq!(third.writes, 0);
    let slots = world.redis.keys().into_iter().filter(|key| key.starts_with("slot:"));
    assert_eq!(slots.count(), 2, "the one before is gone");
    assert_eq!(today(&app, &ann).await, 8);
    // Its entry of the list is all that the schedule finds.
    let flushed = app.statistics.flush(now.plus(SLOT * 2)).await;
    assert_eq!((flushed.written, flushed.overdue), (2, 0));
}

#[tokio::test]
async fn a_slot_with_five_hundred_is_written_before_it_is_over_and_again_as_a_whole() {
    let world = World::start().await;
    let (app, ann) = (world.plan.app(), user());
    let now = world.now();
    let mut written = Vec::new();
    for batch in 0..12 {
        let ids: Vec<String> = (0..100).map(|n| format!("{batch}.{n}")).collect();
        let observations: Vec<Observation<'_>> = ids.iter().map(|id| seen(id, now)).collect();
        written.push(app.statistics.count_and_deliver(&ann, &observations, now).await.writes);
    }
    // The first confirmation comes after the next look: the cache does not know its script yet.
    assert_eq!(written, [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0]);
    assert_eq!(
        (today(&app, &ann).await, world.parts().await),
        (1200, 1),
        "overwritten, never added to"
    );
}

#[tokio::test]
async fn what_is_counted_while_a_slot_is_written_is_written_the_next_time() {
    let world = World::start().await;
    let (app, ann) = (world.plan.app(), user());
    let then = world.now();
    count(&app, &ann, "det_1").await;
    world.clock().advance(SLOT);
    let now = world.now();
    assert_eq!(
        app.statistics
            .count_and_deliver(&ann, &[seen("det_2", now)], now)
            .await
            .writes,
        1
    );
    // Before the confirmation of what was written, which rides with the next count.
    let other = world.plan.app();
    other
        .statistics
        .count_and_deliver(&ann, &[seen("det_3", then)], now)
        .await;
    count(&app, &ann, "det_4").await;
    let flushed = app.statistics.flush(now.plus(SLOT * 3)).await;
    // Of the slot before, all had been written in passing.
    assert_eq!((flushed.written, flushed.observations), (1, 4));
    assert_eq!(today(&app, &ann).await, 4);
}

#[tokio::test]
async fn a_hundred_instances_that_count_and_flush_at_once_count_each_once() {
    let world = World::start().await;
    let (apps, users) = (
        [world.plan.app(), world.plan.app(), world.plan.app()],
        [user(), user(), user()],
    );
    let now = world.now();
    let later = now.plus(SLOT * 3);
    let apps = &apps;
    let counts = (0..300_usize).map(|n| {
        let user = &users[n % 3];
        async move {
            let id = format!("det_{}", n / 2);
            let late = now.minus(SLOT * 3);
            apps[n % 2]
                .statistics
                .count_and_deliver(user, &[seen(&id, late)], now)
                .await;
            if n % 50 == 7 {
                apps[2].statistics.flush(later).await;
            }
        }
    });
    join_all(counts).await;
    apps[2].statistics.flush(later).await;
    for (n, user) in users.iter().enumerate() {
        let own: std::collections::BTreeSet<usize> = (0..300).filter(|m| m % 3 == n).map(|m| m / 2).collect();
        assert_eq!(today(&apps[0], user).await, own.len() as u64);
    }
    let left = world.redis.keys();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn counting_costs_a_few_commands_and_no_more_on_a_busy_slot() {
    let world = World::start().await;
    let (app, ann) = (world.plan.app(), user());
    for n in 0..60 {
        count(&app, &ann, &format!("det_{n}")).await;
    }
    let before = world.redis.commands();
    count(&app, &ann, "det_60").await;
    // Three scripts: known names, length and mark; the list; a look at the slot before and at this one.
    assert_eq!(world.redis.commands() - before, 9);
}

#[tokio::test]
async fn a_full_slot_goes_on_in_the_process() {
    let world = World::start().await;
    let (app, ann) = (world.plan.app(), user());
    let now = world.now();
    let ids: Vec<String> = (0..6_000).map(|n| format!("det_{n}")).collect();
    for batch in ids.chunks(1_000) {
        let observations: Vec<Observation<'_>> = batch.iter().map(|id| seen(id, now)).collect();
        let counted = app.statistics.count_and_deliver(&ann, &observations, now).await;
        assert_eq!((counted.degraded, counted.lost), (false, 0));
    }
    assert_eq!(today(&app, &ann).await, 6_000);
    app.statistics.deliver(now).await.unwrap();
    app.statistics.flush(now.plus(SLOT * 2)).await;
    assert_eq!(today(&world.plan.app(), &ann).await, 6_000);
}

#[tokio::test]
async fn slots_that_nobody_writes_are_overdue_and_kept_for_a_day() {
    let world = World::start().await;
    let (app, ann) = (world.plan.app(), user());
    count(&app, &ann, "det_1").await;
    let slot = Slot::of(world.now());
    let key = shared::statistics::cache::key(&ann, slot);
    let redis::Value::Int(left) = world.redis.command(&["TTL", &key]) else {
        panic!("no expiry")
    };
    assert!((90_000..=93_600).contains(&left), "{left}");
    assert_eq!(world.redis.keys().len(), 2);
    let list = world
        .redis
        .keys()
        .into_iter()
        .find(|key| key.starts_with("slots:due"))
        .unwrap();
    let redis::Value::Int(left) = world.redis.command(&["TTL", &list]) else {
        panic!("no expiry")
    };
    assert!((90_000..=93_600).contains(&left), "{left}");
}
