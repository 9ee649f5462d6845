//! More requests than the local server can answer, on a schedule, from clients who give up and come again.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use shared::clock::Stopwatch;
use tests::client::Client;
use tests::program::LocalServer;
use tests::redis::Redis;

use crate::Effort;
use crate::crowd::Crowd;
use crate::deployment::{SETTINGS, batch_with_new};
use crate::load::{Load, Pace, post, wait_until};
use crate::process;
use crate::report::Report;
use crate::stats::count;

/// Users who ask, in turn.
const USERS: usize = 64;

/// How many requests are sent in turn: each is new when it is first sent, and again after as many others.
const REQUESTS: usize = 20_000;

/// The clients of the crowd: more than the server works on and lets wait, fewer than the connections that it serves.
const CLIENTS: usize = 800;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let redis = Redis::start();
    let cache = redis.url();
    let settings = [&SETTINGS[..], &[("CLEARVIEW_CACHE_URL", &cache)]].concat();
    let (server_on, load_on) = ("0", "1");
    run_on(std::process::id(), load_on);
    for times in [3.0, 10.0] {
        let server = LocalServer::start(&["--no-console"], &settings).await;
        run_on(server.process_id(), server_on);
        let tokens = register(&server).await;
        let span = Duration::from_secs(effort.of(20, 5));
        tokio::task::block_in_place(|| crowd(&server, &tokens, times, span, report));
        server.interrupt().await;
    }
}

fn crowd(server: &LocalServer, tokens: &[String], times: f64, span: Duration, report: &mut Report) {
    let most = most_per_second(server.address, &feed(tokens, "before"), span / 2);
    let requests = feed(tokens, "crowd");
    let crowd = Crowd {
        address: server.address,
        requests: &requests,
        clients: CLIENTS,
        rate: most * times,
        span,
    };
    let outcome = crowd.run();
    // The rest is answered within this second.
    wait_until(Duration::from_secs(1), Stopwatch::start());
    let after = most_per_second(server.address, &feed(tokens, "after"), span / 4);

    let (answered, refused) = (outcome.answered.len(), outcome.refused.len());
    let share = |rate: f64| 100.0 * rate / most;
    let per_second = |requests: usize| count(requests) / span.as_secs_f64();
    let figures = [
        ("most", most, "/s"),
        ("asked", per_second(answered + refused + outcome.gave_up), "/s"),
        ("goodput", share(per_second(answered)), "%"),
        ("answers.p99", outcome.answered.quantile(0.99), "ms"),
        ("refusals.p50", outcome.refused.quantile(0.5), "ms"),
        ("refusals.p99", outcome.refused.quantile(0.99), "ms"),
        ("gave_up", count(outcome.gave_up), ""),
        ("resident_peak", process::peak_resident(server.process_id()), "MB"),
        ("second_after", share(after), "%"),
    ];
    for (name, value, unit) in figures {
        report.note(&format!("overload.{times}x.{name}"), value, unit);
    }
}

/// How many requests in a second are answered to 16 connections that ask as fast as they can.
fn most_per_second(address: SocketAddr, requests: &[Vec<u8>], span: Duration) -> f64 {
    let load = Load {
        address,
        requests,
        connections: 16,
        pace: Pace::Closed,
        span,
    };
    load.run().per_second()
}

/// Requests of every user, each of 20 posts, of which three were new when it was first sent.
fn feed(tokens: &[String], name: &str) -> Vec<Vec<u8>> {
    let one = |n: usize| {
        let body = batch_with_new(20, 3, &format!("{name} {n} "));
        post("/v1/classify", &tokens[n % tokens.len()], &body)
    };
    (0..REQUESTS).map(one).collect()
}

/// The access tokens of some users.
async fn register(server: &LocalServer) -> Vec<String> {
    let client = Client::to(server.address);
    let mut tokens = Vec::with_capacity(USERS);
    for n in 0..USERS {
        tokens.push(client.register(&format!("crowd-{n}")).await.access);
    }
    tokens
}

/// Binds all threads of a process, and those that it starts, to some processors.
fn run_on(process: u32, processors: &str) {
    let id = process.to_string();
    // A thread that ends while the others are bound fails the whole of it.
    let bound = (0..10).any(|_| {
        let bound = Command::new("taskset").args(["-a", "-cp", processors, &id]).output();
        bound.expect("taskset").status.success()
    });
    assert!(bound, "{processors}");
}
