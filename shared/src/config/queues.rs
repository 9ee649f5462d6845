//! The queues of work and of events.

use std::time::Duration;

use super::{ConfigError, Settings};

/// Where the queues are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// `CLEARVIEW_QUEUE_URL`: the queue of work (none; the local server has its own).
    pub normal: Option<String>,
    /// `CLEARVIEW_LOW_QUEUE_URL`: the queue of work that nobody waits for (none).
    pub low: Option<String>,
    /// `CLEARVIEW_WEBHOOK_QUEUE_URL`: the queue of events for the operator's endpoints (none).
    pub events: Option<String>,
    /// `AWS_ENDPOINT_URL_SQS`: another endpoint for the queues (AWS's own).
    pub endpoint: Option<String>,
    /// `CLEARVIEW_WORKERS`: events of the queue of work that are worked on at a time over the fleet (10).
    pub workers: u32,
    /// `CLEARVIEW_QUEUE_TIMEOUT_MS`: the time limit of one call to a queue (1000).
    pub timeout: Duration,
}

impl QueueSettings {
    pub(super) fn read(env: &Settings<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            normal: url(env, "CLEARVIEW_QUEUE_URL")?,
            low: url(env, "CLEARVIEW_LOW_QUEUE_URL")?,
            events: url(env, "CLEARVIEW_WEBHOOK_QUEUE_URL")?,
            endpoint: env.aws_endpoint("AWS_ENDPOINT_URL_SQS")?,
            workers: env.number("CLEARVIEW_WORKERS", 10, &(2..=1000))?,
            timeout: env.millis("CLEARVIEW_QUEUE_TIMEOUT_MS", 1000)?,
        })
    }
}

/// Reads the URL of a queue, as `CreateQueue` returns it: the name is its last part.
fn url(env: &Settings<'_>, variable: &'static str) -> Result<Option<String>, ConfigError> {
    let Some(text) = env.optional(variable) else {
        return Ok(None);
    };
    let is_url =
        url::Url::parse(&text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.path().len() > 1);
    if is_url {
        return Ok(Some(text));
    }
    Err(ConfigError {
        variable,
        problem: format!(
            "{text:?} is not the URL of a queue, such as https://sqs.us-east-1.amazonaws.com/123456789012/jobs"
        ),
    })
}
