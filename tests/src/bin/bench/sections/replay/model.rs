//! The model that is asked: speaks OpenAI's protocol, gives a score for every post, counts calls and tokens.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use shared::money::Tokens;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// How long it takes to answer: with 16 requests in flight, long enough for some to ask the same at the same time.
const THINKS: Duration = Duration::from_millis(3);

/// Bytes of a token, by OpenAI's rule of thumb for English.
const BYTES_PER_TOKEN: usize = 4;

/// One post in so many is hidden, whatever the preference: those that are hidden beside others are judged once more, alone.
const ONE_HIDDEN_IN: usize = 20;

/// Totals of all questions to the model.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) calls: u64,
    pub(crate) tokens: Tokens,
    /// Tokens that the same posts would have taken, asked one by one.
    pub(crate) one_by_one: Tokens,
}

impl Asked {
    /// Returns the totals since `before`.
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            tokens: minus(self.tokens, before.tokens),
            one_by_one: minus(self.one_by_one, before.one_by_one),
        }
    }
}

const fn minus(tokens: Tokens, others: Tokens) -> Tokens {
    Tokens {
        input: tokens.input - others.input,
        output: tokens.output - others.output,
    }
}

/// A running model.
pub(crate) struct Model {
    address: SocketAddr,
    asked: Arc<Mutex<Asked>>,
    accepting: JoinHandle<()>,
}

impl Model {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::default());
        let counts = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let counts = Arc::clone(&counts);
                let service = service_fn(move |request| {
                    let counts = Arc::clone(&counts);
                    async move { Ok::<_, Infallible>(serve(&counts, request).await) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            asked,
            accepting,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn asked(&self) -> Asked {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(counts: &Mutex<Asked>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a whole question")
        .to_bytes();
    let (preference, posts) = question(&body);
    let verdicts: Vec<Value> = posts
        .iter()
        .map(|post| json!({"id": post["id"], "score": score(&preference, post)}))
        .collect();
    let (of_posts, of_verdicts) = (length(&posts), length(&verdicts));
    let content = json!({"verdicts": verdicts}).to_string();
    let tokens = tokens(body.len(), content.len());
    {
        let mut asked = counts.lock().unwrap_or_else(PoisonError::into_inner);
        asked.calls += 1;
        asked.tokens += tokens;
        // The text around the posts would be there for each of them.
        let each = |all: usize, inside: usize| posts.len() * (all - inside) + inside;
        asked.one_by_one += self::tokens(each(body.len(), of_posts), each(content.len(), of_verdicts));
    }
    tokio::time::sleep(THINKS).await;
    let answer = json!({
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": tokens.input, "completion_tokens": tokens.output},
    });
    Response::new(Full::from(answer.to_string()))
}

/// Returns the preference and the posts of a question.
fn question(body: &[u8]) -> (String, Vec<Value>) {
    let question: Value = serde_json::from_slice(body).expect("JSON");
    let user = question["messages"][1]["content"].as_str().expect("a user message");
    let mut asked: Value = serde_json::from_str(user).expect("a JSON object");
    let posts = serde_json::from_value(asked["posts"].take()).expect("posts");
    (asked["preference"].as_str().expect("a preference").to_owned(), posts)
}

/// Returns the same score for the same post under the same preference, whenever it is asked about.
fn score(preference: &str, post: &Value) -> f64 {
    let text = post["text"].as_str().expect("a text");
    let sum: usize = preference.bytes().chain(text.bytes()).map(usize::from).sum();
    if sum.is_multiple_of(ONE_HIDDEN_IN) { 0.91 } else { 0.12 }
}

fn length(values: &[Value]) -> usize {
    values.iter().map(|value| value.to_string().len()).sum()
}

const fn tokens(read: usize, written: usize) -> Tokens {
    Tokens {
        input: (read / BYTES_PER_TOKEN) as u64,
        output: (written / BYTES_PER_TOKEN) as u64,
    }
}
