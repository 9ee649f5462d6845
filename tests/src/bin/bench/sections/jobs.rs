//! Jobs: submits to the local server at a steady rate, and the work of a worker besides the model.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::app::App;
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::jobs::message::JobMessage;
use shared::jobs::work::{Fate, work};
use shared::jobs::{JobId, Kind, submit};
use shared::plan::Tier;
use shared::queue::event::{QueueEvent, ReceivedMessage};
use tests::client::Client;
use tests::program::LocalServer;
use tests::redis::Redis;
use tests::service::Plan;

use crate::Effort;
use crate::deployment::SETTINGS;
use crate::load::{Load, Pace, post};
use crate::process;
use crate::report::Report;
use crate::stats::count;

/// Submits in a second.
const RATE: f64 = 500.0;

/// Submits of a user in a minute, which is as long as a run at most.
const OF_A_USER: usize = 10;

/// The messages that are worked on at a time: those of an event.
const AT_A_TIME: usize = 10;

pub(crate) async fn measure(effort: Effort, report: &mut Report) {
    submits(effort, report).await;
    works(effort, report).await;
}

/// One post, known to the cache once it was judged.
fn body() -> Value {
    json!({"type": "classify", "preference": "Hide crypto", "posts": [{"id": "1", "text": "Buy bitcoin now"}]})
}

async fn submits(effort: Effort, report: &mut Report) {
    let redis = Redis::start();
    let cache = redis.url();
    let settings = [&SETTINGS[..], &[("CLEARVIEW_CACHE_URL", &cache)]].concat();
    let server = LocalServer::start(&[], &settings).await;
    let client = Client::to(server.address);
    let seconds = effort.of(15, 3);
    let users = usize::try_from(seconds).unwrap_or(0) * 500 / OF_A_USER + 1;
    let mut requests = Vec::with_capacity(users);
    for n in 0..users {
        let token = client.register(&format!("bench-{n}")).await.access;
        requests.push(post("/v1/jobs", &token, &body()));
    }
    tokio::task::block_in_place(|| {
        let load = Load {
            address: server.address,
            requests: &requests,
            connections: 64,
            pace: Pace::Open(RATE),
            span: Duration::from_secs(seconds),
        };
        let answered = load.run();
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let latency = answered.latencies.quantile(share);
            report.note(&format!("jobs.submit.500_per_second.{name}"), latency, "ms");
        }
        report.note("jobs.submit.500_per_second.rate", answered.per_second(), "/s");
    });
    server.interrupt().await;
}

/// Works through messages in this process: its CPU time holds that of the embedded tables too.
async fn works(effort: Effort, report: &mut Report) {
    let service = Plan::default().on_system_time().start().await;
    let app = service.app();
    let device = service.client.register("bench").await;
    let principal = Principal {
        user: UserId::parse(&device.user).expect("a user"),
        session: SessionId::parse(device.session()).expect("a session"),
        tier: Tier::free(),
        source: None,
    };
    let id = std::process::id();
    let rounds = effort.of(50, 4);
    let (mut first, mut last) = (0.0, 0.0);
    let mut spent = Duration::ZERO;
    for round in 0..=rounds {
        let messages = messages(&app, &principal, 1_000).await;
        let before = process::cpu(id);
        through(&app, messages).await;
        let used = process::cpu(id).saturating_sub(before);
        app.jobs.erase(&principal.user).await.expect("the table answers");
        last = process::resident(id);
        // The first has filled caches.
        match round {
            0 => first = last,
            _ => spent += used,
        }
    }
    let jobs = count(usize::try_from(rounds).unwrap_or(0) * 1_000);
    report.note("jobs.worker.per_core", jobs / spent.as_secs_f64(), "/s");
    report.note("jobs.worker.resident_growth", last / first, "");
    service.stop().await;
}

async fn messages(app: &App, principal: &Principal, count: usize) -> Vec<ReceivedMessage> {
    let now = app.clock.now();
    let keys = submit::keys(app, now).await.expect("keys");
    let body = body().to_string();
    let message = |_| {
        let unique = shared::ids::new_correlation_id();
        let unique: [u8; 16] = unique.as_bytes()[..16].try_into().expect("16 bytes");
        let job = JobId::new(&keys[0], &principal.user, (Kind::Classify, 1), &unique, now);
        JobMessage::write(&job, principal, ("bench", None), body.as_bytes()).expect("a message")
    };
    let records: Vec<Value> = (0..count)
        .map(message)
        .map(|body| json!({"messageId": "m", "receiptHandle": "r", "body": body}))
        .collect();
    let event: QueueEvent = serde_json::from_value(json!({"Records": records})).expect("an event");
    event.messages
}

async fn through(app: &Arc<App>, messages: Vec<ReceivedMessage>) {
    for some in messages.chunks(AT_A_TIME) {
        let runs = some.iter().map(|message| work(app, message));
        for fate in futures_util::future::join_all(runs).await {
            assert_eq!(fate, Fate::Delete);
        }
    }
}
