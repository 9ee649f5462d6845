//! The cost of a day: counted exactly, over the fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use shared::config::providers::ProviderName;
use shared::models::spend::Budget;
use shared::models::spend::store::{SpendStore, Spent};
use shared::money::{Money, Tokens};
use shared::plan::Tier;
use shared::table::{self, Table};
use tests::client::Device;
use tests::proxy::{Mode, Proxy};
use tests::service::{Plan, TableService};
use tests::upstream::{Act, CHEAP, GOOD, Upstream, plan_of, set_tier, upstream};

const PREFERENCE: &str = "hide crypto";

/// Dollars per million tokens: each token of either kind costs a thousandth of a dollar.
const DEAR: &str = r#"{"openai:cheap":{"input":1000,"output":1000},"openai:good":{"input":1000,"output":1000}}"#;

fn limited(upstream: &Upstream, dollars: &str) -> Plan {
    plan_of(upstream)
        .with("CLEARVIEW_PRICES", DEAR)
        .with("CLEARVIEW_DAILY_SPEND_LIMIT", dollars)
}

fn store(plan: &Plan) -> SpendStore {
    let config = plan.config();
    let client = table::client(&config);
    SpendStore::new(
        Table::new(client, table::SETTINGS, &config, plan.clock().clone()),
        &config,
    )
}

pub(crate) async fn spent(plan: &Plan) -> BTreeMap<(String, String), Spent> {
    store(plan).read(plan.clock().now().day()).await.unwrap()
}

/// Counts so many dollars as spent today, by nobody whose slice it would be.
pub(crate) async fn spend_elsewhere(plan: &Plan, dollars: f64) {
    let purpose = (ProviderName::parse(CHEAP).unwrap(), Tier::free());
    let spent = Spent {
        calls: 1,
        tokens: Tokens::default(),
        money: Money::from_dollars(dollars).unwrap(),
    };
    store(plan).record(purpose, spent, plan.clock().now()).await;
}

fn total(lines: &BTreeMap<(String, String), Spent>) -> Money {
    lines.values().fold(Money::default(), |sum, line| sum + line.money)
}

#[tokio::test]
async fn tokens_and_money_are_counted_by_provider_plan_and_day() {
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    let plan = limited(&upstream, "1000").with_tables_at(tables.address());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    for n in 0..5 {
        service.client.classify(&ann, PREFERENCE, &[&format!("post {n}")]).await;
    }
    let lines = spent(&plan).await;
    let line = lines[&(CHEAP.to_owned(), "free".to_owned())];
    assert_eq!((lines.len(), line.calls), (1, 5));
    assert!(line.tokens.input > 0 && line.tokens.output > 0);
    assert_eq!(
        line.money,
        Money::from_nanos((line.tokens.input + line.tokens.output) * 1_000_000)
    );
    plan.clock().advance(Duration::from_hours(24));
    assert!(spent(&plan).await.is_empty(), "another day");
}

#[tokio::test]
async fn at_the_limit_no_paid_call_is_made_and_the_answer_says_so() {
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    let plan = limited(&upstream, "1000").with_tables_at(tables.address());
    // Others have left two dollars: far less than the slice of one user.
    spend_elsewhere(&plan, 998.0).await;
    // Two instances, in turn: the limit is the fleet's.
    let services = [plan.start().await, plan.start().await];
    let ann = services[0].client.register("ann").await;
    let mut last = Vec::new();
    for n in 0..20 {
        let answer = services[n % 2]
            .client
            .classify(&ann, PREFERENCE, &[&format!("post {n}")])
            .await;
        assert_eq!(answer.status, 200);
        // Calls that follow one another closely count as under way together.
        plan.clock().advance(Duration::from_millis(200));
        last.push(answer);
    }
    let lines = spent(&plan).await;
    let own = total(&lines).minus(Money::from_dollars(998.0).unwrap());
    let dearest = Money::from_nanos(own.nanos() / upstream.calls().len() as u64 * 2);
    let limit = Money::from_dollars(1000.0).unwrap();
    assert!(total(&lines) >= limit, "it was reached");
    assert!(
        total(&lines) < limit + dearest,
        "and overrun by less than a call: {}",
        total(&lines)
    );
    let answer = last.last().unwrap();
    assert_eq!(answer.body["results"][0]["source"], "local");
    assert_eq!(answer.body["degraded"], json!(["model", "spend"]));

    plan.clock().advance(Duration::from_hours(24));
    let ann = services[0].client.register("ann").await;
    let answer = services[0].client.classify(&ann, PREFERENCE, &["a new day"]).await;
    assert_eq!(answer.body["results"][0]["source"], "model");
}

#[tokio::test]
async fn at_four_fifths_pro_is_judged_by_the_cheap_model() {
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    let plan = limited(&upstream, "1000")
        .with("CLEARVIEW_PROVIDERS_BY_TIER", json!({"pro": GOOD}).to_string())
        .with_tables_at(tables.address());
    let service = plan.start().await;
    let device = service.client.register("pro").await;
    set_tier(&tables.tables(), &device.user, "pro").await;
    let refreshed = service
        .client
        .post("/v1/auth/refresh", &json!({"refreshToken": device.refresh}))
        .await;
    let pro = Device::of(&refreshed);
    let before = service.client.classify(&pro, PREFERENCE, &["before"]).await;
    assert_eq!(before.body["degraded"], json!([]));

    spend_elsewhere(&plan, 800.0).await;
    plan.clock().advance(Duration::from_secs(5));
    let after = service.client.classify(&pro, PREFERENCE, &["after"]).await;
    assert_eq!(
        (&after.body["results"][0]["source"], &after.body["degraded"]),
        (&json!("model"), &json!(["spend"]))
    );
    let models: Vec<String> = upstream
        .calls()
        .iter()
        .map(|call| call.body["model"].to_string())
        .collect();
    assert_eq!(models, ["\"good\"", "\"cheap\""]);
}

#[tokio::test]
async fn while_the_counters_cannot_be_read_a_process_spends_its_share_and_tells_it_later() {
    let (upstream, tables) = (upstream(Act::Answer).await, TableService::start().await);
    let proxy = Proxy::to(tables.address()).await;
    let plan = limited(&upstream, "10").with_tables_at(proxy.address);
    let spend = store(&plan);
    let purpose = (plan.config().providers.chains.base[0].clone(), Tier::free());
    let one = Spent {
        calls: 1,
        tokens: Tokens::default(),
        money: Money::from_dollars(0.6).unwrap(),
    };
    assert_eq!(spend.budget(plan.clock().now()).await, Budget::Whole);
    proxy.set(Mode::Cut);
    plan.clock().advance(Duration::from_secs(6));
    for expected in [Budget::Whole, Budget::Whole, Budget::Spent] {
        // A tenth of what was left is a dollar.
        assert_eq!(spend.budget(plan.clock().now()).await, expected);
        if expected == Budget::Whole {
            spend.record(purpose.clone(), one, plan.clock().now()).await;
        }
    }
    proxy.set(Mode::Pass);
    plan.clock().advance(Duration::from_secs(6));
    spend.record(purpose.clone(), one, plan.clock().now()).await;
    assert_eq!(spend.budget(plan.clock().now()).await, Budget::Whole);
    let plan = plan.with_tables_at(tables.address());
    assert_eq!(total(&spent(&plan).await), Money::from_dollars(1.8).unwrap());
}
