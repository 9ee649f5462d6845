//! Every script keeps to the keys that it declares, in one slot each: a cluster takes no other.

use serde_json::json;
use shared::clock::Clock;
use shared::config::Config;
use shared::quota::outage::OutageLedger;
use shared::rate_limit::scripts::{SERVER_CLOCK, Scripts};
use shared::valkey::{Script, Valkey};
use tests::proxy::{Mode, Proxy};
use tests::redis::Redis;
use tests::service::{Plan, TableService};

/// Functions of the scripts whose first argument is a key.
const ON_A_KEY: [&str; 7] = ["shift", "forget", "wait", "decide", "take_back", "seal", "waiting"];

/// Returns the text between a call's opening parenthesis and the end of its argument number `n`.
fn argument(code: &str, open: usize, n: usize) -> &str {
    let inside = code[open + 1..].split(')').next().unwrap();
    inside.split(',').nth(n).unwrap_or_default().trim()
}

fn is_declared(key: &str) -> bool {
    key == "key" || (key.starts_with("KEYS[") && key.ends_with(']'))
}

/// The calls of `code` that touch something which is no declared key.
fn strays(code: &str) -> Vec<String> {
    let mut strays = Vec::new();
    for (at, call) in code.match_indices("redis.call") {
        let open = at + call.len();
        if argument(code, open, 0) != "'TIME'" && !is_declared(argument(code, open, 1)) {
            strays.push(code[at..].lines().next().unwrap().to_owned());
        }
    }
    for name in ON_A_KEY {
        let call = format!("{name}(");
        for (at, _) in code.match_indices(&call) {
            let before = code[..at].chars().next_back();
            let is_whole_name = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_'));
            if is_whole_name && !is_declared(argument(code, at + name.len(), 0)) {
                strays.push(code[at..].lines().next().unwrap().to_owned());
            }
        }
    }
    strays
}

#[test]
fn every_key_of_every_script_is_declared() {
    let config = Config::read(|name| (name == "CLEARVIEW_CACHE_URL").then(|| "redis://cache".to_owned())).unwrap();
    let valkey = Valkey::new(config.cache.shared.as_ref().unwrap(), &config, Clock::system());
    let (limits, ledger) = (Scripts::new(SERVER_CLOCK), OutageLedger::new(valkey));
    let codes: Vec<&str> = limits
        .all()
        .into_iter()
        .chain(ledger.scripts())
        .map(Script::code)
        .collect();
    assert_eq!(codes.len(), 10);
    for code in codes {
        assert_eq!(strays(code), Vec::<String>::new());
    }
    assert_eq!(strays("redis.call('GET', 'x')").len(), 1);
    assert_eq!(strays("local a = decide(ARGV[1], 2)").len(), 1);
}

#[tokio::test]
async fn a_cluster_takes_every_script_that_requests_run() {
    let (redis, tables) = (Redis::cluster(), TableService::start().await);
    let proxy = Proxy::to(tables.address()).await;
    let plan = Plan::default()
        .with_tables_at(proxy.address)
        .with("CLEARVIEW_TABLE_TIMEOUT_MS", "300")
        .with_cache_at(redis.url());
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let classify = async |texts: &[&str]| {
        let answer = service.client.classify(&ann, "Hide crypto", texts).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["degraded"].clone()
    };
    assert_eq!(classify(&["a"; 3]).await, json!([]));
    proxy.set(Mode::Cut);
    assert_eq!(classify(&["a"; 4]).await, json!(["quota"]));
    proxy.set(Mode::Pass);
    service.clock.advance(std::time::Duration::from_secs(6));
    assert_eq!(classify(&["a"; 5]).await, json!([]));
    assert_eq!(service.client.usage(&ann).await.body["used"], 12);
    let revoked = service
        .client
        .post("/v1/auth/revoke", &json!({"refreshToken": ann.refresh}))
        .await;
    assert_eq!(revoked.status, 204);
    assert_eq!(service.client.usage(&ann).await.status, 401);
    assert!(
        redis.keys().iter().any(|key| key.starts_with("day:{u_")),
        "{:?}",
        redis.keys()
    );
}
