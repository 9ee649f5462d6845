//! OpenMetrics text, <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>: a writer, and the process's own
//! figures written with it. The health function writes the fleet's with the same.

use std::fmt::Write as _;

use super::VERSION;
use super::emf::{SIGNALS, names_of_degraded};
use super::figures::{
    ANSWERS, BUCKETS, Durations, ENDPOINTS, Figures, LIMITS, OUTCOMES, RANKINGS, RunningTotal, TIERS,
};
use super::record::Signal;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows; its samples end in `_total`.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Counts by upper bound; samples end in `_bucket`, `_count`, `_sum`.
    Histogram,
    /// Labels alone; its sample ends in `_info`.
    Info,
}

/// Labels of a sample with their values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A text being written.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Starts a metric: `name` without an ending for its kind, `help` in words.
    pub fn family(&mut self, name: &str, kind: MetricKind, help: &str) {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::Info => "info",
        };
        // Writing to a String does not fail, here and below.
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    /// Writes a sample of the metric that was started last. `name` has its ending; label values are written as they
    /// are.
    pub fn sample(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{escaped}\"", if n == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// Returns the whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }
}

/// Starts the text that every `/metrics` begins with.
#[must_use]
pub fn start() -> Text {
    let mut text = Text::default();
    text.family("clearview_build", MetricKind::Info, "The program that answers.");
    text.sample("clearview_build_info", &[("version", VERSION)], 1.0);
    text
}

/// Returns the figures of this process.
#[must_use]
pub fn of_process(figures: &Figures) -> String {
    let mut text = start();
    text.family(
        "clearview_requests",
        MetricKind::Counter,
        "Requests by endpoint and outcome.",
    );
    for (endpoint, outcomes) in ENDPOINTS.iter().zip(&figures.requests) {
        for (outcome, counter) in OUTCOMES.iter().zip(outcomes) {
            let labels = [("endpoint", *endpoint), ("outcome", *outcome)];
            text.sample("clearview_requests_total", &labels, number(counter));
        }
    }
    durations(&mut text, &figures.durations);
    counters(
        &mut text,
        ("clearview_defects", "Answers of 500."),
        "endpoint",
        &ENDPOINTS,
        &figures.defects,
    );
    counters(
        &mut text,
        ("clearview_posts", "Posts asked for."),
        "tier",
        &TIERS,
        &figures.posts,
    );
    let charged = ("clearview_charged_posts", "Posts charged and kept.");
    counters(&mut text, charged, "tier", &TIERS, &figures.charged);
    let questions = ("clearview_questions", "Different questions by who answered.");
    counters(&mut text, questions, "answer", &ANSWERS, &figures.questions);
    let rankings = ("clearview_rankings", "Requests for a ranking by its source.");
    counters(&mut text, rankings, "source", &RANKINGS, &figures.rankings);
    let unanswered = "Samples of rankings without an answer.";
    text.family("clearview_unanswered_samples", MetricKind::Counter, unanswered);
    text.sample("clearview_unanswered_samples_total", &[], number(&figures.unanswered));
    let refusals = ("clearview_refusals", "Requests that a limit refused.");
    counters(&mut text, refusals, "refusedBy", &LIMITS, &figures.refusals);
    let shed = "Requests refused before any work, because too many were under way.";
    text.family("clearview_shed", MetricKind::Counter, shed);
    text.sample("clearview_shed_total", &[], number(&figures.shed));
    let signals = ("clearview_signals", "Things that no request tells of.");
    counters(
        &mut text,
        signals,
        "signal",
        &SIGNALS.map(Signal::name),
        &figures.signals,
    );
    let modes: Vec<&str> = names_of_degraded().map(|(mode, _)| mode).collect();
    let degraded = ("clearview_degraded", "Degraded requests, by mode.");
    counters(&mut text, degraded, "mode", &modes, &figures.degraded);
    text.family("clearview_refunded_posts", MetricKind::Counter, "Posts given back.");
    text.sample("clearview_refunded_posts_total", &[], number(&figures.refunded));
    let lost = "Posts that were to be given back and were not.";
    text.family("clearview_refund_lost_posts", MetricKind::Counter, lost);
    text.sample("clearview_refund_lost_posts_total", &[], number(&figures.refund_lost));
    text.family(
        "clearview_cost_usd",
        MetricKind::Counter,
        "What requests cost at list prices, by tier.",
    );
    for (tier, counter) in TIERS.iter().zip(&figures.cost_nano_usd) {
        text.sample("clearview_cost_usd_total", &[("tier", tier)], number(counter) / 1e9);
    }
    text.finish()
}

/// Writes one counter for each value of a label.
fn counters(text: &mut Text, (name, help): (&str, &str), label: &str, values: &[&str], counters: &[RunningTotal]) {
    text.family(name, MetricKind::Counter, help);
    for (value, counter) in values.iter().zip(counters) {
        text.sample(&format!("{name}_total"), &[(label, value)], number(counter));
    }
}

fn durations(text: &mut Text, durations: &[Durations; ENDPOINTS.len()]) {
    const NAME: &str = "clearview_request_duration_seconds";
    text.family(NAME, MetricKind::Histogram, "From a request's arrival to its answer.");
    for (endpoint, durations) in ENDPOINTS.iter().zip(durations) {
        let mut below = 0.0;
        for (bound, counter) in BUCKETS.iter().zip(&durations.buckets) {
            below += number(counter);
            let labels = [("endpoint", *endpoint), ("le", &format!("{:?}", bound / 1000.0))];
            text.sample(&format!("{NAME}_bucket"), &labels, below);
        }
        // Read last, and so never less than a bucket.
        let all = number(&durations.count).max(below);
        text.sample(
            &format!("{NAME}_bucket"),
            &[("endpoint", endpoint), ("le", "+Inf")],
            all,
        );
        text.sample(&format!("{NAME}_count"), &[("endpoint", endpoint)], all);
        text.sample(
            &format!("{NAME}_sum"),
            &[("endpoint", endpoint)],
            number(&durations.sum_micros) / 1e6,
        );
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, and nothing here comes near"
)]
fn number(counter: &RunningTotal) -> f64 {
    counter.value() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_label_is_escaped() {
        let mut text = Text::default();
        text.family("clearview_x", MetricKind::Gauge, "X.");
        text.sample("clearview_x", &[("a", "b\"c\\d\ne")], 1.5);
        let expected =
            "# TYPE clearview_x gauge\n# HELP clearview_x X.\nclearview_x{a=\"b\\\"c\\\\d\\ne\"} 1.5\n# EOF\n";
        assert_eq!(text.finish(), expected);
    }
}
