//! `POST /v1/rank`, and the same in the form of Cohere and Jina: `POST /v1/rerank`, `POST /v2/rerank`.

mod own;
mod rerank;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::app::App;
use shared::error::Error;
use shared::http::{Call, Reply, Route};
use shared::identity::Principal;
use shared::plan::Meter;
use shared::rank::{self, Figures, Question, Ranked};

/// A form of question and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// ClearView's own.
    Own,
    /// Cohere's, which Jina's clients read too.
    Rerank,
}

/// The name of this function, and of its workload in records.
pub const NAME: &str = "rank";

/// The routes of this function.
pub const ROUTES: [Route<Form>; 3] = [
    (Method::POST, "/v1/rank", Form::Own),
    (Method::POST, "/v1/rerank", Form::Rerank),
    (Method::POST, "/v2/rerank", Form::Rerank),
];

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, NAME, request);
    if call.is_for(&ROUTES, &Form::Rerank) {
        call.use_openai_errors();
    }
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    match call.route(&ROUTES)? {
        None => Ok(Reply::preflight()),
        Some(Form::Own) => own::answer(app, call).await,
        Some(Form::Rerank) => rerank::answer(app, call).await,
    }
}

/// Ranks for `principal`, and records the outcome. The embedded ranker may stand in if the second of the pair is true. An
/// idempotency key stands for `body`.
async fn rank(
    app: &App,
    call: &mut Call,
    principal: &Principal,
    body: &[u8],
    (question, may_stand_in): (Question, bool),
) -> Result<(Question, Ranked), Error> {
    let request = rank::Request {
        question,
        may_stand_in,
        idempotency: call.idempotency_key(body)?,
        trace: call.record.trace.parent.clone(),
        now: call.now,
    };
    let units = request.question.samples;
    let admitted = call.enter(app, principal, Meter::Rankings, units as u64).await?;
    let mut figures = Figures::default();
    let ranked = rank::run(app, principal, &request, &admitted, &mut figures).await;
    call.record.work = Some(figures.work(units));
    let ranked = ranked?;
    ranked.degraded.iter().for_each(|mode| call.record.note(*mode));
    call.record.summary = Some(summary(&request.question, &ranked));
    call.usage.clone_from(&ranked.usage);
    Ok((request.question, ranked))
}

/// Returns the outcome for the record.
fn summary(question: &Question, ranked: &Ranked) -> Value {
    let ranking = &ranked.ranking;
    json!({
        "items": question.items.len(),
        "source": ranked.source.name(),
        "samples": ranking.samples,
        "agreement": ranking.agreement,
    })
}
