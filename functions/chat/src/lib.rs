//! Chat in the form of OpenAI's API: `POST /v1/chat/completions`, `GET /v1/models`, `GET /v1/models/{model}`, and
//! `/v1/conversations`.

mod body;
mod completions;
mod conversations;
mod messages;
mod models;
mod render;

use std::sync::Arc;

use lambda_http::http::Method;
use lambda_http::{Request, Response};
use shared::app::App;
use shared::error::Error;
use shared::http::{AnswerBody, Call, Reply, Route, unbuffered};

/// An action of this function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatAction {
    /// Replies.
    Complete,
    /// Lists the assistants.
    List,
    /// Shows one.
    Show,
    /// Says where replies are to be had.
    Respond,
    /// Begins a conversation.
    Begin,
    /// Lists conversations.
    Conversations,
    /// Shows one.
    Conversation,
    /// Deletes one.
    Forget,
    /// Lists what was said in one.
    Items,
}

/// The name of this function, and of its workload in records.
pub const NAME: &str = "chat";

/// The routes of this function.
pub const ROUTES: [Route<ChatAction>; 9] = [
    (Method::POST, "/v1/chat/completions", ChatAction::Complete),
    (Method::GET, "/v1/models", ChatAction::List),
    (Method::GET, "/v1/models/{model}", ChatAction::Show),
    (Method::POST, "/v1/responses", ChatAction::Respond),
    (Method::POST, "/v1/conversations", ChatAction::Begin),
    (Method::GET, "/v1/conversations", ChatAction::Conversations),
    (
        Method::GET,
        "/v1/conversations/{conversation}",
        ChatAction::Conversation,
    ),
    (Method::DELETE, "/v1/conversations/{conversation}", ChatAction::Forget),
    (Method::GET, "/v1/conversations/{conversation}/items", ChatAction::Items),
];

/// The answer where a client calls OpenAI's newer form.
const NO_RESPONSES: Error = Error::Unknown {
    what: "there is no /v1/responses here: use chat completions, such as openai.chat(…) or @ai-sdk/openai-compatible",
    code: "not_found",
};

/// Answers one request.
pub async fn handle(app: Arc<App>, request: Request) -> Response<AnswerBody> {
    let mut call = Call::open(&app, NAME, request);
    call.use_openai_errors();
    let outcome = match call.route(&ROUTES) {
        Err(error) => Err(error),
        Ok(None) => Ok(Reply::preflight()),
        Ok(Some(ChatAction::Complete)) => return completions::answer(app, call).await,
        Ok(Some(ChatAction::List)) => models::list(&app, &mut call).await,
        Ok(Some(ChatAction::Show)) => models::show(&app, &mut call).await,
        Ok(Some(ChatAction::Respond)) => Err(NO_RESPONSES),
        Ok(Some(ChatAction::Begin)) => conversations::create(&app, &mut call).await,
        Ok(Some(ChatAction::Conversations)) => conversations::list(&app, &mut call).await,
        Ok(Some(ChatAction::Conversation)) => conversations::get(&app, &mut call).await,
        Ok(Some(ChatAction::Forget)) => conversations::delete(&app, &mut call).await,
        Ok(Some(ChatAction::Items)) => conversations::items(&app, &mut call).await,
    };
    unbuffered(call.close(&app, outcome).await)
}
