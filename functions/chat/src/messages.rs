//! The messages of a request: of the user and of the assistant, of text.

use serde_json::Value;
use shared::chat::{Role, Utterance};
use shared::error::Violation;

/// The most messages of a request.
const MOST_MESSAGES: usize = 200;

/// Reads messages, the last of which is the user's. Those without words are left out; the last one must have some.
///
/// # Errors
/// All that is at fault.
pub(crate) fn read(messages: &Value) -> Result<Vec<Utterance>, Vec<Violation>> {
    let all = messages
        .as_array()
        .filter(|all| (1..=MOST_MESSAGES).contains(&all.len()));
    let Some(all) = all else {
        return Err(vec![Violation::at(
            "/messages",
            format!("must have 1 to {MOST_MESSAGES} messages"),
        )]);
    };
    let (mut utterances, mut violations) = (Vec::with_capacity(all.len()), Vec::new());
    for (n, message) in all.iter().enumerate() {
        match one(n, message) {
            Ok(utterance) => utterances.push(utterance),
            Err(violation) => violations.push(violation),
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let last = utterances.last();
    if !last.is_some_and(|last| last.role == Role::User && !last.text.trim().is_empty()) {
        let detail = "must be a message of the user with words";
        return Err(vec![Violation::at(format!("/messages/{}", all.len() - 1), detail)]);
    }
    utterances.retain(|utterance| !utterance.text.is_empty());
    Ok(utterances)
}

fn one(n: usize, message: &Value) -> Result<Utterance, Violation> {
    let at = |member: &str, detail: &str| Violation::at(format!("/messages/{n}{member}"), detail);
    let Some(members) = message.as_object() else {
        return Err(at("", "must be an object"));
    };
    let role = match members.get("role").and_then(Value::as_str) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system" | "developer") => {
            return Err(at(
                "/role",
                "must be user or assistant: the operator writes the system prompt",
            ));
        }
        _ => return Err(at("/role", "must be user or assistant")),
    };
    for (name, value) in members {
        match name.as_str() {
            // Some are of messages that a client got from a model and sends back.
            "role" | "content" | "name" | "annotations" | "refusal" | "reasoning_content" => {}
            "audio" | "tool_calls" | "function_call" if is_nothing(value) => {}
            "tool_calls" | "function_call" | "audio" | "tool_call_id" => {
                return Err(at(&format!("/{name}"), "is not supported"));
            }
            _ => return Err(at("", "has a member that is not known")),
        }
    }
    let text = match members.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => joined(parts).map_err(|(part, detail)| at(&format!("/content/{part}"), detail))?,
        None | Some(Value::Null) if role == Role::Assistant => String::new(),
        _ => return Err(at("/content", "must be a text or text parts")),
    };
    Ok(Utterance { role, text })
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        _ => false,
    }
}

/// Joins text parts; a part of another kind is refused by its place.
fn joined(parts: &[Value]) -> Result<String, (usize, &'static str)> {
    let texts = parts.iter().enumerate().map(|(n, part)| match part["type"].as_str() {
        Some("text") => part["text"].as_str().ok_or((n, "must have a text")),
        _ => Err((n, "must be a part of text")),
    });
    texts.collect::<Result<Vec<_>, _>>().map(|texts| texts.concat())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_text_parts_are_read_and_empty_messages_left_out() {
        let messages = json!([
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c", "refusal": null, "annotations": [], "tool_calls": []},
            {"role": "assistant", "content": null},
            {"role": "user", "content": "d", "name": "x"},
        ]);
        let utterances = read(&messages).unwrap();
        let read: Vec<(Role, &str)> = utterances.iter().map(|one| (one.role, one.text.as_str())).collect();
        assert_eq!(read, [(Role::User, "ab"), (Role::Assistant, "c"), (Role::User, "d")]);
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        let user = json!({"role": "user", "content": "a"});
        for (messages, pointers) in [
            (json!(7), vec!["/messages"]),
            (json!([]), vec!["/messages"]),
            (json!(vec![user.clone(); 201]), vec!["/messages"]),
            (json!(["a"]), vec!["/messages/0"]),
            (
                json!([{"role": "system", "content": "x"}, user]),
                vec!["/messages/0/role"],
            ),
            (
                json!([{"role": "developer", "content": "x"}, user]),
                vec!["/messages/0/role"],
            ),
            (
                json!([user, {"role": "tool", "content": "x"}]),
                vec!["/messages/1/role"],
            ),
            (json!([{"content": "x"}]), vec!["/messages/0/role"]),
            (json!([{"role": "user"}]), vec!["/messages/0/content"]),
            (json!([{"role": "user", "content": 7}]), vec!["/messages/0/content"]),
            (
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
                vec!["/messages/0/content/0"],
            ),
            (
                json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "file"}]}]),
                vec!["/messages/0/content/1"],
            ),
            (
                json!([{"role": "assistant", "content": "a", "tool_calls": [{}]}, user]),
                vec!["/messages/0/tool_calls"],
            ),
            (
                json!([{"role": "user", "content": "a", "secret": 1}]),
                vec!["/messages/0"],
            ),
            (
                json!([user, {"role": "assistant", "content": "a"}]),
                vec!["/messages/1"],
            ),
            (json!([{"role": "user", "content": "  "}]), vec!["/messages/0"]),
            (
                json!([{"role": "x", "content": "a"}, {"role": "user", "content": 1}]),
                vec!["/messages/0/role", "/messages/1/content"],
            ),
        ] {
            let violations = read(&messages).unwrap_err();
            let found: Vec<&str> = violations.iter().map(|one| one.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{messages}");
        }
    }
}
