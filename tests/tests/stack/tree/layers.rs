//! The layers of shared: who decides knows nobody who does, and nobody knows who stands above.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::scan;

/// From the bottom up. A module without a line of its own is in the layer of the one that it is part of.
const LAYERS: [(&str, &[&str]); 7] = [
    (
        "foundations",
        &[
            "clock",
            "config",
            "digest",
            "error",
            "ids",
            "money",
            "object",
            "plan",
            "processor",
            "refreshed",
            "source",
            "text",
        ],
    ),
    (
        "ways out",
        &[
            "aws",
            "dependency_breaker",
            "elasticache",
            "http_client",
            "objects",
            "queue",
            "secrets",
            "table",
            "telemetry",
            "tls",
            "valkey",
        ],
    ),
    (
        "rules",
        &[
            "chat::conversation",
            "classify::verdict",
            "closing",
            "identity",
            "jobs::webhook",
            "jobs::id",
            "jobs::job",
            "models::breaker",
            "models::class",
            "models::counts",
            "models::dialogue",
            "models::form",
            "models::refusal",
            "models::request",
            "models::spend",
            "quota",
            "rank::experiment",
            "limits",
            "quota::outage::keys",
            "quota::outage::ledger",
            "statistics",
            "usage",
        ],
    ),
    (
        "stores and providers",
        &[
            "answers",
            "audit",
            "chat::assistant",
            "chat::conversation::items",
            "chat::conversation::store",
            "chat::conversation::turns",
            "chat::shared_reply",
            "classify::answer",
            "classify::ask",
            "classify::batch_window",
            "classify::injection",
            "classify::prompt",
            "classify::question",
            "identity::app_check::publisher",
            "identity::published",
            "jobs::backlog",
            "jobs::store",
            "identity::store",
            "jobs::webhook::delivery",
            "models",
            "models::breaker::fleet",
            "models::breaker::store",
            "models::spend::slice_store",
            "models::spend::store",
            "plan_store",
            "probes",
            "quota::counter_item",
            "quota::hold_table",
            "quota::idempotency_table",
            "quota::outage",
            "quota::outage::shadow",
            "quota::refund",
            "quota::reserve",
            "quota::run_table",
            "quota::store",
            "quota::table",
            "rank::experiment::store",
            "limits::local",
            "limits::scripts",
            "limits::store",
            "closing::run",
            "closing::store",
            "statistics::cache",
            "statistics::flush",
            "statistics::history",
            "statistics::rollup",
            "statistics::store",
            "statistics::table",
            "usage::store",
        ],
    ),
    ("composition", &["app"]),
    (
        "use cases",
        &["account", "admission", "chat", "classify", "detect", "jobs", "rank"],
    ),
    ("ways in", &["http", "invocation", "lambda"]),
];

/// The place of a module among the layers.
fn layer(module: &str) -> usize {
    let place = |name: &str| LAYERS.iter().position(|(_, modules)| modules.contains(&name));
    let mut name = module;
    loop {
        if let Some(place) = place(name) {
            return place;
        }
        let (parent, _) = name
            .rsplit_once("::")
            .unwrap_or_else(|| panic!("{module} is in no layer: say where it belongs"));
        name = parent;
    }
}

fn root(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

/// True if `from` leads to `to` by arrows that stay in their layer.
fn leads(arrows: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut open, mut seen) = (vec![from], BTreeSet::new());
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            let next = arrows[module].iter().map(String::as_str);
            open.extend(next.filter(|next| layer(next) == layer(from)));
        }
    }
    false
}

#[test]
fn arrows_in_shared_point_down_and_run_in_no_circle() {
    let arrows = scan::arrows();
    let mut against = BTreeSet::new();
    for (from, named) in &arrows {
        for to in named {
            // A module and its parts may name each other.
            let circle = root(from) != root(to) && layer(to) == layer(from) && leads(&arrows, to, from);
            if layer(to) > layer(from) || circle {
                against.insert((from.as_str(), to.as_str()));
            }
        }
    }
    assert!(against.is_empty(), "against the layers: {against:?}");
}

#[test]
fn nothing_in_shared_knows_http() {
    for (from, named) in scan::arrows() {
        let knows = named.iter().any(|to| root(to) == "http");
        assert!(!knows || root(&from) == "http", "{from}");
    }
}

#[test]
fn rules_and_foundations_reach_no_service() {
    let arrows = scan::arrows();
    for (from, named) in arrows
        .iter()
        .filter(|(module, _)| layer(module) <= 2 && root(module) != "table")
    {
        assert!(!named.contains("table"), "{from} decides, and does not ask");
    }
}
