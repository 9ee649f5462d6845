//! Experiments as jobs: each category is one ranking with reasons, and what comes of them is kept longer than a job.

pub(super) mod categories;
pub mod view;

use super::JobId;
use super::message::JobMessage;
use super::store::{Ended, Ending};
use crate::app::App;
use crate::error::Outage;
use crate::rank::experiment::{CategoryOutcome, Design, Experiment, Progress};

/// The start of an experiment's id; the rest is that of its job's.
const PREFIX: &str = "exp_";

const JOB_PREFIX: &str = "job_";

/// Names the experiment of a job.
#[must_use]
pub fn id_of(job: &JobId) -> String {
    let own = job.as_str().strip_prefix(JOB_PREFIX);
    format!("{PREFIX}{}", own.unwrap_or_default())
}

/// Returns the job of an experiment's id, if it has the form of one. The table knows its user.
#[must_use]
pub fn job_of(id: &str) -> Option<JobId> {
    JobId::parse(&format!("{JOB_PREFIX}{}", id.strip_prefix(PREFIX)?))
}

/// Returns an experiment as it is when it is submitted.
#[must_use]
pub fn queued(job: &JobId, design: Design) -> Experiment {
    Experiment {
        id: id_of(job),
        design,
        created_at: job.submitted_at,
        finished_at: None,
        categories: Vec::new(),
    }
}

/// Adds what came of its job to an experiment.
pub(super) fn with(experiment: Experiment, ended: &Ended) -> Experiment {
    let done = match &ended.ending {
        Ending::Done(result) => serde_json::from_str(result).ok(),
        Ending::Failed(_) => None,
    };
    let all_failed = || {
        experiment
            .design
            .categories
            .iter()
            .map(|category| failed(category))
            .collect()
    };
    Experiment {
        finished_at: Some(ended.at),
        categories: done.unwrap_or_else(all_failed),
        ..experiment
    }
}

/// Returns a category that nobody could rank.
fn failed(category: &str) -> CategoryOutcome {
    CategoryOutcome {
        category: category.to_owned(),
        status: Progress::Failed,
        results: Vec::new(),
        agreement: None,
        source: None,
    }
}

/// Keeps what came of an experiment's job, if it is not kept already. `is_first` is false for a message that came again: an
/// experiment that is not there any more was deleted meanwhile.
///
/// # Errors
/// When the table is down.
pub(super) async fn keep(app: &App, message: &JobMessage, ended: &Ended, is_first: bool) -> Result<(), Outage> {
    let (user, id) = (&message.principal.user, id_of(&message.job));
    let known = app.experiments.read(user, &id, message.job.submitted_at).await?;
    let experiment = match known {
        Some(known) => known,
        None if is_first => match serde_json::from_str(message.body.get()) {
            Ok(design) => queued(&message.job, design),
            Err(_) => return Ok(()),
        },
        None => return Ok(()),
    };
    if experiment.finished_at.is_none() {
        app.experiments.finish(user, &with(experiment, ended)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::UserId;
    use crate::jobs::{JobFault, Kind};

    fn experiment() -> Experiment {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let user = UserId::random().unwrap();
        let now = Timestamp::from_seconds(1_800_000_000);
        let job = JobId::new(&key, &user, (Kind::Experiment, 6), &[7; 16], now);
        assert_eq!(job_of(&id_of(&job)), Some(job.clone()));
        assert_eq!(job_of(job.as_str()), None);
        queued(
            &job,
            serde_json::from_str(r#"{"items":["a","b"],"categories":["c","d"]}"#).unwrap(),
        )
    }

    #[test]
    fn what_came_of_a_job_is_what_came_of_its_experiment() {
        let at = Timestamp::from_seconds(1_800_000_009);
        let outcomes = vec![failed("c"), failed("d")];
        let done = Ended {
            ending: Ending::Done(serde_json::to_string(&outcomes[..1]).unwrap()),
            at,
        };
        let known = with(experiment(), &done);
        assert_eq!(
            (known.categories.as_slice(), known.finished_at),
            (&outcomes[..1], Some(at))
        );
        let expired = Ended {
            ending: Ending::Failed(JobFault::Expired),
            at,
        };
        assert_eq!(with(experiment(), &expired).categories, outcomes);
    }
}
