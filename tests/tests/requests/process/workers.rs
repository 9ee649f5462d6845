//! Workers as processes that are killed at random, while messages come twice, late, and after their delete.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
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
use tests::runs;
use tests::service::TableService;

/// Jobs of a user: as many as are taken in a minute.
const OF_A_USER: u32 = 10;

/// How long a received message is hidden, in seconds: what a killed worker held is there again after that.
const HIDDEN: &str = "5";

/// The posts of a user's nth job.
fn posts(user: u32, n: u32) -> Value {
    let posts: Vec<Value> = (0..=n)
        .map(|post| json!({"id": post.to_string(), "text": format!("Buy bitcoin, says {user} in {n}.{post}")}))
        .collect();
    json!({"type": "classify", "preference": "Hide crypto", "posts": posts})
}

/// Makes the queue of jobs give a message again sooner than it does by default.
async fn hide_briefly(variables: &[(String, String)]) {
    let config = Config::read(|name| {
        let found = variables.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    });
    let client = queue::client(&config.unwrap());
    let url = client
        .get_queue_url()
        .queue_name("clearview-jobs")
        .send()
        .await
        .unwrap();
    let set = client.set_queue_attributes().set_queue_url(url.queue_url);
    let set = set.attributes(QueueAttributeName::VisibilityTimeout, HIDDEN);
    set.send().await.unwrap();
}

/// Four workers: one of them is killed and replaced every while, until told to stop.
async fn dying_workers(variables: Vec<(String, String)>, stop: Arc<AtomicBool>) -> u32 {
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(LocalServer::start(&[], &variables).await);
    }
    let (mut dice, mut killed) = (Dice::of(26), 0);
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(200 + dice.roll(600))).await;
        let place = usize::try_from(dice.roll(4)).unwrap();
        // Its process is killed as it is dropped.
        drop(workers.swap_remove(place));
        workers.push(LocalServer::start(&[], &variables).await);
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

#[tokio::test]
async fn each_job_is_done_once_and_charged_once_whatever_happens_to_its_workers() {
    // 200 jobs on every commit, 10,000 in a nightly run.
    let users = if runs::cases(1) > 1 { 1_000 } else { 20 };
    let tables = TableService::start().await;
    let queues = LocalQueues::open(Clock::system(), None).unwrap();
    queues.misbehave(QueueFaults {
        twice: 7,
        late: 5,
        undeleted: 11,
        lost: 13,
    });
    let port = QueuePort::serve(queues.clone(), ([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let keys = tempfile::tempdir().unwrap();
    let keys = keys.path().join("keys.json");
    let variables: Vec<(String, String)> = [
        ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", tables.address())),
        ("AWS_ENDPOINT_URL_SQS", format!("http://{}", port.address)),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("CLEARVIEW_WORKERS", "2".to_owned()),
        ("CLEARVIEW_IP_PER_MINUTE", "1000000".to_owned()),
        ("CLEARVIEW_REGISTRATIONS_PER_IP_PER_HOUR", "1000000".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    hide_briefly(&variables).await;
    let pairs: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let front = LocalServer::start(&["--keys", keys.to_str().unwrap()], &pairs).await;
    let client = Client::to(front.address);
    let stop = Arc::new(AtomicBool::new(false));
    let workers = tokio::spawn(dying_workers(variables.clone(), Arc::clone(&stop)));

    let mut submitted = Vec::new();
    for user in 0..users {
        let device = client.register(&format!("user{user}")).await;
        for n in 0..OF_A_USER {
            submitted.push((device.clone(), n, submit(&client, &device, &posts(user, n)).await));
        }
    }
    for (device, n, job) in &submitted {
        let ended = ended(&client, device, job).await;
        assert_eq!(ended["status"], "done", "{ended}");
        assert_eq!(ended["result"]["results"].as_array().unwrap().len(), *n as usize + 1);
    }
    stop.store(true, Ordering::Relaxed);
    let killed = workers.await.unwrap();
    for (device, ..) in submitted.iter().step_by(OF_A_USER as usize) {
        let used = client.usage(device).await;
        assert_eq!(used.body["used"], (1..=OF_A_USER).sum::<u32>(), "{used:?}");
    }
    let of_jobs: i32 = i32::try_from(submitted.len()).unwrap();
    assert_eq!(tables.tables().count("jobs").await, of_jobs);
    assert_eq!(queues.depth("clearview-jobs-dead").0, 0);
    assert!(killed > 0);
}
