//! `GET /health`: can requests be answered? `GET /metrics`: what has happened?

pub mod elasticache;
pub mod fleet_metrics;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::admission::Entrance;
use shared::app::App;
use shared::cache::report::Report;
use shared::clock::{Stopwatch, Timestamp};
use shared::error::Error;
use shared::http::{Call, Reply, Route};
use shared::models::breaker::store::Condition;
use shared::table::Table;
use shared::telemetry::{VERSION, millis, open_metrics};
use shared::valkey::Valkey;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Whether requests can be answered.
    Health,
    /// What has happened.
    Metrics,
}

/// What this function answers.
pub const ROUTES: [Route<Action>; 2] = [
    (Method::GET, "/health", Action::Health),
    (Method::GET, "/metrics", Action::Metrics),
];

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    version: &'static str,
    dependencies: Dependencies,
}

/// That this function runs and has good settings: it has looked at nothing else.
#[derive(Serialize)]
struct Alive {
    status: &'static str,
    version: &'static str,
    dependencies: BTreeMap<String, Dependency>,
}

#[derive(Serialize)]
struct Dependencies {
    table: Dependency,
    cache: Caches,
    providers: BTreeMap<String, Provider>,
}

/// A provider, and the status of its last refusal if it has answered nothing since.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_with: Option<u16>,
}

/// The shared caches together, and what `ElastiCache` says of each that it knows by a name.
#[derive(Serialize)]
struct Caches {
    #[serde(flatten)]
    all: Dependency,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reports: Vec<Report>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
}

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, "health", request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let Some(action) = call.route(&ROUTES)? else {
        return Ok(Reply::preflight());
    };
    call.admit(app, Entrance::Visit).await?;
    match action {
        Action::Health if call.switch("deep", true)? => health(app, call).await,
        Action::Health => alive(),
        Action::Metrics => metrics(app, call).await,
    }
}

/// The figures of this process for everybody, or those of the fleet for an operator.
async fn metrics(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let text = match &app.config.metrics_namespace {
        None => open_metrics::of_process(&app.telemetry.figures),
        Some(namespace) => {
            call.admin(app).await?;
            fleet_metrics::read(&app.config, namespace, call.now)
                .await
                .map_err(Error::Unavailable)?
        }
    };
    Ok(Reply::text(open_metrics::CONTENT_TYPE, text))
}

/// For monitors that ask every few seconds: no table is read for them, and nobody's outage is told.
fn alive() -> Result<Reply, Error> {
    let answer = Alive {
        status: "ok",
        version: VERSION,
        dependencies: BTreeMap::new(),
    };
    Reply::json(StatusCode::OK, &answer)
}

async fn health(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let (table, all, reports) = tokio::join!(probe_tables(app), probe_caches(app), reports(app, call.now));
    let cache = Caches { all, reports };
    let conditions = app.providers.status().await.into_iter();
    let providers: BTreeMap<String, Provider> = conditions
        .map(|(name, condition)| (name.to_string(), provider(condition)))
        .collect();
    if table.status != "ok" {
        call.record.degraded.push("table");
    }
    if cache.all.status == "down" || cache.reports.iter().any(Report::is_bad) {
        call.record.degraded.push("cache");
    }
    if providers.values().any(|provider| provider.status != "ok") {
        call.record.degraded.push("model");
    }
    let answer = Answer {
        // Also with every table down a valid token gets its answer from classify: never 503 for that.
        status: if call.record.degraded.is_empty() {
            "ok"
        } else {
            "degraded"
        },
        version: VERSION,
        dependencies: Dependencies {
            table,
            cache,
            providers,
        },
    };
    Reply::json(StatusCode::OK, &answer)
}

/// All tables at once: well if all are, as slow as the slowest.
async fn probe_tables(app: &App) -> Dependency {
    let stopwatch = Stopwatch::start();
    let probes = join_all(app.probes.iter().map(Table::probe)).await;
    let well = probes.iter().all(Result::is_ok);
    dependency(well, Some(millis(stopwatch.elapsed())))
}

/// Likewise the shared caches; there may be none.
async fn probe_caches(app: &App) -> Dependency {
    if app.cache_probes.is_empty() {
        return Dependency {
            status: "none",
            latency_ms: None,
        };
    }
    let stopwatch = Stopwatch::start();
    let probes = join_all(app.cache_probes.iter().map(Valkey::probe)).await;
    let well = probes.iter().all(Result::is_ok);
    dependency(well, Some(millis(stopwatch.elapsed())))
}

/// What `ElastiCache` says of the caches that have a name there. That it does not answer is no fault of theirs.
async fn reports(app: &App, now: Timestamp) -> Vec<Report> {
    let purposes: Vec<_> = elasticache::named(&app.config)
        .into_iter()
        .map(|(purpose, _)| purpose)
        .collect();
    if purposes.is_empty() {
        return Vec::new();
    }
    let ask = elasticache::report(&app.config);
    app.cache_reports.current(&purposes, now, ask).await
}

const fn provider(condition: Condition) -> Provider {
    Provider {
        status: if condition.is_asked { "ok" } else { "down" },
        refused_with: condition.refusal,
    }
}

const fn dependency(well: bool, latency_ms: Option<f64>) -> Dependency {
    Dependency {
        status: if well { "ok" } else { "down" },
        latency_ms,
    }
}
