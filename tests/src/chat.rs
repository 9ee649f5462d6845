//! Dialogues with a service, whole and as streams.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::client::{Answer, Device, send};
use crate::service::{Plan, Service};
use crate::upstream::{Upstream, plan_of};

/// Two assistants: one that forgets, and one that remembers what each user was told.
pub const ASSISTANTS: &str = r#"{
    "coach":{"system":"Be kind.","providers":{"free":"openai:cheap","pro":"openai:good"},"maxOutput":100,"maxInput":2000,"cache":"off"},
    "keeper":{"system":"Be kind.","providers":{"free":"openai:cheap"},"maxOutput":100,"maxInput":2000,"cache":"user"}
}"#;

/// Room for all that a test does, but for the tokens of a day.
pub const PLANS: &str = r#"{
    "free":{"posts":{"perDay":1000,"perMinute":100000},"replies":{"perMinute":100000,"atOnce":64},"tokens":{"perDay":20000}},
    "pro":{"posts":{"perDay":1000,"perMinute":100000},"replies":{"perMinute":100000,"atOnce":64},"tokens":{"perDay":20000}}
}"#;

/// The longest that anything may take which normally takes milliseconds.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A plan whose assistants ask `upstream`.
#[must_use]
pub fn plan(upstream: &Upstream) -> Plan {
    plan_of(upstream)
        .with("CLEARVIEW_PROVIDERS", "local")
        .with("CLEARVIEW_ASSISTANTS", ASSISTANTS)
        .with("CLEARVIEW_PLANS", PLANS)
}

/// The plans with so many tokens a day for tier free, and so many replies at once.
#[must_use]
pub fn tokens_a_day(tokens: u64, at_once: u64) -> String {
    json!({"free": {
        "posts": {"perDay": 1000, "perMinute": 100_000},
        "replies": {"perMinute": 100_000, "atOnce": at_once},
        "tokens": {"perDay": tokens},
    }})
    .to_string()
}

/// A request for a reply to one message.
#[must_use]
pub fn question(assistant: &str, text: &str) -> Value {
    json!({"model": assistant, "messages": [{"role": "user", "content": text}]})
}

/// The worst case of a question of tier free to an assistant of [`ASSISTANTS`].
#[must_use]
pub fn worst_case(text: &str) -> u64 {
    let bytes = "Be kind.".len() + text.len();
    (bytes + 2 * 8 + 16 + 100) as u64
}

fn completions(service: &Service, device: &Device) -> RequestBuilder {
    let request = service.client.request(Method::POST, "/v1/chat/completions");
    request.bearer_auth(&device.access)
}

/// Asks, and reads the answer whole.
pub async fn complete(service: &Service, device: &Device, body: &Value) -> Answer {
    send(completions(service, device).json(body)).await
}

/// The same with an idempotency key.
pub async fn complete_once(service: &Service, device: &Device, body: &Value, key: &str) -> Answer {
    send(completions(service, device).header("idempotency-key", key).json(body)).await
}

/// A stream of events that has begun.
pub struct Events {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    response: Response,
    read: String,
}

impl Events {
    /// Asks for a stream; the head is here when this returns.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn ask(service: &Service, device: &Device, mut body: Value) -> Self {
        body["stream"] = json!(true);
        let response = completions(service, device)
            .json(&body)
            .send()
            .await
            .expect("an answer");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            response,
            read: String::new(),
        }
    }

    /// Returns the next event; `None` at the end of the body.
    ///
    /// # Panics
    /// When the body breaks, or an event is none.
    #[expect(clippy::assigning_clones, reason = "the rest is a part of what is assigned")]
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.strip_prefix("data: ");
                assert!(
                    data.is_some() || event.starts_with(": "),
                    "an event or a comment: {event}"
                );
                let event = data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data)));
                self.read = rest.to_owned();
                if event.is_some() {
                    return event;
                }
                continue;
            }
            let chunk = self.response.chunk().await.expect("a whole body")?;
            self.read
                .push_str(std::str::from_utf8(&chunk).expect("whole characters"));
        }
    }

    /// Reads all that is left.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// Returns the words of events.
#[must_use]
pub fn words(events: &[Value]) -> String {
    let pieces = events.iter();
    let pieces = pieces.filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    pieces.collect()
}

/// Returns today's tokens as the user sees them.
pub async fn tokens(service: &Service, device: &Device) -> Value {
    service.client.usage(device).await.body["meters"]["tokens"].clone()
}

/// Waits until so many tokens are used today.
///
/// # Panics
/// When it never comes to that.
pub async fn uses(service: &Service, device: &Device, used: u64) {
    let reached = async {
        while tokens(service, device).await["used"] != used {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let reached = tokio::time::timeout(LONGEST_WAIT, reached).await;
    assert!(reached.is_ok(), "{used}, and not {}", tokens(service, device).await);
}
