//! Units that nobody could judge are given back, and where that fails, body, headers, record and metrics say so.

use std::time::Duration;

use serde_json::json;
use tests::client::{Answer, Device};
use tests::proxy::{Mode, No};
use tests::service::Plan;

use crate::faults::setting::{KEYS, Setting};

/// A text that every refund contains, and no other write.
const REFUND: &str = "used - :n";

/// Nobody can judge anything here.
async fn start() -> Setting {
    let plan = Plan::default()
        .with("CLEARVIEW_PROVIDERS", "openai:gpt-4.1-nano")
        .with("CLEARVIEW_OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
        .with("CLEARVIEW_OPENAI_API_KEY", "sk-test")
        .with("CLEARVIEW_LOCAL_FALLBACK", "off");
    Setting::start(plan).await
}

async fn classify(setting: &Setting, device: &Device, key: Option<&str>) -> Answer {
    let answer = setting.classify(device, key).await;
    if answer.status == 200 {
        assert_eq!(answer.body["results"][0]["source"], "default", "{answer:?}");
    }
    answer
}

/// Returns the posts that `/metrics` counts as charged and kept, given back, and lost.
async fn metrics(setting: &Setting) -> [u64; 3] {
    let url = format!("http://{}/metrics", setting.service.address());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    [
        "clearview_charged_total{workload=\"classify\",tier=\"free\"} ",
        "clearview_refunded_total{workload=\"classify\",tier=\"free\"} ",
        "clearview_refund_lost_total{workload=\"classify\",tier=\"free\"} ",
    ]
    .map(|name| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        let value: f64 = value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap();
        format!("{value}").parse().unwrap()
    })
}

#[tokio::test]
async fn a_refund_that_certainly_was_not_done_is_made_again() {
    for key in KEYS {
        for no in [No::Conflict, No::Throttled] {
            let setting = start().await;
            let ann = setting.service.client.register("ann").await;
            setting.proxy.refuse(REFUND, no, 3);
            let answer = classify(&setting, &ann, key).await;
            assert_eq!(setting.proxy.left_to_refuse(), 0, "{key:?} {no:?}");
            assert_eq!(answer.body["usage"]["used"], 0, "{key:?} {no:?}: {answer:?}");
            assert_eq!(answer.body["degraded"], json!(["model"]), "{key:?} {no:?}");
            assert!(answer.limit("ratelimit", "daily").starts_with("r=1000;"));
            assert_eq!(setting.stored(&ann).await, 0, "{key:?} {no:?}");
            assert_eq!(metrics(&setting).await, [0, 2, 0], "{key:?} {no:?}");
        }
    }
}

#[tokio::test]
async fn a_refund_that_is_lost_is_told_as_lost() {
    for key in KEYS {
        let setting = start().await;
        let ann = setting.service.client.register("ann").await;
        setting.proxy.refuse(REFUND, No::Silence, 1);
        let answer = classify(&setting, &ann, key).await;
        assert_eq!(answer.body["usage"]["used"], 2, "{key:?}: {answer:?}");
        assert_eq!(answer.body["degraded"], json!(["quota", "model"]), "{key:?}");
        assert!(answer.limit("ratelimit", "daily").starts_with("r=998;"), "{key:?}");
        assert_eq!(setting.stored(&ann).await, 2, "{key:?}");
        assert_eq!(metrics(&setting).await, [2, 0, 2], "{key:?}");
    }
}

#[tokio::test]
async fn a_refund_while_the_table_is_away_is_told_as_lost() {
    let setting = start().await;
    let ann = setting.service.client.register("ann").await;
    // Each attempt is cut, and between them the table is skipped.
    setting.proxy.refuse(REFUND, No::Silence, 1000);
    let answer = classify(&setting, &ann, None).await;
    assert_eq!(answer.body["usage"]["used"], 2, "{answer:?}");
    assert_eq!(metrics(&setting).await, [2, 0, 2]);
}

#[tokio::test]
async fn a_lost_refund_keeps_its_key_no_longer_than_needed_and_is_not_charged_again() {
    let setting = start().await;
    let ann = setting.service.client.register("ann").await;
    // A conflict as long as anybody tries: the record can be written, the two together cannot.
    setting.proxy.refuse(REFUND, No::Conflict, 1000);
    let first = classify(&setting, &ann, Some("k")).await;
    assert_eq!(first.body["usage"]["used"], 2, "{first:?}");
    assert_eq!(metrics(&setting).await, [2, 0, 2]);
    let replay = classify(&setting, &ann, Some("k")).await;
    assert_eq!(
        (replay.status, &replay.body["usage"]["used"]),
        (200, &json!(2)),
        "not 409: {replay:?}"
    );
    assert_eq!(setting.stored(&ann).await, 2);
    assert_eq!(
        metrics(&setting).await,
        [2, 0, 2],
        "a replay is charged nothing and given nothing back"
    );
}

#[tokio::test]
async fn units_of_an_outage_are_given_back_as_far_as_they_were_not_sent() {
    for key in KEYS {
        let setting = start().await;
        let ann = setting.service.client.register("ann").await;
        setting.proxy.set(Mode::Cut);
        let answer = classify(&setting, &ann, key).await;
        assert_eq!(answer.body["usage"]["used"], 0, "{key:?}: {answer:?}");
        assert_eq!(metrics(&setting).await, [0, 2, 0], "{key:?}");
        setting.proxy.set(Mode::Pass);
        setting.service.clock.advance(Duration::from_secs(6));
        classify(&setting, &ann, None).await;
        assert_eq!(setting.stored(&ann).await, 0, "{key:?}");
    }
}
