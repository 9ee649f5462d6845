//! The queues of a server: its own or those of a service elsewhere, and the functions that handle their messages.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::SharedHttpClient;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Clock;
use shared::config::Config;
use shared::jobs::backlog::low_workers;
use shared::queue::{self, Queues};

use super::connector::QueueConnector;
use super::port::QueuePort;
use super::rule::QueueRules;
use super::{DEAD_JOBS, JOBS, LOW_JOBS, LocalQueues, WEBHOOKS, wanted};
use crate::mapping::{EventHandle, Mapping, Source};
use crate::options::Options;
use crate::state::StartError;

/// The timeout of the worker in template.yaml.
const WORKER_TIMEOUT: Duration = Duration::from_secs(30);

/// The timeout of the function that sends announcements, and its `MaximumConcurrency`.
const WEBHOOKS_TIMEOUT: Duration = Duration::from_secs(15);
const WEBHOOKS_AT_ONCE: u32 = 10;

/// The `MaximumConcurrency` of the mapping from the dead letters of jobs.
const DEAD_JOBS_AT_ONCE: u32 = 2;

/// The queues of a server, and the mappings from them to functions.
pub struct Station {
    client: Client,
    own: Option<LocalQueues>,
    port: Option<QueuePort>,
    /// The URL of the dead letters of jobs, where the server knows it.
    dead_jobs: Option<String>,
    mappings: Vec<Mapping>,
}

impl Station {
    /// Opens queues of its own, unless the settings name an endpoint or a queue; makes those that are missing at an endpoint.
    ///
    /// # Errors
    /// When a directory or a port cannot be used, or the endpoint does not answer.
    pub async fn open(options: &Options, config: &mut Config, clock: Clock) -> Result<Self, StartError> {
        config.webhooks.allow_private = options.allow_private_webhooks;
        if config.queues.endpoint.is_some() || config.queues.normal.is_some() {
            let client = queue::client(config);
            let mut dead_jobs = None;
            if config.queues.normal.is_none() {
                dead_jobs = make_missing(&client, config).await?;
            }
            return Ok(Self {
                client,
                own: None,
                port: None,
                dead_jobs,
                mappings: Vec::new(),
            });
        }
        let directory = options.data_dir.as_ref().map(|directory| directory.join("queues"));
        let failed = |what: &str, error: std::io::Error| StartError(format!("{what}: {error}"));
        let own = LocalQueues::open(clock, directory).map_err(|error| failed("the queues in --data-dir", error))?;
        let port = match options.queue_port {
            None => None,
            Some(port) => {
                let listen = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
                let serving = QueuePort::serve(own.clone(), listen).await;
                Some(
                    serving
                        .map_err(|error| failed(&format!("--queue-port {port}: cannot listen on {listen}"), error))?,
                )
            }
        };
        let url = |name: &str| Some(super::url("http://queue.local", name));
        let queues = &mut config.queues;
        (queues.normal, queues.low, queues.events) = (url(JOBS), url(LOW_JOBS), url(WEBHOOKS));
        let connector = SharedHttpClient::new(QueueConnector(own.clone()));
        Ok(Self {
            client: queue::client_in_process(config, connector),
            own: Some(own),
            port,
            dead_jobs: url(DEAD_JOBS),
            mappings: Vec::new(),
        })
    }

    /// Gives an app the queues.
    pub fn connect(&self, app: &mut App) {
        app.queues = Queues::through(|| self.client.clone(), &app.config, &app.clock);
    }

    /// Starts to hand messages to functions.
    pub fn start(&mut self, app: &Arc<App>) {
        let workers = app.config.queues.workers;
        let queues = &app.config.queues;
        let work: (Duration, EventHandle) = (WORKER_TIMEOUT, work);
        let announce: (Duration, EventHandle) = (WEBHOOKS_TIMEOUT, announce);
        for (url, name, concurrency, (timeout, handle)) in [
            (&queues.normal, JOBS, workers, work),
            (&queues.low, LOW_JOBS, low_workers(workers), work),
            (&self.dead_jobs, DEAD_JOBS, DEAD_JOBS_AT_ONCE, work),
            (&queues.events, WEBHOOKS, WEBHOOKS_AT_ONCE, announce),
        ] {
            let Some(url) = url else { continue };
            let source = Source {
                url: url.clone(),
                arn: arn(url, name),
                concurrency,
                timeout,
                handle,
            };
            self.mappings
                .push(Mapping::start(self.client.clone(), source, Arc::clone(app)));
        }
    }

    /// Returns the queues, unless they are elsewhere.
    #[must_use]
    pub const fn own(&self) -> Option<&LocalQueues> {
        self.own.as_ref()
    }

    /// Returns the address of the queues for other processes, if they have one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.port.as_ref().map(|port| port.address)
    }

    /// Receives nothing more, and lets the events under way end.
    pub async fn stop(self) {
        for mapping in self.mappings {
            mapping.stop().await;
        }
    }
}

/// Invokes the worker.
fn work(app: Arc<App>, event: Value) -> Pin<Box<dyn Future<Output = Option<Value>> + Send>> {
    Box::pin(async move {
        let answer = worker::handle(&app, event).await;
        answer.ok().and_then(|answer| serde_json::to_value(answer).ok())
    })
}

/// Invokes the function that sends announcements.
fn announce(app: Arc<App>, event: Value) -> Pin<Box<dyn Future<Output = Option<Value>> + Send>> {
    Box::pin(async move {
        let answer = webhooks::handle(&app, event).await;
        answer.ok().and_then(|answer| serde_json::to_value(answer).ok())
    })
}

/// Returns the name of a queue as its messages carry it: it ends as the URL does.
fn arn(url: &str, name: &str) -> String {
    let name = url.rsplit('/').next().unwrap_or(name);
    format!("arn:aws:sqs:local:000000000000:{name}")
}

/// Makes the queues that are missing at the endpoint of `config`, and names them in it; returns the URL of the dead letters of
/// jobs, which no setting names.
async fn make_missing(client: &Client, config: &mut Config) -> Result<Option<String>, StartError> {
    let mut dead_jobs = None;
    for (name, rules) in wanted() {
        let url = make(client, name, &rules).await?;
        match name {
            JOBS => config.queues.normal = Some(url),
            LOW_JOBS => config.queues.low = Some(url),
            WEBHOOKS => config.queues.events = Some(url),
            DEAD_JOBS => dead_jobs = Some(url),
            _ => {}
        }
    }
    Ok(dead_jobs)
}

async fn make(client: &Client, name: &str, rules: &QueueRules) -> Result<String, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError(format!("the queue {name}: {error}"));
    let known = client.get_queue_url().queue_name(name).send().await;
    if let Some(url) = known.ok().and_then(|known| known.queue_url) {
        return Ok(url);
    }
    let seconds = |span: Duration| span.as_secs().to_string();
    let mut create = client
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::VisibilityTimeout, seconds(rules.visibility))
        .attributes(QueueAttributeName::MessageRetentionPeriod, seconds(rules.retention));
    if let Some(redrive) = &rules.redrive {
        let dead = client.get_queue_url().queue_name(&redrive.queue).send().await;
        let dead = dead.map_err(|error| failed(&DisplayErrorContext(&error)))?;
        let asked = client
            .get_queue_attributes()
            .set_queue_url(dead.queue_url)
            .attribute_names(QueueAttributeName::QueueArn);
        let answer = asked
            .send()
            .await
            .map_err(|error| failed(&DisplayErrorContext(&error)))?;
        let arn = answer
            .attributes()
            .and_then(|all| all.get(&QueueAttributeName::QueueArn));
        let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": redrive.most_receives.to_string()});
        create = create.attributes(QueueAttributeName::RedrivePolicy, policy.to_string());
    }
    let created = create
        .send()
        .await
        .map_err(|error| failed(&DisplayErrorContext(&error)))?;
    created.queue_url.ok_or_else(|| failed(&"no URL came back"))
}
