//! Hours in short: a server at half of what it can do, while its cache and its tables freeze, die and come back.

use crate::Effort;
use crate::process;
use crate::report::Report;
use crate::scene::Scene;
use crate::stats::{Samples, count};

/// Seconds of calm, in which the server is looked at.
const CALM: usize = 8;

/// Seconds of a fault, and of what follows it.
const TROUBLE: usize = 3;

/// A server's resources and answers in one calm.
#[derive(Debug)]
struct Look {
    resident: f64,
    descriptors: f64,
    threads: f64,
    p50: f64,
    p99: f64,
}

/// One of them.
type Of = fn(&Look) -> f64;

/// Thirty minutes, or for a quick run two.
pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    // Whole rounds of all three faults, in each third of the looks.
    let rounds = effort.of(120, 9);
    let mut scene = Scene::start().await;
    // Half an hour writes a million verdicts. Begun with as many, it does not change what its tables are.
    scene.fill(effort.of(90, 5));
    scene.renew_tokens().await;
    let most = scene.most_per_second(5);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    let rate = (most / 2.0) as usize;
    // Enough new posts fill the process's cache before the first look.
    scene.ask(rate, effort.of(30, 10));

    let mut looks = Vec::with_capacity(rounds);
    let mut refused = 0;
    for round in 0..rounds {
        scene.renew_tokens().await;
        match round % 3 {
            0 => scene.redis.freeze(),
            1 => scene.redis.kill(),
            _ => scene.tables.freeze().await,
        }
        refused += scene.ask_through(rate / 4, TROUBLE).refused;
        match round % 3 {
            0 => scene.redis.thaw(),
            1 => scene.redis.restart(),
            _ => scene.tables.thaw().await,
        }
        refused += scene.ask_through(rate, TROUBLE).refused;
        let latencies = scene.ask(rate, CALM).latencies;
        looks.push(look(scene.server.process_id(), &latencies));
        if round % 10 == 9 {
            // Half an hour is long to wait for the first figure.
            eprintln!("round {}: {:.2?}; {refused} refused", round + 1, looks[round]);
        }
    }
    report.note("soak.rate", count(rate), "/s");
    report.note("soak.span", count(rounds * (2 * TROUBLE + CALM)), "s");
    report.note("soak.refused_for_reduced_capacity", count(refused), "");
    // The middle of the first and of the last third of the looks.
    let third = looks.len().div_ceil(3);
    let (first, last) = (&looks[..third], &looks[looks.len() - third..]);
    let middle = |looks: &[Look], of: Of| looks.iter().map(of).collect::<Samples>().median();
    let figures: [(&str, Of, &str); 5] = [
        ("resident", |look| look.resident, "MB"),
        ("descriptors", |look| look.descriptors, ""),
        ("threads", |look| look.threads, ""),
        ("p50", |look| look.p50, "ms"),
        ("p99", |look| look.p99, "ms"),
    ];
    for (name, of, unit) in figures {
        let (before, after) = (middle(first, of), middle(last, of));
        report.note(&format!("soak.{name}"), after, unit);
        report.note(&format!("soak.{name}.growth"), after / before, "x");
    }
}

fn look(id: u32, latencies: &Samples) -> Look {
    Look {
        resident: process::resident(id),
        descriptors: process::descriptors(id),
        threads: process::threads(id),
        p50: latencies.quantile(0.5),
        p99: latencies.quantile(0.99),
    }
}
