//! The log: one JSON line per request ([`Record`]), and one for whatever else is worth a line.

use std::fmt::{self, Write as _};
use std::time::Duration;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogLevel;
use crate::ids::UserId;
use crate::plan::Tier;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The target of the lines that carry a [`Record`].
const RECORD: &str = "clearview::record";

/// What is logged of one request. Never a token, an address, or anything that a user wrote.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When the request came, RFC 3339.
    pub time: String,
    /// `info`, or `error` for a defect, or `warn` where a dependency was missed.
    pub level: &'static str,
    /// The name for this request that the client knows too.
    pub correlation_id: String,
    /// The function.
    pub endpoint: &'static str,
    /// The request's method, if it is one that exists.
    pub method: String,
    /// The route's path as in the contract.
    pub route: String,
    /// The answer's status code.
    pub status: u16,
    /// From the request's arrival to its answer.
    pub duration_ms: f64,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Under which plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// What classify did.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub classified: Option<ClassifiedRecord>,
    /// What was done without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<&'static str>,
    /// `ok`, `degraded`, `refused` (the client's doing) or `failed` (ours).
    pub outcome: &'static str,
    /// Why it was not answered as asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// The version that answered.
    pub version: &'static str,
}

/// Classify's part of a [`Record`].
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassifiedRecord {
    /// Posts asked for.
    pub posts: usize,
    /// Different questions among them.
    pub distinct: usize,
    /// Of those, answered by this process's cache.
    pub local_hits: usize,
    /// Of those, answered by the table.
    pub table_hits: usize,
    /// Of those, answered by a judgement made for another request meanwhile.
    pub shared_hits: usize,
    /// Of those, judged for this request.
    pub judged: usize,
    /// The part of the distinct questions that cost no judgement, 0..=1.
    pub hit_rate: f64,
    /// Units charged and kept.
    pub charged: usize,
    /// Units given back.
    pub refunded: usize,
    /// The charge's answer was lost: the table may count it twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous_charge: bool,
    /// `notAsked`, `ok` or `failed`.
    pub model_status: &'static str,
    /// Why no provider judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_failure: Option<String>,
}

/// An error in a [`Record`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorRecord {
    /// The code that the client was told.
    pub code: &'static str,
    /// Whether the same request can succeed later.
    pub retryable: bool,
    /// What the client was not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// A span in milliseconds, to the microsecond.
#[must_use]
pub fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

/// Writes one record.
pub fn emit(record: &Record) {
    match (serde_json::to_string(record), record.level) {
        (Ok(line), "error") => tracing::error!(target: RECORD, line),
        (Ok(line), "warn") => tracing::warn!(target: RECORD, line),
        (Ok(line), _) => tracing::info!(target: RECORD, line),
        (Err(error), _) => tracing::error!(%error, "a record could not be written"),
    }
}

/// Starts the log on standard output. Later calls change nothing.
pub fn init(level: LogLevel) {
    let ours = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // The libraries' own debug lines hold requests, and so what users write.
    let theirs = match level {
        LogLevel::Debug => LevelFilter::INFO,
        _ => ours.min(LevelFilter::WARN),
    };
    let targets = Targets::new()
        .with_default(theirs)
        // The embedded table warns of every refused condition, which is how quotas work.
        .with_target("dynoxide", theirs.min(LevelFilter::ERROR));
    let targets = ["clearview", "shared", "classify", "auth", "usage", "health", "local"]
        .into_iter()
        .fold(targets, |targets, name| targets.with_target(name, ours));
    let lines = tracing_subscriber::fmt::layer().event_format(JsonLines);
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
