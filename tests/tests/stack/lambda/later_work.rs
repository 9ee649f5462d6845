//! Requests and messages of work that is done later, which no captured event can be: they name jobs of a user.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local::queue::LocalQueues;
use local::queue::port::QueuePort;
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::{Clock, Timestamp};
use shared::ids::UserId;
use shared::jobs::{JobId, Kind, experiment, id, submit};
use tests::events;
use tests::runtime_api::Function;
use tests::screens::Screen;

use crate::lambda::stage::{Stage, token_of};

/// The queue of jobs for a function, and a user whose jobs they are.
pub(crate) struct LaterWork {
    _queues: LocalQueues,
    port: QueuePort,
    app: App,
    user: UserId,
    session: String,
    token: String,
}

impl LaterWork {
    pub(crate) async fn of(stage: &Stage, registration: &Value) -> Self {
        let queues = LocalQueues::open(Clock::system(), None).unwrap();
        let port = QueuePort::serve(queues.clone(), ([127, 0, 0, 1], 0).into());
        let client = stage.tables.tables().client().clone();
        let text = |name: &str| registration[name].as_str().unwrap();
        let session = text("refreshToken").split('.').nth(1).unwrap();
        Self {
            port: port.await.unwrap(),
            _queues: queues,
            app: App::new(stage.plan.config(), Clock::system(), &client).unwrap(),
            user: UserId::parse(text("userId")).unwrap(),
            session: session.to_owned(),
            token: token_of(registration).to_owned(),
        }
    }

    /// Gives a function the queues.
    pub(crate) fn known_to(&self, function: Function) -> Function {
        let endpoint = format!("http://{}", self.port.address);
        function
            .with("CLEARVIEW_QUEUE_URL", format!("{endpoint}/000000000000/clearview-jobs"))
            .with("AWS_ENDPOINT_URL_SQS", endpoint)
    }

    /// A job of the user that was charged a unit, submitted at `at`.
    async fn job(&self, kind: Kind, at: Timestamp) -> JobId {
        let keys = submit::keys(&self.app, at).await.unwrap();
        let unique = shared::ids::new_correlation_id();
        let unique: [u8; 16] = unique.as_bytes()[..16].try_into().unwrap();
        JobId::new(&keys[0], &self.user, (kind, 1), &unique, at)
    }

    /// A job whose time is just over.
    async fn expired(&self) -> JobId {
        let at = Clock::system().now().minus(id::TIME_LIMIT);
        self.job(Kind::Classify, at).await
    }

    /// Requests to the function `jobs` that succeed.
    pub(crate) async fn requests(&self) -> Vec<Value> {
        let request = |method: &str, path: &str, route: &str| {
            let mut event = events::named("jobs/poll-unknown").value(&self.token);
            event["httpMethod"] = method.into();
            event["path"] = path.into();
            event["resource"] = route.into();
            event["requestContext"]["resourcePath"] = route.into();
            event["requestContext"]["path"] = format!("/live{path}").into();
            event
        };
        let submitted = |key: Option<&str>, path: &str, body: &Value| {
            let mut event = events::named("jobs/unknown-type").value(&self.token);
            for (place, value) in [
                ("path", path.into()),
                ("resource", path.into()),
                ("body", body.to_string().into()),
            ] {
                event[place] = value;
            }
            event["requestContext"]["resourcePath"] = path.into();
            event["requestContext"]["path"] = format!("/live{path}").into();
            if let Some(key) = key {
                event["headers"]["Idempotency-Key"] = key.into();
                event["multiValueHeaders"]["Idempotency-Key"] = json!([key]);
            }
            event
        };
        let job = self.expired().await;
        let mut poll = request("GET", &format!("/v1/jobs/{job}"), "/v1/jobs/{jobId}");
        poll["pathParameters"] = json!({"jobId": job});
        let experiment = self.finished_experiment().await;
        let of_experiment = |method: &str| {
            let path = format!("/v1/experiments/{experiment}");
            let mut event = request(method, &path, "/v1/experiments/{experimentId}");
            event["pathParameters"] = json!({"experimentId": experiment});
            event
        };
        let mut list = request("GET", "/v1/experiments", "/v1/experiments");
        list["pathParameters"] = Value::Null;
        vec![
            submitted(None, "/v1/jobs", &posts()),
            submitted(Some("one"), "/v1/jobs", &posts()),
            poll,
            submitted(None, "/v1/experiments", &design()),
            list,
            of_experiment("GET"),
            of_experiment("DELETE"),
        ]
    }

    /// An experiment that has ended; its id.
    async fn finished_experiment(&self) -> String {
        let now = Clock::system().now();
        let job = self.job(Kind::Experiment, now).await;
        let mut ended = experiment::queued(&job, serde_json::from_value(design()).unwrap());
        ended.finished_at = Some(now);
        self.app.experiments.finish(&self.user, &ended).await.unwrap();
        ended.id
    }

    /// An event of the queue of jobs: a message of each kind, and one of a job whose time is over.
    pub(crate) async fn messages(&self) -> Value {
        let now = Clock::system().now();
        let image = json!({"type": "detect", "image": STANDARD.encode(Screen::of(1).png())});
        let ranking = json!({"type": "rank", "query": "shoes", "items": [
            {"id": "a", "text": "Running shoes"}, {"id": "b", "text": "A hat"},
        ]});
        let mut messages = Vec::new();
        for (kind, body) in [
            (Kind::Classify, posts()),
            (Kind::Rank, ranking),
            (Kind::Experiment, design()),
            (Kind::Detect, image),
        ] {
            messages.push(self.message(&self.job(kind, now).await, &body));
        }
        messages.push(self.message(&self.expired().await, &posts()));
        let records = messages.iter().enumerate().map(|(n, body)| {
            json!({
                "messageId": format!("m{n}"), "receiptHandle": format!("{n}.1"), "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:clearview-jobs",
            })
        });
        json!({"Records": records.collect::<Value>()})
    }

    fn message(&self, job: &JobId, body: &Value) -> String {
        let message = json!({
            "version": 1, "job": job, "user": self.user, "session": self.session, "tier": "free",
            "correlationId": "the-rights-of-the-worker", "body": body,
        });
        message.to_string()
    }
}

fn posts() -> Value {
    json!({"type": "classify", "preference": "Hide crypto", "posts": [{"id": "a", "text": "Buy bitcoin now"}]})
}

fn design() -> Value {
    json!({"items": ["Nike", "Asics"], "categories": ["Running shoes"], "samples": 1})
}
