//! Workers as processes that are killed at random, while messages come twice, late, and after their delete; and a job that kills
//! every worker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use local::queue::LocalQueues;
use local::queue::port::QueuePort;
use local::queue::rule::QueueFaults;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::Config;
use shared::queue;
use tests::client::{Client, Device, send};
use tests::dice::Dice;
use tests::program::LocalServer;
use tests::receiver::Receiver;
use tests::redis::Redis;
use tests::runs;
use tests::screens::Screen;
use tests::service::TableService;
use tests::upstream::{Act, plan_of, upstream};

/// Jobs of a user: as many as are taken in a minute.
const OF_A_USER: u32 = 10;

/// Of those, posts to be classified. The last is an image.
const OF_POSTS: u32 = OF_A_USER - 1;

/// The receiver is on this machine.
const ARGUMENTS: [&str; 1] = ["--allow-private-webhooks"];

/// Signs announcements.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The settings of a process.
type Variables = Vec<(String, String)>;

/// The posts of a user's nth job.
fn posts(user: u32, n: u32) -> Value {
    let posts: Vec<Value> = (0..=n)
        .map(|post| json!({"id": post.to_string(), "text": format!("Buy bitcoin, says {user} in {n}.{post}")}))
        .collect();
    json!({"type": "classify", "preference": "Hide crypto", "posts": posts})
}

/// Tables and queues that processes share.
struct Fleet {
    tables: TableService,
    queues: LocalQueues,
    port: QueuePort,
    keys: tempfile::TempDir,
}

impl Fleet {
    async fn start() -> Self {
        let queues = LocalQueues::open(Clock::system(), None).unwrap();
        let port = QueuePort::serve(queues.clone(), ([127, 0, 0, 1], 0).into());
        Self {
            tables: TableService::start().await,
            port: port.await.unwrap(),
            queues,
            keys: tempfile::tempdir().unwrap(),
        }
    }

    /// The settings of its processes.
    fn variables(&self) -> Variables {
        [
            ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", self.tables.address())),
            ("AWS_ENDPOINT_URL_SQS", format!("http://{}", self.port.address)),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("CLEARVIEW_WORKERS", "2".to_owned()),
            ("CLEARVIEW_IP_PER_MINUTE", "1000000".to_owned()),
            ("CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR", "1000000".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Starts one that answers requests, works on jobs and announces them, as every local server does.
    async fn process(&self, variables: &[(String, String)]) -> LocalServer {
        let keys = self.keys.path().join("keys.json");
        let arguments = [&ARGUMENTS[..], &["--keys", keys.to_str().unwrap()]].concat();
        LocalServer::start(&arguments, &pairs(variables)).await
    }
}

fn pairs(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = variables.iter();
    pairs.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Makes the queues give a message again so many seconds after its receipt, which is sooner than they do by default: what a killed
/// process held is there again after that.
async fn hide_for(seconds: &str, variables: &[(String, String)]) {
    let config = Config::read(|name| {
        let found = variables.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    });
    let client = queue::client(&config.unwrap());
    for name in ["clearview-jobs", "clearview-webhooks"] {
        let url = client.get_queue_url().queue_name(name).send().await.unwrap();
        let set = client.set_queue_attributes().set_queue_url(url.queue_url);
        let set = set.attributes(QueueAttributeName::VisibilityTimeout, seconds);
        set.send().await.unwrap();
    }
}

/// Four workers: one of them is killed and replaced every while, until told to stop.
async fn dying_workers(variables: Variables, stop: Arc<AtomicBool>) -> u32 {
    let variables = pairs(&variables);
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(LocalServer::start(&ARGUMENTS, &variables).await);
    }
    let (mut dice, mut killed) = (Dice::of(26), 0);
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(200 + dice.roll(600))).await;
        let place = usize::try_from(dice.roll(4)).unwrap();
        // Its process is killed as it is dropped.
        drop(workers.swap_remove(place));
        workers.push(LocalServer::start(&ARGUMENTS, &variables).await);
        killed += 1;
    }
    killed
}

async fn submit(client: &Client, device: &Device, body: &Value) -> String {
    let request = client.request(Method::POST, "/v1/jobs").bearer_auth(&device.access);
    let answer = send(request.json(body)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body["jobId"].as_str().unwrap().to_owned()
}

async fn ended(client: &Client, device: &Device, job: &str) -> Value {
    loop {
        let request = client.request(Method::GET, &format!("/v1/jobs/{job}"));
        let answer = send(request.bearer_auth(&device.access)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.body["status"] != "queued" {
            return answer.body;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The detections of a user, as its statistics show them.
async fn detections(client: &Client, device: &Device) -> u64 {
    let request = client.request(Method::GET, "/v1/stats?by=device");
    let answer = send(request.bearer_auth(&device.access)).await;
    let rows = answer.body["rows"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    rows.iter().map(|row| row["detections"].as_u64().unwrap()).sum()
}

/// Waits until each of the jobs was announced; the ids of the announcements by job.
async fn announced(receiver: &Receiver, jobs: &BTreeSet<&str>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let mut ids = BTreeMap::<String, BTreeSet<String>>::new();
        for one in receiver.received() {
            let body: Value = serde_json::from_str(&one.body).unwrap();
            let job = body["data"]["jobId"].as_str().unwrap().to_owned();
            ids.entry(job).or_default().insert(one.header("webhook-id").to_owned());
        }
        if jobs.iter().all(|job| ids.contains_key(*job)) {
            return ids;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn each_job_is_done_charged_counted_and_announced_as_one_whatever_happens_to_its_workers() {
    // 200 jobs on every commit, 10,000 in a nightly run.
    let users = if runs::cases(1) > 1 { 1_000 } else { 20 };
    let (fleet, redis) = (Fleet::start().await, Redis::start());
    fleet.queues.misbehave(QueueFaults {
        twice: 7,
        late: 5,
        undeleted: 11,
        lost: 13,
    });
    let mut variables = fleet.variables();
    // Statistics that only a process knew would end with it.
    variables.push(("CLEARVIEW_CACHE_URL".to_owned(), redis.url()));
    let receiver = Receiver::start().await;
    let endpoints = json!({"review": {"url": receiver.url(), "secrets": [SECRET]}});
    variables.push(("CLEARVIEW_WEBHOOKS".to_owned(), endpoints.to_string()));
    hide_for("5", &variables).await;
    let front = fleet.process(&variables).await;
    let client = Client::to(front.address);
    let stop = Arc::new(AtomicBool::new(false));
    let workers = tokio::spawn(dying_workers(variables, Arc::clone(&stop)));

    let image = json!({"type": "detect", "device": "tablet", "image": STANDARD.encode(Screen::of(1).png())});
    let with_webhook = |mut body: Value| {
        body["webhook"] = json!("review");
        body
    };
    let mut submitted = Vec::new();
    for user in 0..users {
        let device = client.register(&format!("user{user}")).await;
        for n in 0..OF_POSTS {
            submitted.push((
                device.clone(),
                n,
                submit(&client, &device, &with_webhook(posts(user, n))).await,
            ));
        }
        submitted.push((
            device.clone(),
            OF_POSTS,
            submit(&client, &device, &with_webhook(image.clone())).await,
        ));
    }
    for (device, n, job) in &submitted {
        let ended = ended(&client, device, job).await;
        assert_eq!(ended["status"], "done", "{ended}");
        if *n < OF_POSTS {
            assert_eq!(ended["result"]["results"].as_array().unwrap().len(), *n as usize + 1);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let killed = workers.await.unwrap();
    for (device, ..) in submitted.iter().step_by(OF_A_USER as usize) {
        let used = client.usage(device).await;
        assert_eq!(used.body["used"], (1..=OF_POSTS).sum::<u32>(), "{used:?}");
        assert_eq!(detections(&client, device).await, 1);
    }
    let of_jobs: i32 = i32::try_from(submitted.len()).unwrap();
    assert_eq!(fleet.tables.tables().count("jobs").await, of_jobs);
    let jobs: BTreeSet<&str> = submitted.iter().map(|(.., job)| job.as_str()).collect();
    let ids = announced(&receiver, &jobs).await;
    assert!(ids.values().all(|ids| ids.len() == 1), "one id for each: {ids:?}");
    let distinct: BTreeSet<&String> = ids.values().flatten().collect();
    assert_eq!((ids.len(), distinct.len()), (jobs.len(), jobs.len()));
    for dead in ["clearview-jobs-dead", "clearview-webhooks-dead"] {
        assert_eq!(fleet.queues.depth(dead), (0, 0));
    }
    assert!(killed > 0);
}

#[tokio::test]
async fn a_job_that_kills_five_workers_is_ended_and_given_back_without_a_poll() {
    let (fleet, upstream) = (Fleet::start().await, upstream(Act::Hang).await);
    let mut variables = fleet.variables();
    let of_upstream = plan_of(&upstream);
    let of_upstream = of_upstream.variables().iter();
    variables.extend(of_upstream.map(|(name, value)| (name.clone(), value.clone())));
    hide_for("2", &variables).await;
    let mut worker = fleet.process(&variables).await;
    let client = Client::to(worker.address);
    let device = client.register("ann").await;
    let job = submit(&client, &device, &posts(1, 2)).await;
    for death in 1..=5 {
        // It waits for a model. Its process is killed as it is dropped.
        upstream.called(death).await;
        drop(worker);
        worker = fleet.process(&variables).await;
    }
    let client = Client::to(worker.address);
    // Nobody polls.
    while fleet.tables.tables().count("jobs").await == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.usage(&device).await.body["used"], 0);
    let failed = ended(&client, &device, &job).await;
    assert_eq!(
        (&failed["status"], &failed["error"]["error"]),
        (&json!("failed"), &json!("INTERNAL"))
    );
    assert_eq!(upstream.calls().len(), 5, "a dead letter is not run");
    while fleet.queues.depth("clearview-jobs-dead") != (0, 0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
