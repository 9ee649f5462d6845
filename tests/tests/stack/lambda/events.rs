//! Every captured event is answered identically by the handler in this process, by the local server and by the binary.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local::event::to_response;
use local::gateway;
use reqwest::{Method, Url};
use serde_json::Value;
use shared::app::App;
use shared::clock::Clock;
use shared::table;
use tests::client::Client;
use tests::events::{self, Captured};
use tests::redis::Redis;

use crate::lambda::answers::Answer;
use crate::lambda::stage::{Stage, token_of};

/// Headers that belong to the transport of an event's request, not to the request.
const OF_THE_WAY: [&str; 5] = [
    "host",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-amzn-trace-id",
];

#[test]
fn every_captured_event_has_an_expected_answer() {
    let requests = events::EXPECTED.iter().map(|(name, ..)| *name);
    let scheduled = events::SCHEDULED.iter().chain(&events::ROTATION).chain(&events::QUEUED);
    let scheduled = scheduled.map(|(name, _)| *name);
    let mut expected: Vec<&str> = requests.chain(scheduled).collect();
    expected.sort_unstable();
    assert_eq!(events::files(), expected);
}

#[tokio::test]
async fn handler_local_server_and_binary_answer_every_event_identically() {
    let cache = Redis::start();
    let mut stage = Stage::start().await;
    let registration = stage.register("ann").await;
    // Without one, each function would count for itself.
    stage.plan = stage.plan.with_cache_at(cache.url());
    let token = token_of(&registration);
    let today = || Clock::system().now().day();
    loop {
        let day = today();
        let handler = start_over(&stage, &cache, in_process(&stage, token)).await;
        let server = start_over(&stage, &cache, through_the_local_server(&stage, token)).await;
        let binary = start_over(&stage, &cache, through_the_binaries(&stage, token)).await;
        if today() != day {
            // Midnight has passed: the counters of one were another day's.
            continue;
        }
        for (n, event) in events::all().into_iter().enumerate() {
            let answer = &handler[n];
            assert_eq!(answer.status, event.status, "{}: {answer:#?}", event.name);
            // In OpenAI's form, an object.
            let error = &answer.body["error"];
            let error = error.as_str().or(error["code"].as_str()).unwrap_or_default();
            assert_eq!(error, event.error, "{}: {answer:#?}", event.name);
            assert_eq!(&binary[n], answer, "{} through the binary", event.name);
            assert_eq!(&server[n], answer, "{} through the local server", event.name);
        }
        break;
    }
}

#[tokio::test]
async fn the_events_show_what_their_names_say() {
    let stage = Stage::start().await;
    let registration = stage.register("ann").await;
    let answers = in_process(&stage, token_of(&registration)).await;
    let body = |name: &str| {
        let place = events::EXPECTED.iter().position(|(expected, ..)| *expected == name);
        &answers[place.unwrap()].body
    };
    assert_eq!(body("auth/jwks")["keys"].as_array().unwrap().len(), 1);
    assert_eq!(body("classify/batch")["results"].as_array().unwrap().len(), 5);
    assert_eq!(body("classify/explain")["results"][0]["label"], "HIDE");
    assert_eq!(body("classify/explain")["results"][0]["source"], "local");
    assert!(body("classify/explain")["results"][0]["reason"].is_string());
    assert_eq!(body("classify/explain-twice")["errors"][0]["pointer"], "?explain");
    assert_eq!(body("classify/fifty-one-posts")["errors"][0]["pointer"], "/posts");
    assert_eq!(body("health/health")["status"], "ok");
    assert_eq!(body("health/shallow")["dependencies"], serde_json::json!({}));
    assert_eq!(body("health/deep-neither")["errors"][0]["pointer"], "?deep");
    assert_eq!(body("rank/brands")["source"], "local");
    assert_eq!(body("rank/brands")["results"].as_array().unwrap().len(), 3);
    assert_eq!(body("rank/rerank")["results"][0]["index"], 1);
    assert_eq!(body("rank/rerank-no-documents")["error"]["param"], "documents");
    assert!(body("usage/today")["used"].as_u64().unwrap() >= 5);
}

/// Runs with counters and verdicts as if nobody had been there before.
async fn start_over(stage: &Stage, cache: &Redis, answers: impl Future<Output = Vec<Answer>>) -> Vec<Answer> {
    cache.flush();
    let tables = stage.tables.tables();
    for schema in table::ALL {
        if schema != table::IDENTITY {
            tables.clear(schema).await;
        }
    }
    answers.await
}

async fn in_process(stage: &Stage, token: &str) -> Vec<Answer> {
    let client = stage.tables.tables().client().clone();
    let app = Arc::new(App::new(stage.plan.config(), Clock::system(), &client).unwrap());
    let mut answers = Vec::new();
    for event in events::all() {
        let answer = gateway::invoke(Arc::clone(&app), event.function(), event.with_token(token)).await;
        answers.push(read_answer(&event, &answer.unwrap()));
    }
    answers
}

async fn through_the_local_server(stage: &Stage, token: &str) -> Vec<Answer> {
    let service = stage.plan.start().await;
    let mut answers = Vec::new();
    for event in events::all() {
        let response = to_request(&service.client, &event.value(token)).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.unwrap();
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        answers.push(Answer::new(status, pairs, &body, asked_correlation(&event).as_deref()));
    }
    answers
}

async fn through_the_binaries(stage: &Stage, token: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut running = None;
    // Sorted by function: one environment of each answers all of its events.
    for event in events::all() {
        let started = match running.take() {
            Some((name, environment)) if name == event.function() => environment,
            _ => stage.function(event.function()).start().await.unwrap(),
        };
        let answer = started.invoke(event.with_token(token)).await.unwrap();
        answers.push(read_answer(&event, &answer.to_string()));
        running = Some((event.function(), started));
    }
    answers
}

/// The answer of a function, as a gateway reads it.
fn read_answer(event: &Captured, answer: &str) -> Answer {
    let response = to_response(answer).unwrap_or_else(|| panic!("malformed: {answer}"));
    let pairs = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let body = std::str::from_utf8(response.body()).unwrap();
    Answer::new(
        response.status().as_u16(),
        pairs,
        body,
        asked_correlation(event).as_deref(),
    )
}

fn asked_correlation(event: &Captured) -> Option<String> {
    let asked = &event.value("")["headers"]["X-Correlation-ID"];
    asked.as_str().map(str::to_owned)
}

/// The request that an event tells of.
fn to_request(client: &Client, event: &Value) -> reqwest::RequestBuilder {
    let method: Method = event["httpMethod"].as_str().unwrap().parse().unwrap();
    let path = event["path"].as_str().unwrap();
    let query = pairs(&event["multiValueQueryStringParameters"]);
    let path = match query.as_slice() {
        [] => path.to_owned(),
        query => {
            let url = Url::parse_with_params(&format!("http://any{path}"), query).unwrap();
            format!("{path}?{}", url.query().unwrap())
        }
    };
    let mut request = client.request(method, &path);
    for (name, value) in pairs(&event["multiValueHeaders"]) {
        if !OF_THE_WAY.contains(&name.to_ascii_lowercase().as_str()) {
            request = request.header(name, value);
        }
    }
    match event["body"].as_str() {
        None => request,
        Some(body) if event["isBase64Encoded"] == true => request.body(STANDARD.decode(body).unwrap()),
        Some(body) => request.body(body.to_owned()),
    }
}

/// A map of names to lists of values as pairs.
fn pairs(map: &Value) -> Vec<(&str, &str)> {
    let lists = map.as_object().into_iter().flatten();
    lists
        .flat_map(|(name, values)| {
            let values = values.as_array().unwrap().iter();
            values.map(move |value| (name.as_str(), value.as_str().unwrap()))
        })
        .collect()
}
