//! What requests wait longer for while a dependency is frozen or dead: requests come on a schedule, and each waits for itself.

use std::time::Duration;

use serde_json::Value;
use tests::client::Client;
use tests::program::LocalServer;
use tests::redis::Redis;

use crate::Effort;
use crate::deployment::{SETTINGS, batch_with_new};
use crate::load::{Answered, Load, Pace, post};
use crate::report::Report;

/// Requests in a second: few enough that none waits for another.
const RATE: usize = 50;

/// A server with its tables and its cache in processes of their own, and users of it.
struct Scene {
    server: LocalServer,
    tables: LocalServer,
    redis: Redis,
    tokens: Vec<String>,
    serial: usize,
}

impl Scene {
    async fn start() -> Self {
        let redis = Redis::start();
        let tables = LocalServer::start(&["--table-port", "0"], &SETTINGS).await;
        let (cache, endpoint) = (redis.url(), tables.tables());
        let settings = [
            &SETTINGS[..],
            &[
                ("CLEARVIEW_CACHE_URL", &cache),
                ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
            ],
            &[("AWS_ACCESS_KEY_ID", "bench"), ("AWS_SECRET_ACCESS_KEY", "bench")],
        ]
        .concat();
        let server = LocalServer::start(&[], &settings).await;
        let client = Client::to(server.address);
        let mut tokens = Vec::new();
        for n in 0..16 {
            tokens.push(client.register(&format!("faults-{n}")).await.access);
        }
        Self {
            server,
            tables,
            redis,
            tokens,
            serial: 0,
        }
    }

    /// For some seconds, requests of five posts, every other one with a post that is new.
    fn ask(&mut self, seconds: usize) -> Answered {
        let requests: Vec<Vec<u8>> = (0..RATE * seconds).map(|n| self.request(n)).collect();
        let load = Load {
            address: self.server.address,
            requests: &requests,
            connections: 64,
            pace: Pace::Open(crate::stats::count(RATE)),
            span: Duration::from_secs(seconds as u64),
        };
        tokio::task::block_in_place(|| load.run())
    }

    fn request(&mut self, n: usize) -> Vec<u8> {
        self.serial += 1;
        let body: Value = batch_with_new(5, n % 2, &format!("{} ", self.serial));
        post("/v1/classify", &self.tokens[n % self.tokens.len()], &body)
    }

    fn signal(process: &LocalServer, signal: &str) {
        let id = process.process_id().to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("kill").success(), "{signal}");
    }
}

/// Every request is answered with 200, or the load ends the run.
pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    let seconds = effort.of(20, 5);
    let mut scene = Scene::start().await;
    scene.ask(1);
    let healthy = scene.ask(seconds).latencies;
    note(report, "none", &healthy, &healthy);

    scene.redis.freeze();
    let frozen = scene.ask(seconds).latencies;
    scene.redis.thaw();
    note(report, "frozen_cache", &frozen, &healthy);
    scene.ask(effort.of(10, 6));

    scene.redis.kill();
    let dead = scene.ask(seconds).latencies;
    scene.redis.restart();
    note(report, "dead_cache", &dead, &healthy);
    scene.ask(effort.of(10, 6));

    Scene::signal(&scene.tables, "-STOP");
    let frozen = scene.ask(seconds).latencies;
    Scene::signal(&scene.tables, "-CONT");
    note(report, "frozen_tables", &frozen, &healthy);
    let healed = scene.ask(effort.of(10, 6)).latencies;
    note(report, "healed", &healed, &healthy);
}

fn note(report: &mut Report, what: &str, now: &crate::stats::Samples, healthy: &crate::stats::Samples) {
    report.note(&format!("faults.{what}.p50"), now.quantile(0.5), "ms");
    report.note(&format!("faults.{what}.p99"), now.quantile(0.99), "ms");
    report.note(&format!("faults.{what}.longest"), now.quantile(1.0), "ms");
    if what != "none" {
        let added = now.quantile(0.99) - healthy.quantile(0.99);
        report.note(&format!("faults.{what}.added_p99"), added, "ms");
    }
}
