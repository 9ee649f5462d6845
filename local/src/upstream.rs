//! A scripted provider: a server that speaks OpenAI's protocol, Bedrock's Converse and Rekognition's, and follows a script. It is
//! for demonstrations (`--script FILE`) and for tests.

pub mod chat;
pub mod ranking;
pub mod reply;
pub mod script;
pub mod sight;

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::chat::{ScriptedBody, Wire, unbroken};
use self::ranking::AskedRanking;
use self::script::{Act, AskedQuestion, Script, refuses, wait};
use self::sight::SightForm;

/// A call that was received.
#[derive(Debug, Clone)]
pub struct ReceivedCall {
    /// Its path.
    pub path: String,
    /// Its query; empty if there was none.
    pub query: String,
    /// Its `Authorization`; empty if there was none.
    pub authorization: String,
    /// Its `X-Amz-Target`; empty if there was none.
    pub target: String,
    /// Its `api-key`; empty if there was none.
    pub api_key: String,
    /// Its `traceparent`; empty if there was none.
    pub traceparent: String,
    /// Its body.
    pub body: Value,
    /// The question in it; `None` if there was no readable one.
    pub asked: Option<AskedQuestion>,
    /// The question of rank in it, if it is one.
    pub ranking: Option<AskedRanking>,
}

/// A running scripted provider.
pub struct Upstream {
    /// The address it listens on.
    pub address: SocketAddr,
    state: Arc<UpstreamState>,
    accepting: JoinHandle<()>,
}

struct UpstreamState {
    script: Mutex<Script>,
    /// The only secret of the Secrets Manager that it serves too.
    secret: Mutex<String>,
    calls: watch::Sender<Vec<ReceivedCall>>,
}

impl Upstream {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(script: Script) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(UpstreamState {
            script: Mutex::new(script),
            secret: Mutex::new("sk-from-the-secret".to_owned()),
            calls: watch::Sender::default(),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (state, before) = (Arc::clone(&shared), AtomicUsize::new(0));
                let service = service_fn(move |request| {
                    let (state, before) = (Arc::clone(&state), before.fetch_add(1, Ordering::Relaxed));
                    async move { serve(&state, request, before).await }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self {
            address,
            state,
            accepting,
        })
    }

    /// Returns the base URL for clients of OpenAI's protocol.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Follows another script from now on.
    pub fn follow(&self, script: Script) {
        *self.state.script() = script;
    }

    /// Replaces the secret.
    pub fn hold_secret(&self, secret: &str) {
        secret.clone_into(&mut self.state.secret());
    }

    /// Returns the calls received so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.state.calls.borrow().clone()
    }

    /// Waits until `times` calls were received in all.
    pub async fn called(&self, times: usize) {
        // The sender lives as long as this.
        let _ = self
            .state
            .calls
            .subscribe()
            .wait_for(|calls| calls.len() >= times)
            .await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl UpstreamState {
    fn secret(&self) -> MutexGuard<'_, String> {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one call. An error ends the connection without an answer; `before` calls came on it already.
async fn serve(
    state: &UpstreamState,
    request: Request<Incoming>,
    before: usize,
) -> Result<Response<ScriptedBody>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if parts
        .headers
        .get("x-amz-target")
        .is_some_and(|target| target == "secretsmanager.GetSecretValue")
    {
        let secret = json!({"Name": body["SecretId"], "SecretString": *state.secret()});
        return Ok(unbroken(json_response(&secret)));
    }
    let converse = parts.uri.path().ends_with("/converse");
    let asked: Option<AskedQuestion> = asked(&body, converse);
    let ranking: Option<AskedRanking> = self::asked(&body, converse);
    let received = call(&parts, &body, asked.clone(), ranking.clone());
    let sight = sight::asked(&received.path, &received.target, &body, converse);
    state.calls.send_modify(|calls| calls.push(received));
    let act = state.script().take();
    tokio::time::sleep(wait(&act)).await;
    let is_refused = refuses(&act, &body, asked.as_ref());
    let content = content(&act, asked.as_ref(), ranking.as_ref(), sight);
    let whole = match (&act, content) {
        (Act::Cut, _) => return Err(std::io::Error::other("cut")),
        (Act::Once, _) if before > 0 => return Err(std::io::Error::other("closed")),
        (Act::Refuse { status, error, .. }, _) if is_refused => {
            let mut response = json_response(error);
            *response.status_mut() = status_code(*status);
            response
        }
        (Act::Hang, _) => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        (Act::Redirect { status, location }, _) => redirect(*status, location),
        (Act::Status { status, retry_after }, _) => status_response(*status, *retry_after),
        (Act::Junk, _) => Response::new(Full::from("\u{0}\u{1}{{{ no JSON")),
        (Act::Html, _) => Response::new(Full::from("<html><body>502 Bad Gateway</body></html>")),
        // A call that is neither chat nor as the contract says gets no answer but 400.
        (act, None) => {
            let reply = chat::answer(act, Wire::of(parts.uri.path()), &body);
            return Ok(reply.unwrap_or_else(|| unbroken(status_response(400, None))));
        }
        (_, Some(content)) if matches!(sight, Some(SightForm::Moderation | SightForm::Labels)) => {
            Response::new(Full::from(content))
        }
        (act, Some(content)) => answered(act, answer(&body, &content, converse))?,
    };
    Ok(unbroken(whole))
}

/// Sends a model's answer in the way that the act wants.
fn answered(act: &Act, mut answer: Value) -> Result<Response<Full<Bytes>>, std::io::Error> {
    match act {
        Act::Usage { usage } => answer["usage"] = usage.clone(),
        Act::Parts => {
            let content = answer["choices"][0]["message"]["content"].take();
            answer["choices"][0]["message"]["content"] = json!([{"type": "text", "text": content}]);
        }
        Act::Declines if answer["choices"].is_array() => {
            let message = json!({"role": "assistant", "content": null, "refusal": "I cannot help with that."});
            answer["choices"][0]["message"] = message;
        }
        Act::Declines => {
            answer["output"]["message"]["content"] = json!([{"text": "I cannot help with that."}]);
            answer["stopReason"] = json!("content_filtered");
        }
        Act::Gzip => return compressed(&answer),
        _ => {}
    }
    Ok(json_response(&answer))
}

fn call(parts: &Parts, body: &Value, asked: Option<AskedQuestion>, ranking: Option<AskedRanking>) -> ReceivedCall {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    ReceivedCall {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: header("authorization").unwrap_or_default().to_owned(),
        target: header("x-amz-target").unwrap_or_default().to_owned(),
        api_key: header("api-key").unwrap_or_default().to_owned(),
        traceparent: header("traceparent").unwrap_or_default().to_owned(),
        body: body.clone(),
        asked,
        ranking,
    }
}

/// Returns the reply to whichever question was asked.
fn content(
    act: &Act,
    asked: Option<&AskedQuestion>,
    ranking: Option<&AskedRanking>,
    sight: Option<SightForm>,
) -> Option<String> {
    let verdicts = asked.map(|asked| script::content(act, asked));
    verdicts
        .or_else(|| ranking.map(|ranking| ranking::content(act, ranking)))
        .or_else(|| sight.map(|form| sight::content(act, form)))
}

/// Returns the question in a body: the user message, which must be one JSON object and nothing else.
fn asked<T: DeserializeOwned>(body: &Value, converse: bool) -> Option<T> {
    let messages = body["messages"].as_array()?;
    let mut of_user = messages.iter().filter(|message| message["role"] == "user");
    let (message, None) = (of_user.next()?, of_user.next()) else {
        return None;
    };
    let text = if converse {
        &message["content"][0]["text"]
    } else {
        &message["content"]
    };
    serde_json::from_str(text.as_str()?).ok()
}

fn answer(body: &Value, content: &str, converse: bool) -> Value {
    let (read, written) = (body.to_string().len() / 4, content.len() / 4);
    if converse {
        let tool = &body["toolConfig"]["tools"][0]["toolSpec"]["name"];
        let said = match serde_json::from_str::<Value>(content) {
            Ok(input) if body["toolConfig"].is_object() => {
                json!({"toolUse": {"toolUseId": "tooluse_1", "name": tool, "input": input}})
            }
            _ => json!({"text": content}),
        };
        return json!({
            "output": {"message": {"role": "assistant", "content": [said]}},
            "stopReason": "tool_use",
            "usage": {"inputTokens": read, "outputTokens": written, "totalTokens": read + written},
            "metrics": {"latencyMs": 1},
        });
    }
    json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_795_305_600,
        "model": body["model"],
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": content, "refusal": null},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    })
}

fn json_response(body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn redirect(status: u16, location: &str) -> Response<Full<Bytes>> {
    let mut response = status_response(status, None);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn compressed(body: &Value) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.to_string().as_bytes())?;
    let mut response = json_response(&Value::Null);
    *response.body_mut() = Full::from(encoder.finish()?);
    let gzip = HeaderValue::from_static("gzip");
    response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
    Ok(response)
}

fn status_response(status: u16, retry_after: Option<u64>) -> Response<Full<Bytes>> {
    let mut response = json_response(&json!({"error": {"message": "scripted", "type": "scripted", "code": null}}));
    *response.status_mut() = status_code(status);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
