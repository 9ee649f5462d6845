//! Chat from outside: OpenAI's form over HTTP, and the tokens behind it.

mod clients;
mod conversations;
mod refusals;
mod remembered;
mod replies;
mod shared;
mod tokens;

use serde_json::{Value, json};
use tests::upstream::{Script, Upstream};

/// A provider that replies as this says, for ever.
async fn replying(reply: &Value) -> Upstream {
    let mut act = reply.clone();
    act["do"] = json!("chat");
    let script = Script::parse(&json!({"then": act}).to_string()).unwrap();
    Upstream::start(script).await.unwrap()
}

/// Returns the tokens that the scripted provider counts: one for four bytes.
const fn counted(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}
