//! Announcements of jobs: signed, sent until they are taken, to nowhere that the operator did not name.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::app::App;
use shared::clock::Timestamp;
use shared::config::Secret;
use shared::jobs::webhook::delivery::{Attempt, Courier};
use shared::jobs::webhook::endpoint::WebhookEndpoints;
use shared::jobs::webhook::{ATTEMPTS, Announcement, Event};
use shared::table;
use standardwebhooks::Webhook;
use tests::client::send;
use tests::receiver::{Receiver, Told};
use tests::service::{Plan, Service};
use tokio::net::TcpListener;

const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU";

fn endpoints(url: &str) -> Secret {
    Secret::new(
        json!({
            "review": {"url": url, "secrets": [NEW, OLD]},
            "failures": {"url": url, "secrets": [NEW], "types": ["job.failed"]},
        })
        .to_string(),
    )
}

/// An instance whose endpoints may be anywhere, on the system's clock: the receiver's library knows no other.
fn sender(url: &str) -> App {
    let plan = Plan::default()
        .on_system_time()
        .with("CLEARVIEW_WEBHOOKS", endpoints(url).expose());
    let mut config = plan.config();
    config.webhooks.allow_private = true;
    let client = table::client(&config);
    App::new(config, plan.clock().clone(), &client).unwrap()
}

fn announcement(endpoint: &str) -> Announcement {
    Announcement {
        event: Event::Done,
        job_id: "job_A".to_owned(),
        user_id: "u_A".to_owned(),
        endpoint: endpoint.to_owned(),
        at: Timestamp::parse("2026-11-30T18:05:00Z").unwrap(),
    }
}

/// An event of the queue with these messages, each received so often.
fn event(messages: &[(&str, usize)]) -> Value {
    let records = messages.iter().enumerate().map(|(n, (body, receives))| {
        json!({
            "messageId": format!("m{n}"), "receiptHandle": format!("r{n}"), "body": body,
            "attributes": {"ApproximateReceiveCount": receives.to_string()},
        })
    });
    json!({"Records": records.collect::<Value>()})
}

async fn left(app: &App, messages: &[(&str, usize)]) -> Vec<String> {
    let answer = webhooks::handle(app, event(messages)).await.unwrap();
    let answer = serde_json::to_value(&answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures
        .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_receiver_verifies_it_with_the_secret_before_and_the_one_after_a_rotation() {
    let receiver = Receiver::start().await;
    let app = sender(&format!("{}/hooks?x=1", receiver.url()));
    let message = serde_json::to_string(&announcement("review")).unwrap();
    assert!(left(&app, &[(&message, 1)]).await.is_empty());
    // Received once more, by a queue that delivers twice.
    assert!(left(&app, &[(&message, 2)]).await.is_empty());
    let announced = receiver.received();
    assert_eq!(announced.len(), 2);
    for one in &announced {
        for secret in [OLD, NEW] {
            let webhook = Webhook::new(secret).unwrap();
            webhook.verify(one.body.as_bytes(), &one.headers).unwrap();
            assert!(webhook.verify(b"{}", &one.headers).is_err());
        }
        assert_eq!(
            (one.path.as_str(), one.header("content-type")),
            ("/hooks", "application/json")
        );
        assert_eq!(one.header("webhook-id"), announced[0].header("webhook-id"), "one id");
        let body: Value = serde_json::from_str(&one.body).unwrap();
        let data = json!({"jobId": "job_A", "userId": "u_A"});
        assert_eq!(
            body,
            json!({"type": "job.done", "timestamp": "2026-11-30T18:05:00Z", "data": data})
        );
    }
}

#[tokio::test]
async fn each_message_of_a_batch_has_its_own_end() {
    let receiver = Receiver::start().await;
    let app = sender(&receiver.url());
    let review = serde_json::to_string(&announcement("review")).unwrap();
    for (status, attempt, is_left) in [
        (200_u16, 1, false),
        (299, 1, false),
        (302, 1, true),
        (404, 1, true),
        (410, 1, false),
        (500, 5, true),
        // Left, so that it goes to the dead letters.
        (503, ATTEMPTS, true),
    ] {
        receiver.tell(status);
        assert_eq!(
            left(&app, &[(&review, attempt)]).await.len(),
            usize::from(is_left),
            "{status}"
        );
    }
    let unwanted = serde_json::to_string(&announcement("failures")).unwrap();
    let unnamed = serde_json::to_string(&announcement("other")).unwrap();
    let before = receiver.received().len();
    let messages = [
        (unwanted.as_str(), 1),
        (unnamed.as_str(), 1),
        ("no announcement", 1),
        (review.as_str(), 1),
    ];
    assert_eq!(left(&app, &messages).await, ["m1", "m2"]);
    assert_eq!(receiver.received().len(), before + 1, "the last alone was sent");
    assert!(webhooks::handle(&app, json!({"Records": 1})).await.is_err());
}

#[tokio::test]
async fn a_redirection_is_not_followed_and_an_endless_answer_not_read() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let all = WebhookEndpoints::parse_private(&endpoints(&receiver.url())).unwrap();
    let endpoint = all.named("review").unwrap();
    let now = Timestamp::from_seconds(0);
    let courier = Courier::new(true);
    for status in [301_u16, 302, 303, 307, 308] {
        receiver.tell(Told {
            header: Some(("location", format!("{}/hooks", elsewhere.url()))),
            ..status.into()
        });
        let attempt = courier.send(&announcement("review"), endpoint, now).await;
        assert_eq!(attempt, Attempt::Refused(status, None));
    }
    assert!(elsewhere.received().is_empty());
    receiver.tell(Told {
        endless: true,
        ..200_u16.into()
    });
    assert_eq!(
        courier.send(&announcement("review"), endpoint, now).await,
        Attempt::Delivered
    );
    receiver.tell(Told {
        header: Some(("retry-after", "77".to_owned())),
        endless: true,
        ..429_u16.into()
    });
    let attempt = courier.send(&announcement("review"), endpoint, now).await;
    assert_eq!(attempt, Attempt::Refused(429, Some(Duration::from_secs(77))));
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_public_however_it_is_written() {
    let receiver = Receiver::start().await;
    let (port, now) = (receiver.address.port(), Timestamp::from_seconds(0));
    let courier = Courier::new(false);
    for host in [
        "127.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "169.254.100.1",
        "100.64.0.1",
        "10.64.0.10",
        "192.168.0.1",
        "224.0.0.1",
        "localhost",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/");
            let all = WebhookEndpoints::parse_private(&endpoints(&url)).unwrap();
            let attempt = courier
                .send(&announcement("review"), all.named("review").unwrap(), now)
                .await;
            // A name is not even resolved for plain HTTP.
            let is_name = host.starts_with("localhost") && scheme == "http";
            let expected = if is_name {
                Attempt::Unreached
            } else {
                Attempt::NotPublic
            };
            assert_eq!(attempt, expected, "{url}");
        }
    }
    assert!(receiver.received().is_empty());
}

#[test]
fn a_deployment_starts_with_public_endpoints_alone() {
    let start = |url: &str| {
        let plan = Plan::default().with("CLEARVIEW_WEBHOOKS", endpoints(url).expose());
        let config = plan.config();
        let client = table::client(&config);
        App::new(config, plan.clock().clone(), &client).map(|_| ())
    };
    assert!(start("https://hooks.example/").is_ok());
    for url in [
        "http://hooks.example/",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://hooks.example:444/",
    ] {
        let error = start(url).unwrap_err();
        assert_eq!(error.variable, "CLEARVIEW_WEBHOOKS");
        assert!(!error.problem.contains("whsec_"), "{}", error.problem);
    }
}

/// An instance on a clock set by hand, whose endpoint `review` is at `url`.
fn on_a_clock(url: &str) -> Plan {
    Plan::default().with("CLEARVIEW_WEBHOOKS", endpoints(url).expose())
}

/// Waits until the one announcement of the queue is hidden for about `wait` from now on.
async fn hidden_for(service: &Service, wait: Duration) -> Timestamp {
    let now = service.clock.now();
    loop {
        if let Some(at) = service.queues().unwrap().next_visible("clearview-webhooks")
            && at >= now.plus(wait)
            // A tenth more, in whole seconds.
            && at <= now.plus(wait + wait / 10 + Duration::from_secs(1))
        {
            return at;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_announcement_is_sent_again_after_ever_longer_waits_until_it_is_taken_or_given_up() {
    for is_taken in [true, false] {
        let receiver = Receiver::start().await;
        for _ in 1..ATTEMPTS {
            receiver.tell(500_u16);
        }
        receiver.tell(if is_taken { 204_u16 } else { 500 });
        let service = on_a_clock(&receiver.url()).start().await;
        let ann = service.client.register("ann").await;
        let job = json!({"type": "rank", "query": "q", "webhook": "review", "items": [
            {"id": "a", "text": "one"}, {"id": "b", "text": "two"},
        ]});
        let request = service.client.request(Method::POST, "/v1/jobs");
        let answer = send(request.bearer_auth(&ann.access).json(&job)).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let mut sent_at = Vec::new();
        for wait in [5, 300, 1_800, 7_200, 18_000].map(Duration::from_secs) {
            let visible = hidden_for(&service, wait).await;
            sent_at.push(service.clock.now());
            service.clock.advance(visible.since(service.clock.now()));
        }
        sent_at.push(service.clock.now());
        while receiver.received().len() < ATTEMPTS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let attempts = receiver.received();
        for (one, at) in attempts.iter().zip(&sent_at) {
            assert_eq!(one.header("webhook-timestamp"), at.seconds().to_string());
            assert_eq!(one.header("webhook-id"), attempts[0].header("webhook-id"), "one id");
        }
        let (queues, dead) = (service.queues().unwrap(), u64::from(!is_taken));
        while queues.depth("clearview-webhooks") != (0, 0) {
            // Given up, it is hidden for the queue's own time.
            service.clock.advance(Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(queues.depth("clearview-webhooks-dead"), (dead, 0));
        assert_eq!(receiver.received().len(), ATTEMPTS);
    }
}

/// A receiver that ends each connection without an answer; the number of those so far.
async fn deaf_receiver() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (url, connections)
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_skipped_and_delays_no_other() {
    let (deaf, connections) = deaf_receiver().await;
    let receiver = Receiver::start().await;
    let all = json!({
        "review": {"url": receiver.url(), "secrets": [NEW]}, "deaf": {"url": deaf, "secrets": [NEW]},
    });
    let plan = Plan::default().with("CLEARVIEW_WEBHOOKS", all.to_string());
    let mut config = plan.config();
    config.webhooks.allow_private = true;
    let client = table::client(&config);
    let app = App::new(config, plan.clock().clone(), &client).unwrap();
    let deaf = serde_json::to_string(&announcement("deaf")).unwrap();
    let review = serde_json::to_string(&announcement("review")).unwrap();
    let tried = || connections.load(Ordering::SeqCst);
    for (seconds, attempt, expected, why) in [
        (0, 1, 1, "it is well as far as is known"),
        (0, 2, 1, "it has just failed"),
        (0, ATTEMPTS, 2, "a last attempt"),
        (5, 2, 3, "a probe"),
        (5, 2, 3, "skipped for twice as long"),
        (5, 2, 4, "a second probe"),
        (1, ATTEMPTS, 4, "surely down: not even a last attempt"),
    ] {
        plan.clock().advance(Duration::from_secs(seconds));
        assert_eq!(left(&app, &[(&deaf, attempt), (&review, 1)]).await, ["m0"], "{why}");
        assert_eq!(tried(), expected, "{why}");
    }
    assert_eq!(receiver.received().len(), 7);
}
