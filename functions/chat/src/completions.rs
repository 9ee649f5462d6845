//! `POST /v1/chat/completions`: the way of a request, read downwards.

use std::sync::Arc;

use lambda_http::Response;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use shared::app::App;
use shared::chat::{self, Begun, ChatFigures, ChatRequest, Piece, ReplySource};
use shared::config::assistants::Assistant;
use shared::digest;
use shared::error::{Error, Outage};
use shared::http::{self, AnswerBody, Call, Reply, unbuffered};
use shared::identity::Principal;
use shared::ids::new_correlation_id;
use shared::models::dialogue::{Dialogue, FinishReason, Utterance};
use shared::money::Tokens;
use shared::plan::Meter;
use shared::telemetry::{Counts, Degraded, Spans, Work};

use crate::NAME;
use crate::body::{self, CompletionBody};
use crate::models::NO_ASSISTANT;
use crate::render::{ReplyEvents, ReplyName};

const SOURCE: HeaderName = HeaderName::from_static("x-clearview-source");
const DEGRADED: HeaderName = HeaderName::from_static("x-clearview-degraded");
/// Keeps a proxy from collecting a stream before it passes it on.
const UNBUFFERED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-accel-buffering"),
    HeaderValue::from_static("no"),
);

pub(crate) async fn answer(app: Arc<App>, mut call: Call) -> Response<AnswerBody> {
    let (principal, request, name) = match admit(&app, &mut call).await {
        Ok(admitted) => admitted,
        Err(error) => return unbuffered(call.close(&app, Err(error)).await),
    };
    let (streams, most) = (request.streams, request.dialogue.max_output);
    let (begun, ended) = chat::begin(Arc::clone(&app), principal, request).await;
    let begun = match begun {
        Ok(begun) if streams => begun,
        begun => {
            let outcome = whole(begun, &mut call, &name).await;
            if let Ok(ended) = ended.await {
                call.record.work = Some(work(&ended.figures));
                call.record.summary = Some(summary(&ended.figures, false, most));
                ended.figures.degraded.iter().for_each(|mode| call.record.note(*mode));
            }
            return unbuffered(call.close(&app, outcome).await);
        }
    };
    call.usage.clone_from(&begun.usage);
    let mut own = of_reply(&begun);
    own.push(UNBUFFERED);
    let (head, record) = call.begin(&app, "text/event-stream; charset=utf-8", &own);
    // The client may have gone: the record is written when the reply is settled, and the body ends after that.
    tokio::spawn(async move {
        if let Ok(ended) = ended.await {
            let figures = &ended.figures;
            record.end(&app, work(figures), &figures.degraded, summary(figures, true, most));
            drop(ended.pieces);
        }
    });
    let events = ReplyEvents::new(name, begun.pieces);
    head.map(|()| AnswerBody::Pieces(Box::new(events)))
}

/// Checks a request as far as nothing is charged or asked for it.
async fn admit(app: &App, call: &mut Call) -> Result<(Principal, ChatRequest, ReplyName), Error> {
    let body = http::with_whole_characters(call.take_json()?);
    // The credential comes before the body: a stranger learns nothing of its faults.
    let principal = call.principal(app).await?;
    let members: Map<String, Value> = http::parse(&body)?;
    let mut read = body::read(&members)?;
    let assistants = app.assistants.current(call.now).await;
    let assistant = Arc::clone(assistants.named(&read.model).ok_or(NO_ASSISTANT)?);
    if read.conversation.is_some() {
        // The turns before it are read from the conversation.
        read.utterances.drain(..read.utterances.len() - 1);
    }
    within(&assistant, &read.utterances)?;
    let idempotency = call.idempotency_key(&body)?;
    call.enter(app, &principal, Meter::Replies, 1).await?;
    let name = ReplyName {
        id: format!("chatcmpl-{}", new_correlation_id().replace('-', "")),
        created: call.now.seconds(),
        model: assistant.name.to_string(),
        includes_usage: read.includes_usage,
    };
    let CompletionBody {
        mut utterances,
        streams,
        most_output,
        sampling,
        format,
        conversation,
        ..
    } = read;
    let mut turn = None;
    if let (Some(id), [said]) = (conversation, utterances.as_slice()) {
        let recalled = chat::recall(app, &principal.user, id, said, assistant.max_input).await?;
        (turn, utterances) = (Some(recalled.turn), recalled.utterances);
    }
    let dialogue = Dialogue {
        system: Arc::clone(&assistant.system),
        utterances,
        max_output: most_output.map_or(assistant.max_output, |most| most.min(assistant.max_output)),
        sampling,
        format,
        // A name of ours: the provider learns no id that means anything elsewhere.
        user: digest::sha256_base64url(format!("provider:{}", principal.user.as_str()).as_bytes()),
    };
    let request = ChatRequest {
        assistant,
        dialogue,
        turn,
        streams,
        idempotency,
        trace: call.record.trace.parent.clone(),
        now: call.now,
    };
    Ok((principal, request, name))
}

/// Checks the length of all messages together.
fn within(assistant: &Assistant, utterances: &[Utterance]) -> Result<(), Error> {
    let bytes: usize = utterances.iter().map(|one| one.text.len()).sum();
    if bytes <= assistant.max_input {
        return Ok(());
    }
    let most = assistant.max_input;
    Err(Error::invalid(
        "/messages",
        format!("must have at most {most} bytes together, and have {bytes}"),
    ))
}

/// Collects a reply.
async fn whole(begun: Result<Begun, Error>, call: &mut Call, name: &ReplyName) -> Result<Reply, Error> {
    let mut begun = begun?;
    call.usage.clone_from(&begun.usage);
    let headers = of_reply(&begun);
    let (mut text, mut end): (String, Option<(FinishReason, Tokens)>) = (String::new(), None);
    while end.is_none() {
        match begun.pieces.recv().await {
            Some(Piece::Words(words)) => text.push_str(&words),
            Some(Piece::End(finish, tokens)) => end = Some((finish, tokens)),
            Some(Piece::Cut) | None => break,
        }
    }
    let (finish, tokens) = end.ok_or_else(|| Error::ModelUnavailable(Outage("the reply was cut".to_owned())))?;
    Ok(Reply::json(StatusCode::OK, &name.whole(&text, finish, tokens))?.with_headers(headers))
}

/// Returns the headers that say of a reply where it comes from, and what was done without.
fn of_reply(begun: &Begun) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![(SOURCE, HeaderValue::from_static(begun.source.name()))];
    let names: Vec<&str> = begun.degraded.iter().map(|mode| Degraded::name(*mode)).collect();
    if let (false, Ok(value)) = (names.is_empty(), HeaderValue::from_str(&names.join(", "))) {
        headers.push((DEGRADED, value));
    }
    headers
}

/// Returns the figures of a request for the record: its units are tokens.
fn work(figures: &ChatFigures) -> Work {
    let mut work = Work::of(NAME);
    work.counts = Counts {
        units: usize::try_from(figures.tokens.input + figures.tokens.output).unwrap_or(usize::MAX),
        charged: figures.charged,
        refunded: figures.refunded,
        refund_lost: figures.lost,
        ..figures.tally.counts(1)
    };
    work.models = figures.bill.counts();
    // A reply that is not remembered passes no cache, which would have counted it.
    work.counts.asked = work.counts.asked.max(usize::from(work.models.calls > 0));
    work.spans = Spans {
        lookup: figures.lookup,
        asking: figures.asking,
        settling: figures.settling,
    };
    work.kept = figures.tally.kept;
    work.ambiguous_charge = figures.is_ambiguous;
    work.model_failure.clone_from(&figures.model_failure);
    work
}

/// Returns the outcome for the record.
fn summary(figures: &ChatFigures, streamed: bool, max_output: u32) -> Value {
    json!({
        "source": figures.source.map(ReplySource::name),
        "streamed": streamed,
        "cut": figures.is_cut,
        "promptTokens": figures.tokens.input,
        "completionTokens": figures.tokens.output,
        "usageEstimated": figures.is_estimated,
        "reserved": figures.reserved,
        "maxOutput": max_output,
        "firstTokenMs": figures.first_words.map(|wait| wait.as_millis()),
    })
}
