//! `POST /v1/detect`: how safe is this image, or each of a batch?

mod answer;
mod body;

use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use shared::app::App;
use shared::detect::{self, Capture, Figures, Payment, cadence};
use shared::error::Error;
use shared::http::{Call, Media, Reply, Route};
use shared::limits::device::Device;
use shared::plan::Meter;

use self::body::CaptureRequest;

/// The name of this function.
pub const NAME: &str = detect::WORKLOAD;

/// The route that this function answers.
pub const ROUTES: [Route<()>; 1] = [(Method::POST, "/v1/detect", ())];

/// The types of images that are read. The bytes decide which of them it is.
const TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// Answers one request.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    let mut call = Call::open(app, NAME, request);
    call.pace_captures();
    let outcome = answer(app, &mut call).await;
    call.close(app, outcome).await
}

async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    if call.route(&ROUTES)?.is_none() {
        return Ok(Reply::preflight());
    }
    let media = call.take_media(&TYPES)?;
    let principal = call.principal(app).await?;
    let idempotency = match &media {
        Media::Json(body) | Media::File(body) => call.idempotency_key(body)?,
    };
    let asked = CaptureRequest::read(call, media)?;

    let device = Device {
        name: &asked.device,
        paces: cadence::PACES,
    };
    let units = (Meter::Images, asked.images.len() as u64);
    let mut admitted = call.enter_device(app, &principal, units, device).await?;
    let capture = Capture {
        images: asked.images,
        application: &asked.application,
        device: &asked.device,
        arrival: admitted.arrival.take(),
        payment: Payment::WhenJudged(&admitted),
        idempotency,
        trace: call.record.trace.parent.clone(),
        now: call.now,
        sent_at: call.now,
    };
    let mut figures = Figures::default();
    let detected = detect::run(app, &principal, &capture, &mut figures).await;

    call.record.work = Some(figures.work());
    call.record.statistics = Some(detected.statistics);
    call.record.summary = Some(figures.summary(&detected));
    detected.degraded.iter().for_each(|mode| call.record.note(*mode));
    call.usage.clone_from(&detected.usage);
    let form = answer::AnswerForm {
        batch: asked.ids.as_deref(),
        explain: asked.explain,
        flag_level: app.config.detect.flag_level,
    };
    answer::reply(call, &form, detected)
}
