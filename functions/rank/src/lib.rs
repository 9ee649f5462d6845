//! `POST /v1/rank`, and the same in the form of Cohere and Jina: `POST /v1/rerank`, `POST /v2/rerank`.

mod own;
mod rerank;

use std::ops::RangeInclusive;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use shared::app::App;
use shared::error::{Error, Violation};
use shared::http::{Call, Reply, Route};
use shared::identity::Principal;
use shared::plan::Meter;
use shared::rank::{self, Figures, Question, Ranked};
use shared::telemetry::{Counts, Spans, Work};

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
    let units = request.question.samples as u64;
    let admitted = call.enter(app, principal, Meter::Rankings, units).await?;
    let mut figures = Figures::default();
    let ranked = rank::run(app, principal, &request, &admitted, &mut figures).await;
    call.record.work = Some(work(&request.question, &figures));
    let ranked = ranked?;
    ranked.degraded.iter().for_each(|mode| call.record.note(*mode));
    call.record.summary = Some(summary(&request.question, &ranked));
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

/// Returns the figures of a request for the record: its units are samples.
fn work(question: &Question, figures: &Figures) -> Work {
    let mut work = Work::of(NAME);
    work.counts = Counts {
        units: question.samples,
        charged: figures.charged,
        refunded: figures.refunded,
        refund_lost: figures.refund_lost,
        ..figures.tally.counts(1)
    };
    work.models = figures.bill.counts();
    work.spans = Spans {
        lookup: figures.lookup,
        asking: figures.asking,
        settling: figures.settling,
    };
    work.kept = figures.tally.kept;
    work.ambiguous_charge = figures.ambiguous;
    work.model_failure.clone_from(&figures.model_failure);
    work
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
