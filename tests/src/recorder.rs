//! A table service that notes what it is asked for, and can be made to fail table by table: the way to one elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use shared::table::ALL;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A right that a call needs: an action of IAM on a table, and the partition keys that it touches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Such as `dynamodb:GetItem`. A transaction needs the right of each write in it.
    pub action: String,
    /// The table's name.
    pub table: String,
    /// The values of the keys' attributes, where the call names keys.
    pub keys: BTreeSet<String>,
    /// The partition keys that it reads or writes, as IAM's `dynamodb:LeadingKeys`; empty for a query or a scan.
    pub leading: BTreeSet<String>,
}

/// The fate of calls to one table. A [`Proxy`](crate::proxy::Proxy) decides that of all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They are answered 500 at once, and never made.
    Errors,
    /// They are never answered, and never made.
    Hangs,
}

/// The consumption of a table service, in the units that DynamoDB bills.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Consumed {
    /// Read units.
    pub reads: f64,
    /// Write units.
    pub writes: f64,
}

/// The notes and the behaviour of a recorder.
#[derive(Debug, Default)]
struct State {
    seen: BTreeSet<Access>,
    consumed: Consumed,
    /// By table.
    faults: BTreeMap<String, Fault>,
}

/// The way to a table service.
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Recorder {
    /// In front of the table service at `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::<Mutex<State>>::default();
        let (kept, http) = (Arc::clone(&state), reqwest::Client::new());
        let accepting = tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (state, http) = (Arc::clone(&kept), http.clone());
                let service = service_fn(move |request| {
                    let (state, http) = (Arc::clone(&state), http.clone());
                    async move { Ok::<_, Infallible>(pass_on(&http, target, request, &state).await) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            state,
            accepting,
        }
    }

    /// From now on, calls to `table` fail like this, or succeed again.
    pub fn fail(&self, table: &str, fault: Option<Fault>) {
        let faults = &mut locked(&self.state).faults;
        match fault {
            Some(fault) => faults.insert(table.to_owned(), fault),
            None => faults.remove(table),
        };
    }

    /// Returns the calls so far.
    #[must_use]
    pub fn seen(&self) -> BTreeSet<Access> {
        locked(&self.state).seen.clone()
    }

    /// Returns the consumption since the last time this was called.
    #[must_use]
    pub fn take_consumed(&self) -> Consumed {
        std::mem::take(&mut locked(&self.state).consumed)
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass_on(
    http: &reqwest::Client,
    target: SocketAddr,
    request: Request<Incoming>,
    state: &Mutex<State>,
) -> Response<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole request").to_bytes();
    let operation = parts
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let operation = operation
        .and_then(|target| target.split('.').nth(1))
        .unwrap_or_default()
        .to_owned();
    let mut asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let accesses = accesses(&operation, &asked);
    // Of items alone, and only there has it a price. The body gets longer by that.
    let body = if operation.ends_with("Table") || operation.ends_with("Tables") || !asked.is_object() {
        body
    } else {
        asked["ReturnConsumedCapacity"] = "TOTAL".into();
        parts.headers.remove(CONTENT_LENGTH);
        Bytes::from(asked.to_string())
    };
    let fault = {
        let mut state = locked(state);
        let fault = accesses
            .iter()
            .find_map(|access| state.faults.get(&access.table).copied());
        state.seen.extend(accesses);
        fault
    };
    match fault {
        None => {}
        Some(Fault::Hangs) => std::future::pending().await,
        Some(Fault::Errors) => {
            let mut error = Response::default();
            *error.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return error;
        }
    }

    let sent = http
        .request(parts.method, format!("http://{target}{}", parts.uri))
        .headers(parts.headers)
        .body(body)
        .send();
    let Ok(answer) = sent.await else {
        let mut down = Response::default();
        *down.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        return down;
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let answered = answer.bytes().await.unwrap_or_default();
    let consumed = consumed(&answered);
    let is_read = ["Get", "Query", "Scan"].iter().any(|read| operation.contains(read));
    {
        let mut state = locked(state);
        let kind = if is_read {
            &mut state.consumed.reads
        } else {
            &mut state.consumed.writes
        };
        *kind += consumed;
    }
    let mut response = Response::new(Full::new(answered));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The units that an answer says were consumed, of one table or of several. A refused condition says nothing and costs a write.
fn consumed(answer: &Bytes) -> f64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let refused = answer["__type"].as_str().unwrap_or_default();
    if refused.contains("ConditionalCheckFailedException") {
        return 1.0;
    }
    let of = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or_default();
    match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().map(of).sum(),
        table => of(table),
    }
}

/// Returns the rights that an operation of DynamoDB needs, by the documentation of its IAM actions.
fn accesses(operation: &str, asked: &Value) -> Vec<Access> {
    let access = |action: &str, on: &Value, table: Option<&str>| {
        let named = on["TableName"].as_str().or(table).unwrap_or_default();
        Access {
            action: format!("dynamodb:{action}"),
            table: named.to_owned(),
            keys: key_values(on),
            leading: leading_keys(named, on),
        }
    };
    match operation {
        "TransactWriteItems" => members(&asked["TransactItems"])
            .flat_map(|item| item.as_object().into_iter().flatten())
            .map(|(kind, on)| match kind.as_str() {
                "ConditionCheck" => access("ConditionCheckItem", on, None),
                kind => access(&format!("{kind}Item"), on, None),
            })
            .collect(),
        "TransactGetItems" => members(&asked["TransactItems"])
            .map(|item| access("GetItem", &item["Get"], None))
            .collect(),
        "BatchGetItem" | "BatchWriteItem" => asked["RequestItems"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(table, on)| access(operation, on, Some(table)))
            .collect(),
        _ => vec![access(operation, asked, None)],
    }
}

fn members(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn leading_keys(table: &str, on: &Value) -> BTreeSet<String> {
    let schema = ALL
        .into_iter()
        .find(|schema| table.ends_with(&format!("-{}", schema.name)));
    let hash = schema.expect("a table of ours").hash;
    let single = [&on["Key"], &on["Item"]].into_iter();
    // A batch of writes is a list for each table.
    let written = members(on).flat_map(|write| [&write["PutRequest"]["Item"], &write["DeleteRequest"]["Key"]]);
    single
        .chain(members(&on["Keys"]))
        .chain(written)
        .filter_map(|item| item[hash]["S"].as_str().map(str::to_owned))
        .collect()
}

/// The values under `Key`; empty where the call names its keys otherwise.
fn key_values(on: &Value) -> BTreeSet<String> {
    let key = on["Key"].as_object().into_iter().flatten();
    key.filter_map(|(_, value)| value["S"].as_str().map(str::to_owned))
        .collect()
}
