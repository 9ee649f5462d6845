//! Telemetry: one JSON line per request ([`Record`]), from which CloudWatch also reads metrics, and the process's own
//! figures. Other events have a line too.

mod address;
mod attestation;
pub mod cost;
mod degraded;
mod emf;
pub mod figures;
mod metric;
pub mod open_metrics;
mod output;
mod record;
pub mod trace;
mod work;

use std::fmt::{self, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Timestamp;
use crate::config::{Config, LogLevel};
use crate::telemetry::figures::Figures;
use crate::telemetry::output::Queue;

use self::address::AddressKey;

pub use self::attestation::AttestationOutcome;
pub use self::degraded::Degraded;
pub use self::emf::metrics;
pub use self::metric::{Metric, MetricShape, Unit};
pub use self::output::LogHandle;
pub use self::record::{ErrorRecord, Http, Record, Signal};
pub use self::work::{Counts, ModelCounts, Spans, StatisticsCounts, Work};

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The target of the lines that carry a [`Record`].
const RECORD: &str = "clearview::record";

/// A span in milliseconds, to the microsecond.
#[must_use]
pub fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// Writes the log and counts the figures of this process.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// The figures since the start.
    pub figures: Figures,
    directives: Option<emf::Directives>,
    addresses: Option<AddressKey>,
    memory_megabytes: u32,
    observer: OnceLock<Observer>,
}

/// Sees each record.
struct Observer(Box<dyn Fn(&Record) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Telemetry {
    /// Makes telemetry by the settings: with a namespace, lines carry metrics.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            figures: Figures::default(),
            directives: config.metrics_namespace.as_deref().map(emf::Directives::new),
            addresses: config.address_key.as_ref().map(AddressKey::new),
            memory_megabytes: config.memory_megabytes,
            observer: OnceLock::new(),
        }
    }

    /// Shows each record from now on to `observer`, which must not wait. Only the first one sees them.
    pub fn observe(&self, observer: impl Fn(&Record) + Send + Sync + 'static) {
        self.observer.get_or_init(|| Observer(Box::new(observer)));
    }

    /// Returns the stand-in for an address in a record: a keyed hash of its block.
    pub(crate) fn address_block(&self, address: Option<&str>) -> Option<String> {
        self.addresses.as_ref()?.block(address?)
    }

    /// Writes the record of a request, and counts it.
    pub fn emit(&self, record: &mut Record) {
        if let Some(work) = &mut record.work {
            work.sum_up();
        }
        record.cost_micro_usd = cost::micro_usd(&record.measured(), self.memory_megabytes);
        self.figures.count(record);
        if let Some(Observer(observe)) = self.observer.get() {
            observe(record);
        }
        match (emf::line(record, self.directives.as_ref()), record.level) {
            (Ok(line), "error") => tracing::error!(target: RECORD, line),
            (Ok(line), "warn") => tracing::warn!(target: RECORD, line),
            (Ok(line), _) => tracing::info!(target: RECORD, line),
            (Err(error), _) => tracing::error!(%error, "a record could not be written"),
        }
    }

    /// Raises a signal.
    pub fn raise(&self, signal: Signal, now: Timestamp) {
        self.figures.raise(signal);
        let line = emf::signal(signal, now, self.directives.as_ref());
        tracing::warn!(target: RECORD, line);
    }
}

/// Starts the log of `function` on standard output. Later calls change nothing.
///
/// A line is written before its request is answered: Lambda freezes the process after the answer, and a line left for later may
/// never be written. Nothing waits for a reader, because Lambda's runtime drains standard output.
pub fn init(config: &Config, function: &str) {
    start(config, &[function], BoxMakeWriter::new(std::io::stdout));
}

/// Starts the log of some functions in a process that is never frozen: no request waits for a line to be written.
#[must_use]
pub fn init_in_background(config: &Config, functions: &[&str]) -> LogHandle {
    let queue = Queue::to(std::io::stdout());
    let log = queue.log();
    start(config, functions, BoxMakeWriter::new(queue));
    log
}

/// Records that carry metrics are written at every level but `off`: without them the alarms would be blind.
fn start(config: &Config, functions: &[&str], output: BoxMakeWriter) {
    let level = config.log;
    let ours = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // The libraries' own debug lines hold requests, and so texts of users.
    let theirs = match level {
        LogLevel::Debug => LevelFilter::INFO,
        _ => ours.min(LevelFilter::WARN),
    };
    let targets = Targets::new()
        .with_default(theirs)
        // The embedded table warns of every refused condition, which is how quotas work.
        .with_target("dynoxide", theirs.min(LevelFilter::ERROR));
    // A target starts with the name of its crate.
    let functions = functions.iter().map(|name| name.replace('-', "_"));
    let targets = ["clearview", "shared", "local"]
        .map(str::to_owned)
        .into_iter()
        .chain(functions)
        .fold(targets, |targets, name| targets.with_target(name, ours));
    let records = match (level, &config.metrics_namespace) {
        (LogLevel::Off, _) | (_, None) => ours,
        (_, Some(_)) => ours.max(LevelFilter::INFO),
    };
    let targets = targets.with_target(RECORD, records);
    let lines = tracing_subscriber::fmt::layer()
        .event_format(JsonLines)
        .with_writer(output);
    if tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init()
        .is_ok()
    {
        std::panic::set_hook(Box::new(|panic| {
            // The place alone: the message of a failed slice quotes the text that was sliced.
            let place = panic.location().map(ToString::to_string);
            tracing::error!(place, "panic");
        }));
    }
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
}

/// A record as it is; any other event as an object with its time, level and fields.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if event.metadata().target() == RECORD {
            let mut line = Line(String::new());
            event.record(&mut line);
            return writeln!(writer, "{}", line.0);
        }
        let mut fields = Fields::default();
        fields.text("time", &crate::clock::Clock::system().now().to_string());
        fields.text("level", level_name(*event.metadata().level()));
        fields.text("target", event.metadata().target());
        event.record(&mut fields);
        writeln!(writer, "{}", serde_json::Value::Object(fields.0))
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, _: &Field, value: &str) {
        value.clone_into(&mut self.0);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[derive(Default)]
struct Fields(serde_json::Map<String, serde_json::Value>);

impl Fields {
    fn text(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a String fails only if the value's own Debug does.
        let _ = write!(text, "{value:?}");
        self.text(field.name(), &text);
    }
}
