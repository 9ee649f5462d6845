//! The local server as a program, with its own tables, under load from this machine.

use std::time::Duration;

use shared::clock::Stopwatch;
use tests::client::Client;
use tests::program::LocalServer;

use crate::Effort;
use crate::deployment::{SETTINGS, batch};
use crate::load::{Load, Pace, post};
use crate::process;
use crate::report::Report;
use crate::stats::{Samples, count, micros, millis};

/// Who asks, in turn.
const USERS: usize = 64;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let mut starts = Samples::default();
    for _ in 0..effort.of(20, 5) {
        let since = Stopwatch::start();
        let server = LocalServer::start(&[], &SETTINGS).await;
        let health = Client::to(server.address).get("/health").await;
        starts.push(millis(since.elapsed()));
        assert_eq!(health.status, 200, "{health:?}");
    }
    report.note("server.start", starts.median(), "ms");

    let server = LocalServer::start(&[], &SETTINGS).await;
    let requests = requests(&server).await;
    let seconds = Duration::from_secs(effort.of(15, 3));
    let load = |connections, pace, span| Load {
        address: server.address,
        requests: &requests,
        connections,
        pace,
        span,
    };
    tokio::task::block_in_place(|| {
        load(16, Pace::Closed, Duration::from_secs(1)).run();

        let one = load(1, Pace::Closed, seconds).run();
        report.note("server.1_connection.p50", one.latencies.quantile(0.5), "ms");
        report.note("server.1_connection.p99", one.latencies.quantile(0.99), "ms");
        report.note("server.1_connection.rate", one.per_second(), "/s");

        let before = process::cpu(server.process_id());
        let most = load(16, Pace::Closed, seconds).run();
        let used = process::cpu(server.process_id()).saturating_sub(before);
        report.note("server.16_connections.rate", most.per_second(), "/s");
        report.note("server.16_connections.p99", most.latencies.quantile(0.99), "ms");
        report.note(
            "server.16_connections.cpu",
            micros(used) / count(most.latencies.len()),
            "us",
        );

        // More connections than requests are ever under way: none waits for a free one.
        let steady = load(64, Pace::Open(2_000.0), seconds).run();
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            report.note(
                &format!("server.2000_per_second.{name}"),
                steady.latencies.quantile(share),
                "ms",
            );
        }
        report.note("server.2000_per_second.rate", steady.per_second(), "/s");
    });
    report.note("server.resident", process::resident(server.process_id()), "MB");
    server.interrupt().await;
}

/// One request of each user, whose post is cached from then on.
async fn requests(server: &LocalServer) -> Vec<Vec<u8>> {
    let client = Client::to(server.address);
    let mut requests = Vec::with_capacity(USERS);
    for n in 0..USERS {
        let user = client.register(&format!("bench-{n}")).await;
        requests.push(post("/v1/classify", &user.access, &batch(1)));
    }
    requests
}
