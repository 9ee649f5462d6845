//! `POST /v1/rank`, and the same in the form of Cohere and Jina: `POST /v1/rerank`, `POST /v2/rerank`.

mod own;
mod rerank;

use std::ops::RangeInclusive;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use shared::app::App;
use shared::error::{Error, Violation};
use shared::http::{Call, Reply, Route};
use shared::identity::Principal;
use shared::plan::Meter;
use shared::rank::{self, Figures, Question, Ranked};
use shared::telemetry::{RankedRecord, millis};

/// A form of question and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// ClearView's own.
    Own,
    /// Cohere's, which Jina's clients read too.
    Rerank,
}

/// The routes of this function.
pub const ROUTES: [Route<Form>; 3] = [
    (Method::POST, "/v1/rank", Form::Own),
    (Method::POST, "/v1/rerank", Form::Rerank),
    (Method::POST, "/v2/rerank", Form::Rerank),
];

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, "rank", request);
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
    let units = request.question.samples as u64;
    let admitted = call.enter(app, principal, Meter::Rankings, units).await?;
    let mut figures = Figures::default();
    let ranked = rank::run(app, principal, &request, &admitted, &mut figures).await;
    call.record.ranked = Some(record(&request.question, &figures));
    let ranked = ranked?;
    call.record.degraded.extend(&ranked.degraded);
    call.usage.clone_from(&ranked.usage);
    Ok((request.question, ranked))
}

/// Notes a text whose length in characters is out of bounds.
fn bound(violations: &mut Vec<Violation>, pointer: String, text: &str, length: RangeInclusive<usize>) {
    let (least, most) = (*length.start(), *length.end());
    // Bytes first: counting the characters of an acceptable text is rarely needed.
    if text.len() < least || (text.len() > most && text.chars().count() > most) {
        violations.push(Violation::at(
            pointer,
            format!("must have {least} to {most} characters"),
        ));
    }
}

fn record(question: &Question, figures: &Figures) -> RankedRecord {
    RankedRecord {
        items: question.items.len(),
        samples: question.samples,
        ranking_source: figures.source.map_or("none", rank::Source::name),
        layer: figures.layer,
        agreement: figures.agreement,
        asked: figures.asked,
        unanswered: figures.unanswered,
        charged: figures.charged,
        refunded: figures.refunded,
        refund_lost: figures.refund_lost,
        lookup_ms: millis(figures.lookup),
        asking_ms: millis(figures.asking),
        model_calls: figures.bill.calls,
        model_failures: figures.bill.failures,
        model_timeouts: figures.bill.timeouts,
        model_retries: figures.bill.retries,
        input_tokens: figures.bill.tokens.input,
        output_tokens: figures.bill.tokens.output,
        spent_nano_dollars: figures.bill.money.nanos(),
        model_failure: figures.model_failure.clone(),
    }
}
