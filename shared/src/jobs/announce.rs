//! Announces a job that has ended, where its client asked for that.

use std::time::Duration;

use serde::Deserialize;

use super::message::JobMessage;
use super::store::{Ended, Ending};
use super::webhook::{Announcement, Event};
use crate::app::App;
use crate::error::Outage;
use crate::queue::{Failure, Outgoing};

/// The part of a job's body that names an endpoint.
#[derive(Deserialize)]
struct Asked {
    webhook: Option<String>,
}

/// Queues the announcement of a job, if one was asked for. Queued twice, it has the same id.
///
/// # Errors
/// When the queue is down: it may have been queued.
pub(super) async fn announce(app: &App, message: &JobMessage, ended: &Ended) -> Result<(), Outage> {
    let asked = serde_json::from_str::<Asked>(message.body.get()).ok();
    let Some(endpoint) = asked.and_then(|asked| asked.webhook) else {
        return Ok(());
    };
    let announcement = Announcement {
        event: match ended.ending {
            Ending::Done(_) => Event::Done,
            Ending::Failed(_) => Event::Failed,
        },
        job_id: message.job.to_string(),
        user_id: message.principal.user.to_string(),
        endpoint,
        at: ended.at,
    };
    let body = serde_json::to_string(&announcement).map_err(|error| Outage(error.to_string()))?;
    let message = Outgoing {
        body,
        // One endpoint that does not answer delays no other.
        group: Some(announcement.endpoint),
        delay: Duration::ZERO,
    };
    let sent = app.queues.events.send(&message).await;
    sent.map_err(Failure::into_outage)
}
