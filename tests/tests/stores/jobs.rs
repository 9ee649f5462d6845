//! Jobs while things fail between the queue and the tables.

use std::sync::Arc;
use std::time::Duration;

use local::queue::LocalQueues;
use local::queue::rule::QueueFaults;
use reqwest::Method;
use serde_json::{Value, json};
use shared::jobs::work::{Fate, LAST_RECEIPT, work};
use shared::queue::event::{QueueEvent, ReceivedMessage};
use tests::client::{Device, send};
use tests::proxy::Mode;
use tests::service::{Plan, Service};
use tests::upstream::{Act, plan_of, upstream};

const LATE: QueueFaults = QueueFaults {
    twice: 0,
    late: 1,
    undeleted: 0,
    lost: 0,
};

fn body(posts: usize) -> Value {
    let posts: Vec<Value> = (0..posts)
        .map(|n| json!({"id": n.to_string(), "text": "bitcoin"}))
        .collect();
    json!({"type": "classify", "preference": "Hide crypto", "posts": posts})
}

async fn submit(service: &Service, device: &Device, posts: usize) -> String {
    let request = service
        .client
        .request(Method::POST, "/v1/jobs")
        .bearer_auth(&device.access);
    let answer = send(request.json(&body(posts))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body["jobId"].as_str().unwrap().to_owned()
}

async fn status(service: &Service, device: &Device, job: &str) -> Value {
    let request = service.client.request(Method::GET, &format!("/v1/jobs/{job}"));
    send(request.bearer_auth(&device.access)).await.body
}

fn queues(service: &Service) -> &LocalQueues {
    service.queues().unwrap()
}

/// The one message in the queue of jobs, as its `receives`th receipt.
fn received(service: &Service, receives: u32) -> ReceivedMessage {
    let bodies = queues(service).bodies("clearview-jobs");
    let [body] = bodies.as_slice() else {
        panic!("{bodies:?}")
    };
    let event = json!({"Records": [{
        "messageId": "m", "receiptHandle": "1.1", "body": body,
        "attributes": {"ApproximateReceiveCount": receives.to_string()},
    }]});
    let event: QueueEvent = serde_json::from_value(event).unwrap();
    event.messages.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_worker_that_dies_after_judging_leaves_a_job_that_another_ends_once() {
    let service = Service::start().await;
    queues(&service).misbehave(LATE);
    let ann = service.client.register("ann").await;
    let job = submit(&service, &ann, 4).await;
    let (app, message) = (service.app(), received(&service, 1));
    // Both have judged; one is first, and the other drops what it has.
    let (one, other) = tokio::join!(work(&app, &message), work(&app, &message));
    assert_eq!((one, other), (Fate::Delete, Fate::Delete));
    let first = status(&service, &ann, &job).await;
    assert_eq!(first["status"], "done");
    service.clock.advance(Duration::from_secs(5));
    assert_eq!(work(&app, &message).await, Fate::Delete);
    assert_eq!(status(&service, &ann, &job).await, first, "as it was written first");
    assert_eq!(service.client.usage(&ann).await.body["used"], 4);
}

#[tokio::test]
async fn a_job_whose_ending_cannot_be_written_is_left_and_ended_later() {
    let upstream = upstream(Act::Delay { ms: 100 }).await;
    let (tables, network, _) = Plan::behind_a_network().await;
    let plan = plan_of(&upstream).with_tables_at(network.address);
    let service = plan.with("CLEARVIEW_TABLE_TIMEOUT_MS", "150").start().await;
    queues(&service).misbehave(LATE);
    let ann = service.client.register("ann").await;
    let job = submit(&service, &ann, 2).await;
    let (app, message) = (service.app(), received(&service, 1));
    let working = tokio::spawn({
        let (app, message) = (Arc::clone(&app), message.clone());
        async move { work(&app, &message).await }
    });
    upstream.called(1).await;
    // Judged, and nowhere to write it to.
    network.set(Mode::Cut);
    assert!(matches!(working.await.unwrap(), Fate::Leave(_)));
    network.set(Mode::Pass);
    service.clock.advance(Duration::from_secs(10));
    assert_eq!(work(&app, &message).await, Fate::Delete);
    assert_eq!(status(&service, &ann, &job).await["status"], "done");
    assert_eq!(service.client.usage(&ann).await.body["used"], 2);
    drop(tables);
}

#[tokio::test]
async fn a_job_that_nobody_can_judge_is_tried_again_and_given_back_at_the_fifth_receipt() {
    let upstream = upstream(Act::Status {
        status: 500,
        retry_after: None,
    })
    .await;
    let plan = plan_of(&upstream);
    let service = plan.with("CLEARVIEW_LOCAL_FALLBACK", "off").start().await;
    queues(&service).misbehave(LATE);
    let ann = service.client.register("ann").await;
    let job = submit(&service, &ann, 3).await;
    let app = service.app();
    for (receives, wait) in [(1, 5), (2, 30), (3, 120), (4, 120)] {
        let fate = work(&app, &received(&service, receives)).await;
        assert_eq!(fate, Fate::Leave(Duration::from_secs(wait)), "{receives}");
        assert_eq!(status(&service, &ann, &job).await["status"], "queued");
    }
    assert_eq!(work(&app, &received(&service, 5)).await, Fate::Delete);
    let ended = status(&service, &ann, &job).await;
    assert_eq!(
        (&ended["status"], &ended["result"]["results"][0]["failedOpen"]),
        (&json!("done"), &json!(true))
    );
    assert_eq!(service.client.usage(&ann).await.body["used"], 0);
}

#[tokio::test]
async fn a_message_that_nobody_can_read_goes_to_the_dead_letters() {
    let service = Service::start().await;
    let message = shared::queue::Outgoing {
        body: "no job".to_owned(),
        ..Default::default()
    };
    service.app().queues.normal.send(&message).await.unwrap();
    let dead = || {
        let (waiting, hidden) = queues(&service).depth("clearview-jobs-dead");
        waiting + hidden
    };
    while dead() == 0 {
        // Longer than it is hidden after any receipt.
        service.clock.advance(Duration::from_mins(2));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(queues(&service).depth("clearview-jobs"), (0, 0));
    // The worker looks at it there too, again and again, and leaves it to an operator.
    for _ in 0..3 {
        service.clock.advance(Duration::from_mins(4));
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(dead(), 1);
    }
}

#[tokio::test]
async fn a_dead_letter_is_ended_without_a_run_and_given_back_once() {
    let upstream = upstream(Act::Hang).await;
    let (tables, network, _) = Plan::behind_a_network().await;
    let plan = plan_of(&upstream).with_tables_at(network.address);
    let service = plan.with("CLEARVIEW_TABLE_TIMEOUT_MS", "150").start().await;
    queues(&service).misbehave(LATE);
    let ann = service.client.register("ann").await;
    let job = submit(&service, &ann, 3).await;
    let (app, letter) = (service.app(), received(&service, LAST_RECEIPT + 1));
    network.set(Mode::Cut);
    assert!(
        matches!(work(&app, &letter).await, Fate::Leave(_)),
        "until a table takes it"
    );
    network.set(Mode::Pass);
    service.clock.advance(Duration::from_millis(1900));
    for _ in 0..2 {
        assert_eq!(work(&app, &letter).await, Fate::Delete);
    }
    let ended = status(&service, &ann, &job).await;
    assert_eq!(
        (&ended["status"], &ended["error"]["error"]),
        (&json!("failed"), &json!("INTERNAL"))
    );
    // Given back twice, those of another job would be gone too.
    submit(&service, &ann, 4).await;
    assert_eq!(work(&app, &letter).await, Fate::Delete);
    assert_eq!(service.client.usage(&ann).await.body["used"], 4);
    assert!(upstream.calls().is_empty());
    drop(tables);
}

#[tokio::test]
async fn two_endings_of_one_job_are_one_and_its_units_are_given_back_once() {
    let service = Service::start().await;
    queues(&service).misbehave(LATE);
    let ann = service.client.register("ann").await;
    let job = submit(&service, &ann, 7).await;
    service.clock.advance(Duration::from_mins(10));
    let polls = (0..8).map(|_| status(&service, &ann, &job));
    let polled = futures_util::future::join_all(polls).await;
    assert!(
        polled.iter().all(|answer| answer["error"]["error"] == "EXPIRED"),
        "{polled:?}"
    );
    assert_eq!(service.client.usage(&ann).await.body["used"], 0);
    assert_eq!(service.tables().count("jobs").await, 1);
}
