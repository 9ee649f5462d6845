//! A poll: what came of a job, as its id and the table say.

use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::app::App;
use shared::error::Error;
use shared::http::{Call, Reply};
use shared::jobs::id::Age;
use shared::jobs::store::Ending;
use shared::jobs::{JobFault, JobId, Kind, submit, work};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PollResponse<'a> {
    job_id: &'a str,
    r#type: Kind,
    status: &'static str,
    submitted_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JobProblem>,
}

#[derive(Serialize)]
struct JobProblem {
    error: JobFault,
    detail: &'static str,
    retryable: bool,
}

pub(crate) async fn answer(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    call.visit(app).await?;
    let keys = submit::keys(app, call.now).await?;
    let (user, now) = (&principal.user, call.now);
    let job = JobId::verify(&keys, user, call.path_parameter("jobId")).ok_or(Error::NotFound)?;
    let age = job.age(now);
    if age == Age::Forgotten {
        return Err(Error::NotFound);
    }
    let mut ended = app.jobs.read(user, &job).await.map_err(Error::Unavailable)?;
    if ended.is_none() && age == Age::Expired {
        ended = work::expire(app, user, &job, now).await.map_err(Error::Unavailable)?;
    }
    let mut answer = PollResponse {
        job_id: job.as_str(),
        r#type: job.kind,
        status: "queued",
        submitted_at: job.submitted_at.to_string(),
        finished_at: ended.as_ref().map(|ended| ended.at.to_string()),
        result: None,
        error: None,
    };
    match ended.map(|ended| ended.ending) {
        None => {}
        Some(Ending::Done(result)) => {
            answer.status = "done";
            let result = RawValue::from_string(result);
            answer.result = Some(result.map_err(|error| Error::Internal(Box::new(error)))?);
        }
        Some(Ending::Failed(fault)) => {
            answer.status = "failed";
            answer.error = Some(JobProblem {
                error: fault,
                detail: fault.detail(),
                retryable: fault.retryable(),
            });
        }
    }
    Reply::json(StatusCode::OK, &answer)
}
