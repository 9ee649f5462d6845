//! Records as metrics: CloudWatch's embedded metric format, <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! The members of a record that are numbers are the metrics; a member `_aws` says which, and by what they are told apart.
//!
//! Built by hand: what stands in `_aws` differs between a few shapes of record and nothing else, so it is put together once,
//! and a record costs one buffer and no lock. CloudWatch bills each metric for each value of what it is told apart by: only
//! endpoints, workloads, tiers and limits, which are few.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::degraded::Degraded;
use super::metric::{Metric, MetricShape, Unit};
use super::record::{Record, Signal};
use super::work::{OWN, StatisticsCounts, Work};
use crate::clock::Timestamp;

const fn metric(name: &'static str, unit: Unit, shape: MetricShape) -> Metric {
    Metric { name, unit, shape }
}

/// The metrics of a record that are not a workload's.
const OF_RECORDS: [Metric; 6] = [
    metric("durationMs", Unit::Milliseconds, MetricShape::Request),
    metric("failed", Unit::Count, MetricShape::Request),
    metric("defects", Unit::Count, MetricShape::Request),
    metric("costMicroUsd", Unit::None, MetricShape::ByTier),
    metric("quotaLeftPercent", Unit::Percent, MetricShape::ByTier),
    metric("refusals", Unit::Count, MetricShape::Refused),
];

/// Returns every metric of a record, but for those of degraded modes.
pub fn metrics() -> impl Iterator<Item = Metric> {
    let all = OF_RECORDS
        .into_iter()
        .chain(Work::metrics())
        .chain([OWN])
        .chain(StatisticsCounts::metrics());
    all.filter(|metric| metric.shape != MetricShape::Logged)
}

/// The content of `_aws`, ready to be written.
#[derive(Debug)]
pub(super) struct Directives {
    request: String,
    work: [String; 2],
    by_tier: String,
    by_tier_unknown_quota: String,
    refused: String,
    statistics: String,
    degraded: [String; Degraded::ALL.len()],
    signals: [String; Signal::ALL.len()],
}

impl Directives {
    pub(super) fn new(namespace: &str) -> Self {
        let of = |dimensions: &[&[&str]], metrics: Vec<Value>| {
            json!({"Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics}).to_string()
        };
        let of_shape = |shape: MetricShape, but: &str| {
            let metrics = metrics().filter(|metric| metric.shape == shape && metric.name != but);
            let metrics = metrics.map(|metric| json!({"Name": metric.name, "Unit": metric.unit.name()}));
            of(shape.dimensions(), metrics.collect())
        };
        let once = |name: &str| of(&[&[]], vec![json!({"Name": name, "Unit": "Count"})]);
        Self {
            request: of_shape(MetricShape::Request, ""),
            work: [MetricShape::Work, MetricShape::Models].map(|shape| of_shape(shape, "")),
            by_tier: of_shape(MetricShape::ByTier, ""),
            by_tier_unknown_quota: of_shape(MetricShape::ByTier, "quotaLeftPercent"),
            refused: of_shape(MetricShape::Refused, ""),
            statistics: of_shape(MetricShape::Statistics, ""),
            degraded: Degraded::ALL.map(|mode| once(mode.metric())),
            signals: Signal::ALL.map(|signal| once(signal.name())),
        }
    }

    /// Returns the directives of a record. Every name in a directive must be in the line, or CloudWatch drops it all.
    fn of<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = &'a str> {
        let degraded = Degraded::ALL.iter().zip(&self.degraded);
        let degraded = degraded.filter(|(mode, _)| record.degraded.contains(mode));
        let by_tier = match (&record.tier, record.quota_left_percent) {
            (None, _) => None,
            (Some(_), Some(_)) => Some(&self.by_tier),
            (Some(_), None) => Some(&self.by_tier_unknown_quota),
        };
        let work = self.work.iter().filter(|_| record.work.is_some());
        let refused = record.refused_by.is_some().then_some(&self.refused);
        let statistics = record.statistics.is_some().then_some(&self.statistics);
        // Lambda's own metrics tell of events; each of ours would be billed for every hour in which a schedule runs.
        let request = record.http.is_some().then_some(&self.request);
        request
            .into_iter()
            .chain(work)
            .chain(statistics)
            .chain(by_tier)
            .chain(refused)
            .chain(degraded.map(|(_, directive)| directive))
            .map(String::as_str)
    }
}

/// Writes a record as one line, with metrics if there are directives.
pub(super) fn line(record: &Record, directives: Option<&Directives>) -> Result<String, serde_json::Error> {
    let mut line = Vec::with_capacity(2048);
    if let Some(directives) = directives {
        line.extend_from_slice(opening(record.time_millis, directives.of(record)).as_bytes());
    }
    for mode in &record.degraded {
        separate(&mut line);
        line.extend_from_slice(format!("\"{}\":1", mode.metric()).as_bytes());
    }
    let start = line.len();
    serde_json::to_writer(&mut line, record)?;
    if start > 0 {
        // The record's opening brace: the line has one already.
        line[start] = b',';
    }
    String::from_utf8(line).map_err(serde::de::Error::custom)
}

/// Writes a signal as one line, with its metric if there are directives.
pub(super) fn signal(signal: Signal, now: Timestamp, directives: Option<&Directives>) -> String {
    let place = Signal::ALL.iter().position(|other| *other == signal);
    let directive = directives
        .zip(place)
        .map(|(directives, place)| &*directives.signals[place]);
    let mut line = directive.map_or_else(
        || "{".to_owned(),
        |directive| opening(now.millis(), [directive].into_iter()) + ",",
    );
    let name = signal.name();
    // Writing to a String does not fail.
    let _ = write!(line, r#""time":"{now}","level":"warn","signal":"{name}","{name}":1}}"#);
    line
}

/// Writes a line's beginning, up to the end of `_aws`.
fn opening<'a>(millis: i64, directives: impl Iterator<Item = &'a str>) -> String {
    let mut text = format!(r#"{{"_aws":{{"Timestamp":{millis},"CloudWatchMetrics":["#);
    for (n, directive) in directives.enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(directive);
    }
    text.push_str("]}");
    text
}

/// Writes the separator before the next member.
fn separate(line: &mut Vec<u8>) {
    line.push(if line.is_empty() { b'{' } else { b',' });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Tier;
    use crate::telemetry::Http;

    fn records() -> [Record; 4] {
        let bare = || Record {
            http: Some(Http::default()),
            endpoint: "any",
            outcome: "ok",
            ..Record::default()
        };
        let of_user = || Record {
            tier: Some(Tier::free()),
            ..bare()
        };
        let answered = Record {
            quota_left_percent: Some(12.5),
            work: Some(Work::of("any")),
            statistics: Some(StatisticsCounts::default()),
            degraded: vec![Degraded::Cache, Degraded::Quota],
            ..of_user()
        };
        let refused = Record {
            quota_left_percent: Some(0.0),
            refused_by: Some("daily"),
            refusals: Some(1),
            ..of_user()
        };
        [bare(), of_user(), answered, refused]
    }

    /// Returns the metrics that a line announces, with their dimensions, after checking that it has them.
    fn announced(line: &str) -> Vec<String> {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut names = Vec::new();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            assert_eq!(directive["Namespace"], "ClearView/test");
            for dimension in directive["Dimensions"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|list| list.as_array().unwrap())
            {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
            }
            for metric in directive["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                assert!(line[name].is_number(), "{name} in {line}");
                names.push(name.to_owned());
            }
        }
        names
    }

    #[test]
    fn what_a_line_announces_it_has() {
        let directives = Directives::new("ClearView/test");
        let mut seen = Vec::new();
        for record in records() {
            let text = line(&record, Some(&directives)).unwrap();
            let names = announced(&text);
            let mut distinct = names.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(names.len(), distinct.len(), "announced twice: {text}");
            seen.extend(names);
        }
        for metric in metrics() {
            assert!(seen.iter().any(|name| name == metric.name), "{}", metric.name);
        }
        assert!(seen.contains(&"degradedCache".to_owned()) && seen.contains(&"degradedQuota".to_owned()));
        for raised in Signal::ALL {
            let text = signal(raised, Timestamp::from_millis(1), Some(&directives));
            assert_eq!(announced(&text), [raised.name()]);
        }
    }

    #[test]
    fn without_a_namespace_a_line_is_the_record_alone() {
        for record in records() {
            let text = line(&record, None).unwrap();
            let line: Value = serde_json::from_str(&text).unwrap();
            assert!(line["_aws"].is_null() && line["endpoint"] == "any", "{text}");
        }
        let text = signal(Signal::AuditChainBroken, Timestamp::from_millis(1), None);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["auditChainBroken"], 1);
    }
}
