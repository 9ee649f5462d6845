//! The laws of the breaker: by table, by property, and under load.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;
use shared::clock::Timestamp;
use shared::config::providers::ProviderName;
use shared::models::breaker::store::{Breakers, CallReport, Permit};
use shared::models::breaker::window::{Blame, Window};
use shared::models::breaker::{CallDecision, CallOutcome, GOOD_PROBES, LONGEST_OPEN, PROBES, Phase};
use tests::client::Device;
use tests::service::Service;
use tests::upstream::{Act, Script, plan_of, upstream};

const GOOD: CallOutcome = CallOutcome::Good { slow: false };
const FAILED: CallOutcome = CallOutcome::Failed { slow: false };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

fn name() -> ProviderName {
    ProviderName::parse("openai:m").unwrap()
}

fn report(outcome: CallOutcome) -> CallReport {
    CallReport {
        outcome,
        blame: None,
        hold: None,
        refusal: None,
    }
}

/// Makes calls that end so until one is refused, `most` at most; how many passed.
async fn pass(breakers: &Breakers, most: usize, now: Timestamp, outcome: impl Fn(usize) -> CallReport) -> usize {
    for n in 0..most {
        match breakers.admit(&name(), now).await {
            Ok(permit) => {
                let _ = breakers.report(&name(), permit, outcome(n), now).await;
            }
            Err(_) => return n,
        }
    }
    most
}

async fn leases(breakers: &Breakers, wanted: usize, now: Timestamp) -> Vec<Permit> {
    let asked = join_all((0..wanted).map(|_| async { breakers.admit(&name(), now).await.ok() })).await;
    asked.into_iter().flatten().collect()
}

#[tokio::test]
async fn ten_failures_in_a_row_open_it() {
    let breakers = Breakers::default();
    assert_eq!(pass(&breakers, 100, at(0), |_| report(FAILED)).await, 10);
    assert!(!breakers.is_closed(&name(), at(61)).await);
}

#[tokio::test]
async fn alternating_good_and_bad_opens_it_within_thirty_calls() {
    let breakers = Breakers::default();
    let passed = pass(&breakers, 100, at(0), |n| {
        report(if n % 2 == 0 { GOOD } else { FAILED })
    })
    .await;
    assert!(passed <= 30, "{passed}");
}

#[tokio::test]
async fn slow_calls_open_it_though_they_are_good() {
    let breakers = Breakers::default();
    let passed = pass(&breakers, 100, at(0), |n| {
        report(CallOutcome::Good { slow: n % 10 != 0 })
    })
    .await;
    assert_eq!(passed, 20);
}

#[tokio::test]
async fn a_thousand_that_wait_in_half_open_make_five_probes_and_four_good_ones_close_it() {
    let breakers = Breakers::default();
    pass(&breakers, 100, at(0), |_| report(FAILED)).await;
    assert!(leases(&breakers, 1_000, at(59)).await.is_empty());
    let probes = leases(&breakers, 1_000, at(60)).await;
    assert_eq!(probes.len(), 5);
    for (n, permit) in probes.into_iter().enumerate() {
        assert!(!breakers.is_closed(&name(), at(61)).await, "after {n}");
        breakers
            .report(&name(), permit, report(if n == 0 { FAILED } else { GOOD }), at(61))
            .await;
    }
    assert!(breakers.is_closed(&name(), at(61)).await);
}

#[tokio::test]
async fn two_bad_probes_open_it_for_twice_as_long() {
    let breakers = Breakers::default();
    pass(&breakers, 100, at(0), |_| report(FAILED)).await;
    let mut now = 60;
    for span in [120, 240, 480, 600, 600] {
        assert_eq!(pass(&breakers, 100, at(now), |_| report(FAILED)).await, 2);
        assert!(leases(&breakers, 1, at(now + span - 1)).await.is_empty(), "{span}");
        now += span;
    }
    assert_eq!(pass(&breakers, 4, at(now), |_| report(GOOD)).await, 4);
    assert!(breakers.is_closed(&name(), at(61)).await);
}

#[tokio::test]
async fn a_late_success_of_an_older_epoch_changes_nothing() {
    let breakers = Breakers::default();
    let late = leases(&breakers, 20, at(0)).await;
    pass(&breakers, 100, at(0), |_| report(FAILED)).await;
    let probes = leases(&breakers, 5, at(60)).await;
    for permit in late {
        breakers.report(&name(), permit, report(GOOD), at(60)).await;
    }
    assert!(!breakers.is_closed(&name(), at(61)).await, "old results close nothing");
    breakers.report(&name(), probes[0], report(GOOD), at(60)).await;
    assert!(!breakers.is_closed(&name(), at(61)).await);
}

#[tokio::test]
async fn a_thousand_failures_that_one_user_or_one_post_provoked_leave_it_closed() {
    for (user, text) in [("ann", None), ("", Some("poison"))] {
        let breakers = Breakers::default();
        let provoked = |n: usize| {
            let other = n.to_string();
            CallReport {
                blame: Some(Blame::of([
                    if user.is_empty() { &other } else { user },
                    text.unwrap_or(&other),
                ])),
                ..report(CallOutcome::Provoked { slow: true })
            }
        };
        assert_eq!(pass(&breakers, 1_000, at(0), provoked).await, 1_000, "{user} {text:?}");
        assert!(breakers.is_closed(&name(), at(61)).await);
    }
}

/// A failure that one of `devices` can have provoked, each time with another post.
fn provoked(n: usize, devices: usize) -> CallReport {
    let (user, text) = (format!("device {}", n % devices), format!("poison {n}"));
    CallReport {
        blame: Some(Blame::of([user.as_str(), text.as_str()])),
        ..report(CallOutcome::Provoked { slow: true })
    }
}

#[tokio::test]
async fn timeouts_of_many_users_put_it_in_doubt_and_two_more_open_it() {
    let breakers = Breakers::default();
    assert_eq!(pass(&breakers, 100, at(0), |n| provoked(n, 100)).await, 12);
    assert!(leases(&breakers, 1, at(59)).await.is_empty(), "for a minute");
    assert_eq!(leases(&breakers, 100, at(60)).await.len(), 5);
}

#[tokio::test]
async fn devices_that_provoke_failures_together_cannot_open_it_while_others_are_answered() {
    let breakers = Breakers::default();
    let mut refused = 0;
    for round in 0..100 {
        // A hundred calls that fail, all at once so that none between them is good.
        let (poisoned, honest) = (leases(&breakers, 100, at(round)).await, 20);
        for (n, permit) in poisoned.into_iter().enumerate() {
            breakers.report(&name(), permit, provoked(n, 40), at(round)).await;
        }
        for _ in 0..honest {
            match breakers.admit(&name(), at(round)).await {
                Ok(permit) => drop(breakers.report(&name(), permit, report(GOOD), at(round)).await),
                Err(_) => refused += 1,
            }
        }
    }
    assert_eq!(refused, 0, "of 2,000 honest calls");
}

#[tokio::test]
async fn what_says_nothing_of_a_provider_counts_for_nothing() {
    let breakers = Breakers::default();
    assert_eq!(
        pass(&breakers, 1_000, at(0), |_| report(CallOutcome::Neutral)).await,
        1_000
    );
}

#[tokio::test]
async fn what_is_forced_stays() {
    let forced = BTreeMap::from([(name(), shared::config::providers::Forced::Closed)]);
    let breakers = Breakers::new(forced, None);
    assert_eq!(pass(&breakers, 100, at(0), |_| report(FAILED)).await, 100);
}

/// The possible next events.
#[derive(Debug, Clone)]
enum Event {
    Ask,
    End {
        which: prop::sample::Index,
        outcome: CallOutcome,
    },
    Wait {
        seconds: i64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        2 => any::<bool>().prop_map(|slow| CallOutcome::Failed { slow }),
        2 => any::<bool>().prop_map(|slow| CallOutcome::Provoked { slow }),
        3 => any::<bool>().prop_map(|slow| CallOutcome::Good { slow }),
        1 => Just(CallOutcome::Neutral),
    ];
    prop_oneof![
        6 => Just(Event::Ask),
        6 => (any::<prop::sample::Index>(), outcome).prop_map(|(which, outcome)| Event::End { which, outcome }),
        1 => (1..90_i64).prop_map(|seconds| Event::Wait { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: tests::runs::cases(512), ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_laws_hold(events in prop::collection::vec(event(), 1..300)) {
        let mut window = Window::default();
        let (mut now, mut under_way, mut probes) = (0, Vec::new(), (0, 0));
        for event in events {
            let before = window.snapshot(at(now));
            match event {
                Event::Wait { seconds } => now += seconds,
                Event::Ask => match before.admission(at(now)) {
                    CallDecision::Call => {
                        prop_assert_eq!(before.phase, Phase::Closed);
                        under_way.push(before.epoch);
                    }
                    CallDecision::Lease => {
                        prop_assert!(window.lease(before.epoch));
                        probes = if probes.0 == before.epoch { (before.epoch, probes.1 + 1) } else { (before.epoch, 1) };
                        under_way.push(before.epoch);
                    }
                    CallDecision::Shift(phase) => {
                        let is_half_open = matches!(phase, Phase::HalfOpen { leased: 0, .. });
                        prop_assert!(is_half_open, "an open phase ends half-open: {:?}", phase);
                        prop_assert!(window.shift(before.epoch, phase));
                    }
                    CallDecision::Refuse(until) => prop_assert!(until > at(now)),
                },
                Event::End { which, outcome } if !under_way.is_empty() => {
                    let epoch = under_way.swap_remove(which.index(under_way.len()));
                    window.report(epoch, outcome, at(now));
                    if epoch != before.epoch || outcome == CallOutcome::Neutral && before.phase == Phase::Closed {
                        prop_assert_eq!(window.snapshot(at(now)), before);
                    }
                    let after = window.snapshot(at(now));
                    if let Some(phase) = after.consequence(at(now)) {
                        if let Phase::Open { until, span } = phase {
                            prop_assert!(span <= LONGEST_OPEN && until == at(now).plus(span));
                        }
                        if before.phase == Phase::Closed {
                            let in_doubt = matches!(phase, Phase::HalfOpen { .. });
                            prop_assert_eq!(in_doubt, after.tally.is_doubtful());
                        }
                        if let Phase::HalfOpen { good, .. } = after.phase {
                            prop_assert_eq!(phase == Phase::Closed, good >= GOOD_PROBES);
                        }
                        prop_assert!(window.shift(after.epoch, phase));
                    }
                }
                Event::End { .. } => {}
            }
            if let Phase::HalfOpen { leased, good, bad, .. } = window.snapshot(at(now)).phase {
                prop_assert!(leased <= PROBES && good + bad <= leased);
            }
            prop_assert!(window.snapshot(at(now)).epoch >= before.epoch);
        }
    }
}

async fn load(service: &Service, devices: &[Device], round: usize) -> (usize, usize) {
    let asked = devices.iter().enumerate().map(|(n, device)| async move {
        let text = format!("round {round} post {n}");
        service.client.classify(device, &format!("hide {n}"), &[&text]).await
    });
    let answers = join_all(asked).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let by_model = answers
        .iter()
        .filter(|answer| answer.body["results"][0]["source"] == "model");
    (by_model.count(), answers.len())
}

#[tokio::test]
async fn a_provider_that_is_dead_for_a_minute_under_load_costs_few_calls_and_no_request() {
    let error = Act::Status {
        status: 500,
        retry_after: None,
    };
    for death in [error, Act::Cut, Act::Hang, Act::Prose] {
        dies_for_a_minute(death).await;
    }
}

async fn dies_for_a_minute(death: Act) {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).with_deadlines(500, 3_000).start().await;
    let mut devices = Vec::new();
    for n in 0..10 {
        devices.push(service.client.register(&format!("device-{n}")).await);
    }
    for round in 0..3 {
        assert_eq!(load(&service, &devices, round).await, (10, 10));
    }
    let before = upstream.calls().len();
    upstream.follow(Script::always(death.clone()));
    for round in 10..40 {
        service.clock.advance(Duration::from_secs(2));
        load(&service, &devices, round).await;
    }
    let dead = upstream.calls().len() - before;
    assert!(
        dead <= 30,
        "{death:?}: 300 requests made {dead} calls to a dead provider"
    );

    upstream.follow(Script::always(Act::Answer));
    let (mut good, mut all) = (0, 0);
    for round in 50..80 {
        service.clock.advance(Duration::from_secs(4));
        let (by_model, asked) = load(&service, &devices, round).await;
        // Within a minute of its return the breaker has had its probes; from then on nearly all is well.
        if round >= 65 {
            (good, all) = (good + by_model, all + asked);
        }
    }
    assert!(good * 100 >= all * 95, "{death:?}: {good} of {all}");
    // Each post was asked about by one request alone.
    let calls = upstream.calls();
    let asked: BTreeSet<&str> = calls
        .iter()
        .flat_map(|call| &call.asked.as_ref().unwrap().posts)
        .map(|post| post.text.as_str())
        .collect();
    let retries = calls.len() - asked.len();
    assert!(retries * 10 <= calls.len(), "{death:?}: {retries} of {}", calls.len());
}
