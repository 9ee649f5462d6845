//! `/v1/experiments`: an experiment is submitted as a job is, and kept longer.

use lambda_http::http::StatusCode;
use lambda_http::http::header::{LOCATION, RETRY_AFTER};
use serde::Serialize;
use shared::app::App;
use shared::error::Error;
use shared::http::{self, Call, Reply};
use shared::identity::Principal;
use shared::jobs::body::JobBody;
use shared::jobs::experiment::view;
use shared::jobs::submit::{Submission, submit};
use shared::jobs::{JobId, Kind, experiment};
use shared::rank::experiment::{
    AverageRank, CategoryChanges, CategoryOutcome, Design, Experiment, Progress, RankChange, average_ranks, compare,
    progress_of,
};
use shared::telemetry::Degraded;

/// The usual time of an experiment: a few calls to a model.
const RETRY_SECONDS: &str = "5";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started<'a> {
    experiment_id: &'a str,
    status: Progress,
}

pub(crate) async fn start(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let sent = http::with_whole_characters(call.take_json()?);
    let principal = call.principal(app).await?;
    let design: Design = http::parse(&sent)?;
    let body = JobBody::Experiment(design.clone());
    let violations = body.violations();
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    let idempotency = call.idempotency_key(&sent)?;
    let kind = Kind::Experiment;
    let metered = (kind.meter(), u64::from(body.units()));
    let admitted = call
        .enter_later_work(app, &principal, metered, (crate::NAME, crate::PER_MINUTE))
        .await?;
    let submission = Submission {
        kind,
        body: &body,
        written: &sent,
        idempotency,
        correlation_id: &call.record.correlation_id,
        trace: call.record.trace.parent.as_deref(),
        now: call.now,
    };
    let submitted = submit(app, &principal, &admitted, &submission).await?;
    if !submitted.is_sure {
        call.record.note(Degraded::Quota);
    }
    let queued = experiment::queued(&submitted.job, design);
    // Without it the experiment is on no list until its worker has written it: the message has all of it.
    if let Err(error) = app.experiments.begin(&principal.user, &queued).await {
        tracing::warn!(%error, "an experiment is not listed yet");
    }
    let known = view::current(app, &principal.user, queued, call.now).await;
    let known = known.map_err(Error::Unavailable)?;
    call.usage = submitted.usage;
    let reply = Reply::json(
        StatusCode::ACCEPTED,
        &Started {
            experiment_id: &known.id,
            status: status(&known),
        },
    )?;
    Ok(reply
        .with_header(LOCATION, &format!("/v1/experiments/{}", known.id))
        .with_header(RETRY_AFTER, RETRY_SECONDS))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    experiment_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    status: Progress,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
}

impl<'a> Summary<'a> {
    fn of(experiment: &'a Experiment) -> Self {
        Self {
            experiment_id: &experiment.id,
            name: experiment.design.name.as_deref(),
            status: status(experiment),
            created_at: experiment.created_at.to_string(),
            finished_at: experiment.finished_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Serialize)]
struct Listing<'a> {
    experiments: Vec<Summary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
}

pub(crate) async fn list(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    let cursor = match call.query("cursor").as_slice() {
        [] => None,
        [cursor] => Some(((*cursor).to_owned(), job_of(cursor).ok_or_else(no_cursor)?)),
        _ => return Err(no_cursor()),
    };
    call.visit(app).await?;
    let after = cursor.as_ref().map(|(id, job)| (id.as_str(), job.submitted_at));
    let page = app.experiments.list(&principal.user, after).await?;
    let mut experiments = Vec::with_capacity(page.experiments.len());
    for one in page.experiments {
        experiments.push(view::current(app, &principal.user, one, call.now).await?);
    }
    let listing = Listing {
        experiments: experiments.iter().map(Summary::of).collect(),
        next: page.last.as_deref(),
    };
    Reply::json(StatusCode::OK, &listing)
}

fn no_cursor() -> Error {
    Error::invalid("?cursor", "must be the next of a page, once")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    items: &'a [String],
    samples: usize,
    categories: &'a [CategoryOutcome],
    average_ranks: Vec<AverageRank>,
}

pub(crate) async fn show(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    call.visit(app).await?;
    let found = find(app, call, &principal, "experimentId").await?;
    let queued: Vec<CategoryOutcome>;
    let categories = if found.finished_at.is_some() {
        &found.categories
    } else {
        queued = found
            .design
            .categories
            .iter()
            .map(|category| waiting(category))
            .collect();
        &queued
    };
    let whole = Whole {
        summary: Summary::of(&found),
        items: &found.design.items,
        samples: found.design.samples,
        categories,
        average_ranks: average_ranks(categories),
    };
    Reply::json(StatusCode::OK, &whole)
}

fn waiting(category: &str) -> CategoryOutcome {
    CategoryOutcome {
        category: category.to_owned(),
        status: Progress::Queued,
        results: Vec::new(),
        agreement: None,
        source: None,
    }
}

pub(crate) async fn delete(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    call.visit(app).await?;
    let found = find(app, call, &principal, "experimentId").await?;
    if found.finished_at.is_none() {
        // Its worker would write it again.
        return Err(Error::Conflict {
            retry_after: std::time::Duration::from_secs(5),
        });
    }
    app.experiments
        .delete(&principal.user, &found.id, found.created_at)
        .await?;
    Ok(Reply::empty())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Comparison<'a> {
    experiment_id: &'a str,
    other: &'a str,
    categories: Vec<CategoryChanges>,
    average_ranks: Vec<RankChange<f64>>,
}

pub(crate) async fn compare_two(app: &App, call: &mut Call) -> Result<Reply, Error> {
    let principal = call.principal(app).await?;
    call.visit(app).await?;
    let this = find(app, call, &principal, "experimentId").await?;
    let other = find(app, call, &principal, "other").await?;
    let (categories, average_ranks) = compare(&this.categories, &other.categories);
    let comparison = Comparison {
        experiment_id: &this.id,
        other: &other.id,
        categories,
        average_ranks,
    };
    Reply::json(StatusCode::OK, &comparison)
}

fn job_of(id: &str) -> Option<JobId> {
    experiment::job_of(id).filter(|job| job.kind == Kind::Experiment)
}

/// Returns the user's experiment that an open part of the path names.
async fn find(app: &App, call: &Call, principal: &Principal, part: &str) -> Result<Experiment, Error> {
    let id = call.path_parameter(part);
    let job = job_of(id).ok_or(Error::NotFound)?;
    let found = app.experiments.read(&principal.user, id, job.submitted_at).await?;
    let found = found.ok_or(Error::NotFound)?;
    Ok(view::current(app, &principal.user, found, call.now).await?)
}

fn status(experiment: &Experiment) -> Progress {
    match experiment.finished_at {
        None => Progress::Queued,
        Some(_) => progress_of(&experiment.categories),
    }
}
