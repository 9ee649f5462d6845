//! A submit: the work is checked, charged and sent.

use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{LOCATION, RETRY_AFTER};
use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::clock::Timestamp;
use shared::error::{Error, Violation};
use shared::http::{self, Call, DayUsage, Reply};
use shared::jobs::body::{BodyParser, JobBody, JobHead};
use shared::jobs::capture;
use shared::jobs::capture::body::LARGEST_INLINE;
use shared::jobs::store::Ending;
use shared::jobs::submit::{Submission, Submitted, submit};
use shared::telemetry::Degraded;

/// The largest body: with its envelope it is a message of the queue.
const LARGEST: usize = 768 * 1024;

/// The time that a job is taken to need while nobody knows.
const UNKNOWN_WAIT: Duration = Duration::from_secs(10);

/// Reads what a client wrote: strictly, and with the place of a fault.
struct ClientBody;

impl BodyParser for ClientBody {
    type Fault = Error;

    fn parse<'a, T: Deserialize<'a>>(&self, text: &'a [u8]) -> Result<T, Error> {
        http::parse(text)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubmitResponse<'a> {
    job_id: &'a str,
    status: &'static str,
    estimated_ms: u64,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<DayUsage<'a>>,
}

fn check(app: &App, body: &JobBody<'_>) -> Result<(), Error> {
    let mut violations = body.violations();
    if let Some(name) = body.webhook()
        && !app.webhook_names.iter().any(|known| known == name)
    {
        violations.push(Violation::at("/webhook", "is none of this service's webhooks"));
    }
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    if matches!(body, JobBody::Detect(job) if job.is_too_large()) {
        let limit_bytes = LARGEST_INLINE;
        return Err(Error::UploadNeeded { limit_bytes });
    }
    Ok(())
}

pub(crate) async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let sent = http::with_whole_characters(call.take_json()?);
    if sent.len() > LARGEST {
        return Err(Error::PayloadTooLarge { limit_bytes: LARGEST });
    }
    let principal = call.principal(app).await?;
    let JobHead { r#type: kind } = http::parse(&sent)?;
    let body = JobBody::read(kind, &ClientBody, &sent)?;
    check(app, &body)?;
    let idempotency = call.idempotency_key(&sent)?;
    let metered = (kind.meter(), u64::from(body.units()));
    let admitted = call
        .enter_later_work(app, &principal, metered, (crate::NAME, crate::PER_MINUTE))
        .await?;
    let seen = match &body {
        JobBody::Detect(job) => capture::see_upload(app, &principal, (job, &sent), idempotency.is_some()).await?,
        _ => None,
    };
    let submission = Submission {
        kind,
        body: &body,
        written: seen.as_deref().unwrap_or(&sent),
        idempotency,
        correlation_id: &call.record.correlation_id,
        trace: call.record.trace.parent.as_deref(),
        now: call.now,
    };
    let submitted = submit(app, &principal, &admitted, &submission).await?;
    if !submitted.is_sure {
        call.record.note(Degraded::Quota);
    }
    let reply = reply(&submitted, call.now)?;
    call.usage = submitted.usage;
    Ok(reply)
}

/// Returns the answer to a submit: where the job is, and when to look.
fn reply(submitted: &Submitted, now: Timestamp) -> Result<Reply, Error> {
    let left = submitted.job.expires_at().since(now);
    let wait = match &submitted.ended {
        Some(_) => Duration::ZERO,
        None => submitted.wait.unwrap_or(UNKNOWN_WAIT).min(left),
    };
    let job = submitted.job.as_str();
    let reply = Reply::json(
        StatusCode::ACCEPTED,
        &SubmitResponse {
            job_id: job,
            status: match submitted.ended.as_ref().map(|ended| &ended.ending) {
                None => "queued",
                Some(Ending::Done(_)) => "done",
                Some(Ending::Failed(_)) => "failed",
            },
            estimated_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            expires_at: submitted.job.expires_at().to_string(),
            usage: submitted.usage.as_ref().map(DayUsage::of),
        },
    )?;
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    Ok(reply
        .with_header(LOCATION, &format!("/v1/jobs/{job}"))
        .with_header(RETRY_AFTER, &seconds.to_string()))
}
