//! A submit: charged, then sent; or neither.

use std::time::Duration;

use aws_lc_rs::hmac;

use super::backlog::LONGEST;
use super::body::JobBody;
use super::message::JobMessage;
use super::store::{Ended, Ending, Finish};
use super::{JobFault, JobId, Kind, Priority};
use crate::admission::{self, Admitted};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Outage};
use crate::identity::Principal;
use crate::ids::random_bytes;
use crate::plan::Usage;
use crate::queue::{Failure, Outgoing, Queue};
use crate::quota::idempotency::IdempotencyKey;
use crate::quota::receipt::Receipt;
use crate::quota::store::Certainty;

/// The purpose that the keys of the names of jobs are derived for.
const PURPOSE: &str = "job id v1";

/// A body that was checked, and what came with it.
#[derive(Debug)]
pub struct Submission<'a> {
    /// The kind of work.
    pub kind: Kind,
    /// The work.
    pub body: &'a JobBody<'a>,
    /// The same as it was written.
    pub written: &'a [u8],
    /// The name under which the client may send the same request again.
    pub idempotency: Option<IdempotencyKey>,
    /// The request's name.
    pub correlation_id: &'a str,
    /// `traceparent` for the calls that are made for it.
    pub trace: Option<&'a str>,
    /// The time of the request.
    pub now: Timestamp,
}

/// A job that was submitted, now or before under the same key.
#[derive(Debug)]
pub struct Submitted {
    /// Its name.
    pub job: JobId,
    /// The outcome, if it has ended.
    pub ended: Option<Ended>,
    /// How long until it is done; `None` if nobody knows.
    pub wait: Option<Duration>,
    /// The quota after this submit.
    pub usage: Option<Usage>,
    /// False if the charge is not in the table yet.
    pub is_sure: bool,
}

/// Returns the keys that names of jobs may have been made with; the first makes new ones.
///
/// # Errors
/// [`Error::Unavailable`] when they cannot be read.
pub async fn keys(app: &App, now: Timestamp) -> Result<Vec<hmac::Key>, Error> {
    let signing = app.signing_keys.current(now).await.map_err(Error::Unavailable)?;
    Ok(signing.derived(PURPOSE, now))
}

/// Submits a job for `principal`, whom the limits have `admitted`.
///
/// # Errors
/// [`Error::Backlog`], [`Error::QuotaExceeded`], [`Error::ReducedCapacity`], [`Error::Unavailable`] when the queue is down,
/// and those of an idempotency key: nothing stays charged.
pub async fn submit(
    app: &App,
    principal: &Principal,
    admitted: &Admitted,
    asked: &Submission<'_>,
) -> Result<Submitted, Error> {
    let priority = asked.body.priority();
    let queue = queue_of(app, priority);
    let keys = keys(app, asked.now).await?;
    let key = keys
        .first()
        .ok_or_else(|| Error::Unavailable(Outage("there are no keys for names of jobs".to_owned())))?;
    let wait = app.backlog.wait(priority, queue, asked.now).await;
    if let Some(wait) = wait.filter(|wait| *wait >= LONGEST) {
        return Err(Error::Backlog {
            retry_after: wait.saturating_sub(LONGEST).clamp(Duration::from_mins(1), LONGEST),
        });
    }
    let charged = admitted.charge_once(app, asked.idempotency.as_ref()).await?;
    let (usage, is_sure) = (charged.usage, charged.certainty == Certainty::Sure);
    let units = if admitted.counts_by_day() {
        asked.body.units()
    } else {
        0
    };
    let named = |unique: &[u8; 16], at| JobId::new(key, &principal.user, (asked.kind, units), unique, at);
    let (job, ended) = match &asked.idempotency {
        None => (named(&random_bytes()?, asked.now), None),
        Some(idempotency) => {
            let at = began_at(app, principal, idempotency, &charged.receipt, asked.now).await?;
            let job = named(&unique(idempotency), at);
            let ended = if at == asked.now {
                None
            } else {
                let read = app.jobs.read(&principal.user, &job).await;
                read.map_err(Error::Unavailable)?
            };
            (job, ended)
        }
    };
    let done = Submitted {
        job,
        ended,
        wait,
        usage,
        is_sure,
    };
    // A job that has ended, or can no more be done in its time, is not sent again.
    if done.ended.is_some() || done.job.expires_at() <= asked.now {
        admission::finish(app, charged.receipt, 0).await;
        return Ok(done);
    }
    send(app, principal, asked, (&done.job, queue), charged.receipt).await?;
    Ok(done)
}

/// Returns the time of the run that a key stands for: of this request, if it is no replay.
async fn began_at(
    app: &App,
    principal: &Principal,
    key: &IdempotencyKey,
    receipt: &Receipt,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    if receipt.is_of_new_run() {
        return Ok(now);
    }
    let first = app.quota.first_run(&principal.user, key).await;
    Ok(first.map_err(Error::Unavailable)?.unwrap_or(now))
}

/// Sends the message, and ends the charge.
async fn send(
    app: &App,
    principal: &Principal,
    asked: &Submission<'_>,
    (job, queue): (&JobId, &Queue),
    receipt: Receipt,
) -> Result<(), Error> {
    let carried = (asked.correlation_id, asked.trace);
    let Some(body) = JobMessage::write(job, principal, carried, asked.written) else {
        admission::finish(app, receipt, u64::from(job.charged)).await;
        let defect = Outage("a checked body could not be written".to_owned());
        return Err(Error::Internal(Box::new(defect)));
    };
    let message = Outgoing {
        body,
        group: Some(principal.user.to_string()),
        delay: Duration::ZERO,
    };
    let mut sent = queue.send(&message).await;
    if matches!(sent, Err(Failure::Lost(_))) {
        // Two messages of one name are one job.
        sent = queue
            .send_again(&message)
            .await
            .map_err(|failure| Failure::Lost(failure.into_outage()));
    }
    match sent {
        Ok(()) => {
            admission::finish(app, receipt, 0).await;
            Ok(())
        }
        Err(Failure::Undone(outage)) => {
            admission::finish(app, receipt, u64::from(job.charged)).await;
            Err(Error::Unavailable(outage))
        }
        Err(Failure::Lost(outage)) => withdraw(app, principal, job, (receipt, outage), asked.now).await,
    }
}

/// Ends a job whose message may or may not be in the queue: a worker that meets it finds it ended. If that cannot be written,
/// the job stays: it is done, or its time runs out and its charge is given back.
async fn withdraw(
    app: &App,
    principal: &Principal,
    job: &JobId,
    (receipt, outage): (Receipt, Outage),
    now: Timestamp,
) -> Result<(), Error> {
    let ended = Ended {
        ending: Ending::Failed(JobFault::Unavailable),
        at: now,
    };
    let place = (&principal.user, job);
    match app.jobs.finish(place, &ended, 0, app.quota.table()).await {
        Ok(Finish::First { .. }) => {
            admission::finish(app, receipt, u64::from(job.charged)).await;
            Err(Error::Unavailable(outage))
        }
        Ok(Finish::Late) | Err(_) => {
            admission::finish(app, receipt, 0).await;
            Ok(())
        }
    }
}

/// Returns the queue of a priority.
#[must_use]
pub fn queue_of(app: &App, priority: Priority) -> &Queue {
    match priority {
        Priority::Normal => &app.queues.normal,
        Priority::Low => &app.queues.low,
    }
}

/// Returns what makes a job the only one under its key.
fn unique(key: &IdempotencyKey) -> [u8; 16] {
    let digest = crate::digest::sha256(key.key.as_bytes());
    let mut unique = [0; 16];
    unique.copy_from_slice(&digest[..16]);
    unique
}
