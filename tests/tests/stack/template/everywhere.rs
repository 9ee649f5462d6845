//! Every function is in every list that names functions: one that is left out of a list is not watched, not found or not measured.

use std::collections::BTreeSet;

use health::fleet_metrics::{ENDPOINTS, WORKLOADS};
use local::gateway;
use serde_json::Value;
use tests::definitions::{Template, list, text_of};

/// The functions behind the gateway, by their binaries.
fn of_gateway() -> BTreeSet<&'static str> {
    gateway::functions().map(|function| function.name).into()
}

/// The logical ids of the functions whose metric of AWS/Lambda an alarm reads.
fn read_by(template: &Template, alarm: &str, metric: &str) -> BTreeSet<String> {
    let metrics = list(&template.resource(alarm)["Properties"]["Metrics"]);
    let of_lambda = metrics.into_iter().map(|read| &read["MetricStat"]["Metric"]);
    of_lambda
        .filter(|read| read["Namespace"] == "AWS/Lambda" && read["MetricName"] == metric)
        .map(|read| read["Dimensions"][0]["Value"]["Ref"].as_str().unwrap().to_owned())
        .collect()
}

fn all(template: &Template) -> BTreeSet<String> {
    template.functions().map(|(id, ..)| id.to_owned()).collect()
}

#[test]
fn an_invocation_of_any_function_that_ends_without_an_answer_is_in_exactly_one_alarm() {
    let template = Template::read();
    let rollout = read_by(&template, "RolloutFailing", "Errors");
    let rest = read_by(&template, "FunctionsFailing", "Errors");
    assert!(rollout.is_disjoint(&rest), "{rollout:?} and {rest:?}");
    assert_eq!(&rollout | &rest, all(&template));
    for (id, _, function) in template.functions() {
        let watched = function["Properties"]["DeploymentPreference"]["Alarms"].to_string();
        let by_rollout = watched.contains("RolloutFailing");
        assert_eq!(by_rollout, rollout.contains(id), "{id}: {watched}");
    }
}

#[test]
fn any_function_that_is_throttled_is_in_the_alarm_of_that() {
    let template = Template::read();
    assert_eq!(read_by(&template, "FunctionsThrottled", "Throttles"), all(&template));
}

#[test]
fn a_failed_request_to_any_function_counts_in_the_error_rate() {
    let template = Template::read();
    let metrics = list(&template.resource("ErrorRate")["Properties"]["Metrics"]);
    let counted: BTreeSet<&str> = metrics
        .into_iter()
        .filter_map(|read| read["MetricStat"]["Metric"]["Dimensions"][0]["Value"].as_str())
        .collect();
    let mut called = of_gateway();
    // It answers 200 whatever is down, as often as a monitor asks: counted in, it would hide the others' failures.
    called.remove("health");
    assert_eq!(counted, called);
}

#[test]
fn the_dashboard_shows_every_function() {
    let template = Template::read();
    let body = template.resource("Dashboard")["Properties"]["DashboardBody"]["Fn::Sub"]
        .as_str()
        .unwrap();
    for (id, ..) in template.functions() {
        for metric in ["ConcurrentExecutions", "Errors", "Throttles"] {
            let shown = format!(r#"["AWS/Lambda", "{metric}", "FunctionName", "${{{id}}}""#);
            assert!(body.contains(&shown), "{metric} of {id}");
        }
    }
    for binary in of_gateway() {
        let shown = format!(r#""durationMs", "endpoint", "{binary}""#);
        assert!(body.contains(&shown), "requests of {binary}");
    }
}

/// The functions whose log a saved query reads.
fn queried(template: &Template, query: &str) -> BTreeSet<String> {
    let logs: Vec<&Value> = list(&template.resource(query)["Properties"]["LogGroupNames"])
        .into_iter()
        .map(|log| &log["Ref"])
        .collect();
    let functions = template.functions();
    functions
        .filter(|(_, _, function)| logs.contains(&&function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]))
        .map(|(_, binary, _)| binary.to_owned())
        .collect()
}

#[test]
fn what_any_function_logs_is_found_by_the_saved_queries() {
    let template = Template::read();
    let everything: BTreeSet<String> = template.functions().map(|(_, binary, _)| binary.to_owned()).collect();
    let of_gateway: BTreeSet<String> = of_gateway().into_iter().map(str::to_owned).collect();
    for query in ["FunctionMemory", "Defects"] {
        assert_eq!(queried(&template, query), everything, "{query}");
    }
    for query in [
        "OneRequest",
        "FailedRequests",
        "UsersAffected",
        "DegradedRequests",
        "CostByTier",
    ] {
        assert_eq!(queried(&template, query), of_gateway, "{query}");
    }
    let by_itself: BTreeSet<String> = everything.difference(&of_gateway).cloned().collect();
    assert_eq!(queried(&template, "ByItself"), by_itself);
}

#[test]
fn the_code_and_its_measurements_know_every_function() {
    let template = Template::read();
    let bench = text_of("tests/src/bin/bench/deployment.rs");
    for (_, binary, _) in template.functions() {
        assert!(bench.contains(&format!("(\"{binary}\", ")), "{binary} is not measured");
    }
    assert_eq!(
        BTreeSet::from(ENDPOINTS),
        of_gateway(),
        "the fleet's figures are of each"
    );
    assert!(BTreeSet::from(WORKLOADS).is_subset(&of_gateway()));
}
