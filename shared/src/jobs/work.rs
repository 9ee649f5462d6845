//! One message of a queue: its job is done once, whatever happens around it.
//!
//! A message may come twice, late, or after its worker died. The first who writes what came of a job wins, and every later one
//! drops what it has. A dead letter comes here too: its job is ended without another run.

use std::sync::Arc;
use std::time::Duration;

use super::announce::announce;
use super::id::Age;
use super::message::JobMessage;
use super::run::{Run, RunReport, run};
use super::store::{Ended, Ending, Finish};
use super::{JobFault, JobId, Kind, capture, experiment};
use crate::app::App;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Outage;
use crate::ids::UserId;
use crate::queue::event::ReceivedMessage;
use crate::telemetry::trace::Trace;
use crate::telemetry::{ErrorRecord, Record, Work};

/// The name in the records of jobs.
pub const WORKER: &str = "worker";

/// The receipt with which a message that fails goes to the dead letters: `maxReceiveCount` of the template. SQS goes on counting
/// there, so one that was received more often is a dead letter.
pub const LAST_RECEIPT: u32 = 5;

/// How long one run may take: less than the function's timeout.
const LONGEST_RUN: Duration = Duration::from_secs(25);

/// The waits before a message is received again, by receipt.
const WAITS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_mins(2)];

/// The fate of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its job has ended: nobody needs it any more.
    Delete,
    /// It is received again after this time, or goes to the dead letters.
    Leave(Duration),
}

/// How a job stands before it is run.
enum Standing {
    /// It is to be run.
    Open,
    /// It has ended before.
    Ended(Ended),
    /// Its time is over.
    Expired,
    /// Its user was erased.
    Ownerless,
}

/// Works on a message that was received.
pub async fn work(app: &Arc<App>, received: &ReceivedMessage) -> Fate {
    let (stopwatch, now) = (Stopwatch::start(), app.clock.now());
    let Some(message) = JobMessage::parse(&received.body) else {
        // Of a newer version, or of nobody: an operator finds it among the dead letters.
        let mut record = Record::of(WORKER, String::new(), now);
        fail(
            &mut record,
            "INVALID_REQUEST",
            "the message is of no known form".to_owned(),
        );
        app.telemetry.emit(&mut record);
        return Fate::Leave(wait(received));
    };
    let mut record = Record::of(WORKER, message.correlation_id.clone(), now);
    record.trace = Trace::of(None, message.trace.as_deref());
    record.user_id = Some(message.principal.user.clone());
    record.tier = Some(message.principal.tier.clone());
    record.outcome = "ok";
    let outcome = attempt(app, Arc::new(message), received, &mut record).await;
    let fate = outcome.unwrap_or_else(|outage| {
        fail(&mut record, "UNAVAILABLE", outage.0);
        Fate::Leave(wait(received))
    });
    record.took(stopwatch);
    app.telemetry.emit(&mut record);
    fate
}

async fn attempt(
    app: &Arc<App>,
    message: Arc<JobMessage>,
    received: &ReceivedMessage,
    record: &mut Record,
) -> Result<Fate, Outage> {
    let now = app.clock.now();
    let (ending, unused, fate) = match standing(app, &message, now).await? {
        Standing::Ended(ended) => {
            record.outcome = "dropped";
            // Its worker may have died before it had told everybody.
            follow_up(app, &message, &ended, false).await?;
            return Ok(Fate::Delete);
        }
        Standing::Ownerless => {
            record.outcome = "dropped";
            return Ok(Fate::Delete);
        }
        Standing::Expired => {
            let failed = Ending::Failed(JobFault::Expired);
            (failed, message.job.charged, Fate::Delete)
        }
        // It may be what its workers died of.
        Standing::Open if is_dead_letter(received) => {
            let failed = Ending::Failed(JobFault::Internal);
            (failed, message.job.charged, Fate::Delete)
        }
        Standing::Open => {
            let report = guarded(app, &message, now).await;
            record.work = report.work;
            report.degraded.iter().for_each(|mode| record.note(*mode));
            match decide(report.run, received.receives(), message.job.charged) {
                Decision::Again(cause) => {
                    fail(record, "MODEL_UNAVAILABLE", cause);
                    return Ok(Fate::Leave(wait(received)));
                }
                Decision::End { ending, unused, fate } => (ending, unused, fate),
            }
        }
    };
    if is_dead_letter(received) {
        fail(
            record,
            "INTERNAL",
            "no worker has ended it: it is a dead letter".to_owned(),
        );
    }
    if let Ending::Failed(fault) = &ending {
        let code = serde_json::to_value(fault).unwrap_or_default();
        record.summary = Some(code);
    }
    let ended = Ended {
        ending,
        at: app.clock.now(),
    };
    finish(app, &message, &ended, unused, record).await?;
    Ok(fate)
}

/// Returns how a job stands.
async fn standing(app: &App, message: &JobMessage, now: Timestamp) -> Result<Standing, Outage> {
    let user = &message.principal.user;
    let (ended, is_known) = tokio::try_join!(app.jobs.read(user, &message.job), is_known(app, user))?;
    Ok(match (ended, is_known, message.job.age(now)) {
        (_, false, _) => Standing::Ownerless,
        (Some(ended), ..) => Standing::Ended(ended),
        (None, true, Age::Young) => Standing::Open,
        (None, true, Age::Expired | Age::Forgotten) => Standing::Expired,
    })
}

async fn is_known(app: &App, user: &UserId) -> Result<bool, Outage> {
    let tier = app.identity.tier(user).await;
    tier.map(|tier| tier.is_some())
        .map_err(|error| Outage(error.cause().unwrap_or_else(|| error.to_string())))
}

/// Runs the job in a task of its own and within its time, so that a panic is the fault of this job alone.
async fn guarded(app: &Arc<App>, message: &Arc<JobMessage>, now: Timestamp) -> RunReport {
    let task = tokio::spawn({
        let (app, message) = (Arc::clone(app), Arc::clone(message));
        async move { run(&app, &message, now).await }
    });
    let abort = task.abort_handle();
    let cause = match tokio::time::timeout(LONGEST_RUN, task).await {
        Ok(Ok(report)) => return report,
        Ok(Err(_)) => "the run panicked".to_owned(),
        Err(_) => {
            abort.abort();
            format!("the run took more than {} s", LONGEST_RUN.as_secs())
        }
    };
    RunReport {
        run: Run::Again {
            fault: JobFault::Internal,
            cause,
            meanwhile: None,
        },
        work: None,
        degraded: Vec::new(),
    }
}

/// The consequence of a run.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// The message is left for another.
    Again(String),
    /// The job has ended.
    End { ending: Ending, unused: u16, fate: Fate },
}

/// Decides on a run: with the last receipt there is no other.
fn decide(run: Run, receives: u32, charged: u16) -> Decision {
    let (ending, unused, fate) = match run {
        Run::Again { cause, .. } if receives < LAST_RECEIPT => return Decision::Again(cause),
        Run::Done { result, unused }
        | Run::Again {
            meanwhile: Some((result, unused)),
            ..
        } => (Ending::Done(result), unused, Fate::Delete),
        Run::Failed(fault) => (Ending::Failed(fault), charged, Fate::Delete),
        // Left, so that an operator finds it among the dead letters.
        Run::Again { fault, .. } => (Ending::Failed(fault), charged, Fate::Leave(Duration::ZERO)),
    };
    Decision::End { ending, unused, fate }
}

/// Writes what came of a job. Should its user have been erased meanwhile, it is deleted again: an erasure that begins later
/// finds it.
async fn finish(
    app: &App,
    message: &JobMessage,
    ended: &Ended,
    unused: u16,
    record: &mut Record,
) -> Result<(), Outage> {
    let user = &message.principal.user;
    let written = app.jobs.finish((user, &message.job), ended, unused, app.quota.table());
    match written.await? {
        Finish::Late => record.outcome = "dropped",
        Finish::First { refunded } => {
            // Units are given back also for a job that was not run.
            if record.work.is_some() || refunded > 0 {
                let work = record.work.get_or_insert_with(|| Work::of(message.job.kind.workload()));
                work.counts.charged = u64::from(message.job.charged) - refunded;
                work.counts.refunded = refunded;
            }
            follow_up(app, message, ended, true).await?;
            if !is_known(app, user).await? {
                app.jobs.forget(user, &message.job).await?;
                app.experiments.erase(user).await?;
                record.outcome = "dropped";
            }
        }
    }
    Ok(())
}

/// Does what follows from the end of a job, as often as its message comes.
async fn follow_up(app: &App, message: &JobMessage, ended: &Ended, is_first: bool) -> Result<(), Outage> {
    match message.job.kind {
        Kind::Experiment => experiment::keep(app, message, ended, is_first).await?,
        Kind::Detect => capture::discard_upload(app, message).await?,
        Kind::Classify | Kind::Rank => {}
    }
    announce(app, message, ended).await
}

/// Ends a job whose time is over and that nobody has ended; returns what came of it.
///
/// # Errors
/// When a table is down.
pub async fn expire(app: &App, user: &UserId, job: &JobId, now: Timestamp) -> Result<Option<Ended>, Outage> {
    let ended = Ended {
        ending: Ending::Failed(JobFault::Expired),
        at: now,
    };
    match app
        .jobs
        .finish((user, job), &ended, job.charged, app.quota.table())
        .await?
    {
        Finish::First { .. } => Ok(Some(ended)),
        Finish::Late => app.jobs.read(user, job).await,
    }
}

/// Reports whether a message comes from the dead letters.
#[must_use]
pub fn is_dead_letter(received: &ReceivedMessage) -> bool {
    received.receives() > LAST_RECEIPT
}

/// Returns how long a message is hidden that is left.
fn wait(received: &ReceivedMessage) -> Duration {
    let receipt = usize::try_from(received.receives().saturating_sub(1)).unwrap_or(usize::MAX);
    WAITS[receipt.min(WAITS.len() - 1)]
}

fn fail(record: &mut Record, code: &'static str, cause: String) {
    (record.outcome, record.level, record.failed) = ("failed", "warn", 1);
    record.error = Some(ErrorRecord {
        code,
        retryable: true,
        user_impact: "mustWait",
        cause: Some(cause),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(meanwhile: Option<(String, u16)>) -> Run {
        Run::Again {
            fault: JobFault::ModelUnavailable,
            cause: "why".to_owned(),
            meanwhile,
        }
    }

    #[test]
    fn a_run_that_may_succeed_later_is_left_until_its_last_receipt() {
        let done = |unused| Decision::End {
            ending: Ending::Done("{}".to_owned()),
            unused,
            fate: Fate::Delete,
        };
        let failed = |fault, fate| Decision::End {
            ending: Ending::Failed(fault),
            unused: 7,
            fate,
        };
        let result = || "{}".to_owned();
        for (run, receives, expected) in [
            (
                Run::Done {
                    result: result(),
                    unused: 2,
                },
                1,
                done(2),
            ),
            (
                Run::Failed(JobFault::InvalidRequest),
                1,
                failed(JobFault::InvalidRequest, Fate::Delete),
            ),
            (again(None), 4, Decision::Again("why".to_owned())),
            (again(Some((result(), 3))), 4, Decision::Again("why".to_owned())),
            (again(Some((result(), 3))), 5, done(3)),
            (
                again(None),
                5,
                failed(JobFault::ModelUnavailable, Fate::Leave(Duration::ZERO)),
            ),
        ] {
            assert_eq!(decide(run, receives, 7), expected, "{receives}");
        }
    }
}
