//! One judgement per question across instances, whatever becomes of the one who judges.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use redis::Value;
use shared::answers::Update;
use shared::answers::layers::Leases;
use shared::answers::lease::{LENGTH, LeaseState, Token, Wish};
use shared::app::App;
use shared::classify::{Classified, LIFE, Source};
use shared::telemetry::Degraded;

use crate::shared_cache::fleet::{Fleet, classify, entry, key, update};

/// Longer than a lease lasts, far shorter than forever.
const BOUND: Duration = Duration::from_secs(20);

impl Fleet {
    fn leases(&self) -> Vec<String> {
        let keys = self.keys().into_iter();
        keys.filter(|key| key.starts_with("l:")).collect()
    }

    /// How many scripts have been run so far.
    fn scripts_run(&self) -> u64 {
        let Value::BulkString(text) = self.redis.command(&["INFO", "commandstats"]) else {
            panic!("no statistics");
        };
        let text = String::from_utf8(text).unwrap();
        let calls = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let calls = line.and_then(|line| line.split(',').next());
            calls.map_or(0, |calls| calls.parse().unwrap())
        };
        calls("cmdstat_evalsha:calls=") + calls("cmdstat_eval:calls=")
    }

    /// Waits until instances have run so many more scripts than the `before`.
    async fn more_scripts(&self, before: u64, more: u64) {
        let waiting = async {
            while self.scripts_run() < before + more {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(BOUND, waiting).await.expect("instances ask");
    }
}

fn judged(answers: &[Classified]) -> usize {
    answers.iter().map(|answer| answer.work.counts.asked).sum()
}

async fn all_classify(apps: &[App], text: &str) -> Vec<Classified> {
    let texts = [text];
    let answers = join_all(apps.iter().map(|app| classify(app, &texts)));
    tokio::time::timeout(BOUND, answers).await.expect("answers")
}

#[tokio::test]
async fn fifty_instances_that_miss_one_key_at_once_judge_it_once() {
    let fleet = Fleet::start().await;
    let apps: Vec<App> = (0..50).map(|_| fleet.app()).collect();
    let answers = all_classify(&apps, "Buy bitcoin").await;
    assert_eq!(judged(&answers), 1);
    let score = answers[0].outcomes[0].score;
    for answer in &answers {
        assert!(answer.degraded.is_empty());
        assert!((answer.outcomes[0].score - score).abs() < f32::EPSILON);
        let figures = &answer.work.counts;
        assert_eq!(
            figures.asked + figures.joined + figures.shared_hits + figures.table_hits,
            1
        );
    }
    assert_eq!(fleet.leases(), [""; 0], "the lease was given back");
}

#[tokio::test]
async fn a_holder_that_dies_costs_one_more_judgement_and_a_lease_at_most() {
    let fleet = Fleet::start().await;
    let holder = fleet.app();
    let posts = ["Buy bitcoin", "Sourdough", "Marathon"];
    {
        let mut judging = pin!(classify(&holder, &posts));
        while fleet.leases().is_empty() {
            assert!(poll!(judging.as_mut()).is_pending(), "it is still to judge");
            tokio::task::yield_now().await;
        }
    }
    for lease in fleet.leases() {
        let Value::Int(left) = fleet.redis.command(&["PTTL", &lease]) else {
            panic!("no length");
        };
        assert!(Duration::from_millis(left.unsigned_abs()) <= LENGTH);
    }
    let apps: Vec<App> = (0..10).map(|_| fleet.app()).collect();
    let answers = all_classify(&apps, "Sourdough").await;
    assert_eq!(judged(&answers), 1);
    assert!(answers.iter().all(|answer| answer.degraded.is_empty()));
}

#[tokio::test]
async fn a_holder_that_judges_for_long_keeps_its_lease() {
    let fleet = Fleet::start().await;
    let app = fleet.app();
    let token = fleet.hold("post").await;
    let lease = &fleet.leases()[0];
    let left = || match fleet.redis.command(&["PTTL", lease]) {
        Value::Int(left) => left,
        _ => panic!("no length"),
    };
    let renewed = async {
        while left() > 2_500 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while left() <= 2_500 {
            assert!(left() > 0, "the lease lapsed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let keys = [key("post")];
    tokio::select! {
        () = renewed => {}
        never = app.answers.renew_leases(Some(&token), &keys) => match never {},
    }
}

#[tokio::test]
async fn who_waits_takes_the_verdict_as_soon_as_it_is_there() {
    let fleet = Fleet::start().await;
    let app = fleet.app();
    let token = fleet.hold("post").await;
    let before = fleet.scripts_run();
    let holder = async {
        fleet.more_scripts(before, 2).await;
        let given = Update {
            known: fleet.now().minus(LIFE.fresh),
            ..update("post", 0.75, fleet.now())
        };
        assert_eq!(fleet.store(Some(&token), &[given]).await, 0, "in time");
    };
    let (answer, ()) = tokio::join!(classify(&app, &["post", "another"]), holder);
    assert_eq!(
        (answer.work.counts.joined, answer.work.counts.asked),
        (1, 1),
        "its own it judged meanwhile"
    );
    assert_eq!(answer.outcomes[0].source, Source::Cache);
    assert!((answer.outcomes[0].score - 0.75).abs() < f32::EPSILON);
    assert_eq!(fleet.leases(), [""; 0]);
}

#[tokio::test]
async fn a_frozen_holders_lease_lapses_and_what_it_stores_late_is_refused_everywhere() {
    let fleet = Fleet::start().await;
    let (frozen, other) = (fleet.app(), fleet.app());
    let token = Token::draw();
    let leases = frozen
        .answers
        .claim_leases(token.as_ref(), &[fleet.request("post")], fleet.now())
        .await;
    assert!(matches!(leases, Leases::Known(states) if states == [LeaseState::Granted]));

    let answer = tokio::time::timeout(BOUND, classify(&other, &["post"]))
        .await
        .expect("the lease lapses");
    assert_eq!(answer.work.counts.asked, 1);

    // It believes that its verdict is the newer one.
    let given = Update {
        known: fleet.now().minus(LIFE.fresh),
        ..update("post", 0.999, fleet.now().plus(Duration::from_mins(1)))
    };
    assert!(frozen.answers.write(&fleet.write(token.as_ref(), &[given])).await);
    let kept = entry(answer.outcomes[0].score, fleet.now());
    assert_eq!(fleet.shared_entry("post").await, Some(kept.clone()));
    assert_eq!(fleet.table_entry("post").await, Some(kept));
}

#[tokio::test]
async fn who_lost_the_lease_to_another_stores_nothing() {
    let fleet = Fleet::start().await;
    let shared = fleet.shared();
    let first = fleet.hold("post").await;
    let mut request = fleet.request("post");
    request.wish = Wish::TakeFrom(first.clone());
    let second = Token::draw().unwrap();
    let states = shared.claim(&second, &[request.clone()], fleet.now()).await.unwrap();
    assert_eq!(states, [LeaseState::Granted]);
    // Only from the one who had it first.
    let third = Token::draw().unwrap();
    let states = shared.claim(&third, &[request], fleet.now()).await.unwrap();
    assert_eq!(states, [LeaseState::Held(second.clone())]);

    let keys = [key("post")];
    assert_eq!(shared.renew(&first, &keys).await.unwrap(), 0);
    fleet.release(&first, "post").await;
    assert_eq!(fleet.leases().len(), 1, "it is not the first one's to give back");
    let given = update("post", 0.75, fleet.now());
    assert_eq!(fleet.store(Some(&first), &[given]).await, 1, "late");
    assert_eq!(fleet.shared_entry("post").await, None);
    assert_eq!(shared.renew(&second, &keys).await.unwrap(), 1);
    fleet.release(&second, "post").await;
    assert_eq!(fleet.leases(), [""; 0]);
}

#[tokio::test]
async fn of_those_whose_time_is_near_one_takes_the_lease_from_who_has_had_it_all_along() {
    let fleet = Fleet::start().await.set("CLEARVIEW_REQUEST_TIMEOUT_MS", "4000");
    let token = fleet.hold("post").await;
    let (holder, apps) = (fleet.app(), vec![fleet.app(), fleet.app(), fleet.app()]);
    let keys = [key("post")];
    let answers = tokio::select! {
        answers = all_classify(&apps, "post") => answers,
        never = holder.answers.renew_leases(Some(&token), &keys) => match never {},
    };
    assert_eq!(judged(&answers), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.outcomes[0].source != Source::Default)
    );
}

#[tokio::test]
async fn who_has_a_stale_verdict_serves_it_once_nobody_judges_any_more() {
    let fleet = Fleet::start().await;
    let app = fleet.app();
    let stale = update("post", 0.75, fleet.now().minus(LIFE.fresh));
    fleet.store(None, &[stale]).await;
    let token = fleet.hold("post").await;
    let before = fleet.scripts_run();
    let holder = async {
        fleet.more_scripts(before, 2).await;
        fleet.release(&token, "post").await;
    };
    let (answer, ()) = tokio::join!(classify(&app, &["post"]), holder);
    assert_eq!(answer.outcomes[0].source, Source::Stale);
    assert_eq!(
        (answer.degraded.as_slice(), answer.work.counts.asked),
        ([Degraded::Model].as_slice(), 0)
    );
    // The first who comes upon it when nobody judges it does.
    assert_eq!(classify(&app, &["post"]).await.work.counts.asked, 1);
}

#[tokio::test]
async fn a_fresh_verdict_is_judged_anew_by_one_and_served_to_all_others() {
    let fleet = Fleet::start().await;
    let app = fleet.app();
    classify(&app, &["post"]).await;
    let mut early = fleet.request("post");
    early.newer_than = fleet.now();
    let token = Token::draw().unwrap();
    assert_eq!(
        fleet.shared().claim(&token, &[early], fleet.now()).await.unwrap(),
        [LeaseState::Granted]
    );
    fleet
        .plan
        .clock()
        .advance(LIFE.fresh.saturating_sub(Duration::from_millis(1)));
    for _ in 0..20 {
        let answer = classify(&app, &["post"]).await;
        assert_eq!(
            (answer.work.counts.asked, answer.work.counts.local_hits),
            (0, 1),
            "another refreshes it"
        );
    }
}

#[tokio::test]
async fn a_refused_request_leaves_no_lease_behind() {
    let fleet = Fleet::start().await;
    let plans = r#"{"free":{"posts":{"perDay":1,"perMinute":50}}}"#;
    let app = fleet.plan.clone().with("CLEARVIEW_PLANS", plans).app();
    let principal = shared::identity::Principal {
        user: shared::ids::UserId::random().unwrap(),
        session: shared::ids::SessionId::random().unwrap(),
        tier: shared::plan::Tier::free(),
        source: None,
    };
    let batch = shared::classify::Batch {
        preference: crate::shared_cache::fleet::PREFERENCE,
        posts: vec!["one", "two"],
        explain: false,
        idempotency: None,
        trace: None,
    };
    let (meter, now) = (shared::plan::Meter::Posts, fleet.now());
    let admitted = shared::admission::enter_by_day(&app, &principal, meter, 2, now).await;
    let refused = shared::classify::run(&app, &principal, &batch, &admitted.unwrap(), now).await;
    assert!(refused.is_err());
    assert_eq!(fleet.keys(), [""; 0]);
}
