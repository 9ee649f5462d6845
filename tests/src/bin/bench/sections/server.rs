//! The local server as a program, with its own tables, under load from this machine.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Stopwatch;
use tests::client::Client;
use tests::program::LocalServer;
use tests::redis::Redis;

use crate::Effort;
use crate::deployment::{SETTINGS, batch, batch_with_new};
use crate::load::{Load, Pace, post};
use crate::process;
use crate::report::Report;
use crate::stats::{Samples, count, micros, millis};

/// Users who ask, in turn.
const USERS: usize = 64;

/// The requests of ten days: 67,000 a day (requirements).
const TEN_DAYS: f64 = 670_000.0;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let mut starts = Samples::default();
    for _ in 0..effort.of(20, 5) {
        let since = Stopwatch::start();
        let server = LocalServer::start(&["--no-console"], &SETTINGS).await;
        let health = Client::to(server.address).get("/health").await;
        starts.push(millis(since.elapsed()));
        assert_eq!(health.status, 200, "{health:?}");
    }
    report.note("server.start", starts.median(), "ms");

    let redis = Redis::start();
    let cache = redis.url();
    let settings = [&SETTINGS[..], &[("CLEARVIEW_CACHE_URL", &cache)]].concat();
    let server = LocalServer::start(&["--no-console"], &settings).await;
    let tokens = register(&server).await;
    let requests: Vec<Vec<u8>> = tokens
        .iter()
        .map(|token| post("/v1/classify", token, &batch(1)))
        .collect();
    let rankings: Vec<Vec<u8>> = tokens.iter().map(|token| post("/v1/rank", token, &ranking())).collect();
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

        let of_rank = Load {
            requests: &rankings,
            ..load(16, Pace::Closed, seconds)
        };
        let ranked = of_rank.run();
        report.note("server.rank.16_connections.rate", ranked.per_second(), "/s");
        report.note("server.rank.16_connections.p99", ranked.latencies.quantile(0.99), "ms");

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
        report.note("server.most_per_second", most_per_second(&load, seconds), "/s");

        // Ten days' requests of 20,000 users in minutes: batches of 20, of which most are cached.
        let feed = feed(&tokens);
        let ten_days = Load {
            requests: &feed,
            ..load(
                64,
                Pace::Open(TEN_DAYS / 300.0),
                Duration::from_secs(effort.of(300, 10)),
            )
        };
        let answered = ten_days.run();
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            let latency = answered.latencies.quantile(share);
            report.note(&format!("server.ten_days.{name}"), latency, "ms");
        }
        report.note("server.ten_days.rate", answered.per_second(), "/s");
    });
    report.note("server.resident", process::resident(server.process_id()), "MB");
    server.interrupt().await;
}

/// The highest rate that is kept with a 99th percentile within the promise of 120 ms, a quarter more at each try.
fn most_per_second<'a>(load: &impl Fn(usize, Pace, Duration) -> Load<'a>, seconds: Duration) -> f64 {
    let mut kept = 0.0;
    let mut rate = 2_000.0;
    loop {
        let answered = load(64, Pace::Open(rate), seconds / 3).run();
        if answered.latencies.quantile(0.99) > 120.0 || answered.per_second() < 0.95 * rate {
            return kept;
        }
        kept = answered.per_second();
        rate *= 1.25;
    }
}

/// Requests of every user, each of 20 posts, of which three were new when it was first sent.
fn feed(tokens: &[String]) -> Vec<Vec<u8>> {
    let one = |n: usize| {
        let body = batch_with_new(20, 3, &format!("{n} "));
        post("/v1/classify", &tokens[n % tokens.len()], &body)
    };
    (0..2_000).map(one).collect()
}

/// A question about ten items, asked by everybody.
fn ranking() -> Value {
    let item =
        |n: usize| json!({"id": n.to_string(), "text": format!("running shoe number {n} of a well-known brand")});
    json!({"query": "running shoes for beginners", "items": (0..10).map(item).collect::<Vec<_>>()})
}

/// The access tokens of some users.
async fn register(server: &LocalServer) -> Vec<String> {
    let client = Client::to(server.address);
    let mut tokens = Vec::with_capacity(USERS);
    for n in 0..USERS {
        tokens.push(client.register(&format!("bench-{n}")).await.access);
    }
    tokens
}
