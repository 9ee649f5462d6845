//! Counts of tokens never cost a verdict, and are never a way around the limit on spending.

use serde_json::{Value, json};
use shared::models::spend::store::Spent;
use tests::service::{Plan, TableService};
use tests::upstream::{Act, CHEAP, Script, Upstream, plan_of, upstream};

use crate::providers::spend::spent;

const PREFERENCE: &str = "hide crypto";

/// Dollars per million tokens: each token of either kind costs a thousandth of a dollar.
const DEAR: &str = r#"{"openai:cheap":{"input":1000,"output":1000}}"#;

fn limited(upstream: &Upstream, tables: &TableService, dollars: &str) -> Plan {
    plan_of(upstream)
        .with("CLEARVIEW_PRICES", DEAR)
        .with("CLEARVIEW_DAILY_SPEND_LIMIT", dollars)
        .with_tables_at(tables.address())
}

async fn line(plan: &Plan) -> Spent {
    let lines = spent(plan).await;
    lines
        .get(&(CHEAP.to_owned(), "free".to_owned()))
        .copied()
        .unwrap_or_default()
}

fn of(input: &Value, output: &Value) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output})
}

#[tokio::test]
async fn a_count_that_is_none_loses_no_verdict_and_is_booked_at_the_most_it_can_be() {
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    // The slice of one user is 2,000 dollars: these calls are booked at some dollars each.
    let plan = limited(&upstream, &tables, "100000");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let good = json!(100);
    let none = [
        json!(0),
        json!(100.0),
        json!("100"),
        json!(null),
        json!(-1),
        json!(1e30),
        json!(18_446_744_073_709_551_615_u64),
    ];
    let partial = none
        .iter()
        .flat_map(|value| [of(value, &good), of(&good, value), of(value, value)]);
    let whole = [
        Value::Null,
        json!({}),
        json!("many"),
        json!({"total_tokens": 120}),
        json!({"input_tokens": 100, "output_tokens": 20}),
    ];
    for (n, usage) in partial.chain(whole).enumerate() {
        upstream.follow(Script::always(Act::Usage { usage: usage.clone() }));
        let before = line(&plan).await;
        let answer = service.client.classify(&ann, PREFERENCE, &[&format!("post {n}")]).await;
        assert_eq!(answer.body["results"][0]["source"], "model", "{usage}");
        let after = line(&plan).await;
        let (read, written) = (
            after.tokens.input - before.tokens.input,
            after.tokens.output - before.tokens.output,
        );
        let bytes = upstream.calls()[n].body.to_string().len() as u64;
        let known = |name: &str| usage[name] == good;
        if known("prompt_tokens") {
            assert_eq!(read, 100, "{usage}");
        } else {
            assert!((bytes / 2..=bytes).contains(&read), "{usage}: {read} of {bytes}");
        }
        if known("completion_tokens") {
            assert_eq!(written, 100, "{usage}");
        } else {
            assert_eq!(written, 2_152, "{usage}");
        }
    }
}

#[tokio::test]
async fn a_provider_that_counts_nothing_is_stopped_at_the_limit() {
    let (upstream, tables) = (
        upstream(Act::Usage { usage: json!({}) }).await,
        TableService::start().await,
    );
    let plan = limited(&upstream, &tables, "2");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let mut sources = Vec::new();
    for n in 0..2 {
        let answer = service.client.classify(&ann, PREFERENCE, &[&format!("post {n}")]).await;
        sources.push(answer.body["results"][0]["source"].clone());
    }
    assert_eq!(sources, ["model", "local"]);
}

#[tokio::test]
async fn reasoning_is_paid_for_as_output() {
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    let usage = json!({"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 820,
        "completion_tokens_details": {"reasoning_tokens": 500}});
    upstream.follow(Script::always(Act::Usage { usage }));
    let plan = limited(&upstream, &tables, "1000");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    service.client.classify(&ann, PREFERENCE, &["a post"]).await;
    let tokens = line(&plan).await.tokens;
    assert_eq!((tokens.input, tokens.output), (300, 520));
}

#[tokio::test]
async fn a_call_without_an_answer_is_paid_for_if_the_model_may_have_read_it() {
    for (act, paid) in [
        (Act::Hang, true),
        (Act::Cut, true),
        (Act::Prose, true),
        (
            Act::Status {
                status: 500,
                retry_after: None,
            },
            false,
        ),
    ] {
        let (upstream, tables) = (upstream(act.clone()).await, TableService::start().await);
        let plan = limited(&upstream, &tables, "1000").with_deadlines(300, 1_500);
        let service = plan.start().await;
        let ann = service.client.register("ann").await;
        service.client.classify(&ann, PREFERENCE, &["a post"]).await;
        assert_eq!(line(&plan).await.tokens.input > 0, paid, "{act:?}");
    }
}
