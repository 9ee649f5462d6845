//! The breaker over the fleet: the script in the cache keeps the counts that a process keeps, and all instances act on them.

use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use shared::clock::Timestamp;
use shared::config::providers::ProviderName;
use shared::models::breaker::fleet::Fleet;
use shared::models::breaker::store::{Breakers, CallReport};
use shared::models::breaker::window::{Blame, FleetAct, Window};
use shared::models::breaker::{CallOutcome, Phase};
use shared::valkey::Valkey;
use tests::redis::Redis;
use tests::service::Plan;
use tests::upstream::{Act as Upstreams, plan_of, upstream};

const FAILED: CallReport = CallReport {
    outcome: CallOutcome::Failed { slow: false },
    blame: None,
    hold: None,
    refusal: None,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(4_000_000_000 + seconds)
}

fn name() -> ProviderName {
    ProviderName::parse("openai:m").unwrap()
}

/// Patient: a busy machine is not what is tested.
fn fleet(redis: &Redis) -> Fleet {
    let plan = Plan::default().with("CLEARVIEW_CACHE_URL", redis.url());
    let config = plan.config();
    Fleet::new(Valkey::new(
        config.cache.shared.as_ref().unwrap(),
        &config,
        plan.clock().clone(),
    ))
}

fn instance(redis: &Redis) -> Breakers {
    Breakers::new([].into(), Some(fleet(redis)))
}

#[derive(Debug, Clone)]
enum Event {
    Report {
        late: bool,
        outcome: CallOutcome,
        blame: Option<[u8; 2]>,
        hold: Option<i64>,
        refusal: Option<u16>,
    },
    Lease {
        late: bool,
    },
    Shift {
        late: bool,
        phase: u8,
    },
    Retry,
    Wait {
        seconds: i64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        any::<bool>().prop_map(|slow| CallOutcome::Failed { slow }),
        any::<bool>().prop_map(|slow| CallOutcome::Provoked { slow }),
        any::<bool>().prop_map(|slow| CallOutcome::Good { slow }),
        Just(CallOutcome::Neutral),
    ];
    let late = || prop::bool::weighted(0.1);
    let blame = prop::option::weighted(0.3, prop::array::uniform2(0..4_u8));
    let hold = prop::option::weighted(0.05, 1..40_i64);
    let refusal = prop::option::weighted(0.1, 400..405_u16);
    prop_oneof![
        8 => (late(), outcome, blame, hold, refusal).prop_map(|(late, outcome, blame, hold, refusal)| {
            Event::Report { late, outcome, blame, hold, refusal }
        }),
        2 => late().prop_map(|late| Event::Lease { late }),
        1 => (late(), 0..3_u8).prop_map(|(late, phase)| Event::Shift { late, phase }),
        2 => Just(Event::Retry),
        2 => (1..20_i64).prop_map(|seconds| Event::Wait { seconds }),
    ]
}

async fn compare(fleet: &Fleet, events: &[Event]) -> Result<(), TestCaseError> {
    let (mut window, mut now) = (Window::default(), 0);
    for event in events {
        let epoch = window.snapshot(at(now)).epoch;
        let of = |late: &bool| if *late { epoch + 1 } else { epoch };
        let (own, others) = match event {
            Event::Wait { seconds } => {
                now += seconds;
                continue;
            }
            Event::Retry => (
                window.retry(at(now)),
                fleet.run(&name(), &FleetAct::Retry, at(now)).await,
            ),
            Event::Lease { late } => (
                window.lease(of(late)),
                fleet.run(&name(), &FleetAct::Lease(of(late)), at(now)).await,
            ),
            Event::Shift { late, phase } => {
                let (until, span) = (at(now + 60), Duration::from_mins(1));
                let phase = match phase {
                    0 => Phase::Closed,
                    1 => Phase::Open { until, span },
                    _ => Phase::HalfOpen {
                        until,
                        span,
                        leased: 0,
                        good: 0,
                        bad: 0,
                    },
                };
                let act = FleetAct::Shift(of(late), phase);
                (window.shift(of(late), phase), fleet.run(&name(), &act, at(now)).await)
            }
            Event::Report {
                late,
                outcome,
                blame,
                hold,
                refusal,
            } => {
                let blame =
                    blame.map(|[user, text]| Blame::of([format!("u{user}").as_str(), format!("t{text}").as_str()]));
                let hold = hold.map(|seconds| at(now + seconds));
                if let Some(until) = hold {
                    window.hold(until);
                }
                if let Some(status) = refusal {
                    window.refuse(*status);
                }
                let counts = blame.as_ref().is_none_or(|blame| window.blame(blame, at(now)));
                window.report(of(late), if counts { *outcome } else { CallOutcome::Neutral }, at(now));
                let act = FleetAct::Report {
                    epoch: of(late),
                    outcome: *outcome,
                    hold,
                    refusal: *refusal,
                    blame: blame.as_ref(),
                };
                (!late, fleet.run(&name(), &act, at(now)).await)
            }
        };
        let (done, snapshot) = others.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(done, own, "{:?}", event);
        prop_assert_eq!(snapshot, window.snapshot(at(now)), "after {:?}", event);
    }
    Ok(())
}

#[test]
fn the_script_keeps_the_counts_that_a_process_keeps() {
    let redis = Redis::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fleet = runtime.block_on(async { fleet(&redis) });
    let cases = Config {
        cases: tests::runs::cases(64),
        ..Config::default()
    };
    TestRunner::new(cases)
        .run(&prop::collection::vec(event(), 1..60), |events| {
            redis.flush();
            runtime.block_on(compare(&fleet, &events))
        })
        .unwrap();
}

#[tokio::test]
async fn ten_failures_of_ten_instances_open_it_for_all_and_a_thousand_waiting_make_five_probes() {
    let redis = Redis::cluster();
    let instances: Vec<Breakers> = (0..10).map(|_| instance(&redis)).collect();
    for breakers in &instances {
        let permit = breakers.admit(&name(), at(0)).await.unwrap();
        breakers.report(&name(), permit, FAILED, at(0)).await;
    }
    for breakers in &instances {
        assert!(breakers.admit(&name(), at(1)).await.is_err());
        assert!(!breakers.is_closed(&name(), at(1)).await);
    }
    let model = name();
    let waiting = (0..1_000).map(|n| instances[n % 10].admit(&model, at(60)));
    let probes: Vec<_> = join_all(waiting).await.into_iter().flatten().collect();
    assert_eq!(probes.len(), 5);
    let good = CallReport {
        outcome: CallOutcome::Good { slow: false },
        ..FAILED
    };
    for (n, permit) in probes.into_iter().enumerate() {
        instances[n].report(&name(), permit, good.clone(), at(61)).await;
    }
    assert!(instances[9].admit(&name(), at(61)).await.is_ok());
}

#[tokio::test]
async fn who_asked_one_instance_to_wait_is_called_by_none_until_then() {
    let redis = Redis::start();
    let (one, other) = (instance(&redis), instance(&redis));
    let permit = one.admit(&name(), at(0)).await.unwrap();
    let held = CallReport {
        hold: Some(at(7)),
        ..FAILED
    };
    one.report(&name(), permit, held, at(0)).await;
    assert!(other.admit(&name(), at(6)).await.is_err());
    assert!(other.admit(&name(), at(7)).await.is_ok());
}

#[tokio::test]
async fn the_budget_of_retries_is_the_fleets() {
    let redis = Redis::start();
    let (one, other) = (instance(&redis), instance(&redis));
    for _ in 0..10 {
        let permit = one.admit(&name(), at(0)).await.unwrap();
        let good = CallReport {
            outcome: CallOutcome::Good { slow: false },
            ..FAILED
        };
        one.report(&name(), permit, good, at(0)).await;
    }
    assert!(other.retry(&name(), at(0)).await, "what the other has called counts");
    assert!(!one.retry(&name(), at(0)).await);
}

#[tokio::test]
async fn without_the_cache_each_goes_on_with_what_it_has_seen_itself() {
    let mut redis = Redis::start();
    let breakers = instance(&redis);
    for _ in 0..9 {
        let permit = breakers.admit(&name(), at(0)).await.unwrap();
        breakers.report(&name(), permit, FAILED, at(0)).await;
    }
    redis.kill();
    let permit = breakers.admit(&name(), at(0)).await.unwrap();
    breakers.report(&name(), permit, FAILED, at(0)).await;
    assert!(breakers.admit(&name(), at(1)).await.is_err(), "ten in a row");
    assert!(!breakers.is_closed(&name(), at(1)).await);
}

#[tokio::test]
async fn what_one_instance_has_learned_of_a_dead_provider_another_knows() {
    let upstream = upstream(Upstreams::Cut).await;
    let redis = Redis::start();
    let plan = plan_of(&upstream).with("CLEARVIEW_CACHE_URL", redis.url());
    let (one, other) = (plan.start().await, plan.start().await);
    let (ann, bob) = (one.client.register("ann").await, other.client.register("bob").await);
    for n in 0..12 {
        one.client.classify(&ann, "hide crypto", &[&format!("post {n}")]).await;
    }
    let calls = upstream.calls().len();
    assert!(calls <= 11, "{calls}");
    let answer = other.client.classify(&bob, "hide crypto", &["a post"]).await;
    assert_eq!((answer.status, upstream.calls().len()), (200, calls));
    let health = other.client.get("/health").await;
    assert_eq!(
        health.body["dependencies"]["providers"]["openai:cheap"]["status"],
        "down"
    );
}

#[tokio::test]
async fn a_doubt_is_the_fleets_and_four_good_calls_of_others_clear_it() {
    let redis = Redis::start();
    let (one, other) = (instance(&redis), instance(&redis));
    for n in 0..10 {
        let permit = one.admit(&name(), at(0)).await.unwrap();
        let (user, text) = (format!("device {}", n % 4), format!("poison {n}"));
        let provoked = CallReport {
            outcome: CallOutcome::Provoked { slow: true },
            blame: Some(Blame::of([user.as_str(), text.as_str()])),
            ..FAILED
        };
        one.report(&name(), permit, provoked, at(0)).await;
    }
    for n in 0..4 {
        assert!(!one.is_closed(&name(), at(1)).await, "after {n}");
        let permit = other.admit(&name(), at(1)).await.unwrap();
        let good = CallReport {
            outcome: CallOutcome::Good { slow: false },
            ..FAILED
        };
        other.report(&name(), permit, good, at(1)).await;
    }
    assert!(one.is_closed(&name(), at(1)).await);
}

#[tokio::test]
async fn posts_that_a_model_chokes_on_take_no_verdict_from_who_asks_after_them() {
    let upstream = upstream(Upstreams::Poisoned {
        by: "poison".to_owned(),
    })
    .await;
    let service = plan_of(&upstream).start().await;
    let honest = service.client.register("honest").await;
    let mut devices = Vec::new();
    for n in 0..4 {
        devices.push(service.client.register(&format!("device-{n}")).await);
    }
    let texts: Vec<String> = (0..12).map(|n| format!("poison number {n}")).collect();
    // Each under another preference, so that none shares a call; all at once, so that no good one comes between.
    let preferences: Vec<String> = (0..12).map(|n| format!("hide {n}")).collect();
    let ask = async |n: usize| {
        let text = texts[n].as_str();
        service.client.classify(&devices[n % 4], &preferences[n], &[text]).await
    };
    let asked = (0..12).map(ask);
    for answer in join_all(asked).await {
        assert_eq!(answer.body["results"][0]["source"], "local");
    }
    assert!(upstream.calls().len() >= 10, "as many as put it in doubt");
    for n in 0..20 {
        let answer = service
            .client
            .classify(&honest, "hide crypto", &[&format!("post {n}")])
            .await;
        assert_eq!(answer.body["results"][0]["source"], "model", "post {n}");
    }
}
