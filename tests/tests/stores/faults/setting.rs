//! A service whose tables are behind a network that a test breaks.

use reqwest::Method;
use serde_json::json;
use tests::client::{Answer, Device, send};
use tests::proxy::Proxy;
use tests::service::{Plan, Service, TableService};

/// A charge without an idempotency key, and one with.
pub(crate) const KEYS: [Option<&str>; 2] = [None, Some("k")];

pub(crate) struct Setting {
    pub(crate) tables: TableService,
    pub(crate) proxy: Proxy,
    pub(crate) service: Service,
}

impl Setting {
    /// With the timeout of a deployment.
    pub(crate) async fn start(plan: Plan) -> Self {
        let tables = TableService::start().await;
        let proxy = Proxy::to(tables.address()).await;
        let service = plan.with_tables_at(proxy.address).start().await;
        Self { tables, proxy, service }
    }

    /// Two posts.
    pub(crate) async fn classify(&self, device: &Device, key: Option<&str>) -> Answer {
        let body = json!({"preference": "Hide crypto", "posts": [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]});
        let request = self.service.client.request(Method::POST, "/v1/classify");
        let request = key
            .into_iter()
            .fold(request, |request, key| request.header("idempotency-key", key));
        send(request.bearer_auth(&device.access).json(&body)).await
    }

    pub(crate) async fn stored(&self, device: &Device) -> u64 {
        self.tables.tables().used(&device.user, self.service.clock.now()).await
    }
}
