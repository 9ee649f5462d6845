//! Chat from outside: OpenAI's form over HTTP, and the tokens behind it.

mod assistants;
mod bedrock;
mod clients;
mod conversations;
mod refusals;
mod remembered;
mod replies;
mod shared;
mod steps;
mod tokens;

use serde_json::{Value, json};
use tests::chat::{Events, complete, question, tokens, words, worst_case};
use tests::service::Service;
use tests::upstream::{Script, Upstream};

/// A reply in which characters of one to four bytes are.
const TEXT: &str = "Grüße aus 世界, and more 🎉.";

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

/// Checks that a reply of [`TEXT`] is told as a whole one or as a cut one, and that it is charged as what it is.
async fn is_told(service: &Service, whole: bool, what: &Value) {
    let ann = service.client.register("ann").await;
    let mut events = Events::ask(service, &ann, question("coach", "Hi")).await;
    assert_eq!(events.status, 200, "{what}");
    let all = events.rest().await;
    let ends = |event: &Value| event == "[DONE]" || event["choices"][0]["finish_reason"].is_string();
    let used = tokens(service, &ann).await;
    assert_eq!(
        used["used"].as_u64(),
        Some(used["input"].as_u64().unwrap() + used["output"].as_u64().unwrap())
    );
    if whole {
        assert_eq!(words(&all), TEXT, "{what}");
        assert_eq!(all.iter().filter(|event| ends(event)).count(), 2, "{what}");
        assert_eq!(all.last(), Some(&json!("[DONE]")), "{what}");
    } else {
        assert!(TEXT.starts_with(&words(&all)), "{what}");
        assert!(!all.iter().any(ends), "{what}: {all:?}");
        assert_eq!(all.last().unwrap()["error"]["type"], "server_error", "{what}");
        let output = used["output"].as_u64();
        assert!(output > Some(0), "the words are charged: {what} {used}");
    }
    assert!(used["used"].as_u64().unwrap() < worst_case("Hi"), "{what}: {used}");
    // A whole answer is never made of a cut one, and a cut one costs nothing there.
    let again = complete(service, &ann, &question("coach", "Hi")).await;
    assert_eq!(again.status, if whole { 200 } else { 503 }, "{what}: {again:?}");
    if !whole {
        assert_eq!(tokens(service, &ann).await["used"], used["used"], "{what}");
    }
}
