//! The things that the console watches: the requests of a gateway, and the condition of what it depends on.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Stopwatch;
use shared::table::Table;
use shared::telemetry::{VERSION, millis};
use shared::valkey::Valkey;
use tokio::sync::watch::Sender;

use super::board::Board;
use super::faults::Faults;
use crate::capacity::Capacity;
use crate::gateway::{Gateway, routes};

/// The view of one process.
pub(super) struct Watch {
    pub(super) app: Arc<App>,
    pub(super) board: Arc<Board>,
    pub(super) faults: Faults,
    capacity: Arc<Capacity>,
    /// True once the server ends.
    pub(super) closing: Sender<bool>,
}

impl Watch {
    /// Begins to watch a gateway's requests.
    pub(super) fn over(gateway: &Gateway, capacity: Arc<Capacity>, faults: Faults) -> Arc<Self> {
        let board = Arc::new(Board::default());
        let counted = Arc::clone(&board);
        let app = gateway.app();
        app.telemetry.observe(move |record| counted.add(record));
        Arc::new(Self {
            app,
            board,
            faults,
            capacity,
            closing: Sender::new(false),
        })
    }

    /// Ends every stream.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Describes what does not change by itself: the version, the endpoints, the switches.
    pub(super) fn description(&self) -> Value {
        let paths: Vec<&str> = routes().map(|(_, path, _)| path).collect();
        json!({
            "version": VERSION,
            "routes": paths,
            "parts": self.faults.view(),
        })
    }

    /// Examines everything that requests depend on, as health does.
    pub(super) async fn condition(&self) -> Value {
        let app = &*self.app;
        let (tables, caches, providers) = tokio::join!(probe_tables(app), probe_caches(app), app.providers.status());
        let providers: BTreeMap<String, Value> = providers
            .into_iter()
            .map(|(name, condition)| {
                let asked = json!({"asked": condition.is_asked, "refusedWith": condition.refusal});
                (name.to_string(), asked)
            })
            .collect();
        let (under_way, waiting) = self.capacity.load();
        let jobs = self.faults.jobs();
        let jobs = jobs.map(|(waiting, taken)| json!({"waiting": waiting, "underWay": taken}));
        json!({
            "tables": tables,
            "cache": caches,
            "providers": providers,
            "underWay": under_way,
            "waiting": waiting,
            "jobs": jobs,
            "shed": app.telemetry.figures.shed.value(),
            "parts": self.faults.view(),
        })
    }
}

async fn probe_tables(app: &App) -> Value {
    let stopwatch = Stopwatch::start();
    let probes = join_all(app.probes.tables.iter().map(Table::probe)).await;
    probed(probes.iter().all(Result::is_ok), stopwatch)
}

async fn probe_caches(app: &App) -> Value {
    if app.probes.caches.is_empty() {
        return json!({"status": "none"});
    }
    let stopwatch = Stopwatch::start();
    let probes = join_all(app.probes.caches.iter().map(Valkey::probe)).await;
    probed(probes.iter().all(Result::is_ok), stopwatch)
}

fn probed(well: bool, stopwatch: Stopwatch) -> Value {
    let status = if well { "ok" } else { "down" };
    json!({"status": status, "latencyMs": millis(stopwatch.elapsed())})
}
