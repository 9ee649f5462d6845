//! The number of calls: one per question, for any number of users and requests.

use std::time::Duration;

use futures_util::future::join_all;
use tests::client::{Answer, Client, Device};
use tests::service::Service;
use tests::upstream::{Act, Script, Upstream, plan_of, upstream};

const PREFERENCE: &str = "hide crypto";

async fn devices(service: &Service, count: usize) -> Vec<Device> {
    let mut devices = Vec::new();
    for n in 0..count {
        // In turn: the limits on registrations are not what is tested here.
        devices.push(service.client.register(&format!("device-{n}")).await);
    }
    devices
}

fn sizes(upstream: &Upstream) -> Vec<usize> {
    let calls = upstream.calls();
    calls
        .iter()
        .map(|call| call.asked.as_ref().unwrap().posts.len())
        .collect()
}

async fn ask(client: &Client, device: &Device, text: &str) -> Answer {
    client.classify(device, PREFERENCE, &[text]).await
}

#[tokio::test]
async fn fifty_misses_are_one_call() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let texts: Vec<String> = (0..50).map(|n| format!("post number {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let answer = service.client.classify(&ann, PREFERENCE, &texts).await;
    assert_eq!(answer.status, 200);
    assert_eq!(sizes(&upstream), [50]);
}

#[tokio::test]
async fn fifty_simultaneous_identical_requests_are_one_call() {
    let upstream = upstream(Act::Delay { ms: 300 }).await;
    let service = plan_of(&upstream).start().await;
    let devices = devices(&service, 5).await;
    let asked = (0..50).map(|n| ask(&service.client, &devices[n % 5], "crypto to the moon"));
    for answer in join_all(asked).await {
        assert_eq!(
            (answer.status, &answer.body["results"][0]["label"]),
            (200, &"HIDE".into())
        );
    }
    assert_eq!(sizes(&upstream), [1]);
}

#[tokio::test]
async fn requests_under_one_preference_share_a_call_while_another_is_under_way() {
    let upstream = upstream(Act::Delay { ms: 400 }).await;
    let service = plan_of(&upstream).start().await;
    let devices = devices(&service, 5).await;
    let first = ask(&service.client, &devices[0], "the first post");
    let others = async {
        upstream.called(1).await;
        let texts: Vec<String> = (0..20).map(|n| format!("another post {n}")).collect();
        let asked = texts
            .iter()
            .enumerate()
            .map(|(n, text)| ask(&service.client, &devices[n % 5], text));
        join_all(asked).await
    };
    let (first, others) = tokio::join!(first, others);
    for answer in others.iter().chain([&first]) {
        assert_eq!(
            (answer.status, &answer.body["results"][0]["source"]),
            (200, &"model".into())
        );
    }
    let sizes = sizes(&upstream);
    assert_eq!(sizes.iter().sum::<usize>(), 21, "every post once: {sizes:?}");
    assert!(
        sizes.len() <= 4,
        "twenty that come together share their calls: {sizes:?}"
    );
}

#[tokio::test]
async fn alone_nothing_waits_for_company() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).start().await;
    let ann = service.client.register("ann").await;
    for n in 0..3 {
        ask(&service.client, &ann, &format!("post {n}")).await;
    }
    assert_eq!(sizes(&upstream), [1, 1, 1], "one after another, each at once");
}

#[tokio::test]
async fn another_preference_is_another_call() {
    let upstream = upstream(Act::Delay { ms: 200 }).await;
    let service = plan_of(&upstream).start().await;
    let devices = devices(&service, 2).await;
    let (one, other) = tokio::join!(
        service.client.classify(&devices[0], "hide crypto", &["a post"]),
        service.client.classify(&devices[1], "hide cats", &["a post"]),
    );
    assert_eq!((one.status, other.status, upstream.calls().len()), (200, 200, 2));
}

#[tokio::test]
async fn long_posts_are_asked_about_in_several_calls_at_a_time() {
    let upstream = upstream(Act::Delay { ms: 100 }).await;
    let service = plan_of(&upstream).with("CLEARVIEW_CALL_TOKENS", "1000").start().await;
    let ann = service.client.register("ann").await;
    let texts: Vec<String> = (0..6).map(|n| format!("{n} {}", "lorem ipsum ".repeat(100))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let answer = service.client.classify(&ann, PREFERENCE, &texts).await;
    assert_eq!(answer.status, 200);
    assert_eq!(sizes(&upstream), [2, 2, 2]);
}

#[tokio::test]
async fn who_waited_for_a_call_that_failed_gets_an_answer_too() {
    let upstream = upstream(Act::Delay { ms: 300 }).await;
    let service = plan_of(&upstream).start().await;
    let devices = devices(&service, 4).await;
    let first = ask(&service.client, &devices[0], "the first post");
    let others = async {
        upstream.called(1).await;
        upstream.follow(Script::always(Act::Cut));
        let texts = ["one", "two", "three"];
        join_all((0..3).map(|n| ask(&service.client, &devices[n + 1], texts[n]))).await
    };
    let bounded = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(first, others) });
    let (first, others) = bounded.await.unwrap();
    assert_eq!(first.body["results"][0]["source"], "model");
    for answer in others {
        assert_eq!(
            (answer.status, &answer.body["results"][0]["source"]),
            (200, &"local".into())
        );
    }
}

#[tokio::test]
async fn nobody_waits_for_company_until_a_slow_call_ends() {
    let upstream = upstream(Act::Hang).await;
    let service = plan_of(&upstream).with_deadlines(60_000, 60_000).start().await;
    let devices = devices(&service, 2).await;
    let both = async {
        let (first, second) = (
            ask(&service.client, &devices[0], "the first post"),
            ask(&service.client, &devices[1], "the second post"),
        );
        tokio::join!(first, second)
    };
    tokio::select! {
        _ = both => panic!("a call that hangs has no answer"),
        () = upstream.called(2) => {}
    }
    assert_eq!(sizes(&upstream), [1, 1]);
}
