//! Chat in the form of OpenAI's API: `POST /v1/chat/completions`, `GET /v1/models`, `GET /v1/models/{model}`.

mod body;
mod completions;
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
pub enum Action {
    /// Replies.
    Complete,
    /// Lists the assistants.
    List,
    /// Shows one.
    Show,
    /// Says where replies are to be had.
    Respond,
}

/// The name of this function, and of its workload in records.
pub const NAME: &str = "chat";

/// The routes of this function.
pub const ROUTES: [Route<Action>; 4] = [
    (Method::POST, "/v1/chat/completions", Action::Complete),
    (Method::GET, "/v1/models", Action::List),
    (Method::GET, "/v1/models/{model}", Action::Show),
    (Method::POST, "/v1/responses", Action::Respond),
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
        Ok(Some(Action::Complete)) => return completions::answer(app, call).await,
        Ok(Some(Action::List)) => models::list(&app, &mut call).await,
        Ok(Some(Action::Show)) => models::show(&app, &mut call).await,
        Ok(Some(Action::Respond)) => Err(NO_RESPONSES),
    };
    unbuffered(call.close(&app, outcome).await)
}
