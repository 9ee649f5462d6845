//! Each fault sets off its alarm, as template.yaml has it, and a good day sets off none.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::definitions::Template;
use tests::proxy::{Mode, Proxy};
use tests::runtime_api::{Function, InvokeFailure};
use tests::service::{Plan, TableService};

use crate::drills::alarm::Alarm;
use crate::drills::faults::{self, DRILLED};
use crate::drills::log::{Drill, Metrics, NAMESPACE, count, metrics};
use crate::drills::owned::{OWNED, owned};

/// The alarms of the template, by their ids.
fn alarms() -> Vec<String> {
    let template = Template::read();
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    alarms.map(|(id, _)| id.to_owned()).collect()
}

/// That an alarm goes off once a fault with these lines has lasted for as long as the alarm waits, and not before.
fn check_goes_off(id: &str, lines: &[Value]) {
    let alarm = Alarm::named(id);
    let times = lines.iter().filter_map(|line| line["_aws"]["Timestamp"].as_i64());
    let (first, last) = times.fold((i64::MAX, i64::MIN), |(first, last), time| {
        (first.min(time), last.max(time))
    });
    assert!(
        last - first < alarm.period_millis(),
        "{id}: the fault was longer than a period"
    );
    check_goes_off_with(&alarm, &metrics(lines));
}

fn check_goes_off_with(alarm: &Alarm, metrics: &Metrics) {
    let id = &alarm.id;
    let patience = alarm.patience();
    assert!(alarm.is_on_after(patience, metrics), "{id}: {:?}", alarm.value(metrics));
    assert!(!alarm.is_on_after(patience - 1, metrics), "{id} does not wait");
}

#[test]
fn every_alarm_is_drilled_or_is_made_of_metrics_of_aws_alone() {
    let known: BTreeSet<&str> = DRILLED.into_iter().chain(OWNED).collect();
    let alarms = alarms();
    let found: BTreeSet<&str> = alarms.iter().map(String::as_str).collect();
    assert_eq!(known, found, "an alarm without a drill, or a drill without an alarm");
    for id in &alarms {
        let metrics = Alarm::named(id).metrics();
        let ours = metrics.iter().any(|(_, read)| read.namespace.starts_with(NAMESPACE));
        assert_eq!(ours, DRILLED.contains(&id.as_str()), "{id}");
    }
}

#[tokio::test]
async fn each_fault_sets_off_its_alarm() {
    // On the heap: together they are larger than the stack of a test.
    let faults = DRILLED.map(|id| Box::pin(async move { (id, faults::of(id).await) }));
    for (id, lines) in join_all(faults).await {
        check_goes_off(id, &lines);
    }
}

#[tokio::test]
async fn on_a_good_day_no_alarm_goes_off() {
    let metrics = metrics(&faults::none().await);
    for id in alarms() {
        let alarm = Alarm::named(&id);
        assert!(!alarm.is_on_after(100, &metrics), "{id}: {:?}", alarm.value(&metrics));
    }
    // It would say something if there were something to say.
    for id in ["HitRate", "ErrorRate", "Latency"] {
        assert!(
            Alarm::named(id)
                .value(&metrics)
                .is_some_and(|value| (value - 100.0).abs() > 1e-9),
            "{id}"
        );
    }
    assert_eq!(count(&metrics, "costMicroUsd{tier=free}"), 22 + 1000 + 1 + 1);
    let left = &metrics["quotaLeftPercent{tier=free}"];
    assert!(left.first() > left.last(), "{left:?}");
}

#[tokio::test]
async fn a_close_that_fails_is_what_lambda_counts_as_an_error() {
    let tables = TableService::start().await;
    let proxy = Proxy::to(tables.address()).await;
    proxy.set(Mode::Cut);
    let plan = Plan::default().on_system_time();
    let variables = plan.variables().iter();
    let function = variables
        .fold(Function::named("quota-reset"), |function, (name, value)| {
            function.with(name, value)
        })
        .with_tables_at(proxy.address);
    let environment = function.start().await.unwrap();
    let failure = environment.invoke(tests::events::text_of("quota-reset/close")).await;
    assert!(matches!(failure, Err(InvokeFailure::Reported(_))), "{failure:?}");
    let counted = Metrics::from([(
        "AWS/Lambda:Errors{FunctionName=QuotaResetFunction}".to_owned(),
        vec![1.0],
    )]);
    check_goes_off_with(&Alarm::named("FunctionsFailing"), &counted);
}

#[test]
fn what_aws_alone_counts_is_read_under_the_names_that_aws_documents_and_held_against_the_threshold() {
    for id in OWNED {
        let alarm = Alarm::named(id);
        let datapoints = owned(id);
        for (_, read) in alarm.metrics() {
            let dimensions: Vec<&str> = read.dimensions.iter().map(|(name, _)| name.as_str()).collect();
            let documented = crate::drills::owned::DOCUMENTED.iter().find(|documented| {
                (documented.namespace, documented.name) == (&*read.namespace, &*read.name)
                    && documented.dimensions == dimensions
            });
            let source = documented.unwrap_or_else(|| panic!("{id}: AWS documents no such metric: {read:?}"));
            assert!(source.source.starts_with("https://docs.aws.amazon.com/"), "{id}");
        }
        check_goes_off_with(&alarm, &datapoints.too_many);
        assert!(!alarm.is_on_after(100, &datapoints.fine), "{id}");
    }
}

#[tokio::test]
async fn the_clients_own_mistakes_are_in_no_alarm() {
    let drill = Drill::start(&[]).await;
    for _ in 0..30 {
        let bad = json!({"deviceId": 7});
        assert_eq!(drill.client.post("/v1/auth/register", &bad).await.status, 400);
        assert_eq!(drill.client.get("/v1/usage").await.status, 401);
    }
    let metrics = metrics(&drill.lines().await);
    assert_eq!(count(&metrics, "failed{endpoint=usage}"), 30);
    for id in alarms() {
        assert!(!Alarm::named(&id).is_on_after(100, &metrics), "{id}");
    }
}
