//! The work of each kind of job: the use case of its workload, charged beforehand.

use futures_util::future::join_all;
use serde::Serialize;

use super::JobFault;
use super::body::{ClassifyJob, JobBody, RankJob};
use super::capture::body::DetectJob;
use super::capture::{self, CaptureRun};
use super::experiment::categories;
use super::message::{CheckedBody, JobMessage};
use crate::admission;
use crate::app::App;
use crate::classify::body::PostVerdict;
use crate::classify::{self, Batch, Classified, Outcome, Source};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::object::Object;
use crate::rank::experiment::{Design, Progress};
use crate::rank::{self, Figures, Question};
use crate::telemetry::{Degraded, Work};

/// The most posts that are judged together, as in a request.
const BATCH: usize = 50;

/// The batches of a job that are judged at the same time.
const BATCHES_AT_ONCE: usize = 4;

/// The outcome of a run.
#[derive(Debug)]
pub enum Run {
    /// A result as JSON, and how many units were not used.
    Done {
        /// The result.
        result: String,
        /// Units that nobody could judge.
        unused: u16,
    },
    /// It fails however often it is tried.
    Failed(JobFault),
    /// Another run may bring more.
    Again {
        /// The fault, if there is no other run.
        fault: JobFault,
        /// The reason, for the log.
        cause: String,
        /// The result if this was the last run, rather than the fault.
        meanwhile: Option<(String, u16)>,
    },
}

/// A run with its figures for the record.
#[derive(Debug)]
pub struct RunReport {
    /// The result.
    pub run: Run,
    /// The costs.
    pub work: Option<Work>,
    /// The parts of the service that were down.
    pub degraded: Vec<Degraded>,
}

impl RunReport {
    const fn failed(fault: JobFault) -> Self {
        Self {
            run: Run::Failed(fault),
            work: None,
            degraded: Vec::new(),
        }
    }
}

/// Does the work of a message.
pub async fn run(app: &App, message: &JobMessage, now: Timestamp) -> RunReport {
    let body = message.body.get().as_bytes();
    match JobBody::read(message.job.kind, &CheckedBody, body) {
        Ok(JobBody::Classify(job)) => classify(app, message, &job, now).await,
        Ok(JobBody::Rank(job)) => rank(app, message, &job, now).await,
        Ok(JobBody::Experiment(design)) => experiment(app, message, &design, now).await,
        Ok(JobBody::Detect(job)) => detect(app, message, &job, now).await,
        Err(()) => RunReport::failed(JobFault::InvalidRequest),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClassifyResult<'a> {
    results: Vec<PostVerdict<'a>>,
    preference_version: &'a str,
    degraded: &'a [Degraded],
}

async fn classify(app: &App, message: &JobMessage, job: &ClassifyJob<'_>, now: Timestamp) -> RunReport {
    let batches: Vec<Batch<'_>> = job
        .posts
        .chunks(BATCH)
        .map(|posts| Batch {
            preference: &job.preference,
            posts: posts.iter().map(|Object(post)| &*post.text).collect(),
            explain: false,
            idempotency: None,
            trace: message.trace.clone(),
        })
        .collect();
    let principal = &message.principal;
    let admitted = admission::prepaid(principal, message.job.meter(), now);
    let mut classified: Vec<Classified> = Vec::with_capacity(batches.len());
    for some in batches.chunks(BATCHES_AT_ONCE) {
        let runs = some
            .iter()
            .map(|batch| classify::run(app, principal, batch, &admitted, now));
        for run in join_all(runs).await {
            match run {
                Ok(one) => classified.push(one),
                Err(error) => return unexpected(&error),
            }
        }
    }
    let work = classified.iter().map(|one| one.work.clone()).reduce(added);
    let mut degraded: Vec<Degraded> = classified.iter().flat_map(|one| one.degraded.iter().copied()).collect();
    degraded.sort_unstable();
    degraded.dedup();
    let outcomes: Vec<&Outcome> = classified.iter().flat_map(|one| &one.outcomes).collect();
    let unjudged = outcomes
        .iter()
        .filter(|outcome| outcome.source == Source::Default)
        .count();
    let unused = u16::try_from(unjudged).unwrap_or(u16::MAX);
    let threshold = app.config.hide_threshold;
    let results = job.posts.iter().zip(outcomes);
    let result = ClassifyResult {
        results: results
            .map(|(Object(post), outcome)| PostVerdict::of(&post.id, outcome, threshold))
            .collect(),
        preference_version: classified.first().map_or("", |one| &one.preference_version),
        degraded: &degraded,
    };
    let run = match (written(&result), unused) {
        (Err(run), _) => run,
        (Ok(result), 0) => Run::Done { result, unused },
        (Ok(result), _) => Run::Again {
            fault: JobFault::ModelUnavailable,
            cause: format!("{unused} posts could not be judged"),
            meanwhile: Some((result, unused)),
        },
    };
    RunReport { run, work, degraded }
}

/// Adds the figures of one batch to those before it.
fn added(mut sum: Work, one: Work) -> Work {
    sum.counts += one.counts;
    sum.models += one.models;
    sum.spans.lookup += one.spans.lookup;
    sum.spans.asking += one.spans.asking;
    sum.spans.settling += one.spans.settling;
    sum.kept = one.kept;
    sum.model_failure = sum.model_failure.or(one.model_failure);
    sum
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RankingResult<'a> {
    results: Vec<rank::body::RankResult<'a>>,
    agreement: f64,
    source: &'static str,
    cached: bool,
    ranking_version: &'a str,
    degraded: &'a [Degraded],
}

async fn rank(app: &App, message: &JobMessage, job: &RankJob<'_>, now: Timestamp) -> RunReport {
    let asked = job.asked();
    let items = asked.items();
    let samples = asked.samples;
    let request = rank::Request {
        question: Question::of(asked.query, asked.criteria, &items, samples, job.explain),
        may_stand_in: false,
        idempotency: None,
        trace: message.trace.clone(),
        now,
    };
    let principal = &message.principal;
    let admitted = admission::prepaid(principal, message.job.meter(), now);
    let mut figures = Figures::default();
    let ranked = rank::run(app, principal, &request, &admitted, &mut figures).await;
    let work = Some(figures.work(samples));
    let ranked = match ranked {
        Ok(ranked) => ranked,
        Err(Error::ModelUnavailable(outage)) => {
            let run = Run::Again {
                fault: JobFault::ModelUnavailable,
                cause: outage.to_string(),
                meanwhile: None,
            };
            let degraded = vec![Degraded::Model];
            return RunReport { run, work, degraded };
        }
        Err(error) => return unexpected(&error),
    };
    let result = RankingResult {
        results: rank::body::results(&request.question, &items, &ranked.ranking),
        agreement: ranked.ranking.agreement,
        source: ranked.source.name(),
        cached: matches!(ranked.source, rank::Source::Cache | rank::Source::Stale),
        ranking_version: &ranked.version,
        degraded: &ranked.degraded,
    };
    let missing = samples.saturating_sub(ranked.ranking.samples);
    let run = written(&result).map_or_else(
        |run| run,
        |result| Run::Done {
            result,
            unused: u16::try_from(missing).unwrap_or(u16::MAX),
        },
    );
    RunReport {
        run,
        work,
        degraded: ranked.degraded,
    }
}

async fn experiment(app: &App, message: &JobMessage, design: &Design, now: Timestamp) -> RunReport {
    let ranked = categories::run(app, message, design, now).await;
    let some = ranked.outcomes.iter().any(|one| one.status == Progress::Done);
    let unused = u16::try_from(ranked.unused).unwrap_or(u16::MAX);
    let run = match (written(&ranked.outcomes), ranked.cause) {
        (Err(run), _) => run,
        (Ok(result), None) => Run::Done { result, unused },
        (Ok(result), Some(cause)) => Run::Again {
            fault: JobFault::ModelUnavailable,
            cause,
            meanwhile: some.then_some((result, unused)),
        },
    };
    RunReport {
        run,
        work: ranked.works.into_iter().reduce(added),
        degraded: ranked.degraded,
    }
}

async fn detect(app: &App, message: &JobMessage, job: &DetectJob<'_>, now: Timestamp) -> RunReport {
    let (ran, work, degraded) = capture::run(app, message, job, now).await;
    let run = match ran {
        CaptureRun::Judged {
            result,
            is_free,
            failed_open: false,
        } => Run::Done {
            result,
            unused: u16::from(is_free),
        },
        CaptureRun::Judged { result, .. } => Run::Again {
            fault: JobFault::ModelUnavailable,
            cause: "nobody could judge".to_owned(),
            meanwhile: Some((result, 1)),
        },
        CaptureRun::Unreadable => Run::Failed(JobFault::UnreadableImage),
        CaptureRun::Lost => Run::Failed(JobFault::InvalidRequest),
        CaptureRun::Again(outage) => Run::Again {
            fault: JobFault::Unavailable,
            cause: outage.0,
            meanwhile: None,
        },
    };
    RunReport { run, work, degraded }
}

fn written(result: &impl Serialize) -> Result<String, Run> {
    serde_json::to_string(result).map_err(|error| again(&error))
}

fn unexpected(error: &Error) -> RunReport {
    let cause = error.cause().unwrap_or_else(|| error.to_string());
    RunReport {
        run: again(&cause),
        work: None,
        degraded: Vec::new(),
    }
}

fn again(cause: &impl std::fmt::Display) -> Run {
    Run::Again {
        fault: JobFault::Internal,
        cause: cause.to_string(),
        meanwhile: None,
    }
}
