//! Rankings by models: valid and invalid answers, the next provider, stale rankings, and charges.

mod steering;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::redis::Redis;
use tests::service::{Plan, Service, TableService};
use tests::upstream::{Act, CHEAP, GOOD, Script, Upstream, plan_of, upstream};

const PLANS: &str =
    r#"{"free":{"posts":{"perDay":1000,"perMinute":100000},"rankings":{"perDay":1000,"perMinute":100000}}}"#;
const THIRD: &str = "bedrock:third";

/// Good calls that earn more than one retry.
const EARNING: usize = 30;

fn plan(upstream: &Upstream) -> Plan {
    plan_of(upstream).with("CLEARVIEW_PLANS", PLANS)
}

fn items(texts: &[&str]) -> Value {
    texts
        .iter()
        .map(|text| json!({"id": named(text), "text": text}))
        .collect()
}

/// The id of an item: its text, as far as an id goes.
fn named(text: &str) -> String {
    text.chars().take(60).collect()
}

fn brands() -> Value {
    json!({"query": "running shoes", "items": items(&["hoka shoes", "running shoes", "sandals"])})
}

async fn ask(service: &Service, device: &Device, path: &str, body: &Value) -> Answer {
    let request = service.client.request(Method::POST, path).bearer_auth(&device.access);
    send(request.json(body)).await
}

async fn rank(service: &Service, device: &Device, body: &Value) -> Answer {
    ask(service, device, "/v1/rank", body).await
}

async fn used(service: &Service, device: &Device) -> u64 {
    let usage = service.client.request(Method::GET, "/v1/usage");
    let usage = send(usage.bearer_auth(&device.access)).await;
    usage.body["meters"]["rankings"]["used"].as_u64().unwrap()
}

/// Asks so often that the first provider's budget of retries, a part of its good calls, has some.
async fn earn_retries(service: &Service, device: &Device) {
    for n in 0..EARNING {
        let body = json!({"query": format!("question {n}"), "items": items(&["one", "two"])});
        assert_eq!(rank(service, device, &body).await.status, 200);
    }
}

/// The ids of the items, best first.
fn order(answer: &Answer) -> Vec<String> {
    let results = answer.body["results"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer:?}"));
    let id = |result: &Value| result["id"].as_str().unwrap().to_owned();
    results.iter().map(id).collect()
}

#[tokio::test]
async fn the_order_of_the_items_their_ids_and_white_space_change_nothing() {
    // It ranks items as they are listed: the most biased model that there is.
    let upstream = upstream(Act::AsListed).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let texts = ["alpha one", "beta two", "gamma three", "delta four"];
    let first = rank(&service, &ann, &json!({"query": "the best", "items": items(&texts)})).await;
    assert_eq!(first.body["source"], "model", "{first:?}");
    for turn in 1..4 {
        let mut turned = texts;
        turned.rotate_left(turn);
        let same = rank(
            &service,
            &ann,
            &json!({"query": " The\tbest ", "items": items(&turned)}),
        )
        .await;
        assert_eq!((order(&same), &same.body["source"]), (order(&first), &json!("cache")));
    }
    let renamed: Value = texts
        .iter()
        .enumerate()
        .map(|(n, text)| json!({"id": n.to_string(), "text": format!("  {text} ")}))
        .collect();
    let same = rank(&service, &ann, &json!({"query": "the best", "items": renamed})).await;
    let by_text = |answer: &Answer| -> Vec<String> {
        let ids = answer.body["results"].as_array().unwrap().iter();
        ids.map(|result| texts[result["id"].as_str().unwrap().parse::<usize>().unwrap()].to_owned())
            .collect()
    };
    assert_eq!(by_text(&same), order(&first));
    assert_eq!(upstream.calls().len(), 1);
}

#[tokio::test]
async fn fifty_users_at_once_on_two_instances_make_one_set_of_calls() {
    let (upstream, tables, redis) = (
        upstream(Act::Delay { ms: 150 }).await,
        TableService::start().await,
        Redis::start(),
    );
    let plan = plan(&upstream)
        .with_tables_at(tables.address())
        .with_cache_at(redis.url());
    let services = [plan.start().await, plan.start().await];
    let mut body = brands();
    body["samples"] = json!(3);
    let mut askers = Vec::new();
    for n in 0..50 {
        let service = &services[n % 2];
        askers.push((service, service.client.register(&format!("user-{n}")).await));
    }
    let answers = join_all(askers.iter().map(|(service, device)| rank(service, device, &body))).await;
    let orders: BTreeSet<Vec<String>> = answers.iter().map(order).collect();
    assert_eq!(orders.len(), 1);
    assert_eq!(upstream.calls().len(), 3);
}

#[tokio::test]
async fn samples_list_the_items_in_other_orders_and_say_how_far_they_agree() {
    let upstream = upstream(Act::AsListed).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let texts = ["alpha", "beta", "gamma", "delta", "epsilon"];
    let asked = |samples: usize| json!({"query": "the best", "items": items(&texts), "samples": samples});
    let one = rank(&service, &ann, &asked(1)).await;
    assert_eq!(one.body["agreement"], 1.0);
    let five = rank(&service, &ann, &asked(5)).await;
    let agreement = five.body["agreement"].as_f64().unwrap();
    assert!(
        agreement < 0.5,
        "a model that ranks as listed disagrees with itself: {agreement}"
    );
    assert_eq!(five.body["usage"]["used"], 6);
    let listed: BTreeSet<Vec<String>> = upstream.calls()[1..]
        .iter()
        .map(|call| {
            call.ranking
                .as_ref()
                .unwrap()
                .items
                .iter()
                .map(|item| item.text.clone())
                .collect()
        })
        .collect();
    assert_eq!(listed.len(), 5);
    // One that ranks by the words agrees with itself.
    upstream.follow(Script::always(Act::Answer));
    let mut sure = brands();
    sure["samples"] = json!(5);
    let sure = rank(&service, &ann, &sure).await;
    assert_eq!(
        (&sure.body["agreement"], order(&sure)[0].as_str()),
        (&json!(1.0), "running shoes")
    );
}

#[tokio::test]
async fn an_answer_that_is_no_ranking_is_asked_again_and_then_the_next_provider_is_asked() {
    for act in [
        Act::LeaveOut,
        Act::OnlyFirst,
        Act::Twice,
        Act::ForeignId,
        Act::Prose,
        Act::Truncated,
        Act::Junk,
        Act::Html,
    ] {
        let bad = json!({"do": act_name(&act), "times": 2});
        let script = json!({"steps": [bad], "then": {"do": "answer"}}).to_string();
        let upstream = upstream(Act::Answer).await;
        let chain = format!("{GOOD},{CHEAP}");
        let service = plan(&upstream).with("CLEARVIEW_RANK_PROVIDERS", chain).start().await;
        let ann = service.client.register("ann").await;
        earn_retries(&service, &ann).await;
        upstream.follow(Script::parse(&script).unwrap());
        let answer = rank(&service, &ann, &brands()).await;
        assert_eq!(
            (answer.status, &answer.body["source"]),
            (200, &json!("model")),
            "{act:?}: {answer:?}"
        );
        assert_eq!(order(&answer)[0], "running shoes", "{act:?}");
        let models: Vec<Value> = upstream.calls()[EARNING..]
            .iter()
            .map(|call| call.body["model"].clone())
            .collect();
        assert_eq!(models, ["good", "good", "cheap"], "{act:?}");
        assert_eq!(used(&service, &ann).await, EARNING as u64 + 1, "{act:?}");
    }
}

fn act_name(act: &Act) -> &'static str {
    match act {
        Act::LeaveOut => "leaveOut",
        Act::OnlyFirst => "onlyFirst",
        Act::Twice => "twice",
        Act::ForeignId => "foreignId",
        Act::Prose => "prose",
        Act::Truncated => "truncated",
        Act::Junk => "junk",
        _ => "html",
    }
}

#[tokio::test]
async fn a_reason_is_given_where_it_is_asked_for_and_one_without_end_is_refused() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut body = brands();
    body["explain"] = json!(true);
    let answer = rank(&service, &ann, &body).await;
    let reasons = [0, 1].map(|n| answer.body["results"][n]["reason"].clone());
    assert_eq!(
        reasons,
        [2, 1].map(|n| json!(format!("Words of the query in it: {n}.")))
    );
    assert!(rank(&service, &ann, &brands()).await.body["results"][0]["reason"].is_null());
    upstream.follow(Script::always(Act::OutOfRange));
    body["query"] = json!("other shoes");
    assert_eq!(rank(&service, &ann, &body).await.error(), "MODEL_UNAVAILABLE");
}

#[tokio::test]
async fn with_every_provider_down_nothing_is_charged_and_nothing_made_up() {
    let upstream = upstream(Act::Answer).await;
    let chain = format!("{GOOD},{CHEAP},{THIRD}");
    let plan = plan(&upstream).with("CLEARVIEW_RANK_PROVIDERS", chain).with(
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        format!("http://{}", upstream.address),
    );
    let service = plan.start().await;
    let ann = service.client.register("ann").await;
    let mut body = brands();
    body["samples"] = json!(2);
    let known = rank(&service, &ann, &body).await;
    assert_eq!(
        (&known.body["source"], used(&service, &ann).await),
        (&json!("model"), 2)
    );

    upstream.follow(Script::always(Act::Status {
        status: 400,
        retry_after: None,
    }));
    let mut other = body.clone();
    other["query"] = json!("sandals");
    let refused = rank(&service, &ann, &other).await;
    assert_eq!(
        (refused.status, refused.error()),
        (503, "MODEL_UNAVAILABLE"),
        "{refused:?}"
    );
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(used(&service, &ann).await, 2);

    // Past its week it is served as what it is, and past its fourth not at all.
    let day = Duration::from_hours(24);
    service.clock.advance(day * 8);
    let ann = tests::client::Device::of(
        &service
            .client
            .post("/v1/auth/refresh", &json!({"refreshToken": ann.refresh}))
            .await,
    );
    let stale = rank(&service, &ann, &body).await;
    assert_eq!(
        (&stale.body["source"], &stale.body["cached"]),
        (&json!("stale"), &json!(true)),
        "{stale:?}"
    );
    assert_eq!(stale.body["degraded"], json!(["model"]));
    assert_eq!((order(&stale), used(&service, &ann).await), (order(&known), 2));

    upstream.follow(Script::always(Act::Answer));
    service.clock.advance(Duration::from_hours(1));
    let ann = tests::client::Device::of(
        &service
            .client
            .post("/v1/auth/refresh", &json!({"refreshToken": ann.refresh}))
            .await,
    );
    let back = rank(&service, &ann, &other).await;
    assert_eq!((back.status, &back.body["source"]), (200, &json!("model")), "{back:?}");
}

#[tokio::test]
async fn a_sample_that_nobody_answers_is_left_out_and_given_back() {
    // Two calls are bad. With one provider and no budget of retries yet, two samples are lost.
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).with("CLEARVIEW_PARALLEL_CALLS", "1").start().await;
    let ann = service.client.register("ann").await;
    let script = json!({"steps": [{"do": "prose", "times": 2}], "then": {"do": "answer"}}).to_string();
    upstream.follow(Script::parse(&script).unwrap());
    let mut body = brands();
    body["samples"] = json!(3);
    let answer = rank(&service, &ann, &body).await;
    assert_eq!(
        (answer.status, &answer.body["source"]),
        (200, &json!("model")),
        "{answer:?}"
    );
    assert_eq!(answer.body["degraded"], json!(["model"]));
    assert_eq!(answer.body["usage"]["used"], 1);
    assert_eq!(used(&service, &ann).await, 1);
}

#[tokio::test]
async fn likeness_stands_in_for_documents_and_never_for_brands() {
    let upstream = upstream(Act::Cut).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    assert_eq!(rank(&service, &ann, &brands()).await.error(), "MODEL_UNAVAILABLE");
    assert_eq!(used(&service, &ann).await, 0);
    let documents = json!({"query": "running shoes", "documents": ["a red hat", "shoes for running"]});
    let answer = ask(&service, &ann, "/v1/rerank", &documents).await;
    assert_eq!(
        (answer.status, &answer.body["meta"]["source"]),
        (200, &json!("local")),
        "{answer:?}"
    );
    assert_eq!(answer.body["results"][0]["index"], 1);
    assert_eq!(answer.body["meta"]["degraded"], json!(["model"]));
    assert_eq!(used(&service, &ann).await, 1);

    // A stand-in's ranking is not remembered.
    upstream.follow(Script::always(Act::Answer));
    service.clock.advance(Duration::from_mins(1));
    let answer = ask(&service, &ann, "/v1/rerank", &documents).await;
    assert_eq!(answer.body["meta"]["source"], "model", "{answer:?}");

    let without = plan(&upstream).with("CLEARVIEW_LOCAL_FALLBACK", "off").start().await;
    upstream.follow(Script::always(Act::Cut));
    let bob = without.client.register("bob").await;
    let answer = ask(&without, &bob, "/v1/rerank", &documents).await;
    assert_eq!(
        (answer.status, &answer.body["error"]["code"]),
        (503, &json!("server_error"))
    );
}

#[tokio::test]
async fn models_are_asked_in_the_form_of_the_contract() {
    let upstream = upstream(Act::Answer).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut body = brands();
    body["criteria"] = json!("comfort");
    rank(&service, &ann, &body).await;
    let call = &upstream.calls()[0];
    let asked = call.ranking.as_ref().unwrap();
    assert_eq!(
        (asked.query.as_str(), asked.criteria.as_str()),
        ("running shoes", "comfort")
    );
    let format = &call.body["response_format"]["json_schema"];
    assert_eq!((&format["name"], &format["strict"]), (&json!("ranking"), &json!(true)));
    let ids: Vec<&str> = asked.items.iter().map(|item| item.id.as_str()).collect();
    let allowed = &format["schema"]["properties"]["ranking"]["items"]["properties"]["id"]["enum"];
    let mut sorted: Vec<&str> = allowed
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    sorted.sort_unstable();
    let mut asked_for = ids.clone();
    asked_for.sort_unstable();
    assert_eq!(sorted, asked_for);
    assert!(ids.iter().all(|id| !id.contains("shoes")), "no id of the caller's");
}
