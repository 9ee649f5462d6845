//! A ClearView server in this process: the local server's own code, on free ports, with a clock set by hand.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client as TableClient;
use aws_sdk_dynamodb::types::AttributeValue;
use local::options::Options;
use local::queue::LocalQueues;
use local::server::Server;
use local::state::{self, Embedded};
use shared::app::App;
use shared::clock::{Clock, Timestamp};
use shared::config::{Config, Secret};
use shared::identity::keys::KeySet;
use shared::table;

use crate::client::{Client, Device};
use crate::proxy::Proxy;
use crate::signer::Signer;

/// 2100-03-01T09:00:00Z, where every test's clock starts: far from midnight, and so late that the embedded table, which has
/// the system's time, never takes what a test stores for expired.
pub const START: Timestamp = Timestamp::from_millis(4_107_574_800_000);

/// No log, and limits by minute and by address that no test meets whose subject they are not. The day's limits are the default ones.
const QUIET_AND_GENEROUS: [(&str, &str); 4] = [
    ("CLEARVIEW_LOG", "off"),
    (
        "CLEARVIEW_PLANS",
        r#"{"free":{"posts":{"perDay":1000,"perMinute":100000}},"pro":{"posts":{"perDay":50000,"perMinute":100000}}}"#,
    ),
    ("CLEARVIEW_IP_PER_MINUTE", "100000"),
    ("CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR", "100000"),
];

/// The one admin of every test.
const ADMIN: &str = "alice";

/// The admin's signing key.
const ADMIN_KEY: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQ=";

/// The settings of a server.
#[derive(Debug, Clone)]
pub struct Plan {
    settings: HashMap<String, String>,
    keys: Secret,
    clock: Clock,
    throttle: bool,
    console: bool,
    requests: u16,
    connections: u16,
}

impl Default for Plan {
    fn default() -> Self {
        let keys = KeySet::generate().expect("keys");
        Self {
            settings: QUIET_AND_GENEROUS
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .chain([(
                    "CLEARVIEW_ADMIN_KEYS".to_owned(),
                    format!(r#"{{"{ADMIN}":"{ADMIN_KEY}"}}"#),
                )])
                .collect(),
            keys,
            clock: Clock::manual(START),
            throttle: false,
            console: false,
            requests: 512,
            connections: 900,
        }
    }
}

impl Plan {
    /// With an environment variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.insert(name.to_owned(), value.into());
        self
    }

    /// With its tables at `address` instead of its own.
    #[must_use]
    pub fn with_tables_at(self, address: SocketAddr) -> Self {
        self.with("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{address}"))
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// With the limits by minute and by address that a deployment has by default.
    #[must_use]
    pub fn with_default_limits(mut self) -> Self {
        for (name, _) in &QUIET_AND_GENEROUS[1..] {
            self.settings.remove(*name);
        }
        self
    }

    /// With a shared cache.
    #[must_use]
    pub fn with_cache_at(self, url: impl Into<String>) -> Self {
        self.with("CLEARVIEW_CACHE_URL", url)
    }

    /// With tables of their own behind a network that a test breaks. A call to them may take 150 ms: an outage is over soon.
    pub async fn behind_a_network() -> (TableService, Proxy, Self) {
        let tables = TableService::start().await;
        let network = Proxy::to(tables.address()).await;
        let plan = Self::default()
            .with_tables_at(network.address)
            .with("CLEARVIEW_TABLE_TIMEOUT_MS", "150");
        (tables, network, plan)
    }

    /// On the system's clock, which is also that of other processes.
    #[must_use]
    pub fn on_system_time(mut self) -> Self {
        self.clock = Clock::system();
        self
    }

    /// On a clock of its own, which is so much ahead of this plan's.
    #[must_use]
    pub fn with_clock_ahead(mut self, span: Duration) -> Self {
        self.clock = Clock::manual(self.clock.now().plus(span));
        self
    }

    /// With the console at `/`.
    #[must_use]
    pub const fn with_console(mut self) -> Self {
        self.console = true;
        self
    }

    /// With API Gateway's throttling.
    #[must_use]
    pub const fn throttled(mut self) -> Self {
        self.throttle = true;
        self
    }

    /// With room for so many requests and connections at a time.
    #[must_use]
    pub const fn with_room_for(mut self, requests: u16, connections: u16) -> Self {
        (self.requests, self.connections) = (requests, connections);
        self
    }

    /// The settings, read as the environment would be.
    #[must_use]
    pub fn config(&self) -> Config {
        let mut config = Config::read(|name| self.settings.get(name).cloned()).expect("settings");
        if config.token_keys_secret.is_none() {
            config.token_keys = Some(self.keys.clone());
        }
        config
    }

    /// The settings as the environment of another process; the key set is not among them.
    #[must_use]
    pub const fn variables(&self) -> &HashMap<String, String> {
        &self.settings
    }

    /// Signs as the admin whom every server of this plan knows.
    #[must_use]
    pub fn admin(&self) -> Signer {
        Signer::new(ADMIN, ADMIN_KEY, &self.clock).expect("base64")
    }

    /// Signs as a device.
    #[must_use]
    pub fn signer(&self, device: &Device) -> Signer {
        Signer::new(device.session(), &device.signing_key, &self.clock).expect("base64")
    }

    /// The key set as it is stored.
    #[must_use]
    pub fn stored_keys(&self) -> &str {
        self.keys.expose()
    }

    /// The key set that signs this plan's tokens.
    #[must_use]
    pub fn keys(&self) -> KeySet {
        KeySet::parse(&self.keys).expect("keys")
    }

    /// Only the long-lived things of an instance, without a server.
    #[must_use]
    pub fn app(&self) -> App {
        let config = self.config();
        let client = table::client(&config);
        App::new(config, self.clock.clone(), &client).expect("an app")
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Starts an instance. Those of one plan share keys and clock, and tables if they are told where.
    pub async fn start(&self) -> Service {
        let options = Options {
            port: 0,
            requests: self.requests,
            connections: self.connections,
            host: Ipv4Addr::LOCALHOST.into(),
            data_dir: None::<PathBuf>,
            table_port: None,
            object_port: None,
            allow_private_webhooks: true,
            queue_port: None,
            keys: None,
            script: None,
            throttle: self.throttle,
            no_console: !self.console,
        };
        let server = Server::start(&options, self.config(), self.clock.clone())
            .await
            .expect("server");
        Service {
            client: Client::to(server.address),
            clock: self.clock.clone(),
            plan: self.clone(),
            server,
        }
    }
}

/// A running server.
pub struct Service {
    /// Sends requests to it.
    pub client: Client,
    /// Its clock.
    pub clock: Clock,
    /// The plan it was started with.
    pub plan: Plan,
    server: Server,
}

impl Service {
    /// With default settings.
    pub async fn start() -> Self {
        Plan::default().start().await
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Where it has its tables.
    #[must_use]
    pub fn tables_address(&self) -> SocketAddr {
        let endpoint = self.server.table_endpoint.trim_start_matches("http://");
        endpoint.parse().expect("an address")
    }

    /// A client of its tables, past every proxy if `tables` says where they really are.
    #[must_use]
    pub fn tables(&self) -> Tables {
        Tables::at(&self.server.table_endpoint)
    }

    /// Its queues, unless its plan names others.
    #[must_use]
    pub fn queues(&self) -> Option<&LocalQueues> {
        self.server.station().own()
    }

    /// The long-lived things behind it.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        self.server.app()
    }

    /// Ends it.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// A table service of its own, for several instances or behind a proxy.
pub struct TableService {
    embedded: Embedded,
}

impl TableService {
    /// In memory, with the tables made.
    pub async fn start() -> Self {
        let embedded = Embedded::start(None, (Ipv4Addr::LOCALHOST, 0).into())
            .await
            .expect("embedded table");
        let service = Self { embedded };
        state::create_missing_tables(&service.tables().client, "clearview-")
            .await
            .expect("tables");
        service
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.embedded.address
    }

    /// A client of it.
    #[must_use]
    pub fn tables(&self) -> Tables {
        Tables::at(&format!("http://{}", self.address()))
    }
}

/// Looks into tables from outside.
pub struct Tables {
    client: TableClient,
}

impl Tables {
    fn at(endpoint: &str) -> Self {
        let settings = [
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let config = Config::read(|name| {
            let found = settings.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        Self {
            client: table::client(&config.expect("settings")),
        }
    }

    /// The SDK's client.
    #[must_use]
    pub const fn client(&self) -> &TableClient {
        &self.client
    }

    /// Returns the units that the quota table counts for a user on the day of `now`; 0 if there is no counter.
    pub async fn used(&self, user: &str, now: Timestamp) -> u64 {
        let item = self.item(user, &format!("posts#{}", now.day())).await;
        let count = item.get("used");
        count.map_or(0, |count| count.as_n().expect("a number").parse().expect("a count"))
    }

    /// Returns an item of the quota table; empty if there is none.
    pub async fn item(&self, user: &str, key: &str) -> HashMap<String, AttributeValue> {
        let output = self
            .client
            .get_item()
            .table_name("clearview-quota")
            .key("user", AttributeValue::S(user.to_owned()))
            .key("meter#day", AttributeValue::S(key.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .expect("the quota table answers");
        output.item.unwrap_or_default()
    }

    /// Empties a table.
    pub async fn clear(&self, schema: table::TableSchema) {
        let name = format!("clearview-{}", schema.name);
        let scanned = self.client.scan().table_name(&name).send().await;
        for item in scanned.expect("the table answers").items() {
            let key = [Some(schema.hash), schema.range].into_iter().flatten();
            let key = key.map(|attribute| (attribute.to_owned(), item[attribute].clone()));
            let deleted = self.client.delete_item().table_name(&name).set_key(Some(key.collect()));
            deleted.send().await.expect("the table answers");
        }
    }

    /// How many items a table holds.
    pub async fn count(&self, table: &str) -> i32 {
        let output = self.client.scan().table_name(format!("clearview-{table}")).send().await;
        output.expect("the table answers").count()
    }
}
