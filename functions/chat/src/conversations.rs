//! Conversations in OpenAI's form: made, listed, read, deleted. Their messages go through chat completions.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::app::App;
use shared::chat::Role;
use shared::chat::conversation::store::PageRequest;
use shared::chat::conversation::{ConversationHead, ConversationId, ConversationMessage, MessageId};
use shared::chat::recall::NO_CONVERSATION;
use shared::error::{Error, Violation};
use shared::http::{self, Call, Reply};
use shared::plan::Meter;

/// The meter whose limit by minute counts conversations that are made.
const METER: Meter = Meter::Replies;

const MOST_PAIRS: usize = 16;
const LONGEST_KEY: usize = 64;
const LONGEST_VALUE: usize = 512;
const LONGEST_PAGE: usize = 100;
const USUAL_PAGE: usize = 20;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewConversation {
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Serialize)]
struct List {
    object: &'static str,
    data: Vec<Value>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

impl List {
    fn reply(shown: Vec<(String, Value)>, has_more: bool) -> Result<Reply, Error> {
        let id = |one: Option<&(String, Value)>| one.map(|(id, _)| id.clone());
        let list = Self {
            object: "list",
            first_id: id(shown.first()),
            last_id: id(shown.last()),
            data: shown.into_iter().map(|(_, value)| value).collect(),
            has_more,
        };
        Reply::json(StatusCode::OK, &list)
    }
}

pub(crate) async fn create(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let body = http::with_whole_characters(call.take_json()?);
    let principal = call.principal(app).await?;
    let asked: NewConversation = if body.is_empty() {
        NewConversation::default()
    } else {
        http::parse(&body)?
    };
    let metadata = asked.metadata.unwrap_or_default();
    validate(&metadata, asked.items.as_deref())?;
    call.enter(app, &principal, METER, 1).await?;
    let head = ConversationHead {
        id: ConversationId::draw(call.now)?,
        created_at: call.now,
        updated_at: call.now,
        messages: 0,
        metadata,
        turn: None,
    };
    let is_stored = app.conversations.create(&principal.user, &head).await;
    if !is_stored.map_err(Error::Unavailable)? {
        return Err(Error::Unauthenticated("the user was erased"));
    }
    Reply::json(StatusCode::OK, &shown(&head))
}

pub(crate) async fn list(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    let page = page(call)?;
    let after = match after(call)? {
        None => None,
        Some(id) => Some(ConversationId::parse(id).ok_or_else(|| bad("?after", "is no conversation's id"))?),
    };
    call.enter(app, &principal, METER, 0).await?;
    let heads = app
        .conversations
        .heads(&principal.user, &page, after.as_ref(), call.now);
    let (heads, has_more) = heads.await.map_err(Error::Unavailable)?;
    let shown = heads.iter().map(|head| (head.id.to_string(), shown(head)));
    List::reply(shown.collect(), has_more)
}

pub(crate) async fn get(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    call.enter(app, &principal, METER, 0).await?;
    let id = named(call)?;
    let head = app.conversations.head(&principal.user, &id, call.now).await;
    let head = head.map_err(Error::Unavailable)?.ok_or(NO_CONVERSATION)?;
    Reply::json(StatusCode::OK, &shown(&head))
}

pub(crate) async fn delete(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    call.enter(app, &principal, METER, 0).await?;
    let id = named(call)?;
    let existed = app.conversations.delete(&principal.user, &id).await;
    if !existed.map_err(Error::Unavailable)? {
        return Err(NO_CONVERSATION);
    }
    let deleted = json!({"id": id.to_string(), "object": "conversation.deleted", "deleted": true});
    Reply::json(StatusCode::OK, &deleted)
}

pub(crate) async fn items(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    let page = page(call)?;
    let after = match after(call)? {
        None => None,
        Some(id) => Some(MessageId::parse(id).ok_or_else(|| bad("?after", "is no message's id"))?),
    };
    call.enter(app, &principal, METER, 0).await?;
    let id = named(call)?;
    if after.as_ref().is_some_and(|after| after.conversation != id) {
        return Err(bad("?after", "is a message of another conversation"));
    }
    let (user, number) = (&principal.user, after.map(|after| after.number));
    let (head, messages) = tokio::try_join!(
        app.conversations.head(user, &id, call.now),
        app.conversations.messages((user, &id), &page, number, call.now)
    )
    .map_err(Error::Unavailable)?;
    head.ok_or(NO_CONVERSATION)?;
    let (messages, has_more) = messages;
    let shown = messages.iter().map(|message| shown_message(&id, message));
    List::reply(shown.collect(), has_more)
}

fn named(call: &Call) -> Result<ConversationId, Error> {
    ConversationId::parse(call.path_parameter("conversation")).ok_or(NO_CONVERSATION)
}

fn bad(pointer: &str, detail: &str) -> Error {
    Error::invalid(pointer, detail)
}

fn shown(head: &ConversationHead) -> Value {
    json!({
        "id": head.id.to_string(),
        "object": "conversation",
        "created_at": head.created_at.seconds(),
        "metadata": head.metadata,
    })
}

fn shown_message(conversation: &ConversationId, message: &ConversationMessage) -> (String, Value) {
    let id = MessageId {
        conversation: conversation.clone(),
        number: message.number,
    };
    let id = id.to_string();
    let content = match message.role {
        Role::User => json!({"type": "input_text", "text": message.text}),
        Role::Assistant => json!({"type": "output_text", "text": message.text, "annotations": []}),
    };
    let shown = json!({
        "id": id,
        "type": "message",
        "role": message.role.name(),
        "status": message.status.name(),
        "content": [content],
    });
    (id, shown)
}

/// Reads `limit` and `order`.
fn page(call: &Call) -> Result<PageRequest, Error> {
    let limit = match call.query("limit").as_slice() {
        [] => USUAL_PAGE,
        [text] => text
            .parse()
            .ok()
            .filter(|limit| (1..=LONGEST_PAGE).contains(limit))
            .ok_or_else(|| Error::invalid("?limit", format!("must be a number from 1 to {LONGEST_PAGE}")))?,
        _ => return Err(bad("?limit", "must be there once")),
    };
    let newest_first = match call.query("order").as_slice() {
        [] | ["desc"] => true,
        ["asc"] => false,
        _ => return Err(bad("?order", "must be asc or desc, once")),
    };
    Ok(PageRequest { limit, newest_first })
}

fn after(call: &Call) -> Result<Option<&str>, Error> {
    match call.query("after").as_slice() {
        [] => Ok(None),
        [id] => Ok(Some(*id)),
        _ => Err(bad("?after", "must be there once")),
    }
}

/// Checks every bound of the contract that the body's form does not express.
fn validate(metadata: &BTreeMap<String, String>, items: Option<&[Value]>) -> Result<(), Error> {
    let mut violations = Vec::new();
    if metadata.len() > MOST_PAIRS {
        violations.push(Violation::at(
            "/metadata",
            format!("must have at most {MOST_PAIRS} pairs"),
        ));
    }
    let fits =
        |(key, value): (&String, &String)| key.chars().count() <= LONGEST_KEY && value.chars().count() <= LONGEST_VALUE;
    if !metadata.iter().all(fits) {
        let detail =
            format!("must have keys of at most {LONGEST_KEY} characters and values of at most {LONGEST_VALUE}");
        violations.push(Violation::at("/metadata", detail));
    }
    if items.is_some_and(|items| !items.is_empty()) {
        violations.push(Violation::at(
            "/items",
            "must be empty: a conversation holds what was said in it",
        ));
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(violations))
    }
}
