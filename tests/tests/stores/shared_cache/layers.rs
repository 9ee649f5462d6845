//! Which layer answers, and what each layer is told.

use std::time::Duration;

use redis::Value;
use shared::answers::{Entry, Update};
use shared::classify::{LIFE, Source};
use tests::proxy::Proxy;
use tests::recorder::Recorder;

use crate::shared_cache::fleet::{Fleet, classify, entry, judge, key, update};

#[tokio::test]
async fn a_verdict_learned_on_one_instance_is_a_hit_on_another_without_the_table_being_asked() {
    let fleet = Fleet::start().await;
    let first = classify(&fleet.app(), &["Buy bitcoin", "Sourdough"]).await;
    assert_eq!(first.work.counts.asked, 2);

    let recorder = Recorder::to(fleet.tables.address()).await;
    let second = fleet.plan.clone().with_tables_at(recorder.address).app();
    let answer = classify(&second, &["Sourdough", "Buy bitcoin"]).await;
    assert_eq!((answer.work.counts.shared_hits, answer.work.counts.asked), (2, 0));
    assert!(answer.outcomes.iter().all(|outcome| outcome.source == Source::Cache));
    let scores = |outcomes: &[shared::classify::Outcome]| -> Vec<f32> { outcomes.iter().map(|o| o.score).collect() };
    let mut turned = scores(&answer.outcomes);
    turned.reverse();
    assert_eq!(turned, scores(&first.outcomes));
    let asked = recorder.seen();
    assert!(!asked.is_empty(), "the charge went this way");
    assert!(
        asked.iter().all(|access| access.table != "clearview-answers"),
        "{asked:?}"
    );

    let again = classify(&second, &["Buy bitcoin"]).await;
    assert_eq!((again.work.counts.local_hits, again.work.counts.shared_hits), (1, 0));
}

#[tokio::test]
async fn a_request_that_the_cache_answers_asks_the_cache_once_and_the_table_once() {
    let fleet = Fleet::start().await;
    let texts: Vec<String> = (0..50).map(|n| format!("post {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    classify(&fleet.app(), &texts).await;
    let cache = Proxy::to(fleet.redis.address()).await;
    let tables = Proxy::to(fleet.tables.address()).await;
    let plan = fleet.plan.clone().with_tables_at(tables.address);
    let app = plan
        .with("CLEARVIEW_CACHE_URL", format!("redis://{}", cache.address))
        .app();
    // Connects, and reads the plans.
    classify(&app, &["another"]).await;
    let before = (cache.requests(), tables.requests());
    let answer = classify(&app, &texts).await;
    assert_eq!(answer.work.counts.shared_hits, 50);
    assert_eq!(
        (cache.requests() - before.0, tables.requests() - before.1),
        (1, 1),
        "the read; the charge"
    );
}

#[tokio::test]
async fn what_only_the_table_knows_is_told_to_the_shared_cache() {
    let fleet = Fleet::start().await;
    classify(&fleet.app(), &["Buy bitcoin"]).await;
    fleet.redis.flush();
    let from_table = classify(&fleet.app(), &["Buy bitcoin"]).await;
    assert_eq!(
        (from_table.work.counts.table_hits, from_table.work.counts.asked),
        (1, 0)
    );
    let from_cache = classify(&fleet.app(), &["Buy bitcoin"]).await;
    assert_eq!(
        (from_cache.work.counts.shared_hits, from_cache.work.counts.table_hits),
        (1, 0)
    );
}

#[tokio::test]
async fn a_verdict_takes_15_bytes_and_its_author_and_is_kept_for_nine_tenths_of_a_day_at_least() {
    let fleet = Fleet::start().await;
    let texts: Vec<String> = (0..20).map(|n| format!("post {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    classify(&fleet.app(), &texts).await;
    assert_eq!(fleet.keys().len(), 20, "no lease is left");
    let length = i64::try_from(15 + judge().len()).unwrap();
    let mut lengths = Vec::new();
    for text in texts {
        let name = key(text);
        assert_eq!(fleet.redis.command(&["STRLEN", name.as_str()]), Value::Int(length));
        let Value::Int(millis) = fleet.redis.command(&["PTTL", name.as_str()]) else {
            panic!("no length");
        };
        lengths.push(Duration::from_millis(millis.unsigned_abs()));
    }
    let (shortest, longest) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
    let least = LIFE.kept.mul_f64(0.9).saturating_sub(Duration::from_mins(1));
    assert!(*shortest >= least && *longest <= LIFE.kept, "{shortest:?} {longest:?}");
    assert!(
        longest.saturating_sub(*shortest) > Duration::from_mins(10),
        "what was written together does not go together"
    );
}

#[tokio::test]
async fn an_older_answer_never_replaces_a_newer_one_in_either_store() {
    let fleet = Fleet::start().await;
    let (table, now) = (fleet.table(), fleet.now());
    let older = update("post", 0.25, now.minus(Duration::from_secs(1)));
    let newer = update("post", 0.75, now);
    for order in [[&older, &newer], [&newer, &older]] {
        fleet.redis.flush();
        fleet.tables.tables().clear(shared::table::ANSWERS).await;
        for one in order {
            let late = fleet.store(None, std::slice::from_ref(one)).await;
            assert_eq!(late, usize::from(one == order[1] && order[1] == &older));
            table.write(std::slice::from_ref(one), LIFE.kept).await.unwrap();
        }
        assert_eq!(fleet.shared_entry("post").await, Some(newer.entry.clone()));
        assert_eq!(fleet.table_entry("post").await, Some(newer.entry.clone()));
    }
}

#[tokio::test]
async fn a_lesser_answer_never_replaces_a_better_one_that_came_meanwhile() {
    let fleet = Fleet::start().await;
    let (table, now) = (fleet.table(), fleet.now());
    let of_class = |class: u8, score: f32, at, known| Update {
        entry: Entry {
            class: shared::answers::Class(class),
            ..entry(score, at)
        },
        known,
        ..update("post", score, at)
    };
    let earlier = now.minus(Duration::from_secs(1));
    let (better, since) = (
        of_class(2, 0.25, earlier, earlier),
        earlier.minus(Duration::from_millis(1)),
    );
    for (lesser, replaces) in [
        (of_class(1, 0.75, now, since), false),
        // Its asker knew the better one, and could not be served by it.
        (of_class(1, 0.75, now, earlier), true),
    ] {
        fleet.redis.flush();
        fleet.tables.tables().clear(shared::table::ANSWERS).await;
        for one in [&better, &lesser] {
            fleet.store(None, std::slice::from_ref(one)).await;
            table.write(std::slice::from_ref(one), LIFE.kept).await.unwrap();
        }
        let expected = if replaces { &lesser } else { &better };
        assert_eq!(fleet.shared_entry("post").await.as_ref(), Some(&expected.entry));
        assert_eq!(fleet.table_entry("post").await.as_ref(), Some(&expected.entry));
    }
}

#[tokio::test]
async fn an_answer_of_another_version_is_asked_for_again_and_one_of_a_model_is_not() {
    let fleet = Fleet::start().await;
    let app = fleet.app();
    for (by, judged) in [(judge(), 0), ("local/lexicon/0".to_owned(), 1)] {
        let text = format!("a post by {by}");
        let at = fleet.now().minus(Duration::from_secs(1));
        let given = Update {
            entry: Entry {
                by: by.as_str().into(),
                ..entry(0.75, at)
            },
            ..update(&text, 0.75, at)
        };
        fleet.store(None, &[given]).await;
        assert_eq!(classify(&app, &[&text]).await.work.counts.asked, judged, "{by}");
        // Its own answer has taken that one's place.
        assert_eq!(classify(&fleet.app(), &[&text]).await.work.counts.asked, 0, "{by}");
    }
}

#[tokio::test]
async fn a_value_that_makes_no_sense_is_a_miss_and_is_replaced() {
    let fleet = Fleet::start().await;
    let far_ahead = {
        let mut value = vec![1, 0];
        value.extend(u64::MAX.to_be_bytes());
        value.extend(b"\x05local");
        value.extend(0.5f32.to_be_bytes());
        value
    };
    let length = i64::try_from(15 + judge().len()).unwrap();
    let garbage: [&[u8]; 5] = [b"", b"OK", b"\x02\x00not of this version", &[0xff; 14], &far_ahead];
    for value in garbage {
        let name = key("Buy bitcoin");
        let mut set = redis::cmd("SET");
        let _: () = set
            .arg(name.as_str())
            .arg(value)
            .query(&mut fleet.redis.connection())
            .unwrap();
        fleet.tables.tables().clear(shared::table::ANSWERS).await;
        let answer = classify(&fleet.app(), &["Buy bitcoin"]).await;
        assert_eq!(
            (answer.work.counts.asked, answer.degraded.as_slice()),
            (1, [].as_slice()),
            "{value:?}"
        );
        assert_eq!(
            fleet.redis.command(&["STRLEN", name.as_str()]),
            Value::Int(length),
            "{value:?}"
        );
    }
    fleet.redis.flush();
    fleet.tables.tables().clear(shared::table::ANSWERS).await;
    let _ = fleet.redis.command(&["RPUSH", key("Buy bitcoin").as_str(), "a list"]);
    let answer = classify(&fleet.app(), &["Buy bitcoin"]).await;
    assert_eq!(
        (answer.work.counts.asked, answer.degraded.as_slice()),
        (1, [].as_slice())
    );
    assert_eq!(
        classify(&fleet.app(), &["Buy bitcoin"]).await.work.counts.shared_hits,
        1
    );
}

#[tokio::test]
async fn a_time_that_makes_no_sense_does_not_block_the_table() {
    let fleet = Fleet::start().await;
    let (table, now) = (fleet.table(), fleet.now());
    let ahead = update("post", 0.25, now.plus(Duration::from_hours(48)));
    table.write(&[ahead], LIFE.kept).await.unwrap();
    let answer = classify(&fleet.app(), &["post"]).await;
    assert_eq!(answer.work.counts.asked, 1);
    assert_eq!(fleet.table_entry("post").await.unwrap().at, now);
}

#[tokio::test]
async fn a_stale_verdict_anywhere_yields_to_a_newer_one_elsewhere() {
    let fleet = Fleet::start().await;
    let stale = fleet.now().minus(LIFE.fresh + Duration::from_secs(1));
    let there = fleet.app();
    let _ = there.answers.keep(&[update("post", 0.25, stale)], fleet.now());
    fleet.store(None, &[update("post", 0.25, stale)]).await;
    let newer = update("post", 0.75, fleet.now());
    fleet.table().write(&[newer], LIFE.kept).await.unwrap();
    let answer = classify(&there, &["post"]).await;
    assert_eq!((answer.work.counts.table_hits, answer.work.counts.asked), (1, 0));
    assert!((answer.outcomes[0].score - 0.75).abs() < f32::EPSILON);
    assert_eq!(fleet.shared_entry("post").await, Some(entry(0.75, fleet.now())));
    assert_eq!(fleet.keys().len(), 1, "the lease was given back");
}

#[tokio::test]
async fn a_hot_verdict_is_judged_anew_just_before_it_runs_out_by_one_who_asks_for_it() {
    let fleet = Fleet::start().await;
    let app = fleet.app();
    classify(&app, &["Buy bitcoin", "Sourdough"]).await;
    fleet
        .plan
        .clock()
        .advance(LIFE.fresh.saturating_sub(Duration::from_millis(1)));
    // Each is refreshed with a probability of a third at least, as judging took a millisecond or more.
    let mut asked = 0;
    while classify(&app, &["Buy bitcoin", "Sourdough"])
        .await
        .work
        .counts
        .refreshed
        == 0
    {
        asked += 1;
        assert!(asked < 200, "never refreshed");
    }
    fleet.plan.clock().advance(Duration::from_millis(1));
    let names = ["Buy bitcoin", "Sourdough"].map(key);
    let known = fleet.shared().read(&names).await.unwrap();
    let fresh_since = fleet.now().minus(LIFE.fresh);
    assert!(known.iter().flatten().any(|entry| entry.at > fresh_since));
}
