//! Units that nobody could judge are given back, and where that fails, body, headers, record and metrics say so.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::client::{Answer, Device, send};
use tests::proxy::{Mode, No, Proxy};
use tests::service::{Plan, Service, TableService};

/// A text that every refund contains, and no other write.
const REFUND: &str = "used - :n";

struct Setting {
    tables: TableService,
    proxy: Proxy,
    service: Service,
}

impl Setting {
    /// Nobody can judge anything here.
    async fn start() -> Self {
        let tables = TableService::start().await;
        let proxy = Proxy::to(tables.address()).await;
        let service = Plan::default()
            .with_tables_at(proxy.address)
            .with("CLEARVIEW_PROVIDERS", "openai:gpt-4.1-nano")
            .with("CLEARVIEW_OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
            .with("CLEARVIEW_OPENAI_API_KEY", "sk-test")
            .with("CLEARVIEW_LOCAL_FALLBACK", "off")
            .start()
            .await;
        Self { tables, proxy, service }
    }

    async fn classify(&self, device: &Device, key: Option<&str>) -> Answer {
        let body = json!({"preference": "Hide crypto", "posts": [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]});
        let request = self.service.client.request(Method::POST, "/v1/classify");
        let request = key
            .into_iter()
            .fold(request, |request, key| request.header("idempotency-key", key));
        let answer = send(request.bearer_auth(&device.access).json(&body)).await;
        if answer.status == 200 {
            assert_eq!(answer.body["results"][0]["source"], "default", "{answer:?}");
        }
        answer
    }

    async fn stored(&self, device: &Device) -> u64 {
        self.tables.tables().used(&device.user, self.service.clock.now()).await
    }

    /// Returns the posts that `/metrics` counts as charged and kept, given back, and lost.
    async fn metrics(&self) -> [u64; 3] {
        let url = format!("http://{}/metrics", self.service.address());
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        [
            "clearview_charged_posts_total{tier=\"free\"} ",
            "clearview_refunded_posts_total ",
            "clearview_refund_lost_posts_total ",
        ]
        .map(|name| {
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            let value: f64 = value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap();
            format!("{value}").parse().unwrap()
        })
    }
}

const KEYS: [Option<&str>; 2] = [None, Some("k")];

#[tokio::test]
async fn a_refund_that_certainly_was_not_done_is_made_again() {
    for key in KEYS {
        for no in [No::Conflict, No::Throttled] {
            let setting = Setting::start().await;
            let ann = setting.service.client.register("ann").await;
            setting.proxy.refuse(REFUND, no, 3);
            let answer = setting.classify(&ann, key).await;
            assert_eq!(setting.proxy.left_to_refuse(), 0, "{key:?} {no:?}");
            assert_eq!(answer.body["usage"]["used"], 0, "{key:?} {no:?}: {answer:?}");
            assert_eq!(answer.body["degraded"], json!(["model"]), "{key:?} {no:?}");
            assert!(answer.limit("ratelimit", "daily").starts_with("r=1000;"));
            assert_eq!(setting.stored(&ann).await, 0, "{key:?} {no:?}");
            assert_eq!(setting.metrics().await, [0, 2, 0], "{key:?} {no:?}");
        }
    }
}

#[tokio::test]
async fn a_refund_that_is_lost_is_told_as_lost() {
    for key in KEYS {
        let setting = Setting::start().await;
        let ann = setting.service.client.register("ann").await;
        setting.proxy.refuse(REFUND, No::Silence, 1);
        let answer = setting.classify(&ann, key).await;
        assert_eq!(answer.body["usage"]["used"], 2, "{key:?}: {answer:?}");
        assert_eq!(answer.body["degraded"], json!(["quota", "model"]), "{key:?}");
        assert!(answer.limit("ratelimit", "daily").starts_with("r=998;"), "{key:?}");
        assert_eq!(setting.stored(&ann).await, 2, "{key:?}");
        assert_eq!(setting.metrics().await, [2, 0, 2], "{key:?}");
    }
}

#[tokio::test]
async fn a_refund_while_the_table_is_away_is_told_as_lost() {
    let setting = Setting::start().await;
    let ann = setting.service.client.register("ann").await;
    // Each attempt is cut, and between them the table is skipped.
    setting.proxy.refuse(REFUND, No::Silence, 1000);
    let answer = setting.classify(&ann, None).await;
    assert_eq!(answer.body["usage"]["used"], 2, "{answer:?}");
    assert_eq!(setting.metrics().await, [2, 0, 2]);
}

#[tokio::test]
async fn a_lost_refund_keeps_its_key_no_longer_than_needed_and_is_not_charged_again() {
    let setting = Setting::start().await;
    let ann = setting.service.client.register("ann").await;
    // A conflict as long as anybody tries: the record can be written, the two together cannot.
    setting.proxy.refuse(REFUND, No::Conflict, 1000);
    let first = setting.classify(&ann, Some("k")).await;
    assert_eq!(first.body["usage"]["used"], 2, "{first:?}");
    assert_eq!(setting.metrics().await, [2, 0, 2]);
    let replay = setting.classify(&ann, Some("k")).await;
    assert_eq!(
        (replay.status, &replay.body["usage"]["used"]),
        (200, &json!(2)),
        "not 409: {replay:?}"
    );
    assert_eq!(setting.stored(&ann).await, 2);
    assert_eq!(
        setting.metrics().await,
        [2, 0, 2],
        "a replay is charged nothing and given nothing back"
    );
}

#[tokio::test]
async fn units_of_an_outage_are_given_back_as_far_as_they_were_not_sent() {
    for key in KEYS {
        let setting = Setting::start().await;
        let ann = setting.service.client.register("ann").await;
        setting.proxy.set(Mode::Cut);
        let answer = setting.classify(&ann, key).await;
        assert_eq!(answer.body["usage"]["used"], 0, "{key:?}: {answer:?}");
        assert_eq!(setting.metrics().await, [0, 2, 0], "{key:?}");
        setting.proxy.set(Mode::Pass);
        setting.service.clock.advance(Duration::from_secs(6));
        setting.classify(&ann, None).await;
        assert_eq!(setting.stored(&ann).await, 0, "{key:?}");
    }
}
