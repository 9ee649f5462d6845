//! Days are UTC: a request belongs to the day on which it came, and clocks that disagree cost nobody more than a day's limit.

use std::sync::Arc;
use std::time::Duration;

use shared::admission;
use shared::app::App;
use shared::clock::{Clock, Timestamp};
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::plan::{Meter, Tier};
use shared::quota::idempotency::IdempotencyKey;
use shared::quota::refund::Refund;
use shared::quota::{Charge, Counter};
use shared::table;
use tests::proxy::{Mode, Proxy};
use tests::service::{Plan, START, TableService};

/// From where the tests' clock starts to a second before midnight, and to seven minutes before it.
const TO_LAST_SECOND: Duration = Duration::from_secs(15 * 3600 - 1);
const TO_SEVEN_MINUTES_BEFORE: Duration = Duration::from_mins(15 * 60 - 7);

#[tokio::test]
async fn a_request_across_midnight_is_of_one_day_in_charge_headers_and_usage() {
    let tables = TableService::start().await;
    let proxy = Proxy::to(tables.address()).await;
    let plan = Plan::default()
        .with_tables_at(proxy.address)
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "20000");
    let service = plan.start().await;
    service.clock.advance(TO_LAST_SECOND);
    let ann = service.client.register("ann").await;
    let asked = proxy.requests();

    proxy.set(Mode::Freeze);
    let request = tokio::spawn({
        let (client, ann) = (service.client.clone(), ann.clone());
        async move { client.classify(&ann, "Hide crypto", &["one", "two"]).await }
    });
    // It has come, and waits for the table, when the day ends.
    proxy.received(asked + 1).await;
    service.clock.advance(Duration::from_secs(2));
    proxy.set(Mode::Pass);
    let answer = request.await.unwrap();

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["usage"]["resetAt"], "2100-03-02T00:00:00Z");
    let limit = answer.headers["ratelimit"].to_str().unwrap();
    assert!(limit.contains("\"daily\";r=998;t=1"), "{limit}");
    let used = |at: Timestamp| {
        let (tables, user) = (tables.tables(), ann.user.clone());
        async move { tables.used(&user, at).await }
    };
    assert_eq!(used(START).await, 2);
    assert_eq!(used(service.clock.now()).await, 0);
    let usage = service.client.usage(&ann).await;
    assert_eq!(
        (usage.body["day"].as_str(), usage.body["used"].as_u64()),
        (Some("2100-03-02"), Some(0))
    );
}

/// An instance whose clock is `ahead` of another's.
fn instance(plan: &Plan, clock: Clock) -> Arc<App> {
    let config = plan.config();
    let client = table::client(&config);
    Arc::new(App::new(config, clock, &client).unwrap())
}

#[tokio::test]
async fn clocks_five_minutes_apart_admit_no_more_than_each_days_limit() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let (right, ahead) = (Clock::manual(START), Clock::manual(START.plus(Duration::from_mins(5))));
    let instances = [instance(&plan, right.clone()), instance(&plan, ahead.clone())];
    for clock in [&right, &ahead] {
        clock.advance(TO_SEVEN_MINUTES_BEFORE);
    }
    let principal = Principal {
        user: UserId::random().unwrap(),
        session: SessionId::random().unwrap(),
        tier: Tier::free(),
        source: None,
    };
    let mut admitted = 0;
    // Fifteen minutes around midnight, a batch of 50 every 10 seconds on each instance: far more than two days' limits.
    for _ in 0..90 {
        for (app, clock) in instances.iter().zip([&right, &ahead]) {
            let entered = admission::enter_by_day(app, &principal, Meter::Posts, 50, clock.now()).await;
            let charged = entered.unwrap().charge(app, None).await;
            admitted += charged.map_or(0, |_| 50);
            clock.advance(Duration::from_secs(10));
        }
    }
    let mut stored = Vec::new();
    for day in [START.day(), START.day().next()] {
        let counter = Counter {
            user: principal.user.clone(),
            meter: Meter::Posts,
            day,
        };
        stored.push(instances[0].quota.used(&counter).await.unwrap());
    }
    assert_eq!(stored, [1_000, 1_000]);
    assert_eq!(admitted, 2_000);
}

#[test]
fn a_leap_second_and_a_change_to_summer_time_are_like_any_other_moment() {
    // Unix time has no leap seconds: 23:59:60 is read as the second after it would be, or not at all, never as another day's.
    let before = Timestamp::parse("2016-12-31T23:59:59Z").unwrap();
    let after = Timestamp::parse("2017-01-01T00:00:00Z").unwrap();
    assert_eq!(after.since(before), Duration::from_secs(1));
    let within = Timestamp::parse("2016-12-31T23:59:60Z");
    assert!(within.is_none_or(|at| at >= before && at <= after), "{within:?}");
    // The days on which Berlin and New York change their clocks in 2026 have 24 hours like all others.
    for day in ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01"] {
        let start = Timestamp::parse(&format!("{day}T00:00:00Z")).unwrap();
        assert_eq!(start.day().to_string(), day);
        assert_eq!(
            start.day().next().start().since(start),
            Duration::from_hours(24),
            "{day}"
        );
        let offset = Timestamp::parse(&format!("{day}T01:30:00+02:00")).unwrap();
        assert_eq!(offset.day(), start.day().minus(1), "an offset does not move the day");
    }
}

#[tokio::test]
async fn a_replay_over_midnight_gives_back_to_its_day_and_no_more_than_it_was_charged_there() {
    let tables = TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    plan.clock().advance(TO_LAST_SECOND);
    let app = plan.app();
    let user = UserId::random().unwrap();
    let run = async |key: Option<&IdempotencyKey>, units: u64, unjudged: u64| {
        let now = plan.clock().now();
        let charge = Charge {
            counter: Counter {
                user: user.clone(),
                meter: Meter::Posts,
                day: now.day(),
            },
            tier: Tier::free(),
            units,
            limit: 1000,
        };
        let charged = app.quota.charge(&charge, key, None, now).await.unwrap();
        app.quota.finish(charged.receipt, unjudged).await
    };
    let stored = async |at: Timestamp| tables.tables().used(user.as_str(), at).await;
    let key = IdempotencyKey::of("k", b"request");
    // Two of five were judged before midnight.
    assert_eq!(run(Some(&key), 5, 3).await.given, 3);
    plan.clock().advance(Duration::from_secs(2));
    run(None, 4, 0).await;
    // The replay is charged the other three, and nobody can judge any of the five.
    assert_eq!(run(Some(&key), 5, 5).await, Refund { given: 3, lost: 0 });
    assert_eq!((stored(START).await, stored(plan.clock().now()).await), (2, 4));
    // All were judged at last; a further replay is free.
    assert_eq!(run(Some(&key), 5, 0).await, Refund::default());
    assert_eq!(run(Some(&key), 5, 5).await, Refund::default());
    assert_eq!((stored(START).await, stored(plan.clock().now()).await), (2, 7));
}
