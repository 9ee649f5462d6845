//! The cost of one call to a model in the shared cache, counted by the cache itself: commands within scripts count too.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Value;
use shared::app::App;
use shared::clock::Deadline;
use shared::identity::Principal;
use shared::ids::{SessionId, UserId};
use shared::models::call::{CallContext, RunningUsage};
use shared::models::request::{ModelRequest, Part};
use shared::plan::Tier;
use tests::redis::Redis;
use tests::service::TableService;
use tests::upstream::{Act, plan_of, upstream};

/// The commands that the cache has carried out since the last look, by name.
fn commands(redis: &Redis) -> BTreeMap<String, u64> {
    let text = match redis.command(&["INFO", "commandstats"]) {
        Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
        Value::VerbatimString { text, .. } => text,
        other => panic!("{other:?}"),
    };
    let calls = |line: &str| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let calls = figures.strip_prefix("calls=")?.split(',').next()?.parse().ok()?;
        Some((name.to_owned(), calls))
    };
    let mut commands: BTreeMap<String, u64> = text.lines().filter_map(calls).collect();
    // Those of the connections that look.
    commands.retain(|name, _| {
        let command = name.split('|').next().unwrap_or_default();
        !["client", "config", "hello", "info"].contains(&command)
    });
    let _ = redis.command(&["CONFIG", "RESETSTAT"]);
    commands
}

/// Asks the models of tier free a question that any answer satisfies.
async fn ask(app: &App) {
    let usage = RunningUsage::default();
    let payer = Principal {
        user: UserId::random().unwrap(),
        session: SessionId::random().unwrap(),
        tier: Tier::free(),
        source: None,
    };
    let request = ModelRequest {
        system: "Answer.".to_owned(),
        parts: vec![Part::Text(
            r#"{"preference":"hide crypto","posts":[{"id":"p1","text":"a post"}]}"#.to_owned(),
        )],
        schema: None,
        max_output: 100,
        reasoning: None,
        temperature: None,
    };
    let context = CallContext {
        payer: &payer,
        deadline: Deadline::after(Duration::from_secs(10)),
        trace: None,
        blamed: &["ann", "a post"],
        is_retry: false,
        usage: &usage,
    };
    let given = app
        .models
        .first_answer(&app.config.providers.rank, &request, &context, |_, text| Ok(text.len()))
        .await;
    let answer = given.answer.expect("an answer");
    assert!(answer.value > 0);
    assert_eq!(answer.by.to_string(), "openai:cheap");
    assert_eq!(usage.settled().await.calls, 1);
}

#[tokio::test]
async fn a_call_reads_and_writes_its_breaker_once_and_a_second_one_is_permitted_without_a_look() {
    let (upstream, tables, redis) = (upstream(Act::Answer).await, TableService::start().await, Redis::start());
    let plan = plan_of(&upstream)
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let app = plan.app();
    ask(&app).await;
    commands(&redis);
    let report = [("evalsha", 1), ("hgetall", 1), ("hset", 1), ("pexpire", 1)];
    let report = BTreeMap::from(report.map(|(name, calls)| (name.to_owned(), calls)));
    ask(&app).await;
    assert_eq!(commands(&redis), report, "the report alone");
    plan.clock().advance(Duration::from_secs(1));
    let mut both = report.clone();
    for name in ["evalsha", "hgetall"] {
        *both.get_mut(name).unwrap() += 1;
    }
    ask(&app).await;
    assert_eq!(commands(&redis), both, "a look before it");
}
