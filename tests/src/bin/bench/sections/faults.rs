//! The added wait of requests while a dependency is frozen or dead: requests come on a schedule, and each waits for itself.

use crate::Effort;
use crate::report::Report;
use crate::scene::Scene;
use crate::stats::Samples;

/// Requests in a second: few enough that none waits for another.
const RATE: usize = 50;

/// Every request is answered with 200, or the load ends the run.
pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let seconds = effort.of(20, 5);
    let mut scene = Scene::start().await;
    scene.ask(RATE, 1);
    let healthy = scene.ask(RATE, seconds).latencies;
    note(report, "none", &healthy, &healthy);

    scene.redis.freeze();
    let frozen = scene.ask(RATE, seconds).latencies;
    scene.redis.thaw();
    note(report, "frozen_cache", &frozen, &healthy);
    scene.ask(RATE, effort.of(10, 6));

    scene.redis.kill();
    let dead = scene.ask(RATE, seconds).latencies;
    scene.redis.restart();
    note(report, "dead_cache", &dead, &healthy);
    scene.ask(RATE, effort.of(10, 6));

    scene.tables.freeze().await;
    let frozen = scene.ask(RATE, seconds).latencies;
    scene.tables.thaw().await;
    note(report, "frozen_tables", &frozen, &healthy);
    let healed = scene.ask(RATE, effort.of(10, 6)).latencies;
    note(report, "healed", &healed, &healthy);
}

fn note(report: &mut Report, what: &str, now: &Samples, healthy: &Samples) {
    report.note(&format!("faults.{what}.p50"), now.quantile(0.5), "ms");
    report.note(&format!("faults.{what}.p99"), now.quantile(0.99), "ms");
    report.note(&format!("faults.{what}.longest"), now.quantile(1.0), "ms");
    if what != "none" {
        let added = now.quantile(0.99) - healthy.quantile(0.99);
        report.note(&format!("faults.{what}.added_p99"), added, "ms");
    }
}
