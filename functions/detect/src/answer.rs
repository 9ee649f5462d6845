//! The answer about one image, or about each of a batch.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::detect::shown::ShownDetection;
use shared::detect::{Detected, Detection};
use shared::error::Error;
use shared::http::{self, Call, Reply};
use shared::telemetry::Degraded;

/// The form of an answer.
pub(crate) struct AnswerForm<'a> {
    /// The caller's ids of a batch.
    pub(crate) batch: Option<&'a [String]>,
    /// True if the judge's own words are wanted.
    pub(crate) explain: bool,
    /// The level from which on an image is flagged.
    pub(crate) flag_level: u8,
}

#[derive(Serialize)]
struct DetectResponse<'a> {
    #[serde(flatten)]
    content: Content<'a>,
    #[serde(flatten)]
    rest: Rest<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    One(ShownDetection<'a>),
    Batch { results: Vec<BatchResult<'a>> },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest<'a> {
    next_capture_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<http::DayUsage<'a>>,
    degraded: &'a [Degraded],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchResult<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detection_id: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    finding: Option<ShownDetection<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<http::ErrorOfOne>,
}

/// Answers a capture. The one image of a request that is no batch decides its status.
///
/// # Errors
/// The error of that image.
pub(crate) fn reply(call: &Call, form: &AnswerForm<'_>, detected: Detected) -> Result<Reply, Error> {
    let Detected {
        mut detections,
        next_capture,
        ..
    } = detected;
    let alone;
    let content = if let Some(ids) = form.batch {
        let results = ids
            .iter()
            .zip(&detections)
            .map(|(id, detection)| result(form, id, detection));
        Content::Batch {
            results: results.collect(),
        }
    } else {
        let lost = || Err(Error::Internal("a capture has no image".into()));
        alone = detections.pop().unwrap_or_else(lost)?;
        Content::One(finding(form, &alone, Some(&alone.id)))
    };
    Reply::json(
        StatusCode::OK,
        &DetectResponse {
            content,
            rest: Rest {
                next_capture_ms: u64::try_from(next_capture.as_millis()).unwrap_or(u64::MAX),
                usage: call.usage.as_ref().map(http::DayUsage::of),
                degraded: &call.record.degraded,
            },
        },
    )
}

fn result<'a>(form: &AnswerForm<'_>, id: &'a str, detection: &'a Result<Detection, Error>) -> BatchResult<'a> {
    let found = detection.as_ref().ok();
    BatchResult {
        id,
        detection_id: found.map(|detection| detection.id.as_str()),
        finding: found.map(|detection| finding(form, detection, None)),
        error: detection.as_ref().err().map(http::ErrorOfOne::of),
    }
}

fn finding<'a>(form: &AnswerForm<'_>, detection: &'a Detection, id: Option<&'a str>) -> ShownDetection<'a> {
    let judgement = detection.judgement.as_ref();
    let mut shown = ShownDetection::of(detection, form.flag_level);
    shown.id = id;
    shown.labels = judgement.map(|judgement| &judgement.labels).filter(|_| form.explain);
    shown
}
