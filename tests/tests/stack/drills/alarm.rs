//! An alarm as template.yaml has it, evaluated over what a server has emitted as CloudWatch would.

use serde_json::Value;
use tests::definitions::{Template, list};

use crate::drills::log::{Metrics, NAMESPACE};
use crate::drills::math::evaluate;

/// Percentiles of fewer samples leave an alarm as it is: ten beyond a percentile of 99.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html#percentiles-with-low-samples>
const SAMPLES_OF_P99: usize = 1000;

/// The stage that drills are deployed as.
const STAGE: &str = "drill";

/// An alarm of the template.
pub(crate) struct Alarm {
    pub(crate) id: String,
    properties: Value,
    template: Template,
}

/// A metric as an alarm reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Names and values.
    pub(crate) dimensions: Vec<(String, String)>,
    statistic: String,
    period_seconds: u64,
}

impl Read {
    /// Its name among [`Metrics`].
    pub(crate) fn key(&self) -> String {
        let by: Vec<String> = self
            .dimensions
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let of_ours = match by.as_slice() {
            [] => self.name.clone(),
            by => format!("{}{{{}}}", self.name, by.join(",")),
        };
        match self.namespace.as_str() {
            NAMESPACE => of_ours,
            other => format!("{other}:{of_ours}"),
        }
    }

    /// The datapoint of a period in which `metrics` were emitted.
    #[expect(clippy::cast_precision_loss, reason = "a few requests")]
    fn datapoint(&self, metrics: &Metrics) -> Option<f64> {
        let mut values = metrics.get(&self.key()).filter(|values| !values.is_empty())?.clone();
        values.sort_by(f64::total_cmp);
        let sum: f64 = values.iter().sum();
        match self.statistic.as_str() {
            "Sum" => Some(sum),
            "SampleCount" => Some(values.len() as f64),
            "Average" => Some(sum / values.len() as f64),
            "Maximum" => values.last().copied(),
            "p50" => Some(values[values.len() / 2]),
            "p99" if values.len() < SAMPLES_OF_P99 => None,
            "p99" => Some(values[values.len() * 99 / 100]),
            other => panic!("{}: what is the statistic {other}?", self.name),
        }
    }
}

impl Alarm {
    /// # Panics
    /// When there is none.
    pub(crate) fn named(id: &str) -> Self {
        let template = Template::read();
        let properties = template.resource(id)["Properties"].clone();
        assert!(properties.is_object(), "no alarm {id}");
        Self {
            id: id.to_owned(),
            properties,
            template,
        }
    }

    /// The metrics that it is made of: what its expression calls each, and the metric. One without expression calls it `value`.
    pub(crate) fn metrics(&self) -> Vec<(String, Read)> {
        let read = |metric: &Value, statistic: &Value, period: &Value| Read {
            namespace: self.text(&metric["Namespace"]),
            name: self.text(&metric["MetricName"]),
            dimensions: list(&metric["Dimensions"])
                .into_iter()
                .map(|dimension| (self.text(&dimension["Name"]), self.text(&dimension["Value"])))
                .collect(),
            statistic: self.text(statistic),
            period_seconds: period.as_u64().unwrap(),
        };
        let properties = &self.properties;
        if !properties["MetricName"].is_null() {
            let statistic = [&properties["Statistic"], &properties["ExtendedStatistic"]];
            let statistic = statistic.into_iter().find(|statistic| !statistic.is_null()).unwrap();
            return vec![("value".to_owned(), read(properties, statistic, &properties["Period"]))];
        }
        list(&properties["Metrics"])
            .into_iter()
            .map(|metric| (self.text(&metric["Id"]), &metric["MetricStat"]))
            .filter(|(_, stat)| !stat.is_null())
            .map(|(id, stat)| (id, read(&stat["Metric"], &stat["Stat"], &stat["Period"])))
            .collect()
    }

    /// Returns the value that it compares with its threshold, for a period in which `metrics` were emitted; `None` without
    /// data.
    pub(crate) fn value(&self, metrics: &Metrics) -> Option<f64> {
        let reads = self.metrics();
        let datapoint = |id: &str| {
            let found = reads.iter().find(|(read, _)| read == id);
            found
                .unwrap_or_else(|| panic!("{}: no metric {id}", self.id))
                .1
                .datapoint(metrics)
        };
        let expressions = list(&self.properties["Metrics"]);
        let expression = expressions.iter().find(|metric| !metric["Expression"].is_null());
        match expression {
            Some(value) => evaluate(&self.text(&value["Expression"]), &datapoint),
            None => datapoint("value"),
        }
    }

    fn is_breached_by(&self, metrics: &Metrics) -> bool {
        let threshold = self.properties["Threshold"].as_f64().unwrap();
        assert_eq!(self.properties["TreatMissingData"], "notBreaching", "{}", self.id);
        self.value(metrics)
            .is_some_and(|value| match self.properties["ComparisonOperator"].as_str().unwrap() {
                "GreaterThanThreshold" => value > threshold,
                "GreaterThanOrEqualToThreshold" => value >= threshold,
                "LessThanThreshold" => value < threshold,
                other => panic!("{}: what is {other}?", self.id),
            })
    }

    /// True if it is in ALARM after so many periods of a fault, with periods before them in which nothing was emitted.
    pub(crate) fn is_on_after(&self, periods: u64, metrics: &Metrics) -> bool {
        let number = |name: &str| self.properties[name].as_u64().unwrap();
        assert!(
            number("DatapointsToAlarm") <= number("EvaluationPeriods"),
            "{}",
            self.id
        );
        let breached = u64::from(self.is_breached_by(metrics)) * periods.min(number("EvaluationPeriods"));
        breached >= number("DatapointsToAlarm")
    }

    /// How many periods of a fault it waits for.
    pub(crate) fn patience(&self) -> u64 {
        self.properties["DatapointsToAlarm"].as_u64().unwrap()
    }

    /// The shortest of its periods.
    pub(crate) fn period_millis(&self) -> i64 {
        let periods = self.metrics().into_iter().map(|(_, read)| read.period_seconds);
        i64::try_from(periods.min().unwrap() * 1000).unwrap()
    }

    /// A value with parameters at their defaults; a reference to a resource is its logical id.
    fn text(&self, value: &Value) -> String {
        if let Some(text) = value.as_str() {
            return text.to_owned();
        }
        if let Some(path) = value["Ref"].as_str().or_else(|| value["Fn::GetAtt"].as_str()) {
            return self.substitute(path);
        }
        let text = value["Fn::Sub"]
            .as_str()
            .unwrap_or_else(|| panic!("{}: {value}", self.id));
        let mut parts = text.split("${");
        let start = parts.next().unwrap_or_default().to_owned();
        parts.fold(start, |text, part| {
            let (name, rest) = part.split_once('}').unwrap();
            text + &self.substitute(name) + rest
        })
    }

    fn substitute(&self, name: &str) -> String {
        match (name, &self.template.value()["Parameters"][name]["Default"]) {
            ("Stage", _) => STAGE.to_owned(),
            (_, Value::Null) => name.to_owned(),
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        }
    }
}
