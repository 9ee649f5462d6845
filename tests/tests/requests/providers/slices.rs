//! Slices of the day's money: accounts cost nothing, so neither a user nor an address spends what others are to have.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;
use tests::client::{Answer, Client, Device};
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::service::{Plan, Service, TableService};
use tests::upstream::{Act, CHEAP, GOOD, Script, Upstream, plan_of, upstream};

use crate::providers::plans::{models, pro, source};

/// Each call takes 120 tokens at a thousandth of a dollar: 12 cents.
const PRICES: &str = r#"{"openai:cheap":{"input":1000,"output":1000},"openai:good":{"input":1000,"output":1000}}"#;

const PREFERENCE: &str = "hide crypto";

/// More than any slice of these tests pays for.
const QUESTIONS: usize = 12;

async fn counted() -> Upstream {
    let upstream = upstream(Act::Answer).await;
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 20});
    upstream.follow(Script::always(Act::Usage { usage }));
    upstream
}

/// A slice of `calls` for each user; two and a half times as many for each address.
fn plan(upstream: &Upstream, calls: u32, tables: &TableService) -> Plan {
    plan_of(upstream)
        .with("CLEARVIEW_PRICES", PRICES)
        .with("CLEARVIEW_DAILY_SPEND_LIMIT", (calls * 6).to_string())
        .with_tables_at(tables.address())
}

async fn ask(client: &Client, device: &Device, question: &str) -> Answer {
    let answer = client.classify(device, PREFERENCE, &[question]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Another of this machine's addresses.
fn address(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(n + 1).unwrap())
}

/// So many accounts, each at an address by its number, ask in turn, each time at the other instance. Returns the last answers.
async fn farm(services: &[Service; 2], accounts: usize, at: impl Fn(usize, usize) -> usize) -> Vec<Answer> {
    let mut devices = Vec::new();
    for n in 0..accounts {
        devices.push(services[0].client.register(&format!("farmed-{n}")).await);
    }
    let clients = |address: Ipv4Addr| services.each_ref().map(|service| service.client.sent_from(address));
    let clients: Vec<[Client; 2]> = (0..QUESTIONS).map(|n| clients(address(n))).collect();
    let mut last = Vec::new();
    for question in 0..QUESTIONS {
        last.clear();
        for (n, device) in devices.iter().enumerate() {
            let client = &clients[at(n, question)][(question + n) % 2];
            last.push(ask(client, device, &format!("question {question} of {n}")).await);
        }
    }
    last
}

#[tokio::test]
async fn thirty_farmed_accounts_take_their_slices_and_others_go_on() {
    // The name of an attack, its accounts, the number of an account's address at a question, and the calls that are paid for.
    type Row = (&'static str, usize, fn(usize, usize) -> usize, usize);
    let rows: [Row; 4] = [
        ("one account", 1, |_, _| 0, 4),
        ("one account at many addresses", 1, |_, question| question, 4),
        ("thirty accounts at one address", 30, |_, _| 0, 10),
        ("thirty accounts at three addresses", 30, |n, _| n % 3, 30),
    ];
    for (attack, accounts, at, paid) in rows {
        let (upstream, tables, redis) = (counted().await, TableService::start().await, Redis::start());
        let plan = plan(&upstream, 4, &tables).with_cache_at(redis.url());
        let services = [plan.start().await, plan.start().await];
        let last = farm(&services, accounts, at).await;
        let calls = upstream.calls().len();
        // The other instance may let one call through before it hears of the last.
        let unheard = if accounts == 1 { 1 } else { paid / 10 };
        assert!((paid..=paid + unheard).contains(&calls), "{attack}: {calls}");
        for answer in &last {
            assert_eq!(source(answer), "local", "{attack}");
            assert_eq!(answer.body["degraded"], json!(["model", "spend"]), "{attack}");
        }
        let honest = services[1].client.register("honest").await;
        let answer = ask(&services[1].client, &honest, "something else").await;
        assert_eq!(
            (source(&answer), &answer.body["degraded"]),
            ("model", &json!([])),
            "{attack}"
        );
    }
}

#[tokio::test]
async fn a_slice_is_whole_again_the_next_day() {
    let (upstream, tables) = (counted().await, TableService::start().await);
    let plan = plan(&upstream, 1, &tables);
    let service = plan.start().await;
    for expected in ["model", "local"] {
        let ann = service.client.register("ann").await;
        assert_eq!(source(&ask(&service.client, &ann, expected).await), expected);
    }
    plan.clock().advance(Duration::from_hours(24));
    let ann = service.client.register("ann").await;
    assert_eq!(source(&ask(&service.client, &ann, "a new day").await), "model");
}

#[tokio::test]
async fn the_last_fifth_of_a_slice_is_the_cheaper_models() {
    let (upstream, tables) = (counted().await, TableService::start().await);
    let plan = plan(&upstream, 10, &tables).with(
        "CLEARVIEW_PROVIDERS_BY_TIER",
        json!({"pro": format!("{GOOD},{CHEAP}")}).to_string(),
    );
    let service = plan.start().await;
    let device = pro(&service, &tables, "pro").await;
    let mut degraded = Vec::new();
    for n in 0..QUESTIONS {
        let answer = ask(&service.client, &device, &format!("question {n}")).await;
        degraded.push(answer.body["degraded"].clone());
    }
    let models = models(&upstream);
    let of = |name: &str| models.iter().filter(|model| *model == name).count();
    assert_eq!((of("good"), of("cheap")), (8, 2));
    assert_eq!(degraded[7..9], [json!([]), json!(["spend"])]);
    assert_eq!(degraded[11], json!(["model", "spend"]));
}

#[tokio::test]
async fn while_the_cache_is_down_a_process_lets_a_user_spend_a_share_of_its_slice() {
    let (upstream, tables, redis) = (counted().await, TableService::start().await, Redis::start());
    let proxy = Proxy::to(redis.address()).await;
    // A tenth of forty calls.
    let plan = plan(&upstream, 40, &tables).with_cache_at(format!("redis://{}", proxy.address));
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    proxy.set(Mode::Cut);
    for n in 0..QUESTIONS {
        ask(&service.client, &ann, &format!("question {n}")).await;
    }
    assert_eq!(upstream.calls().len(), 4);
}
