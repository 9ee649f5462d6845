//! Answers whose body may come piece by piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{self, HeaderName, HeaderValue};
use lambda_http::{Body, Response};

use super::{Call, limits, openai_error};
use crate::app::App;
use crate::clock::Stopwatch;
use crate::telemetry::{Degraded, Http, Record, Work};

/// A source of the pieces of a body. It never fails: what goes wrong midway is said in the body's own form.
pub trait Pieces: Send + Sync {
    /// Returns the next piece; `None` at the end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;
}

/// The body of an answer: whole, or piece by piece.
pub enum AnswerBody {
    /// All of it; `None` once it was taken.
    Whole(Option<Bytes>),
    /// Pieces as they come.
    Pieces(Box<dyn Pieces>),
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()),
            Self::Pieces(pieces) => ready!(pieces.poll_piece(context)),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

impl AnswerBody {
    /// A body that is whole.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }
}

/// Returns an answer with a body that may come piece by piece.
#[must_use]
pub fn unbuffered(answer: Response<Body>) -> Response<AnswerBody> {
    answer.map(|body| match body {
        Body::Text(text) => AnswerBody::whole(text),
        Body::Binary(bytes) => AnswerBody::whole(bytes),
        // Empty: no function makes any other.
        _ => AnswerBody::Whole(None),
    })
}

/// Waits for the whole of an answer.
pub async fn buffered(answer: Response<AnswerBody>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let Ok(body) = body.collect().await;
    let body = body.to_bytes();
    let body = match String::from_utf8(body.to_vec()) {
        Ok(text) if text.is_empty() => Body::Empty,
        Ok(text) => Body::Text(text),
        Err(error) => Body::Binary(error.into_bytes()),
    };
    Response::from_parts(parts, body)
}

/// The record of an answer that is not at its end.
#[must_use = "a record is written when the answer is at its end"]
pub struct Unfinished {
    record: Record,
    stopwatch: Stopwatch,
}

impl Call {
    /// Begins an answer of 200 whose body comes piece by piece, and returns its head. Its record is written later.
    pub fn begin(
        mut self,
        app: &App,
        content_type: &'static str,
        own: &[(HeaderName, HeaderValue)],
    ) -> (Response<()>, Unfinished) {
        let mut headers = super::answer::of_every_answer("no-store", &self.record.correlation_id);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.add_cors(app, &mut headers);
        limits::add(&mut headers, &self.standings, self.usage.as_ref(), self.now);
        openai_error::name_request(&mut headers, &self.record.correlation_id);
        headers.extend(own.iter().cloned());
        self.record.http = Some(Http {
            method: self.method.to_string(),
            route: std::mem::take(&mut self.route),
            status: StatusCode::OK.as_u16(),
        });
        self.record.quota_left_percent = self.usage.as_ref().map(super::answer::left_percent);
        let mut response = Response::new(());
        *response.headers_mut() = headers;
        let unfinished = Unfinished {
            record: self.record,
            stopwatch: self.stopwatch,
        };
        (response, unfinished)
    }
}

impl Unfinished {
    /// Writes the record: the answer is at its end.
    pub fn end(mut self, app: &App, work: Work, degraded: &[Degraded], summary: serde_json::Value) {
        let record = &mut self.record;
        for mode in degraded {
            record.note(*mode);
        }
        (record.outcome, record.level) = match record.degraded.as_slice() {
            [] => ("ok", "info"),
            _ => ("degraded", "warn"),
        };
        (record.work, record.summary) = (Some(work), Some(summary));
        record.took(self.stopwatch);
        app.telemetry.emit(record);
    }
}
