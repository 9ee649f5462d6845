//! An experiment as it is now.

use serde::Serialize;

use super::{job_of, with};
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::Outage;
use crate::ids::UserId;
use crate::jobs::id::Age;
use crate::jobs::store::{Ended, Ending};
use crate::jobs::{JobFault, work};
use crate::rank::experiment::{CategoryOutcome, Design, Experiment};

/// An experiment as its user's export has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedExperiment {
    experiment_id: String,
    created_at: String,
    #[serde(flatten)]
    design: Design,
    outcomes: Vec<CategoryOutcome>,
}

impl ExportedExperiment {
    /// Returns it as it is kept.
    #[must_use]
    pub fn of(experiment: Experiment) -> Self {
        Self {
            experiment_id: experiment.id,
            created_at: experiment.created_at.to_string(),
            design: experiment.design,
            outcomes: experiment.categories,
        }
    }
}

/// Returns what is known of an experiment at `now`: of its job, as long as its own item does not say so. Ends a job whose time is
/// over.
///
/// # Errors
/// When a table is down.
pub async fn current(app: &App, user: &UserId, experiment: Experiment, now: Timestamp) -> Result<Experiment, Outage> {
    let Some(job) = job_of(&experiment.id).filter(|_| experiment.finished_at.is_none()) else {
        return Ok(experiment);
    };
    let ended = match (app.jobs.read(user, &job).await?, job.age(now)) {
        (Some(ended), _) => Some(ended),
        (None, Age::Young) => None,
        (None, Age::Expired) => work::expire(app, user, &job, now).await?,
        // Nobody has ended it in all that time.
        (None, Age::Forgotten) => Some(Ended {
            ending: Ending::Failed(JobFault::Expired),
            at: job.expires_at(),
        }),
    };
    Ok(match ended {
        None => experiment,
        Some(ended) => with(experiment, &ended),
    })
}
