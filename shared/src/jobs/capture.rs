//! An image as a job: sent with it, or uploaded before.

pub mod body;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use self::body::{DetectJob, SeenObject};
use super::message::JobMessage;
use super::upload::MOST_BYTES;
use crate::app::App;
use crate::clock::Timestamp;
use crate::detect::shown::ShownDetection;
use crate::detect::{self, Capture, Detection, Figures, ImageFile, Payment};
use crate::digest::sha256_base64url;
use crate::error::{Error, Outage};
use crate::identity::Principal;
use crate::ids::UserId;
use crate::objects::Content;
use crate::telemetry::{Degraded, Work};

/// Looks at the upload that a job names, and returns the job's body with what was seen; `None` for a job without one. A repeated
/// submit may find its upload judged and gone: `is_repeatable` lets it pass, and a worker fails it if it was no repetition.
///
/// # Errors
/// [`Error::Invalid`] if there is none, or of another type or size; [`Error::Unavailable`] while the bucket is down.
pub async fn see_upload(
    app: &App,
    principal: &Principal,
    (job, written): (&DetectJob<'_>, &[u8]),
    is_repeatable: bool,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(id) = job.upload() else { return Ok(None) };
    let objects = app.objects.as_ref().ok_or_else(no_bucket)?;
    let stored = objects.head(&id.key(&principal.user)).await?;
    let etag = match stored {
        Some(stored) if super::upload::is_acceptable(&stored) => stored.etag,
        Some(_) => {
            return Err(Error::invalid(
                "/uploadId",
                "what was uploaded is of another type or size",
            ));
        }
        None if is_repeatable => String::new(),
        None => {
            return Err(Error::invalid(
                "/uploadId",
                "nothing was uploaded under it, or it was judged before",
            ));
        }
    };
    let mut body: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(written).map_err(|error| Error::Internal(Box::new(error)))?;
    body.insert("object".to_owned(), serde_json::json!(SeenObject { etag }));
    let body = serde_json::to_vec(&body).map_err(|error| Error::Internal(Box::new(error)))?;
    Ok(Some(body))
}

fn no_bucket() -> Outage {
    Outage("there is no bucket for uploads".to_owned())
}

/// Deletes the upload of a job that has ended.
///
/// # Errors
/// When the bucket is down.
pub(super) async fn discard_upload(app: &App, message: &JobMessage) -> Result<(), Outage> {
    let job: Option<DetectJob<'_>> = serde_json::from_str(message.body.get()).ok();
    match (job.and_then(|job| job.upload()), &app.objects) {
        (Some(id), Some(objects)) => objects.delete(&id.key(&message.principal.user)).await,
        _ => Ok(()),
    }
}

/// The outcome of an image.
#[derive(Debug)]
pub(super) enum CaptureRun {
    /// It was judged, or nobody could: its result, and if it was free.
    Judged {
        result: String,
        is_free: bool,
        failed_open: bool,
    },
    /// It is no image that can be judged.
    Unreadable,
    /// Its upload is gone, or is not the one that was submitted.
    Lost,
    /// It could not be read, or not judged for a defect of ours.
    Again(Outage),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DetectResult<'a> {
    #[serde(flatten)]
    shown: ShownDetection<'a>,
    degraded: &'a [Degraded],
}

/// Judges the image of a job.
pub(super) async fn run(
    app: &App,
    message: &JobMessage,
    job: &DetectJob<'_>,
    now: Timestamp,
) -> (CaptureRun, Option<Work>, Vec<Degraded>) {
    let bytes = match read(app, &message.principal.user, job).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return (CaptureRun::Lost, None, Vec::new()),
        Err(outage) => return (CaptureRun::Again(outage), None, Vec::new()),
    };
    // However often the job runs, it is one detection.
    let id = format!("det_{}", &sha256_base64url(message.job.as_str().as_bytes())[..22]);
    let capture = Capture {
        images: vec![ImageFile {
            id,
            bytes: Arc::new(bytes),
        }],
        application: job.application.as_deref().unwrap_or_default(),
        device: job.device.as_deref().unwrap_or_default(),
        payment: Payment::Settled,
        arrival: None,
        idempotency: None,
        trace: message.trace.clone(),
        now,
        sent_at: message.job.submitted_at,
    };
    let mut figures = Figures::default();
    let detected = detect::run(app, &message.principal, &capture, &mut figures).await;
    let (work, degraded) = (Some(figures.work()), detected.degraded);
    let run = match detected.detections.into_iter().next() {
        Some(Ok(detection)) => judged(app, &detection, &degraded),
        Some(Err(Error::UnreadableImage(_))) => CaptureRun::Unreadable,
        Some(Err(error)) => CaptureRun::Again(Outage(error.cause().unwrap_or_else(|| error.to_string()))),
        None => CaptureRun::Again(Outage("a capture has no image".to_owned())),
    };
    (run, work, degraded)
}

fn judged(app: &App, detection: &Detection, degraded: &[Degraded]) -> CaptureRun {
    let result = DetectResult {
        shown: ShownDetection::of(detection, app.config.detect.flag_level),
        degraded,
    };
    match serde_json::to_string(&result) {
        Ok(result) => CaptureRun::Judged {
            result,
            is_free: detection.source.is_remembered() || detection.failed_open(),
            failed_open: detection.failed_open(),
        },
        Err(error) => CaptureRun::Again(Outage(error.to_string())),
    }
}

/// Returns the bytes of the image; `None` if they are not those that were submitted.
async fn read(app: &App, user: &UserId, job: &DetectJob<'_>) -> Result<Option<Vec<u8>>, Outage> {
    if let Some(image) = &job.image {
        return Ok(STANDARD.decode(&**image).ok());
    }
    let (Some(id), Some(seen)) = (job.upload(), &job.object) else {
        return Ok(None);
    };
    let objects = app.objects.as_ref().ok_or_else(no_bucket)?;
    Ok(match objects.get(&id.key(user), &seen.etag, MOST_BYTES).await? {
        Content::Whole(bytes) => Some(bytes),
        Content::Gone | Content::Changed | Content::TooLarge => None,
    })
}
