//! A shortcut to the embedded tables for this process: the SDK's requests are answered where they are made. Over the network
//! each would be signed, sent, read and checked as if the tables were remote, which took a third of a cached request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::config::Config;
use shared::table;
use tokio::sync::watch;

use crate::trouble::Trouble;

/// The operations that write nothing.
const READS: [&str; 4] = ["GetItem", "Query", "Scan", "BatchGetItem"];

/// The prefix of an operation's name in a request.
const TARGET: &str = "DynamoDB_20120810.";

/// The answer of tables that refuse.
const REFUSAL: &str =
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"refused by the console"}"#;

/// The size of a probe's item: no leftover space has room for it.
const PROBE_BYTES: usize = 64 * 1024;

/// Returns a client whose requests `disk` answers without a network.
#[must_use]
pub(crate) fn client(config: &Config, disk: Disk) -> Client {
    connected(config, Direct { disk, probing: false })
}

/// Returns the same for health: after a failed write, a read fails too until a write succeeds. The client tries that write
/// itself.
#[must_use]
pub(crate) fn probing_client(config: &Config, disk: Disk) -> Client {
    connected(config, Direct { disk, probing: true })
}

fn connected(config: &Config, direct: Direct) -> Client {
    let settings: Builder = table::settings(config)
        .http_client(SharedHttpClient::new(direct))
        // There is nobody to check a signature.
        .allow_no_auth();
    Client::from_conf(settings.build())
}

/// The embedded tables, and the state of their last write: a full disk can still be read.
#[derive(Clone)]
pub(crate) struct Disk {
    database: Database,
    failing: Arc<AtomicBool>,
    /// The trouble that the console gives it, if there is a console.
    trouble: Option<watch::Receiver<Trouble>>,
}

impl Disk {
    /// Returns the disk that `database` is on.
    #[must_use]
    pub(crate) fn of(database: Database) -> Self {
        Self {
            database,
            failing: Arc::default(),
            trouble: None,
        }
    }

    /// Fails from now on as `trouble` says.
    pub(crate) fn obey(&mut self, trouble: watch::Receiver<Trouble>) {
        self.trouble = Some(trouble);
    }

    /// Makes a call, and remembers how a write went.
    fn answer(&self, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
        let answer = answer(&self.database, operation, body);
        if !READS.contains(&operation) {
            match &answer {
                Ok(_) => self.failing.store(false, Ordering::Relaxed),
                Err(error) if error.status_code() == 500 => self.failing.store(true, Ordering::Relaxed),
                Err(_) => {}
            }
        }
        answer
    }

    /// Writes the item that a probe reads, and deletes it.
    fn probe(&self, read: &[u8]) -> Result<(), DynoxideError> {
        let malformed = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
        let read: Value = serde_json::from_slice(read).map_err(malformed)?;
        let mut item = read["Key"].clone();
        item["filling"] = json!({"S": "-".repeat(PROBE_BYTES)});
        let put = json!({"TableName": read["TableName"], "Item": item});
        let delete = json!({"TableName": read["TableName"], "Key": read["Key"]});
        self.answer("PutItem", put.to_string().as_bytes())?;
        self.answer("DeleteItem", delete.to_string().as_bytes())?;
        Ok(())
    }
}

#[derive(Clone)]
struct Direct {
    disk: Disk,
    probing: bool,
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Direct")
    }
}

impl HttpClient for Direct {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Direct {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.strip_prefix(TARGET).unwrap_or(target);
        let body = request.body().bytes().unwrap_or_default();
        let trouble = self.disk.trouble.as_ref().map(|trouble| *trouble.borrow());
        match trouble {
            Some(Trouble::Frozen) => {
                let (direct, operation, body) = (self.clone(), operation.to_owned(), body.to_owned());
                HttpConnectorFuture::new(async move {
                    if let Some(mut trouble) = direct.disk.trouble.clone() {
                        // It ends with the process, or before.
                        let _ = trouble.wait_for(|trouble| *trouble != Trouble::Frozen).await;
                    }
                    direct.call_now(&operation, &body)
                })
            }
            Some(Trouble::Refusing) => HttpConnectorFuture::ready(response(500, REFUSAL.to_owned())),
            _ => HttpConnectorFuture::ready(self.call_now(operation, body)),
        }
    }
}

impl Direct {
    /// Makes a call, which takes some microseconds, and blocks this thread as it would the table's own server.
    fn call_now(&self, operation: &str, body: &[u8]) -> Result<HttpResponse, ConnectorError> {
        let probed = if self.probing && self.disk.failing.load(Ordering::Relaxed) {
            self.disk.probe(body)
        } else {
            Ok(())
        };
        let (status, body) = match probed.and_then(|()| self.disk.answer(operation, body)) {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json()),
        };
        response(status, body)
    }
}

fn response(status: u16, body: String) -> Result<HttpResponse, ConnectorError> {
    match StatusCode::try_from(status) {
        Ok(status) => Ok(HttpResponse::new(status, SdkBody::from(body))),
        Err(error) => Err(ConnectorError::other(error.into(), None)),
    }
}

/// Carries out one of the operations that ClearView uses.
fn answer(database: &Database, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
    match operation {
        "GetItem" => call(body, |request| database.get_item(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "UpdateItem" => call(body, |request| database.update_item(request)),
        "DeleteItem" => call(body, |request| database.delete_item(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),
        "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => call(body, |request| database.batch_write_item(request)),
        "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
        "CreateTable" => call(body, |request| database.create_table(request)),
        "UpdateTimeToLive" => call(body, |request| database.update_time_to_live(request)),
        _ => Err(DynoxideError::ValidationException(format!(
            "{operation} is not made here"
        ))),
    }
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> dynoxide::Result<String> {
    let malformed = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let answer = operation(serde_json::from_slice(body).map_err(malformed)?)?;
    serde_json::to_string(&answer).map_err(malformed)
}
