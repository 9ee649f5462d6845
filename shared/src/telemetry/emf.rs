//! Records as metrics: CloudWatch's embedded metric format,
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! The numeric members of a record are the metrics; a member `_aws` lists them with their dimensions.
//!
//! It is built by hand: `_aws` differs only between a few shapes of record, so it is put together once, and a record costs
//! one buffer and no lock. CloudWatch bills each metric for each value of a dimension. Only endpoints, tiers and limits are
//! dimensions, which are few.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::record::{Record, Signal};
use crate::clock::Timestamp;

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Pieces.
    Count,
    /// Thousandths of a second.
    Milliseconds,
    /// Hundredths of a whole.
    Percent,
    /// A unit that CloudWatch has no name for.
    None,
}

/// The records that a metric is in, and its dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricShape {
    /// Every request, by endpoint.
    Request,
    /// Answered classifications, together.
    Classified,
    /// Requests for a ranking, together.
    Ranked,
    /// Rankings, by their source.
    BySource,
    /// Requests of a user whose plan is known, together and by tier.
    ByTier,
    /// Requests that a limit refused, by limit.
    Refused,
}

/// A member of a record that is a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The member's name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Its records and dimensions.
    pub shape: MetricShape,
}

const fn metric(name: &'static str, unit: Unit, shape: MetricShape) -> Metric {
    Metric { name, unit, shape }
}

/// Every metric of a record, except those of degraded modes.
pub const METRICS: [Metric; 24] = [
    metric("durationMs", Unit::Milliseconds, MetricShape::Request),
    metric("failed", Unit::Count, MetricShape::Request),
    metric("defects", Unit::Count, MetricShape::Request),
    metric("ownMs", Unit::Milliseconds, MetricShape::Classified),
    metric("posts", Unit::Count, MetricShape::Classified),
    metric("distinct", Unit::Count, MetricShape::Classified),
    metric("localHits", Unit::Count, MetricShape::Classified),
    metric("sharedHits", Unit::Count, MetricShape::Classified),
    metric("tableHits", Unit::Count, MetricShape::Classified),
    metric("joined", Unit::Count, MetricShape::Classified),
    metric("judged", Unit::Count, MetricShape::Classified),
    metric("evicted", Unit::Count, MetricShape::Classified),
    metric("refunded", Unit::Count, MetricShape::Classified),
    metric("refundLost", Unit::Count, MetricShape::Classified),
    metric("modelCalls", Unit::Count, MetricShape::Classified),
    metric("modelFailures", Unit::Count, MetricShape::Classified),
    metric("modelTimeouts", Unit::Count, MetricShape::Classified),
    metric("spentNanoDollars", Unit::None, MetricShape::Classified),
    metric("samples", Unit::Count, MetricShape::Ranked),
    metric("unanswered", Unit::Count, MetricShape::Ranked),
    metric("agreement", Unit::None, MetricShape::BySource),
    metric("costMicroUsd", Unit::None, MetricShape::ByTier),
    metric("quotaLeftPercent", Unit::Percent, MetricShape::ByTier),
    metric("refusals", Unit::Count, MetricShape::Refused),
];

/// Metrics of classifications that requests for a ranking have as well: one figure over both.
const OF_BOTH: [&str; 6] = [
    "refunded",
    "refundLost",
    "modelCalls",
    "modelFailures",
    "modelTimeouts",
    "spentNanoDollars",
];

/// The metric of each degraded mode: 1 in the record of a degraded request, else absent.
const DEGRADED: [(&str, &str); 7] = [
    ("auth", "degradedAuth"),
    ("cache", "degradedCache"),
    ("model", "degradedModel"),
    ("quota", "degradedQuota"),
    ("rateLimit", "degradedRateLimit"),
    ("spend", "degradedSpend"),
    ("table", "degradedTable"),
];

/// The metrics of signals.
pub const SIGNALS: [Signal; 3] = Signal::ALL;

/// The degraded modes, each with its metric's name.
pub fn names_of_degraded() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEGRADED.into_iter()
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }
}

impl MetricShape {
    /// Returns the dimensions of its metrics: each list is a metric of its own.
    #[must_use]
    pub const fn dimensions(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Request => &[&["endpoint"]],
            Self::Classified | Self::Ranked => &[&[]],
            Self::BySource => &[&["rankingSource"]],
            Self::ByTier => &[&[], &["tier"]],
            Self::Refused => &[&["refusedBy"]],
        }
    }
}

/// The content of `_aws`, ready to be written.
#[derive(Debug)]
pub(super) struct Directives {
    request: String,
    classified: String,
    ranked: String,
    by_source: String,
    by_tier: String,
    by_tier_unknown_quota: String,
    refused: String,
    degraded: [String; DEGRADED.len()],
    signals: [String; SIGNALS.len()],
}

impl Directives {
    pub(super) fn new(namespace: &str) -> Self {
        let of = |dimensions: &[&[&str]], metrics: Vec<Value>| {
            json!({"Namespace": namespace, "Dimensions": dimensions, "Metrics": metrics}).to_string()
        };
        let of_shape = |shape: MetricShape, but: &str| {
            let is_shared = |metric: &Metric| shape == MetricShape::Ranked && OF_BOTH.contains(&metric.name);
            let metrics = METRICS
                .iter()
                .filter(|metric| (metric.shape == shape || is_shared(metric)) && metric.name != but);
            let metrics = metrics.map(|metric| json!({"Name": metric.name, "Unit": metric.unit.name()}));
            of(shape.dimensions(), metrics.collect())
        };
        let once = |name: &str| of(&[&[]], vec![json!({"Name": name, "Unit": "Count"})]);
        Self {
            request: of_shape(MetricShape::Request, ""),
            classified: of_shape(MetricShape::Classified, ""),
            ranked: of_shape(MetricShape::Ranked, ""),
            by_source: of_shape(MetricShape::BySource, ""),
            by_tier: of_shape(MetricShape::ByTier, ""),
            by_tier_unknown_quota: of_shape(MetricShape::ByTier, "quotaLeftPercent"),
            refused: of_shape(MetricShape::Refused, ""),
            degraded: DEGRADED.map(|(_, name)| once(name)),
            signals: SIGNALS.map(|signal| once(signal.name())),
        }
    }

    /// Returns the directives of a record. Every name in a directive must be in the line, or CloudWatch drops it all.
    fn of<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = &'a str> {
        let degraded = DEGRADED.iter().zip(&self.degraded);
        let degraded = degraded.filter(|((mode, _), _)| record.degraded.contains(mode));
        let by_tier = match (&record.tier, record.quota_left_percent) {
            (None, _) => None,
            (Some(_), Some(_)) => Some(&self.by_tier),
            (Some(_), None) => Some(&self.by_tier_unknown_quota),
        };
        let classified = record.classified.is_some().then_some(&self.classified);
        let ranked = record.ranked.is_some().then_some(&self.ranked);
        let is_ranked = record.ranked.as_ref().is_some_and(|ranked| ranked.agreement.is_some());
        let by_source = is_ranked.then_some(&self.by_source);
        let refused = record.refused_by.is_some().then_some(&self.refused);
        std::iter::once(&self.request)
            .chain(classified)
            .chain(ranked)
            .chain(by_source)
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
    for (_, name) in DEGRADED.iter().filter(|(mode, _)| record.degraded.contains(mode)) {
        separate(&mut line);
        line.extend_from_slice(format!("\"{name}\":1").as_bytes());
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
    let place = SIGNALS.iter().position(|other| *other == signal);
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
    use crate::telemetry::record::{ClassifiedRecord, RankedRecord};

    fn records() -> [Record; 6] {
        let bare = || Record {
            endpoint: "classify",
            outcome: "ok",
            ..Record::default()
        };
        let of_user = || Record {
            tier: Some(Tier::free()),
            ..bare()
        };
        let answered = Record {
            quota_left_percent: Some(12.5),
            classified: Some(ClassifiedRecord::default()),
            degraded: vec!["cache", "quota"],
            ..of_user()
        };
        let refused = Record {
            quota_left_percent: Some(0.0),
            refused_by: Some("daily"),
            refusals: Some(1),
            ..of_user()
        };
        let unranked = Record {
            ranked: Some(RankedRecord::default()),
            ..of_user()
        };
        let ranked = Record {
            ranked: Some(RankedRecord {
                agreement: Some(0.5),
                ..RankedRecord::default()
            }),
            ..of_user()
        };
        [bare(), of_user(), answered, refused, unranked, ranked]
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
        for metric in METRICS {
            assert!(seen.iter().any(|name| name == metric.name), "{}", metric.name);
        }
        assert!(seen.contains(&"degradedCache".to_owned()) && seen.contains(&"degradedQuota".to_owned()));
        for raised in SIGNALS {
            let text = signal(raised, Timestamp::from_millis(1), Some(&directives));
            assert_eq!(announced(&text), [raised.name()]);
        }
    }

    #[test]
    fn without_a_namespace_a_line_is_the_record_alone() {
        for record in records() {
            let text = line(&record, None).unwrap();
            let line: Value = serde_json::from_str(&text).unwrap();
            assert!(line["_aws"].is_null() && line["endpoint"] == "classify", "{text}");
        }
        let text = signal(Signal::AuditChainBroken, Timestamp::from_millis(1), None);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["auditChainBroken"], 1);
    }
}
