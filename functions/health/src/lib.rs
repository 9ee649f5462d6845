//! `GET /health`: can requests be answered?

use std::collections::BTreeMap;

use futures_util::future::join_all;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use shared::app::App;
use shared::clock::Stopwatch;
use shared::error::Error;
use shared::http::{Call, Reply, Route};
use shared::table::Table;
use shared::telemetry::{VERSION, millis};

/// What this function answers.
pub const ROUTES: [Route<()>; 1] = [(Method::GET, "/health", ())];

#[derive(Serialize)]
struct Answer {
    status: &'static str,
    version: &'static str,
    dependencies: Dependencies,
}

#[derive(Serialize)]
struct Dependencies {
    table: Dependency,
    cache: Dependency,
    providers: BTreeMap<String, Dependency>,
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
    call.close(app, outcome)
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    if call.route(&ROUTES)?.is_none() {
        return Ok(Reply::preflight());
    }
    let table = probe_tables(app).await;
    let providers: BTreeMap<String, Dependency> = app
        .providers
        .status()
        .into_iter()
        .map(|(provider, status)| (provider.to_string(), dependency(status.is_ok(), None)))
        .collect();
    if table.status != "ok" {
        call.record.degraded.push("table");
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
            cache: Dependency {
                status: "off",
                latency_ms: None,
            },
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

const fn dependency(well: bool, latency_ms: Option<f64>) -> Dependency {
    Dependency {
        status: if well { "ok" } else { "down" },
        latency_ms,
    }
}
