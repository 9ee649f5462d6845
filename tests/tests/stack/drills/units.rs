//! The units that the bill multiplies prices with, measured: tests/prices/units.json may not drift from them. Only counts are
//! compared; a time is for `make bench`.

use std::time::Duration;

use redis::Commands;
use serde_json::{Value, json};
use tests::chat;
use tests::client::send;
use tests::definitions::text_of;
use tests::events;
use tests::recorder::{Consumed, Recorder};
use tests::redis::Redis;
use tests::runtime_api::{Environment, Function};
use tests::service::{Plan, TableService};
use tests::upstream::{Script, Upstream};

use crate::drills::log::NAMESPACE;

/// Returns the file's figure for a unit.
fn unit(name: &str) -> f64 {
    let file: Value = serde_json::from_str(&text_of("tests/prices/units.json")).unwrap();
    let mut groups = file.as_object().unwrap().values();
    let found = groups.find_map(|group| group[name]["value"].as_f64());
    found.unwrap_or_else(|| panic!("no unit {name}"))
}

/// That what was measured is what the file says, give or take a part of it.
fn check(name: &str, measured: f64, tolerance: f64) {
    let written = unit(name);
    assert!(
        (measured - written).abs() <= tolerance * written + 1e-9,
        "{name}: {measured} measured, {written} in tests/prices/units.json"
    );
}

/// A deployment in small whose tables say what was consumed.
struct Meter {
    redis: Redis,
    recorder: Recorder,
    plan: Plan,
    _tables: TableService,
}

impl Meter {
    async fn start() -> Self {
        let redis = Redis::start();
        let tables = TableService::start().await;
        let recorder = Recorder::to(tables.address()).await;
        let plan = Plan::default()
            .on_system_time()
            .with_tables_at(recorder.address)
            .with_cache_at(redis.url())
            .with("CLEARVIEW_LOG", "info")
            .with("CLEARVIEW_METRICS_NAMESPACE", NAMESPACE);
        Self {
            redis,
            recorder,
            plan,
            _tables: tables,
        }
    }

    async fn function(&self, name: &str) -> Environment {
        let variables = self.plan.variables().iter();
        let function = variables.fold(Function::named(name), |function, (name, value)| {
            function.with(name, value)
        });
        let function = match name {
            "auth" => function.with("CLEARVIEW_TOKEN_KEYS", self.plan.stored_keys()),
            _ => function,
        };
        function.start().await.unwrap()
    }

    /// Returns the work of the shared cache so far: the commands, a script counted as two, and the bytes in and out.
    #[expect(clippy::cast_precision_loss, reason = "a few requests")]
    fn cache_work(&self) -> (f64, f64) {
        let mut connection = self.redis.connection();
        let info = |section: &str, connection: &mut redis::Connection| -> String {
            redis::cmd("INFO").arg(section).query(connection).unwrap()
        };
        let calls: u64 = info("commandstats", &mut connection)
            .lines()
            .filter_map(|line| {
                let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
                let calls: u64 = rest.split(',').next()?.parse().ok()?;
                // The calls of scripts are part of them; the rest is the start of a connection, or this very question.
                match name {
                    "evalsha" | "eval" => Some(2 * calls),
                    "mget" | "set" | "get" => Some(calls),
                    _ => None,
                }
            })
            .sum();
        let stats = info("stats", &mut connection);
        let bytes: u64 = stats
            .lines()
            .filter(|line| line.starts_with("total_net_input_bytes:") || line.starts_with("total_net_output_bytes:"))
            .filter_map(|line| line.split(':').nth(1)?.trim().parse::<u64>().ok())
            .sum();
        (calls as f64, bytes as f64)
    }
}

/// A batch of posts of about 120 characters.
fn batch(token: &str, posts: std::ops::Range<usize>) -> String {
    let mut event = events::named("classify/batch").value(token);
    let posts: Vec<Value> = posts
        .map(|n| {
            let text = format!(
                "Post number {n}: a friend sold the old bicycle and bought a tent, then wrote at length about the weather in May"
            );
            json!({"id": n.to_string(), "text": text})
        })
        .collect();
    event["body"] = json!({"preference": "Hide crypto and diet ads, but keep recipes", "posts": posts})
        .to_string()
        .into();
    event.to_string()
}

/// The same request with an `Idempotency-Key`.
fn keyed(event: &str) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap();
    event["headers"]["Idempotency-Key"] = "key-1".into();
    event["multiValueHeaders"]["Idempotency-Key"] = json!(["key-1"]);
    event.to_string()
}

async fn answered(environment: &Environment, event: &str) -> Value {
    let answer = environment.invoke(event).await.unwrap();
    assert!(answer["statusCode"].as_u64().unwrap() < 300, "{answer}");
    answer
}

/// The tokens of a new user.
async fn register(auth: &Environment, device: &str) -> Value {
    let mut event = events::named("auth/register").value("");
    event["body"] = tests::client::registration(device).to_string().into();
    let answer = answered(auth, &event.to_string()).await;
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

/// The request that the bill is made with: 20 posts, of which 17 are known to the shared cache and 3 to nobody.
#[tokio::test]
async fn a_classification_uses_what_the_bill_says() {
    let meter = Meter::start().await;
    let auth = meter.function("auth").await;
    let registration = register(&auth, "ann").await;
    let token = registration["accessToken"].as_str().unwrap();
    let first = meter.function("classify").await;
    answered(&first, &batch(token, 0..17)).await;
    let second = meter.function("classify").await;
    // An environment learns this once.
    answered(&second, &batch(token, 100..101)).await;
    let _ = meter.recorder.take_consumed();
    let (_, bytes_before) = meter.cache_work();
    let (before, _) = meter.cache_work();
    let answer = answered(&second, &batch(token, 0..20)).await;
    let Consumed { reads, writes } = meter.recorder.take_consumed();
    let (after, bytes_after) = meter.cache_work();

    let line = second.logged(|line| line.contains("\"distinct\":20")).await;
    let record: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&record["sharedHits"], &record["asked"]),
        (&json!(17), &json!(3)),
        "{line}"
    );
    let judged = 3.0;
    let expected = unit("writesPerClassify") + judged * unit("writesPerJudgedPost");
    assert!(
        (writes - expected).abs() < 1e-9,
        "{writes} writes, {expected} by the file"
    );
    let expected = judged * unit("readsPerMissedPost");
    assert!((reads - expected).abs() < 0.51, "{reads} reads, {expected} by the file");

    // Each command is a unit for each KB that it moves, and at least one.
    let (commands, bytes) = (after - before, bytes_after - bytes_before);
    check("cacheUnitsPerClassify", commands.max(bytes / 1024.0), 0.3);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let length = |text: &str| text.len() as f64;
    check("bytesLoggedPerClassify", length(&line) + 1.0, 0.15);
    let headers: f64 = answer["multiValueHeaders"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, values)| length(name) + length(values[0].as_str().unwrap()) + 4.0)
        .sum();
    check(
        "bytesPerAnswer",
        length(answer["body"].as_str().unwrap()) + headers,
        0.25,
    );
    // The same once more, all of it known, with a key.
    answered(&second, &keyed(&batch(token, 0..20))).await;
    let Consumed { reads, writes } = meter.recorder.take_consumed();
    check("writesPerKeyedClassify", writes, 0.0);
    check("readsPerKeyedClassify", reads, 0.0);
    // The code computes its own cost from the same units.
    let cost = record["costMicroUsd"].as_f64().unwrap();
    assert!(cost > 3.7 + 0.625 * 4.0, "{cost}");
}

#[tokio::test]
async fn a_verdict_in_the_shared_cache_is_as_large_as_the_bill_says() {
    let meter = Meter::start().await;
    let auth = meter.function("auth").await;
    let registration = register(&auth, "ann").await;
    let classify = meter.function("classify").await;
    answered(&classify, &batch(registration["accessToken"].as_str().unwrap(), 0..20)).await;
    let mut connection = meter.redis.connection();
    let keys: Vec<String> = connection.keys("a:*").unwrap();
    assert_eq!(keys.len(), 20, "{keys:?}");
    let sizes: f64 = keys
        .iter()
        .map(|key| {
            let size: f64 = redis::cmd("MEMORY")
                .arg(&["USAGE", key])
                .query(&mut connection)
                .unwrap();
            size
        })
        .sum();
    check("bytesPerVerdictCached", sizes / 20.0, 0.25);
}

#[tokio::test]
async fn a_refresh_and_a_look_at_the_usage_use_what_the_bill_says() {
    let meter = Meter::start().await;
    let auth = meter.function("auth").await;
    // Which publishes the keys too.
    register(&auth, "ann").await;
    let _ = meter.recorder.take_consumed();
    let registration = register(&auth, "bob").await;
    let Consumed { writes, .. } = meter.recorder.take_consumed();
    check("writesPerRegistration", writes, 0.0);
    let mut event = events::named("auth/refresh-garbled").value("");
    event["body"] = json!({"refreshToken": registration["refreshToken"]}).to_string().into();
    let event = event.to_string();
    answered(&auth, &event).await;
    let Consumed { reads, writes } = meter.recorder.take_consumed();
    check("writesPerRefresh", writes, 0.0);
    check("readsPerRefresh", reads, 0.0);
    let line = auth.logged(|line| line.contains("/v1/auth/refresh")).await;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    check("bytesLoggedPerOther", line.len() as f64 + 1.0, 0.3);

    let usage = meter.function("usage").await;
    let today = events::named("usage/today").with_token(registration["accessToken"].as_str().unwrap());
    answered(&usage, &today).await;
    let _ = meter.recorder.take_consumed();
    answered(&usage, &today).await;
    let Consumed { reads, writes } = meter.recorder.take_consumed();
    assert!(writes.abs() < 1e-9, "{writes}");
    check("readsPerUsage", reads, 0.0);
}

/// A turn in the midst of a conversation, with a reply of a kilobyte.
#[tokio::test]
async fn a_turn_of_a_conversation_uses_what_the_bill_says() {
    let script = json!({"then": {"do": "chat", "text": "x".repeat(1_000), "chunks": 1}}).to_string();
    let upstream = Upstream::start(Script::parse(&script).unwrap()).await.unwrap();
    let tables = TableService::start().await;
    let recorder = Recorder::to(tables.address()).await;
    let service = chat::plan(&upstream)
        .with(
            "CLEARVIEW_ASSISTANTS",
            r#"{"coach":{"providers":{"free":"openai:cheap"},"maxOutput":400,"cache":"off"}}"#,
        )
        .with("CLEARVIEW_PLANS", chat::tokens_a_day(1_000_000, 64))
        .with_tables_at(recorder.address)
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let begun = service.client.request(reqwest::Method::POST, "/v1/conversations");
    let conversation = send(begun.bearer_auth(&ann.access)).await.body["id"].clone();
    let mut question = chat::question("coach", &"a question of some length ".repeat(8));
    assert_eq!(chat::complete(&service, &ann, &question).await.status, 200);
    let _ = recorder.take_consumed();
    assert_eq!(chat::complete(&service, &ann, &question).await.status, 200);
    let reply = recorder.take_consumed();
    check("writesPerReply", reply.writes, 0.0);

    question["conversation"] = conversation;
    for _ in 0..10 {
        assert_eq!(chat::complete(&service, &ann, &question).await.status, 200);
    }
    let _ = recorder.take_consumed();
    assert_eq!(chat::complete(&service, &ann, &question).await.status, 200);
    let turn = recorder.take_consumed();
    check("writesPerTurn", turn.writes - reply.writes, 0.2);
    check("readsPerTurn", turn.reads - reply.reads, 0.3);
}

/// Measured by the slope between few and more users: a close has a fixed cost that belongs to no user.
#[tokio::test]
async fn the_close_of_a_day_writes_what_the_bill_says_for_each_user() {
    let mut written = Vec::new();
    for users in [20, 60] {
        let tables = TableService::start().await;
        let recorder = Recorder::to(tables.address()).await;
        let plan = Plan::default().with_tables_at(recorder.address);
        let service = plan.start().await;
        for n in 0..users {
            let device = service.client.register(&format!("user-{n}")).await;
            let answer = service.client.classify(&device, "Hide crypto", &["bitcoin"]).await;
            assert_eq!(answer.status, 200);
        }
        plan.clock().advance(Duration::from_hours(24));
        let _ = recorder.take_consumed();
        let app = plan.app();
        let event = json!({"scheduledTime": app.clock.now().to_string()});
        let summary = quota_reset::handle(&app, event).await.unwrap();
        assert_eq!(json!(summary)["meters"]["posts"]["users"], users);
        written.push(recorder.take_consumed().writes);
    }
    check("writesPerUserDayClosed", (written[1] - written[0]) / 40.0, 0.05);
}
