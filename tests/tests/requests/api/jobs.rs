//! Jobs as their clients see them: submitted, polled, charged; and what a queue that misbehaves changes.

use std::time::Duration;

use local::queue::LocalQueues;
use local::queue::rule::QueueFaults;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::service::{Plan, Service};

fn posts(count: usize) -> Value {
    let post = |n: usize| json!({"id": format!("p{n}"), "text": format!("Buy bitcoin number {n} now")});
    let posts: Vec<Value> = (0..count).map(post).collect();
    json!({"type": "classify", "preference": "Hide crypto", "posts": posts})
}

fn ranking() -> Value {
    json!({"type": "rank", "query": "reset my password", "items": [
        {"id": "theme", "text": "Choose a theme under Appearance."},
        {"id": "reset", "text": "To reset your password, open Settings."},
    ]})
}

async fn submit(service: &Service, device: &Device, body: &Value) -> Answer {
    let request = service.client.request(Method::POST, "/v1/jobs");
    send(request.bearer_auth(&device.access).json(body)).await
}

async fn submit_keyed(service: &Service, device: &Device, key: &str, body: &Value) -> Answer {
    let request = service.client.request(Method::POST, "/v1/jobs");
    let request = request.bearer_auth(&device.access).header("idempotency-key", key);
    send(request.json(body)).await
}

fn id(answer: &Answer) -> &str {
    answer.body["jobId"].as_str().unwrap_or_else(|| panic!("{answer:?}"))
}

async fn poll(service: &Service, device: &Device, job: &str) -> Answer {
    let request = service.client.request(Method::GET, &format!("/v1/jobs/{job}"));
    send(request.bearer_auth(&device.access)).await
}

/// Polls until a job has ended.
async fn ended(service: &Service, device: &Device, job: &str) -> Answer {
    loop {
        let answer = poll(service, device, job).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.body["status"] != "queued" {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn used(service: &Service, device: &Device, meter: &str) -> u64 {
    let usage = service.client.usage(device).await;
    usage.body["meters"][meter]["used"].as_u64().unwrap()
}

fn queues(service: &Service) -> &LocalQueues {
    service.queues().expect("queues of its own")
}

/// Every message comes two seconds late, by the clock of the test.
const LATE: QueueFaults = QueueFaults {
    twice: 0,
    late: 1,
    undeleted: 0,
    lost: 0,
};

#[tokio::test]
async fn posts_are_classified_in_batches_and_shown_in_their_order() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let answer = submit(&service, &ann, &posts(120)).await;
    assert_eq!(
        (answer.status, &answer.body["status"]),
        (202, &json!("queued")),
        "{answer:?}"
    );
    assert_eq!(answer.header("location"), format!("/v1/jobs/{}", id(&answer)));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(
        (&answer.body["usage"]["used"], used(&service, &ann, "posts").await),
        (&json!(120), 120)
    );

    let job = ended(&service, &ann, id(&answer)).await;
    assert_eq!(
        (&job.body["status"], &job.body["type"]),
        (&json!("done"), &json!("classify")),
        "{job:?}"
    );
    let results = job.body["result"]["results"].as_array().unwrap();
    assert_eq!(results.len(), 120);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(
            (&result["id"], &result["label"]),
            (&json!(format!("p{n}")), &json!("HIDE"))
        );
    }
    let direct = service
        .client
        .classify(&ann, "Hide crypto", &["Buy bitcoin number 7 now"])
        .await;
    assert_eq!(direct.body["results"][0]["score"], results[7]["score"]);
    assert_eq!(
        direct.body["preferenceVersion"],
        job.body["result"]["preferenceVersion"]
    );
    assert_eq!(used(&service, &ann, "posts").await, 121);
}

#[tokio::test]
async fn a_ranking_is_done_and_charged_as_rankings() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let mut body = ranking();
    body["priority"] = json!("low");
    let answer = submit(&service, &ann, &body).await;
    let job = ended(&service, &ann, id(&answer)).await;
    assert_eq!(job.body["result"]["results"][0]["id"], "reset", "{job:?}");
    assert_eq!(used(&service, &ann, "rankings").await, 1);
}

#[tokio::test]
async fn the_same_key_is_the_same_job_and_is_charged_once() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let first = submit_keyed(&service, &ann, "k1", &posts(3)).await;
    assert_eq!(first.status, 202, "{first:?}");
    ended(&service, &ann, id(&first)).await;
    service.clock.advance(Duration::from_mins(1));
    let again = submit_keyed(&service, &ann, "k1", &posts(3)).await;
    assert_eq!((again.status, id(&again)), (202, id(&first)));
    assert_eq!(again.body["status"], "done");
    let other = submit_keyed(&service, &ann, "k1", &posts(4)).await;
    assert_eq!((other.status, other.error()), (422, "IDEMPOTENCY_MISMATCH"));
    assert_eq!(used(&service, &ann, "posts").await, 3);
    let bob = service.client.register("bob").await;
    let of_bob = submit_keyed(&service, &bob, "k1", &posts(3)).await;
    assert_ne!(id(&of_bob), id(&first));
}

#[tokio::test]
async fn each_bound_is_named_where_it_is_broken_and_nothing_is_charged() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let with = |name: &str, value: Value| {
        let mut body = posts(1);
        body[name] = value;
        body
    };
    for (body, pointers) in [
        (json!({"type": "chat"}), vec!["/type"]),
        (json!({}), vec![""]),
        (with("preference", json!("")), vec!["/preference"]),
        (with("priority", json!("high")), vec!["/priority"]),
        (with("url", json!("http://x")), vec!["/url"]),
        (posts(1001), vec!["/posts"]),
        (with("posts", json!([{"id": "ä", "text": "x"}])), vec!["/posts/0/id"]),
        (
            with("posts", json!([{"id": "a", "text": "x"}, {"id": "a", "text": ""}])),
            vec!["/posts/1/text", "/posts/1/id"],
        ),
        (
            json!({"type": "rank", "query": "", "items": []}),
            vec!["/query", "/items"],
        ),
    ] {
        let answer = submit(&service, &ann, &body).await;
        assert_eq!((answer.status, answer.error()), (400, "INVALID_REQUEST"), "{answer:?}");
        assert_eq!(answer.pointers(), pointers, "{answer:?}");
    }
    let large = with("posts", json!([{"id": "a", "text": "x".repeat(800 * 1024)}]));
    let answer = submit(&service, &ann, &large).await;
    assert_eq!((answer.status, answer.error()), (413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(used(&service, &ann, "posts").await, 0);
}

#[tokio::test]
async fn a_job_is_its_users_alone_and_is_forgotten_after_an_hour() {
    let service = Service::start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let answer = submit(&service, &ann, &ranking()).await;
    let job = id(&answer).to_owned();
    ended(&service, &ann, &job).await;
    assert_eq!(poll(&service, &bob, &job).await.status, 404);
    for forged in ["x", "job_", &format!("{}AAAA", &job[..48])] {
        assert_eq!(poll(&service, &ann, forged).await.status, 404, "{forged}");
    }
    service.clock.advance(Duration::from_mins(69));
    let ann = service.client.register("ann").await;
    assert_eq!(poll(&service, &ann, &job).await.body["status"], "done");
    service.clock.advance(Duration::from_mins(2));
    assert_eq!(poll(&service, &ann, &job).await.status, 404);
}

#[tokio::test]
async fn ten_jobs_are_taken_in_a_minute() {
    let service = Plan::default().with_default_limits().start().await;
    let ann = service.client.register("ann").await;
    for n in 0..10 {
        let answer = submit(&service, &ann, &posts(1)).await;
        assert_eq!(answer.status, 202, "{n}: {answer:?}");
    }
    let refused = submit(&service, &ann, &posts(1)).await;
    assert_eq!((refused.status, refused.error()), (429, "RATE_LIMIT_EXCEEDED"));
    assert_eq!(used(&service, &ann, "posts").await, 10);
}

#[tokio::test]
async fn a_job_that_is_not_done_in_its_time_has_failed_and_is_given_back() {
    let service = Service::start().await;
    queues(&service).misbehave(LATE);
    let ann = service.client.register("ann").await;
    let answer = submit(&service, &ann, &posts(5)).await;
    let job = id(&answer);
    assert_eq!(poll(&service, &ann, job).await.body["status"], "queued");
    assert_eq!(used(&service, &ann, "posts").await, 5);
    service.clock.advance(Duration::from_mins(10));
    let failed = ended(&service, &ann, job).await;
    assert_eq!(failed.body["status"], "failed");
    let error = &failed.body["error"];
    assert_eq!(
        (&error["error"], &error["retryable"]),
        (&json!("EXPIRED"), &json!(true))
    );
    assert_eq!(used(&service, &ann, "posts").await, 0);
}

#[tokio::test]
async fn while_the_queue_is_down_nothing_is_taken_and_nothing_charged() {
    let nowhere = "http://127.0.0.1:1";
    let mut plan = Plan::default().with("AWS_ENDPOINT_URL_SQS", nowhere);
    for setting in [
        "CLEARVIEW_QUEUE_URL",
        "CLEARVIEW_LOW_QUEUE_URL",
        "CLEARVIEW_WEBHOOK_QUEUE_URL",
    ] {
        plan = plan.with(setting, format!("{nowhere}/0/jobs"));
    }
    let plan = plan
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test");
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    for key in [None, Some("k1")] {
        let answer = match key {
            None => submit(&service, &ann, &posts(5)).await,
            Some(key) => submit_keyed(&service, &ann, key, &posts(5)).await,
        };
        assert_eq!((answer.status, answer.error()), (503, "UNAVAILABLE"), "{answer:?}");
        assert!(!answer.header("retry-after").is_empty());
        assert_eq!(used(&service, &ann, "posts").await, 0);
    }
    assert_eq!(
        service.client.classify(&ann, "Hide crypto", &["bitcoin"]).await.status,
        200
    );
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_makes_one_job_or_none() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let lost = |every| QueueFaults {
        lost: every,
        ..QueueFaults::default()
    };
    queues(&service).misbehave(lost(1));
    let refused = submit_keyed(&service, &ann, "k1", &posts(5)).await;
    assert_eq!((refused.status, refused.error()), (503, "UNAVAILABLE"), "{refused:?}");
    assert_eq!(
        used(&service, &ann, "posts").await,
        0,
        "withdrawn, whatever the queue holds"
    );

    // The third send: its answer is lost, and it is sent again.
    queues(&service).misbehave(lost(3));
    // The queue is skipped for a moment after a failure.
    service.clock.advance(Duration::from_secs(10));
    let answer = submit_keyed(&service, &ann, "k1", &posts(5)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(ended(&service, &ann, id(&answer)).await.body["status"], "done");
    assert_eq!(used(&service, &ann, "posts").await, 5);
    assert_eq!(
        service.tables().count("jobs").await,
        2,
        "the withdrawn one, and the one done"
    );
}

#[tokio::test]
async fn messages_that_come_twice_late_and_after_their_delete_are_one_job_each() {
    let service = Service::start().await;
    queues(&service).misbehave(QueueFaults {
        twice: 2,
        late: 3,
        undeleted: 2,
        lost: 0,
    });
    let ann = service.client.register("ann").await;
    let mut jobs = Vec::new();
    for n in 1..=9 {
        let answer = submit(&service, &ann, &posts(n)).await;
        jobs.push(id(&answer).to_owned());
    }
    service.clock.advance(Duration::from_secs(3));
    for job in &jobs {
        assert_eq!(ended(&service, &ann, job).await.body["status"], "done");
    }
    // Those that were not deleted come again, twice.
    for _ in 0..2 {
        service.clock.advance(Duration::from_mins(3));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(service.tables().count("jobs").await, 9);
    assert_eq!(used(&service, &ann, "posts").await, 45);
}

#[tokio::test]
async fn the_result_for_a_user_who_was_erased_is_not_kept() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let first = submit(&service, &ann, &ranking()).await;
    ended(&service, &ann, id(&first)).await;
    queues(&service).misbehave(LATE);
    let second = submit(&service, &ann, &ranking()).await;
    assert_eq!(second.status, 202);
    let me = || {
        service
            .client
            .request(Method::GET, "/v1/auth/me")
            .bearer_auth(&ann.access)
    };
    let export = send(me()).await;
    assert_eq!(export.body["jobs"][0]["jobId"], first.body["jobId"], "{export:?}");
    let erased = service
        .client
        .request(Method::DELETE, "/v1/auth/me")
        .bearer_auth(&ann.access);
    assert_eq!(send(erased).await.status, 204);
    assert_eq!(service.tables().count("jobs").await, 0);
    service.clock.advance(Duration::from_secs(3));
    while queues(&service).depth("clearview-jobs") != (0, 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(service.tables().count("jobs").await, 0);
}

#[tokio::test]
async fn a_backlog_of_an_hour_takes_no_job() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let priority = shared::jobs::Priority::Normal;
    let app = service.app();
    app.backlog
        .note(priority, 1, Duration::from_mins(61), app.clock.now())
        .await;
    let refused = submit(&service, &ann, &posts(1)).await;
    assert_eq!(
        (refused.status, refused.error()),
        (503, "REDUCED_CAPACITY"),
        "{refused:?}"
    );
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(used(&service, &ann, "posts").await, 0);
}
