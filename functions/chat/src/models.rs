//! The assistants, as OpenAI's clients list models.

use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use shared::app::App;
use shared::error::Error;
use shared::http::{Call, Reply};

/// The time at which every assistant counts as made: settings have none.
const CREATED: i64 = 1_735_689_600;

/// The answer for a name that is none of an assistant.
pub(crate) const NO_ASSISTANT: Error = Error::Unknown {
    what: "there is no assistant of this name: GET /v1/models lists them",
    code: "model_not_found",
};

pub(crate) async fn list(app: &App, call: &mut Call) -> Result<Reply, Error> {
    enter(app, call).await?;
    let assistants = app.assistants.current(call.now).await;
    let names = assistants.iter().map(|assistant| shown(&assistant.name));
    Reply::json(
        StatusCode::OK,
        &json!({"object": "list", "data": names.collect::<Value>()}),
    )
}

pub(crate) async fn show(app: &App, call: &mut Call) -> Result<Reply, Error> {
    enter(app, call).await?;
    let assistants = app.assistants.current(call.now).await;
    let assistant = assistants.named(call.path_parameter("model")).ok_or(NO_ASSISTANT)?;
    Reply::json(StatusCode::OK, &shown(&assistant.name))
}

/// Lets a user look, counted by address alone.
async fn enter(app: &App, call: &mut Call) -> Result<(), Error> {
    call.principal(app).await?;
    call.visit(app).await
}

fn shown(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": CREATED, "owned_by": "clearview"})
}
