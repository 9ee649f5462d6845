//! A server whose log is kept, behind a network that fails on demand; its lines, and the metrics in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tests::client::Client;
use tests::program::LocalServer;
use tests::proxy::Proxy;
use tests::service::TableService;

/// The namespace that drills count under.
pub(crate) const NAMESPACE: &str = "ClearView/drill";

/// The one admin of a drill.
pub(crate) const ADMIN: &str = "alice";

/// The admin's signing key.
pub(crate) const ADMIN_KEY: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQ=";

/// No limit is what is drilled: each is there and far away.
const PLANS: &str = r#"{"free":{"posts":{"perDay":1000000,"perMinute":1000000}}}"#;

/// A server with its log.
pub(crate) struct Drill {
    pub(crate) client: Client,
    /// Between the server and its tables.
    pub(crate) tables: Proxy,
    server: LocalServer,
    log: PathBuf,
    pub(crate) table_service: TableService,
    _directory: TempDir,
}

/// The values of a metric by name and dimensions, such as `failed{endpoint=usage}`.
pub(crate) type Metrics = BTreeMap<String, Vec<f64>>;

impl Drill {
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let table_service = TableService::start().await;
        let tables = Proxy::to(table_service.address()).await;
        let endpoint = format!("http://{}", tables.address);
        let admin = format!(r#"{{"{ADMIN}":"{ADMIN_KEY}"}}"#);
        let own = [
            ("CLEARVIEW_ADMIN_KEYS", admin.as_str()),
            ("CLEARVIEW_PLANS", PLANS),
            ("CLEARVIEW_IP_PER_MINUTE", "100000"),
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("CLEARVIEW_METRICS_NAMESPACE", NAMESPACE),
            ("CLEARVIEW_TABLE_TIMEOUT_MS", "1500"),
            // Metrics are written at this level too.
            ("CLEARVIEW_LOG", "warn"),
        ];
        let server = LocalServer::start_logged(&log, &[], &[own.as_slice(), variables].concat()).await;
        Self {
            client: Client::to(server.address),
            tables,
            server,
            log,
            table_service,
            _directory: directory,
        }
    }

    /// Ends the server; every line that it wrote.
    pub(crate) async fn lines(self) -> Vec<Value> {
        assert!(self.server.interrupt().await.success());
        let text = std::fs::read_to_string(&self.log).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

/// The metrics of some lines, taken out as the embedded metric format says, and by the template's metric filters.
pub(crate) fn metrics(lines: &[Value]) -> Metrics {
    let mut metrics = Metrics::new();
    for line in lines {
        let of_chat = |name: &str| format!("{NAMESPACE}/chat:{name}");
        if let Some(wait) = line["summary"]["firstTokenMs"].as_f64() {
            metrics.entry(of_chat("firstTokenMs")).or_default().push(wait);
        }
        if line["summary"]["cut"] == true {
            metrics.entry(of_chat("cut")).or_default().push(1.0);
        }
        // The gateway's own line, of whatever a function does not see.
        let of_auth = line["route"]
            .as_str()
            .is_some_and(|route| route.starts_with("/v1/auth/"));
        if of_auth && line["refusal"] == "THROTTLED" {
            let name = format!("{NAMESPACE}/edge:authThrottled");
            metrics.entry(name).or_default().push(1.0);
        }
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            assert_eq!(directive["Namespace"], NAMESPACE);
            for dimensions in directive["Dimensions"].as_array().unwrap() {
                let names = dimensions.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                let by: Vec<String> = names
                    .map(|name| format!("{name}={}", line[name].as_str().unwrap()))
                    .collect();
                for metric in directive["Metrics"].as_array().unwrap() {
                    let name = metric["Name"].as_str().unwrap();
                    let value = line[name].as_f64().unwrap_or_else(|| panic!("{name} in {line}"));
                    let key = if by.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{name}{{{}}}", by.join(","))
                    };
                    metrics.entry(key).or_default().push(value);
                }
            }
        }
    }
    metrics
}

/// How often a metric was there.
pub(crate) fn count(metrics: &Metrics, name: &str) -> usize {
    metrics.get(name).map_or(0, Vec::len)
}
