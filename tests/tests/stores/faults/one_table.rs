//! One table down, frozen or flapping while all others are well: who notices, what is charged, and that it heals.

use std::time::Duration;

use serde_json::json;
use tests::client::{Answer, Device, registration};
use tests::recorder::{Fault, Recorder};
use tests::service::{Plan, Service, TableService};

/// Long enough for the next request to probe a table that has failed.
const NEXT_PROBE: Duration = Duration::from_secs(6);

struct Setting {
    tables: TableService,
    network: Recorder,
    service: Service,
}

impl Setting {
    async fn start() -> Self {
        let tables = TableService::start().await;
        let network = Recorder::to(tables.address()).await;
        let plan = Plan::default()
            .with_tables_at(network.address)
            .with("CLEARVIEW_TABLE_TIMEOUT_MS", "300");
        let service = plan.start().await;
        Self {
            tables,
            network,
            service,
        }
    }

    fn fail(&self, table: &str, fault: Option<Fault>) {
        self.network.fail(&format!("clearview-{table}"), fault);
    }

    async fn classify(&self, device: &Device, texts: &[&str]) -> Answer {
        self.service.client.classify(device, "Hide crypto", texts).await
    }

    async fn register(&self, name: &str) -> u16 {
        let body = registration(name);
        self.service.client.post("/v1/auth/register", &body).await.status
    }

    async fn stored(&self, device: &Device) -> u64 {
        self.tables.tables().used(&device.user, self.service.clock.now()).await
    }
}

/// The effects of each table's outage: on classify's answer, on registration, on usage.
const EXPECTED: [(&str, &[&str], u16, u16); 7] = [
    ("quota", &["quota"], 201, 503),
    ("identity", &[], 503, 200),
    ("answers", &["cache"], 201, 200),
    ("settings", &[], 201, 200),
    ("audit", &[], 201, 200),
    ("usage", &[], 201, 503),
    ("conversations", &[], 201, 200),
];

#[tokio::test]
async fn classify_needs_no_single_table_and_each_other_endpoint_only_its_own() {
    for fault in [Fault::Errors, Fault::Hangs] {
        for (table, degraded, registered, used) in EXPECTED {
            let setting = Setting::start().await;
            let ann = setting.service.client.register("ann").await;
            assert_eq!(setting.classify(&ann, &["before"]).await.status, 200);
            setting.fail(table, Some(fault));
            let answer = setting.classify(&ann, &["new", "before"]).await;
            assert_eq!(answer.status, 200, "{table} {fault:?}: {answer:?}");
            assert_eq!(answer.body["degraded"], json!(degraded), "{table} {fault:?}");
            assert_eq!(setting.register("bob").await, registered, "{table} {fault:?}");
            let usage = setting.service.client.usage(&ann).await;
            assert_eq!(usage.status, used, "{table} {fault:?}: {usage:?}");

            setting.fail(table, None);
            setting.service.clock.advance(NEXT_PROBE);
            let healed = setting.classify(&ann, &["after"]).await;
            assert_eq!((healed.status, &healed.body["degraded"]), (200, &json!([])), "{table}");
            assert_eq!(setting.register("bob").await, 201, "{table}");
            assert_eq!(setting.service.client.usage(&ann).await.status, 200, "{table}");
            assert_eq!(setting.stored(&ann).await, 4, "{table} {fault:?}: charged once each");
        }
    }
}

#[tokio::test]
async fn a_table_that_flaps_costs_nobody_an_answer_or_a_unit() {
    for table in ["quota", "answers", "identity"] {
        let setting = Setting::start().await;
        let ann = setting.service.client.register("ann").await;
        assert_eq!(setting.classify(&ann, &["first"]).await.status, 200);
        let mut outages = 0;
        for round in 0..20 {
            setting.fail(table, (round % 2 == 0).then_some(Fault::Errors));
            let text = format!("post {round}");
            let answer = setting.classify(&ann, &[&text]).await;
            assert_eq!(answer.status, 200, "{table}: {answer:?}");
            outages += usize::from(answer.body["degraded"] != json!([]));
            // Sometimes it is still skipped, and sometimes probed.
            setting.service.clock.advance(Duration::from_millis(170));
        }
        assert_eq!(outages > 0, table != "identity", "{table}");
        setting.fail(table, None);
        setting.service.clock.advance(NEXT_PROBE);
        let healed = setting.classify(&ann, &["last"]).await;
        assert_eq!(healed.body["degraded"], json!([]), "{table}");
        assert_eq!(setting.stored(&ann).await, 22, "{table}");
    }
}
