//! `GET /health` shows if requests can be answered; `GET /metrics` shows figures.

pub mod fleet_metrics;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::app::App;
use shared::clock::{Stopwatch, Timestamp};
use shared::elasticache::{self, Report};
use shared::error::Error;
use shared::http::{Call, Reply, Route};
use shared::models::breaker::store::Condition;
use shared::table::Table;
use shared::telemetry::{Degraded, VERSION, millis, open_metrics};
use shared::valkey::Valkey;

/// The operations of this function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthAction {
    /// Shows if requests can be answered.
    Health,
    /// Shows the figures.
    Metrics,
}

/// The name of this function.
pub const NAME: &str = "health";

/// The routes that this function answers.
pub const ROUTES: [Route<HealthAction>; 2] = [
    (Method::GET, "/health", HealthAction::Health),
    (Method::GET, "/metrics", HealthAction::Metrics),
];

#[derive(Serialize)]
struct HealthResponse {
    status: &'static str,
    version: &'static str,
    dependencies: Dependencies,
}

/// The dependencies as they are shown: each one, or none.
#[derive(Default, Serialize)]
struct Dependencies {
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<Dependency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<CacheHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    providers: Option<BTreeMap<String, Provider>>,
}

/// A provider, and the status of its last refusal unless it has answered a call since.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_with: Option<u16>,
}

/// The shared caches together, and `ElastiCache`'s report of each named one.
#[derive(Serialize)]
struct CacheHealth {
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
    let mut call = Call::open(app, NAME, request);
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let Some(action) = call.route(&ROUTES)? else {
        return Ok(Reply::preflight());
    };
    call.visit(app).await?;
    match action {
        HealthAction::Health if call.switch("deep", true)? => health(app, call).await,
        HealthAction::Health => alive(),
        HealthAction::Metrics => metrics(app, call).await,
    }
}

/// Shows the figures of this process to everybody, or those of the fleet to an operator.
async fn metrics(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let text = match &app.config.metrics_namespace {
        None => open_metrics::of_process(&app.telemetry.figures),
        Some(namespace) => {
            call.operator(app).await?;
            fleet_metrics::read(&app.config, namespace, call.now)
                .await
                .map_err(Error::Unavailable)?
        }
    };
    Ok(Reply::text(open_metrics::CONTENT_TYPE, text))
}

/// Answers for a function that runs and has good settings; checks no dependency.
fn alive() -> Result<Reply, Error> {
    let answer = HealthResponse {
        status: "ok",
        version: VERSION,
        dependencies: Dependencies::default(),
    };
    Reply::json(StatusCode::OK, &answer)
}

/// Checks every dependency. Their names and states are for everybody at a process of its own, as its figures are, and for
/// admins alone in a fleet; a stranger learns if anything is wrong.
async fn health(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let names = app.config.metrics_namespace.is_none() || call.is_admins_look(app).await?;
    let (table, all, reports) = tokio::join!(probe_tables(app), probe_caches(app), reports(app, call.now));
    let cache = CacheHealth { all, reports };
    let conditions = app.providers.status().await.into_iter();
    let providers: BTreeMap<String, Provider> = conditions
        .map(|(name, condition)| (name.to_string(), provider(condition)))
        .collect();
    if table.status != "ok" {
        call.record.note(Degraded::Table);
    }
    if cache.all.status == "down" || cache.reports.iter().any(Report::is_bad) {
        call.record.note(Degraded::Cache);
    }
    if providers.values().any(|provider| provider.status != "ok") {
        call.record.note(Degraded::Model);
    }
    let answer = HealthResponse {
        // Never 503 for a table: with every table down, a valid token still gets its answer from classify.
        status: if call.record.degraded.is_empty() {
            "ok"
        } else {
            "degraded"
        },
        version: VERSION,
        dependencies: if names {
            Dependencies {
                table: Some(table),
                cache: Some(cache),
                providers: Some(providers),
            }
        } else {
            Dependencies::default()
        },
    };
    Reply::json(StatusCode::OK, &answer)
}

/// Probes all tables at once. The result is good if all are, and as slow as the slowest.
async fn probe_tables(app: &App) -> Dependency {
    let stopwatch = Stopwatch::start();
    let probes = join_all(app.probes.tables.iter().map(Table::probe)).await;
    let well = probes.iter().all(Result::is_ok);
    dependency(well, Some(millis(stopwatch.elapsed())))
}

/// Probes the shared caches in the same way; there may be none.
async fn probe_caches(app: &App) -> Dependency {
    if app.probes.caches.is_empty() {
        return Dependency {
            status: "none",
            latency_ms: None,
        };
    }
    let stopwatch = Stopwatch::start();
    let probes = join_all(app.probes.caches.iter().map(Valkey::probe)).await;
    let well = probes.iter().all(Result::is_ok);
    dependency(well, Some(millis(stopwatch.elapsed())))
}

/// Returns `ElastiCache`'s report of the named caches. Its own silence says nothing about them.
async fn reports(app: &App, now: Timestamp) -> Vec<Report> {
    let named = elasticache::named(&app.config);
    if named.is_empty() {
        return Vec::new();
    }
    let reports = app
        .probes
        .reports
        .current(now, || elasticache::report(&app.config))
        .await;
    match reports {
        Ok(reports) => reports.to_vec(),
        Err(_) => named.iter().map(|(purpose, _)| Report::unknown(*purpose)).collect(),
    }
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
