//! Experiments: the same items ranked in several categories, kept for months, and compared.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::service::Service;
use tests::upstream::{Act, plan_of, upstream};

const PLANS: &str = r#"{"free":{"posts":{"perDay":1000,"perMinute":100000},"rankings":{"perDay":50,"perMinute":10}}}"#;

fn shoes() -> Value {
    json!({
        "name": "March", "items": ["Brooks trail", "Hoka moon", "Nike road"], "categories": ["trail shoes", "road shoes"]
    })
}

async fn ask(service: &Service, device: &Device, method: Method, path: &str) -> Answer {
    send(service.client.request(method, path).bearer_auth(&device.access)).await
}

async fn start(service: &Service, device: &Device, body: &Value) -> Answer {
    let request = service.client.request(Method::POST, "/v1/experiments");
    send(request.bearer_auth(&device.access).json(body)).await
}

async fn show(service: &Service, device: &Device, id: &str) -> Answer {
    ask(service, device, Method::GET, &format!("/v1/experiments/{id}")).await
}

fn id_of(answer: &Answer) -> String {
    answer.body["experimentId"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer:?}"))
        .to_owned()
}

/// Starts an experiment, and returns it once its work has ended.
async fn ended(service: &Service, device: &Device, body: &Value) -> Value {
    let answer = start(service, device, body).await;
    assert_eq!(
        (answer.status, &answer.body["status"]),
        (202, &json!("queued")),
        "{answer:?}"
    );
    let id = id_of(&answer);
    assert_eq!(answer.header("location"), format!("/v1/experiments/{id}"));
    for _ in 0..1000 {
        let shown = show(service, device, &id).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        if shown.body["status"] != "queued" {
            return shown.body;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} is never done");
}

async fn used(service: &Service, device: &Device) -> u64 {
    let usage = ask(service, device, Method::GET, "/v1/usage").await;
    usage.body["meters"]["rankings"]["used"].as_u64().unwrap()
}

#[tokio::test]
async fn each_category_is_ranked_with_reasons_and_charged_for_each_sample() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).with("CLEARVIEW_PLANS", PLANS).start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let done = ended(&service, &ann, &shoes()).await;
    assert_eq!(done["status"], "done", "{done}");
    assert_eq!((&done["name"], &done["samples"]), (&json!("March"), &json!(3)));
    let places = |category: usize| -> Vec<&str> {
        let results = done["categories"][category]["results"].as_array().unwrap().iter();
        results.map(|placed| placed["item"].as_str().unwrap()).collect()
    };
    assert_eq!(places(0), ["Brooks trail", "Hoka moon", "Nike road"]);
    assert_eq!(places(1), ["Nike road", "Brooks trail", "Hoka moon"]);
    for category in done["categories"].as_array().unwrap() {
        assert_eq!(
            (&category["status"], &category["source"]),
            (&json!("done"), &json!("model"))
        );
        assert_eq!(category["agreement"], 1.0);
        for (n, placed) in category["results"].as_array().unwrap().iter().enumerate() {
            assert_eq!(placed["rank"], n + 1);
            assert!(
                placed["reason"].as_str().unwrap().starts_with("Words of the query "),
                "{placed}"
            );
        }
    }
    let averages = json!([
        {"item": "Brooks trail", "rank": 1.5}, {"item": "Nike road", "rank": 2.0}, {"item": "Hoka moon", "rank": 2.5}
    ]);
    assert_eq!(done["averageRanks"], averages);
    assert_eq!(used(&service, &ann).await, 6);

    // The same again is another experiment, of remembered rankings.
    let again = ended(&service, &ann, &shoes()).await;
    assert_ne!(again["experimentId"], done["experimentId"]);
    assert_eq!(again["categories"][0]["source"], "cache");
    assert_eq!((used(&service, &ann).await, upstream.calls().len()), (12, 6));

    let listed = ask(&service, &ann, Method::GET, "/v1/experiments").await;
    let listed = listed.body["experiments"].as_array().unwrap().clone();
    assert_eq!((listed.len(), &listed[0]["status"]), (2, &json!("done")));
    let export = ask(&service, &ann, Method::GET, "/v1/auth/me").await;
    assert_eq!(export.body["experiments"].as_array().unwrap().len(), 2);
    // Nobody else's.
    let id = done["experimentId"].as_str().unwrap();
    assert_eq!(show(&service, &bob, id).await.status, 404);
    let listed = ask(&service, &bob, Method::GET, "/v1/experiments").await;
    assert_eq!(listed.body, json!({"experiments": []}));
}

#[tokio::test]
async fn two_experiments_are_compared_in_what_both_have() {
    let upstream = upstream(Act::Answer).await;
    let service = plan_of(&upstream).with("CLEARVIEW_PLANS", PLANS).start().await;
    let (ann, bob) = (
        service.client.register("ann").await,
        service.client.register("bob").await,
    );
    let before = ended(&service, &ann, &shoes()).await;
    let body =
        json!({"items": ["brooks Trail", "Nike road", "Asics"], "categories": ["ROAD shoes", "new"], "samples": 1});
    let after = ended(&service, &ann, &body).await;
    let (this, other) = (
        after["experimentId"].as_str().unwrap(),
        before["experimentId"].as_str().unwrap(),
    );
    let path = format!("/v1/experiments/{this}/compare/{other}");
    let compared = ask(&service, &ann, Method::GET, &path).await;
    assert_eq!(compared.status, 200, "{compared:?}");
    assert_eq!(
        compared.body["categories"],
        json!([{"category": "ROAD shoes", "items": [
            {"item": "Nike road", "before": 1, "after": 1, "change": 0.0},
            {"item": "brooks Trail", "before": 2, "after": 3, "change": -1.0},
        ]}])
    );
    assert_eq!(
        (&compared.body["experimentId"], &compared.body["other"]),
        (&json!(this), &json!(other))
    );
    assert_eq!(ask(&service, &bob, Method::GET, &path).await.status, 404);

    let path = format!("/v1/experiments/{other}");
    assert_eq!(ask(&service, &bob, Method::DELETE, &path).await.status, 404);
    assert_eq!(ask(&service, &ann, Method::DELETE, &path).await.status, 204);
    assert_eq!(show(&service, &ann, other).await.status, 404);
    let path = format!("/v1/experiments/{this}/compare/{other}");
    assert_eq!(ask(&service, &ann, Method::GET, &path).await.status, 404);
}

#[tokio::test]
async fn one_that_nobody_ranks_in_its_time_has_failed_and_is_given_back() {
    let upstream = upstream(Act::Hang).await;
    let service = plan_of(&upstream).with("CLEARVIEW_PLANS", PLANS).start().await;
    let ann = service.client.register("ann").await;
    let answer = start(&service, &ann, &shoes()).await;
    let id = id_of(&answer);
    assert_eq!(used(&service, &ann).await, 6);
    let waiting = show(&service, &ann, &id).await;
    assert_eq!(
        (&waiting.body["status"], &waiting.body["averageRanks"]),
        (&json!("queued"), &json!([]))
    );
    assert_eq!(
        waiting.body["categories"][1],
        json!({"category": "road shoes", "status": "queued", "results": []})
    );
    let path = format!("/v1/experiments/{id}");
    let early = ask(&service, &ann, Method::DELETE, &path).await;
    assert_eq!((early.status, early.error()), (409, "CONFLICT"));

    service.clock.advance(Duration::from_mins(11));
    let failed = show(&service, &ann, &id).await;
    assert_eq!(
        (failed.status, &failed.body["status"]),
        (200, &json!("failed")),
        "{failed:?}"
    );
    assert_eq!(failed.body["categories"][0]["status"], "failed");
    assert_eq!(used(&service, &ann).await, 0);
    assert_eq!(ask(&service, &ann, Method::DELETE, &path).await.status, 204);
}

#[tokio::test]
async fn each_broken_bound_has_its_place_and_nothing_is_charged_or_kept() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    for (member, value, pointer) in [
        ("items", json!(["a"]), "/items"),
        ("items", json!(["a", "A "]), "/items/1"),
        ("items", json!(["a", ""]), "/items/1"),
        ("items", json!(["a", {"text": "b"}]), "/items/1"),
        ("categories", json!([]), "/categories"),
        ("categories", json!(["1", "2", "3", "4", "5", "6"]), "/categories"),
        ("samples", json!(6), "/samples"),
        ("name", json!(""), "/name"),
        ("name", json!(null), "/name"),
        ("model", json!("gpt"), "/model"),
    ] {
        let mut body = shoes();
        body[member] = value;
        let answer = start(&service, &ann, &body).await;
        assert_eq!((answer.status, answer.pointers()), (400, vec![pointer]), "{answer:?}");
    }
    assert_eq!(used(&service, &ann).await, 0);
    let listed = ask(&service, &ann, Method::GET, "/v1/experiments").await;
    assert_eq!(listed.body, json!({"experiments": []}));
    for id in ["exp_", "exp_x", "job_AQIABgGVUw"] {
        assert_eq!(show(&service, &ann, id).await.status, 404, "{id}");
    }
    let no_cursor = ask(&service, &ann, Method::GET, "/v1/experiments?cursor=x").await;
    assert_eq!((no_cursor.status, no_cursor.pointers()), (400, vec!["?cursor"]));
    // It is no job that a client may submit as one.
    let job = service
        .client
        .request(Method::POST, "/v1/jobs")
        .bearer_auth(&ann.access);
    let mut body = shoes();
    body["type"] = json!("experiment");
    assert_eq!(send(job.json(&body)).await.status, 400);
    let stranger = service.client.post("/v1/experiments", &shoes()).await;
    assert_eq!((stranger.status, stranger.error()), (401, "UNAUTHENTICATED"));
}
