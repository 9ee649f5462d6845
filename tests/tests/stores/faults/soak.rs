//! A short soak: faults come and go, and the server holds no more afterwards than before.

use std::time::Duration;

use futures_util::future::join_all;
use tests::client::{Client, Device};
use tests::program::LocalServer;
use tests::redis::Redis;

const GENEROUS: [(&str, &str); 4] = [
    (
        "CLEARVIEW_PLANS",
        r#"{"free":{"posts":{"perDay":1000000,"perMinute":1000000}}}"#,
    ),
    ("CLEARVIEW_IP_PER_MINUTE", "1000000"),
    // An outage is over soon.
    ("CLEARVIEW_TABLE_TIMEOUT_MS", "150"),
    ("CLEARVIEW_REQUEST_TIMEOUT_MS", "3000"),
];

const ROUNDS: usize = 4;
const AT_A_TIME: usize = 16;

struct Scene {
    server: LocalServer,
    tables: LocalServer,
    redis: Redis,
    client: Client,
    device: Device,
}

impl Scene {
    async fn start() -> Self {
        let redis = Redis::start();
        let tables = LocalServer::start(&["--table-port", "0"], &[]).await;
        let (cache, endpoint) = (redis.url(), tables.tables());
        let settings = [
            &GENEROUS[..],
            &[
                ("CLEARVIEW_CACHE_URL", &cache),
                ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
            ],
            &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")],
        ]
        .concat();
        let server = LocalServer::start(&[], &settings).await;
        let client = Client::to(server.address);
        let device = client.register("soak").await;
        Self {
            server,
            tables,
            redis,
            client,
            device,
        }
    }

    /// So many requests, some at a time, each with one post that is new.
    async fn ask(&self, round: &str, requests: usize) {
        for n in 0..requests / AT_A_TIME {
            let batch = (0..AT_A_TIME).map(|m| async move {
                let new = format!("{round} {n} {m}: the river was high this morning");
                let answer = self
                    .client
                    .classify(&self.device, "hide crypto", &["a bicycle", &new])
                    .await;
                assert_eq!(answer.status, 200, "{round}: {answer:?}");
            });
            join_all(batch).await;
        }
    }

    /// Asks until nothing is done without.
    async fn heals(&self) {
        let healed = async {
            loop {
                let answer = self.client.classify(&self.device, "hide crypto", &["a bicycle"]).await;
                if answer.body["degraded"].as_array().is_some_and(Vec::is_empty) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), healed)
            .await
            .expect("it heals");
    }

    /// Open files and sockets; threads; kilobytes of memory.
    fn holds(&self) -> (usize, usize, usize) {
        let of = |what: &str| {
            std::fs::read_dir(format!("/proc/{}/{what}", self.server.process_id()))
                .unwrap()
                .count()
        };
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.process_id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident = resident.trim().trim_end_matches(" kB").parse().unwrap();
        (of("fd"), of("task"), resident)
    }
}

#[tokio::test]
async fn faults_that_come_and_go_leave_nothing_behind() {
    let mut scene = Scene::start().await;
    let mut seen = Vec::new();
    for round in 0..ROUNDS {
        scene.redis.freeze();
        scene.ask(&format!("{round}, cache frozen"), 64).await;
        scene.redis.thaw();
        scene.redis.kill();
        scene.ask(&format!("{round}, cache dead"), 64).await;
        scene.redis.restart();
        scene.tables.freeze().await;
        scene.ask(&format!("{round}, tables frozen"), 32).await;
        scene.tables.thaw().await;
        scene.heals().await;
        scene.ask(&format!("{round}, well"), 256).await;
        seen.push(scene.holds());
    }
    // The first round opens what is kept open.
    let (descriptors, threads, resident) = seen[0];
    let (descriptors_after, threads_after, resident_after) = seen[ROUNDS - 1];
    assert!(descriptors_after <= descriptors + AT_A_TIME, "{seen:?}");
    assert!(threads_after <= threads + 2, "{seen:?}");
    // Each round keeps some 400 verdicts.
    assert!(resident_after <= resident * 5 / 4, "{seen:?}");
}
