//! The fleet's figures of the last five whole minutes, from CloudWatch, which collects them from every instance's log.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::Builder;
use aws_sdk_cloudwatch::config::retry::RetryConfig;
use aws_sdk_cloudwatch::config::timeout::TimeoutConfig;
use aws_sdk_cloudwatch::error::DisplayErrorContext;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric as CloudWatchMetric, MetricDataQuery, MetricStat};
use shared::aws;
use shared::clock::Timestamp;
use shared::config::Config;
use shared::error::Outage;
use shared::telemetry::figures::{LIMITS, TIERS};
use shared::telemetry::open_metrics::{self, MetricKind, snake_case};
use shared::telemetry::{Degraded, MetricShape, Signal, Unit, metrics};

/// The span of a figure in seconds; spans start at multiples of it.
const SPAN_SECONDS: i32 = 300;

/// The time limit of CloudWatch's answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The functions behind the gateway, whose figures are asked for.
pub const ENDPOINTS: [&str; 9] = [
    "admin", "auth", "chat", "classify", "detect", "health", "jobs", "rank", "usage",
];

/// Those of them that are workloads.
pub const WORKLOADS: [&str; 4] = ["chat", "classify", "detect", "rank"];

/// A figure: the question to CloudWatch, and the sample in `/metrics`.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetFigure {
    /// The metric in CloudWatch.
    pub metric: &'static str,
    /// `Sum`, `Average`, `SampleCount`, `p50`, `p95` or `p99`.
    pub statistic: &'static str,
    /// The dimension with its value, if the metric has one.
    pub dimension: Option<(&'static str, &'static str)>,
    /// Its name in `/metrics`.
    pub name: String,
    /// The factor applied to CloudWatch's number.
    pub factor: f64,
}

/// Returns every figure, grouped by name.
#[must_use]
pub fn figures() -> Vec<FleetFigure> {
    let mut figures: Vec<FleetFigure> = metrics()
        .flat_map(|metric| {
            let statistics: &[(&str, &str, f64)] = match (metric.name, metric.unit) {
                ("durationMs", _) => &[
                    ("SampleCount", "requests", 1.0),
                    ("p50", "duration_p50_seconds", 1e-3),
                    ("p95", "duration_p95_seconds", 1e-3),
                    ("p99", "duration_p99_seconds", 1e-3),
                ],
                ("costMicroUsd", _) => &[("Sum", "cost_usd", 1e-6)],
                (_, Unit::Percent) => &[("Average", "", 1.0)],
                _ => &[("Sum", "", 1.0)],
            };
            statistics.iter().flat_map(move |(statistic, name, factor)| {
                let name = match *name {
                    "" => snake_case(metric.name),
                    name => name.to_owned(),
                };
                dimensions(metric.shape).into_iter().map(move |dimension| FleetFigure {
                    metric: metric.name,
                    statistic,
                    dimension,
                    name: format!("clearview_recent_{name}"),
                    factor: *factor,
                })
            })
        })
        .collect();
    let once = Degraded::ALL
        .map(Degraded::metric)
        .into_iter()
        .chain(Signal::ALL.map(Signal::name));
    figures.extend(once.map(|metric| FleetFigure {
        metric,
        statistic: "Sum",
        dimension: None,
        name: format!("clearview_recent_{}", snake_case(metric)),
        factor: 1.0,
    }));
    figures
}

/// Returns the dimensions of a shape's metrics. A tier's total is no sample, because the samples add up to it.
fn dimensions(shape: MetricShape) -> Vec<Option<(&'static str, &'static str)>> {
    let of = |dimension, values: &[&'static str]| {
        let known = values.iter().filter(|value| **value != "other");
        known.map(|value| Some((dimension, *value))).collect()
    };
    match shape {
        MetricShape::Request => of("endpoint", &ENDPOINTS),
        MetricShape::Work | MetricShape::Models => of("workload", &WORKLOADS),
        MetricShape::ByTier => of("tier", &TIERS),
        MetricShape::Refused => of("refusedBy", &LIMITS),
        MetricShape::Statistics => vec![None],
        MetricShape::Logged => Vec::new(),
    }
}

/// Renders the figures for `/metrics`. A figure without a value in CloudWatch is left out: nothing of it happened.
#[must_use]
pub fn show(figures: &[FleetFigure], values: &BTreeMap<usize, f64>) -> String {
    let mut text = open_metrics::start();
    let mut last = "";
    for (n, figure) in figures.iter().enumerate() {
        let Some(value) = values.get(&n) else { continue };
        if figure.name != last {
            let help = format!(
                "{} of {} in the last five whole minutes.",
                figure.statistic, figure.metric
            );
            text.family(&figure.name, MetricKind::Gauge, &help);
            last = &figure.name;
        }
        let labels: Vec<(&str, &str)> = figure.dimension.into_iter().collect();
        text.sample(&figure.name, &labels, value * figure.factor);
    }
    text.finish()
}

/// Reads the figures of `namespace` from CloudWatch and renders them.
///
/// # Errors
/// When CloudWatch does not answer within 5 s, or without figures.
pub async fn read(config: &Config, namespace: &str, now: Timestamp) -> Result<String, Outage> {
    let figures = figures();
    let span = i64::from(SPAN_SECONDS);
    let end = now.seconds() - now.seconds().rem_euclid(span);
    let queries = figures
        .iter()
        .enumerate()
        .map(|(n, figure)| query(n, figure, namespace));
    let output = client(config)
        .get_metric_data()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time(DateTime::from_secs(end - span))
        .end_time(DateTime::from_secs(end))
        .send()
        .await
        .map_err(|error| Outage(format!("CloudWatch: {}", DisplayErrorContext(error))))?;
    let values = output.metric_data_results().iter().filter_map(|result| {
        let number = result.id()?.strip_prefix('m')?.parse().ok()?;
        Some((number, *result.values().first()?))
    });
    Ok(show(&figures, &values.collect()))
}

fn query(number: usize, figure: &FleetFigure, namespace: &str) -> MetricDataQuery {
    let dimension = figure
        .dimension
        .map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let metric = CloudWatchMetric::builder()
        .namespace(namespace)
        .metric_name(figure.metric)
        .set_dimensions(dimension.map(|dimension| vec![dimension]))
        .build();
    let statistic = MetricStat::builder()
        .metric(metric)
        .period(SPAN_SECONDS)
        .stat(figure.statistic)
        .build();
    MetricDataQuery::builder()
        .id(format!("m{number}"))
        .metric_stat(statistic)
        .build()
}

/// Uses IPv6 if there is no other way out of the network (`Egress` in template.yaml).
fn client(config: &Config) -> Client {
    let endpoint = config.metrics_endpoint.as_deref();
    let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
    let settings = Builder::from(&aws::settings(config, endpoint))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    let settings = match endpoint {
        Some(_) => settings,
        None => settings.use_dual_stack(true),
    };
    Client::from_conf(settings.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_one_name_stand_together() {
        let figures = figures();
        assert!(figures.len() < 500, "more than one call may ask for");
        let mut names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
        names.dedup();
        let mut distinct = names.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(names.len(), distinct.len());
    }

    #[test]
    fn what_cloudwatch_does_not_know_is_not_shown() {
        let figures = figures();
        let requests = figures
            .iter()
            .position(|figure| figure.statistic == "p99" && figure.dimension == Some(("endpoint", "classify")));
        let text = show(&figures, &BTreeMap::from([(requests.unwrap(), 123.0)]));
        assert!(text.contains("clearview_recent_duration_p99_seconds{endpoint=\"classify\"} 0.123\n"));
        assert_eq!(text.matches("# TYPE").count(), 2, "{text}");
    }
}
