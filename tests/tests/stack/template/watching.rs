//! Alarms, dashboard, saved queries: they are made of metrics that the code emits, and say what to do.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::telemetry::{Degraded, Signal, metrics};
use tests::definitions::{Template, list, substituted, text_of};

const NAMESPACE: &str = "ClearView/${Stage}";

/// The alarms that requirements.md asks for, with its thresholds and directions.
const ASKED_FOR: [(&str, f64, &str); 7] = [
    ("HitRate", 85.0, "LessThanThreshold"),
    ("ErrorRate", 1.0, "GreaterThanThreshold"),
    ("Latency", 500.0, "GreaterThanThreshold"),
    ("ModelTimeouts", 5.0, "GreaterThanThreshold"),
    ("ModelAvailability", 99.0, "LessThanThreshold"),
    ("DailyCost", 200e6, "GreaterThanThreshold"),
    ("CacheMemory", 80.0, "GreaterThanThreshold"),
];

/// Every metric that the code emits, with the names of what it is told apart by.
fn emitted() -> BTreeSet<(&'static str, Vec<&'static str>)> {
    let of_records = metrics().flat_map(|metric| {
        let dimensions = metric.shape.dimensions().iter();
        dimensions.map(move |names| (metric.name, names.to_vec()))
    });
    let once = Degraded::ALL
        .map(Degraded::metric)
        .into_iter()
        .chain(Signal::ALL.map(Signal::name));
    of_records.chain(once.map(|name| (name, Vec::new()))).collect()
}

fn check(place: &str, name: &str, dimensions: &[&str]) {
    let emitted = emitted();
    let found = emitted.iter().any(|(metric, by)| *metric == name && by == dimensions);
    assert!(found, "{place}: the code emits no {name} by {dimensions:?}");
}

/// The metrics of an alarm: namespace, name, names of dimensions.
fn metrics_of(alarm: &Value) -> Vec<(String, String, Vec<String>)> {
    let properties = &alarm["Properties"];
    let mut places: Vec<&Value> = list(&properties["Metrics"])
        .into_iter()
        .map(|metric| &metric["MetricStat"]["Metric"])
        .filter(|metric| !metric.is_null())
        .collect();
    if !properties["MetricName"].is_null() {
        places.push(properties);
    }
    let text = |value: &Value| value.as_str().or_else(|| value["Fn::Sub"].as_str()).unwrap().to_owned();
    places
        .into_iter()
        .map(|metric| {
            let dimensions = list(&metric["Dimensions"]);
            (
                text(&metric["Namespace"]),
                text(&metric["MetricName"]),
                dimensions
                    .into_iter()
                    .map(|dimension| text(&dimension["Name"]))
                    .collect(),
            )
        })
        .collect()
}

/// The metrics that filters of logs make: namespace and name. Each reads a member that records have.
fn of_filters(template: &Template) -> BTreeSet<(String, String)> {
    let access = &template.resource("Api")["Properties"]["AccessLogSetting"]["Format"];
    let source = text_of("functions/chat/src/completions.rs") + access.as_str().unwrap();
    let filters = template.resources("AWS::Logs::MetricFilter");
    filters
        .map(|(id, filter)| {
            let made = &filter["Properties"]["MetricTransformations"][0];
            let pattern = filter["Properties"]["FilterPattern"].as_str().unwrap();
            let member = pattern
                .split(['.', ' '])
                .find(|word| source.contains(&format!("\"{word}\"")));
            assert!(member.is_some(), "{id}: no record has what {pattern} reads");
            let text = |value: &Value| value.as_str().or_else(|| value["Fn::Sub"].as_str()).unwrap().to_owned();
            (text(&made["MetricNamespace"]), text(&made["MetricName"]))
        })
        .collect()
}

#[test]
fn every_metric_of_an_alarm_is_one_that_the_code_emits() {
    let template = Template::read();
    let filtered = of_filters(&template);
    let mut ours = 0;
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let metrics = metrics_of(alarm);
        assert!(!metrics.is_empty(), "{id}");
        for (namespace, name, dimensions) in metrics {
            if filtered.contains(&(namespace.clone(), name.clone())) {
                assert!(dimensions.is_empty(), "{id}: {name}");
            } else if namespace == NAMESPACE {
                ours += 1;
                check(id, &name, &dimensions.iter().map(String::as_str).collect::<Vec<_>>());
            } else {
                assert!(namespace.starts_with("AWS/"), "{id}: {namespace}");
            }
        }
    }
    assert!(ours > 15);
}

#[test]
fn every_term_of_an_alarms_expression_is_read_and_every_metric_read_is_a_term() {
    let template = Template::read();
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let metrics = list(&alarm["Properties"]["Metrics"]);
        let Some(value) = metrics.iter().find(|metric| !metric["Expression"].is_null()) else {
            continue;
        };
        let expression = &value["Expression"];
        let expression = expression.as_str().or_else(|| expression["Fn::Sub"].as_str()).unwrap();
        let words = |c: char| !c.is_ascii_alphanumeric();
        let terms: BTreeSet<&str> = expression
            .split(words)
            .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect();
        let read: BTreeSet<&str> = metrics
            .iter()
            .filter(|metric| metric["Expression"].is_null())
            .map(|metric| metric["Id"].as_str().unwrap())
            .collect();
        assert_eq!(terms, read, "{id}: {expression}");
        assert!(
            metrics
                .iter()
                .all(|metric| metric["ReturnData"] == json!(false) || metric["Id"] == "value"),
            "{id}"
        );
    }
}

#[test]
fn the_alarms_that_were_asked_for_have_the_thresholds_that_were_asked_for() {
    let template = Template::read();
    for (id, threshold, direction) in ASKED_FOR {
        let properties = &template.resource(id)["Properties"];
        assert_eq!(properties["Threshold"].as_f64(), Some(threshold), "{id}");
        assert_eq!(properties["ComparisonOperator"], direction, "{id}");
    }
    for id in [
        "DeadLetters",
        "Budget",
        "BreakerOpen",
        "AuditChain",
        "GatewayErrors",
        "Degraded",
    ] {
        assert_eq!(template.resource(id)["Type"], "AWS::CloudWatch::Alarm", "{id}");
    }
    let budget = template.resource("Budget")["Properties"]["Metrics"].to_string();
    assert!(budget.contains("0.8 * ${DailySpendLimit}"), "{budget}");
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-')
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn each_alarm_says_where_its_cure_is_written_and_it_is_written_there() {
    let template = Template::read();
    let manual = text_of("docs/OPERATIONS.md");
    let sections: Vec<(String, &str)> = manual
        .split("\n### ")
        .skip(1)
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            (anchor(heading), text.split("\n## ").next().unwrap())
        })
        .collect();
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    let composites = template.resources("AWS::CloudWatch::CompositeAlarm");
    for (id, alarm) in alarms.chain(composites) {
        let description = alarm["Properties"]["AlarmDescription"].as_str().unwrap();
        let (_, section) = description
            .split_once("docs/OPERATIONS.md#")
            .unwrap_or_else(|| panic!("{id}: {description}"));
        let found = sections.iter().find(|(anchor, _)| anchor == section);
        let (_, text) = found.unwrap_or_else(|| panic!("{id}: no section {section}"));
        if alarm["Type"] == "AWS::CloudWatch::Alarm" {
            for part in ["**Cause.**", "**Check.**", "**Cure.**"] {
                assert!(text.contains(part), "{section} lacks {part}");
            }
        }
    }
}

/// The text with single spaces: where a line of a page ends means nothing.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The phrases between single asterisks.
fn in_italics(text: &str) -> Vec<String> {
    let text = on_one_line(&text.replace("**", ""));
    text.split('*').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn what_an_alarms_section_tells_to_look_at_is_there() {
    let template = Template::read();
    let manual = text_of("docs/OPERATIONS.md");
    let alarms = manual
        .split("\n## Alarms\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let body = template.resource("Dashboard")["Properties"]["DashboardBody"]["Fn::Sub"]
        .as_str()
        .unwrap();
    let queries: Vec<&str> = template
        .resources("AWS::Logs::QueryDefinition")
        .map(|(_, query)| query["Properties"]["Name"]["Fn::Sub"].as_str().unwrap())
        .map(|name| name.strip_prefix("clearview/${Stage}/").unwrap())
        .collect();
    let alarm = |name: &str| alarms.contains(&format!("\n### Alarm {name}\n"));
    let mut looked_at = 0;
    for name in in_italics(alarms) {
        let title =
            body.contains(&format!(r#""title": "{name}""#)) || body.contains(&format!(r#""title": "{name} in"#));
        assert!(
            queries.contains(&name.as_str()) || title || alarm(&name) || name == "schema",
            "no saved query, no part of the dashboard and no alarm is called {name:?}"
        );
        looked_at += 1;
    }
    assert!(looked_at > 15, "{looked_at}");
    // Nothing is saved that nobody is sent to.
    let whole = on_one_line(&manual);
    for query in queries {
        assert!(whole.contains(query), "{query}");
    }
    for (name, output) in template.value()["Outputs"].as_object().unwrap() {
        assert!(output["Description"].is_string(), "{name}");
    }
    for variable in ["DeadLettersUrl", "QuotaResetFunctionName", "KeyRotationFunctionName"] {
        assert!(alarms.contains(variable) || manual.contains(variable));
        assert!(
            template.value()["Outputs"][variable].is_object(),
            "{variable} is no output"
        );
    }
}

#[test]
fn each_alarm_tells_one_person_once() {
    let template = Template::read();
    let composites: Vec<_> = template.resources("AWS::CloudWatch::CompositeAlarm").collect();
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let name = format!("${{{id}}}");
        let holding: Vec<&Value> = composites
            .iter()
            .filter(|(_, composite)| composite["Properties"]["AlarmRule"].to_string().contains(&name))
            .map(|(_, composite)| *composite)
            .collect();
        let tells = !alarm["Properties"]["AlarmActions"].is_null();
        assert_eq!(
            holding.len() + usize::from(tells),
            1,
            "{id} tells once, by itself or in one composite"
        );
        // A part of the service that nobody uses is well.
        assert_eq!(alarm["Properties"]["TreatMissingData"], "notBreaching", "{id}");
        if let (Some(condition), [composite]) = (alarm["Condition"].as_str(), holding.as_slice()) {
            let rule = composite["Properties"]["AlarmRule"].to_string();
            let decided = composite["Condition"] == condition || rule.contains(&format!("\"{condition}\""));
            assert!(decided, "{id}");
        }
    }
}

#[test]
fn what_can_stay_red_hides_nothing_and_lost_work_is_never_silent() {
    let template = Template::read();
    // Of a low hit rate nobody may be rid for days: in a composite it would keep that from telling of anything else.
    assert!(!template.resource("HitRate")["Properties"]["AlarmActions"].is_null());
    // It measures our own time: with a hosted model most requests wait for that.
    assert_eq!(template.resource("Latency")["Properties"]["MetricName"], "ownMs");
    for (id, alarm) in template.resources("AWS::CloudWatch::CompositeAlarm") {
        let properties = &alarm["Properties"];
        assert_eq!(
            properties["AlarmActions"], properties["OKActions"],
            "{id} tells when all is well again"
        );
        let silenced = !properties["ActionsSuppressor"].is_null();
        assert_eq!(silenced, id == "LookInTheMorning", "{id}");
    }
    let suppressor = &template.resource("LookInTheMorning")["Properties"]["ActionsSuppressor"];
    assert_eq!(suppressor["Fn::GetAtt"], "WakeSomebody.Arn");
}

#[test]
fn what_is_limited_by_the_utc_day_is_watched_by_the_utc_day() {
    let template = Template::read();
    for id in ["Budget", "DailyCost"] {
        let window = &template.resource(id)["Properties"]["EvaluationWindow"];
        assert_eq!(window, &json!({"WallClockWindow": {"Timezone": "UTC"}}), "{id}");
    }
}

#[test]
fn the_dashboard_is_made_of_metrics_that_the_code_emits() {
    let template = Template::read();
    let body = template.resource("Dashboard")["Properties"]["DashboardBody"]["Fn::Sub"]
        .as_str()
        .unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let mut ours = 0;
    for widget in body["widgets"].as_array().unwrap() {
        let title = &widget["properties"]["title"].to_string();
        for metric in list(&widget["properties"]["metrics"]) {
            let words: Vec<&str> = list(metric).into_iter().filter_map(Value::as_str).collect();
            let [namespace, name, dimensions @ ..] = words.as_slice() else {
                assert!(metric[0]["expression"].is_string(), "{title}: {metric}");
                continue;
            };
            if *namespace == NAMESPACE {
                ours += 1;
                let names: Vec<&str> = dimensions.iter().step_by(2).copied().collect();
                check(title, name, &names);
            }
        }
    }
    assert!(ours > 30);
}

#[test]
fn names_within_the_dashboard_exist() {
    let template = Template::read();
    let body = template.resource("Dashboard")["Properties"]["DashboardBody"]["Fn::Sub"]
        .as_str()
        .unwrap();
    for name in substituted(body) {
        let known = name.starts_with("AWS::")
            || !template.value()["Parameters"][name].is_null()
            || !template.resource(name).is_null();
        assert!(known, "{name}");
    }
}
