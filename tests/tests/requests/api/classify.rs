//! Verdicts: shared between users, judged once, in the order asked.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::client::send;
use tests::service::{Plan, Service};

const PREFERENCE: &str = "Hide crypto";

#[tokio::test]
async fn a_post_that_is_to_be_hidden_is_hidden_and_another_is_not() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let answer = service
        .client
        .classify(
            &ann,
            PREFERENCE,
            &[
                "Bitcoin is going to the moon, buy crypto now",
                "My sourdough turned five today",
            ],
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!((&results[0]["id"], &results[0]["label"]), (&json!("0"), &json!("HIDE")));
    assert_eq!(
        (&results[1]["id"], &results[1]["label"]),
        (&json!("1"), &json!("ALLOW"))
    );
    for result in results {
        assert_eq!(result["source"], "local");
        assert_eq!(
            (&result["cached"], &result["failedOpen"]),
            (&json!(false), &json!(false))
        );
        assert!((0.0..=1.0).contains(&result["score"].as_f64().unwrap()));
        assert!(result.get("reason").is_none(), "nobody asked why");
    }
    assert_eq!(answer.body["degraded"], json!([]));
}

#[tokio::test]
async fn the_same_words_typed_differently_are_one_question_for_all_users() {
    let service = Service::start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let first = service
        .client
        .classify(&ann, PREFERENCE, &["Bitcoin to the MOON"])
        .await;
    let second = service
        .client
        .classify(&bob, " hide  CRYPTO\n", &["bitcoin to   the moon "])
        .await;
    let (one, other) = (&first.body["results"][0], &second.body["results"][0]);
    assert_eq!((&one["cached"], &one["source"]), (&json!(false), &json!("local")));
    assert_eq!((&other["cached"], &other["source"]), (&json!(true), &json!("cache")));
    assert_eq!(one["score"], other["score"]);
    assert_eq!(first.body["preferenceVersion"], second.body["preferenceVersion"]);
}

#[tokio::test]
async fn another_preference_is_another_question() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let first = service
        .client
        .classify(&ann, PREFERENCE, &["Bitcoin to the moon"])
        .await;
    let second = service
        .client
        .classify(&ann, "Hide recipes", &["Bitcoin to the moon"])
        .await;
    assert_eq!(second.body["results"][0]["cached"], json!(false));
    assert_ne!(first.body["preferenceVersion"], second.body["preferenceVersion"]);
}

#[tokio::test]
async fn identical_texts_in_a_batch_are_judged_once_and_charged_each() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let answer = service
        .client
        .classify(&ann, PREFERENCE, &["one", "two", "ONE", "one "])
        .await;
    assert_eq!(answer.body["usage"]["used"], 4);
    assert_eq!(service.tables().count("answers").await, 2);
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!(results[0]["score"], results[2]["score"]);
}

#[tokio::test]
async fn a_verdict_is_fresh_for_six_hours_on_every_instance() {
    let tables = tests::service::TableService::start().await;
    let plan = Plan::default().with_tables_at(tables.address());
    let (here, there) = (plan.start().await, plan.start().await);
    let ann = here.client.register("ann").await;
    let source = async |service: &Service, device| {
        let answer = service.client.classify(device, PREFERENCE, &["Bitcoin"]).await;
        answer.body["results"][0]["source"].as_str().unwrap().to_owned()
    };
    assert_eq!(source(&here, &ann).await, "local");
    assert_eq!(source(&there, &ann).await, "cache", "read from the table");
    here.clock.advance(Duration::from_secs(6 * 3600 - 1));
    let ann = here.client.register("ann").await;
    assert_eq!(source(&here, &ann).await, "cache");
    here.clock.advance(Duration::from_secs(1));
    assert_eq!(source(&there, &ann).await, "local", "judged anew");
    assert_eq!(source(&here, &ann).await, "cache", "the other instance's newer verdict");
}

#[tokio::test]
async fn an_explanation_names_the_words_that_apply() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let body = json!({
        "preference": "Hide crypto and diet ads",
        "posts": [{"id": "x", "text": "Bitcoin is going to the moon, buy crypto now", "lang": "en"}],
    });
    let request = |query: &str| {
        let path = format!("/v1/classify{query}");
        service
            .client
            .request(Method::POST, &path)
            .bearer_auth(&ann.access)
            .json(&body)
    };
    let explained = send(request("?explain=true")).await;
    let result = &explained.body["results"][0];
    assert!(
        result["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
        "{result}"
    );
    assert!(
        result["matched"].as_str().is_some_and(|words| words.contains("crypto")),
        "{result}"
    );
    let plain = send(request("?explain=false")).await;
    assert!(plain.body["results"][0].get("reason").is_none());
}

#[tokio::test]
async fn identical_requests_that_meet_are_judged_once() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let text = "a long post about bread ".repeat(400);
    let texts = [text.as_str(); 1];
    let requests = (0..20).map(|_| service.client.classify(&ann, PREFERENCE, &texts));
    let answers = join_all(requests).await;
    let judged = answers
        .iter()
        .filter(|answer| answer.body["results"][0]["source"] == "local")
        .count();
    assert_eq!(judged, 1, "the others waited for it or found it");
}
