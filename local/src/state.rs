//! The state of the local server: the embedded `DynamoDB` or a service elsewhere, its tables, and the keys that sign tokens.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveSpecification,
};
use dynoxide::Database;
use shared::config::assistants::Assistant;
use shared::config::providers::ProviderName;
use shared::config::{AwsCredentials, Config, Secret, SharedCache};
use shared::elasticache;
use shared::identity::keys::KeySet;
use shared::table::{self, TableSchema};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::direct::{self, Disk};
use crate::options::Options;
use crate::trouble::Trouble;
use crate::upstream::Upstream;
use crate::upstream::script::Script;

/// The interval at which expired items are removed. Nothing relies on it: expiry is checked wherever it matters.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// The time limit for making a table, and the interval between tries.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// The time limit for finding a cache by its name.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(5);

/// The assistant of a scripted provider where none is configured.
const DEMO_ASSISTANT: &str = r#"{"system":"You are a demonstration.","providers":{"free":"openai:scripted"}}"#;

/// The reason why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

fn failed(what: &str, cause: impl std::fmt::Display) -> StartError {
    StartError(format!("{what}: {cause}"))
}

/// An embedded `DynamoDB` that serves the SDK's own protocol on a port of this machine.
pub struct Embedded {
    /// The address it listens on.
    pub address: SocketAddr,
    disk: Disk,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), String>>,
    sweeper: JoinHandle<()>,
    _lock: Option<File>,
}

impl Embedded {
    /// Starts it, in memory or in `data_dir`, on the address `listen`; port 0 is a free one.
    ///
    /// # Errors
    /// When the directory or the port cannot be used, or another process uses the directory.
    pub async fn start(data_dir: Option<&Path>, listen: SocketAddr) -> Result<Self, StartError> {
        let (database, lock) = match data_dir {
            None => (
                Database::memory().map_err(|error| failed("the embedded table", error))?,
                None,
            ),
            Some(directory) => {
                let (database, lock) = open_directory(directory)?;
                (database, Some(lock))
            }
        };
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            failed(
                &format!("--table-port {}: cannot listen on {listen}", listen.port()),
                error,
            )
        })?;
        let address = listener.local_addr().map_err(|error| failed("--table-port", error))?;
        let (stop, stopped) = oneshot::channel();
        let sweeper = tokio::spawn(sweep(database.clone()));
        let served = tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database.clone(),
            async {
                // A dropped sender stops it as a message does.
                let _ = stopped.await;
            },
        ));
        Ok(Self {
            address,
            disk: Disk::of(database),
            stop,
            served,
            sweeper,
            _lock: lock,
        })
    }

    /// Lets this process's calls to it fail as `trouble` says, those of clients that are made after this.
    pub(crate) fn obey(&mut self, trouble: watch::Receiver<Trouble>) {
        self.disk.obey(trouble);
    }

    /// Returns a client of it in this process.
    #[must_use]
    pub fn client(&self, config: &Config) -> Client {
        direct::client(config, self.disk.clone())
    }

    /// Returns a client for health, which reports a failed write until a write succeeds again.
    #[must_use]
    pub fn probing_client(&self, config: &Config) -> Client {
        direct::probing_client(config, self.disk.clone())
    }

    /// Lets the calls under way end, then closes the database.
    pub async fn stop(self) {
        self.sweeper.abort();
        let _ = self.stop.send(());
        let _ = self.served.await;
    }
}

fn open_directory(directory: &Path) -> Result<(Database, File), StartError> {
    let named = |cause: &dyn std::fmt::Display| failed(&format!("--data-dir {}", directory.display()), cause);
    fs::create_dir_all(directory).map_err(|error| named(&error))?;
    let lock = File::create(directory.join("lock")).map_err(|error| named(&error))?;
    lock.try_lock().map_err(|_| named(&"another process uses it"))?;
    let file = directory.join("tables.db");
    let unusable = |cause: &dyn std::fmt::Display| failed(&format!("the tables in {}", file.display()), cause);
    let path = file.to_str().ok_or_else(|| unusable(&"its name is not UTF-8"))?;
    let database = Database::new(path).map_err(|error| unusable(&error))?;
    Ok((database, lock))
}

async fn sweep(database: Database) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    loop {
        every.tick().await;
        let database = database.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            tracing::warn!(%error, "expired items could not be removed");
        }
    }
}

/// Finds the shared caches that `config` names without a URL, with the credentials of the environment.
///
/// # Errors
/// When `ElastiCache` does not answer in some seconds, or has no such cache.
pub async fn find_caches(config: &mut Config) -> Result<(), StartError> {
    let caches = &config.cache;
    let together = caches.limits == caches.shared;
    if let Some(name) = caches.shared_name.clone().filter(|_| caches.shared.is_none()) {
        let found = find_cache(config, "CLEARVIEW_CACHE_NAME", name).await?;
        // Limits are kept there too, unless they have a cache of their own.
        if together {
            config.cache.limits = Some(found.clone());
        }
        config.cache.shared = Some(found);
    }
    let caches = &config.cache;
    let other = caches
        .limits_name
        .clone()
        .filter(|_| caches.limits_name != caches.shared_name);
    if let Some(name) = other.filter(|_| together) {
        config.cache.limits = Some(find_cache(config, "CLEARVIEW_LIMITS_NAME", name).await?);
    }
    Ok(())
}

async fn find_cache(config: &Config, variable: &str, name: String) -> Result<SharedCache, StartError> {
    let endpoint = elasticache::endpoint(config, &name, LONGEST_LOOK_UP).await;
    Ok(SharedCache {
        endpoint: endpoint.map_err(|error| failed(variable, error))?,
        name: Some(name),
    })
}

/// Starts a provider that follows the script in `file`, and directs `config` to it: OpenAI's protocol, Bedrock and Rekognition. If no
/// provider beyond this process is configured, it is the only one; if no assistant is, there is one called `demo`. Returns it with
/// its script.
///
/// # Errors
/// When the script cannot be read.
pub async fn use_script(config: &mut Config, file: &Path) -> Result<(Arc<Upstream>, Script), StartError> {
    let named = |cause: &dyn std::fmt::Display| failed(&format!("--script {}", file.display()), cause);
    let text = fs::read_to_string(file).map_err(|error| named(&error))?;
    let script = Script::parse(&text).map_err(|error| named(&error))?;
    let upstream = Upstream::start(script.clone()).await.map_err(|error| named(&error))?;
    config.providers.openai.base_url = upstream.base_url();
    let address = format!("http://{}", upstream.address);
    config.providers.bedrock_endpoint = Some(address.clone());
    config.providers.rekognition_endpoint = Some(address);
    // It checks no signature, but no request is made without one.
    config.credentials.get_or_insert_with(|| AwsCredentials {
        access_key_id: "local".to_owned(),
        secret_access_key: Secret::new("local"),
        session_token: None,
    });
    let settings = &mut config.providers;
    for chains in [&mut settings.chains, &mut settings.rank, &mut settings.detect] {
        if chains.base == [ProviderName::Local] {
            chains.base = vec![ProviderName::OpenAi("scripted".into())];
        }
    }
    if settings.assistants.is_empty() {
        let demo = Assistant::parse("demo", DEMO_ASSISTANT).map_err(|error| named(&error))?;
        settings.assistants = std::mem::take(&mut settings.assistants).with(demo);
    }
    Ok((Arc::new(upstream), script))
}

/// Creates the tables that are missing.
///
/// # Errors
/// When the service refuses or does not answer within a second.
pub async fn create_missing_tables(client: &Client, prefix: &str) -> Result<(), StartError> {
    for schema in table::ALL {
        let name = format!("{prefix}{}", schema.name);
        tokio::time::timeout(RETRY_EVERY, create_if_missing(client, &name, schema))
            .await
            .map_err(|_| failed(&format!("table {name}"), "the service does not answer"))??;
    }
    Ok(())
}

/// Creates the tables as soon as their service, which may start later than this server, allows it.
pub async fn keep_creating_tables(client: Client, prefix: String) {
    let mut every = tokio::time::interval(RETRY_EVERY);
    loop {
        every.tick().await;
        if create_missing_tables(&client, &prefix).await.is_ok() {
            return;
        }
    }
}

async fn create_if_missing(client: &Client, name: &str, schema: TableSchema) -> Result<(), StartError> {
    let failure = |cause: &dyn std::fmt::Display| failed(&format!("table {name}"), cause);
    let mut create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for (key, kind) in [(Some(schema.hash), KeyType::Hash), (schema.range, KeyType::Range)] {
        let Some(key) = key else { continue };
        let attribute = AttributeDefinition::builder()
            .attribute_name(key)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .map_err(|error| failure(&error))?;
        let element = KeySchemaElement::builder()
            .attribute_name(key)
            .key_type(kind)
            .build()
            .map_err(|error| failure(&error))?;
        create = create.attribute_definitions(attribute).key_schema(element);
    }
    match create.send().await {
        Ok(_) => {}
        Err(error)
            if error.as_service_error().is_some_and(
                aws_sdk_dynamodb::operation::create_table::CreateTableError::is_resource_in_use_exception,
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(failure(&DisplayErrorContext(&error))),
    }
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name(table::TTL)
        .enabled(true)
        .build()
        .map_err(|error| failure(&error))?;
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(ttl)
        .send()
        .await
        .map_err(|error| failure(&DisplayErrorContext(&error)))?;
    Ok(())
}

/// Returns the keys that sign tokens: those of the environment, else of a file (made when absent), else new ones that end with
/// the process.
///
/// # Errors
/// When the file cannot be read or made.
pub fn token_keys(options: &Options, config: &Config) -> Result<Secret, StartError> {
    if let Some(keys) = &config.token_keys {
        return Ok(keys.clone());
    }
    let file: Option<PathBuf> = options
        .keys
        .clone()
        .or_else(|| options.data_dir.as_ref().map(|directory| directory.join("keys.json")));
    let Some(file) = file else {
        return new_keys();
    };
    let named = |cause: &dyn std::fmt::Display| failed(&format!("the key file {}", file.display()), cause);
    match fs::read_to_string(&file) {
        Ok(text) => {
            let keys = Secret::new(text);
            KeySet::parse(&keys).map_err(|error| named(&error))?;
            Ok(keys)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let keys = new_keys()?;
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory).map_err(|error| named(&error))?;
            }
            write_private(&file, keys.expose()).map_err(|error| named(&error))?;
            Ok(keys)
        }
        Err(error) => Err(named(&error)),
    }
}

fn new_keys() -> Result<Secret, StartError> {
    KeySet::generate().map_err(|error| failed("new token keys", error))
}

/// Writes a file that only its owner can read.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
