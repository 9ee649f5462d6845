//! For each alarm on metrics of ours: a fault of the real thing, and what was emitted meanwhile.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use lambda_http::http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::ids::UserId;
use shared::statistics::Observation;
use tests::chat::{self, ASSISTANTS};
use tests::client::{Device, send};
use tests::events;
use tests::proxy::Mode;
use tests::redis::Redis;
use tests::runtime_api::Function;
use tests::service::{Plan, TableService, Tables};
use tests::signer::{SignedRequest, Signer};
use tests::upstream::{Act, CHEAP, Script, Step, Upstream};

use crate::drills::log::{ADMIN, ADMIN_KEY, Drill, NAMESPACE};

/// The alarms that [`of`] has a fault for.
pub(crate) const DRILLED: [&str; 17] = [
    "AuditChain",
    "AuthThrottled",
    "BreakerOpen",
    "Budget",
    "DailyCost",
    "Degraded",
    "ErrorRate",
    "FirstTokensSlow",
    "HitRate",
    "Latency",
    "ModelAvailability",
    "ModelTimeouts",
    "RankingsUnanswered",
    "RepliesCut",
    "RepliesFailing",
    "RolloutFailing",
    "StatisticsOverdue",
];

/// Every line that a server wrote during the fault of an alarm.
pub(crate) async fn of(alarm: &str) -> Vec<Value> {
    match alarm {
        "AuditChain" => an_entry_of_the_audit_log_is_changed().await,
        "AuthThrottled" => refreshes_are_throttled(),
        "BreakerOpen" => every_call_fails().await,
        "Budget" => models_are_dear(&[("CLEARVIEW_DAILY_SPEND_LIMIT", "20")]).await,
        "DailyCost" => models_are_dear(&[]).await,
        "Degraded" | "ErrorRate" => tables_are_down().await,
        "FirstTokensSlow" => replies(r#"{"then":{"do":"chat","firstMs":3200}}"#, 1, 200).await,
        "HitRate" => nobody_has_asked_before().await,
        "Latency" => tables_are_slow().await,
        "ModelAvailability" => some_calls(&FAILURE).await,
        "ModelTimeouts" => some_calls(&Act::Hang).await,
        "RankingsUnanswered" => some_rankings().await,
        // All have begun before the first of them tells the breaker.
        "RepliesCut" => replies(r#"{"then":{"do":"chat","firstMs":500,"cutAfter":1}}"#, 12, 200).await,
        "RepliesFailing" => replies(r#"{"then":{"do":"status","status":500}}"#, 6, 503).await,
        "StatisticsOverdue" => slots_cannot_be_written().await,
        "RolloutFailing" => published_keys_make_no_sense().await,
        other => panic!("no fault is known that sets off {other}"),
    }
}

/// Lines of the gateway's own log, which no function of ours writes.
fn refreshes_are_throttled() -> Vec<Value> {
    let of = |route: &str, refusal: &str| {
        json!({
            "_aws": {"Timestamp": 0, "CloudWatchMetrics": []},
            "status": "429", "route": route, "refusal": refusal,
        })
    };
    let throttled = std::iter::repeat_n(of("/v1/auth/refresh", "THROTTLED"), 21);
    let others = [of("/v1/classify", "THROTTLED"), of("/v1/auth/refresh", "-")];
    throttled.chain(others).collect()
}

/// A day without faults, with as much traffic as the alarms need to say anything.
pub(crate) async fn none() -> Vec<Value> {
    let drill = Drill::start(&[]).await;
    let ann = drill.client.register("ann-of-the-good-day").await;
    let texts: Vec<String> = (0..50).map(|n| format!("post {n} of the good day")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for _ in 0..22 {
        assert_eq!(drill.client.classify(&ann, "Hide crypto", &texts).await.status, 200);
    }
    quick_requests(&drill, &ann).await;
    assert_eq!(drill.client.usage(&ann).await.status, 200);
    let audit = drill.audit().await;
    assert_eq!(audit.body["chain"], "intact", "{}", audit.body);
    drill.lines().await
}

/// So many that the slowest in a hundred of them say something.
async fn quick_requests(drill: &Drill, ann: &Device) {
    for _ in 0..50 {
        let requests = (0..20).map(|_| drill.client.classify(ann, "Hide crypto", &["bitcoin is up"]));
        assert!(join_all(requests).await.iter().all(|answer| answer.status == 200));
    }
}

async fn tables_are_down() -> Vec<Value> {
    let drill = Drill::start(&[]).await;
    let ann = drill.client.register("ann-without-tables").await;
    drill.tables.set(Mode::Cut);
    for n in 0..26 {
        let text = format!("post {n}");
        let answer = drill.client.classify(&ann, "Hide crypto", &[&text]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(drill.client.usage(&ann).await.status, 503);
    }
    drill.lines().await
}

async fn tables_are_slow() -> Vec<Value> {
    let drill = Drill::start(&[]).await;
    let ann = drill.client.register("ann-with-slow-tables").await;
    quick_requests(&drill, &ann).await;
    drill.tables.set(Mode::Delay(Duration::from_millis(600)));
    let slow = (0..20).map(|_| drill.client.classify(&ann, "Hide crypto", &["bitcoin is up"]));
    join_all(slow).await;
    drill.lines().await
}

async fn nobody_has_asked_before() -> Vec<Value> {
    let drill = Drill::start(&[]).await;
    let ann = drill.client.register("ann-of-many-words").await;
    for batch in 0..21 {
        let texts: Vec<String> = (0..50).map(|n| format!("never seen {batch} {n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(drill.client.classify(&ann, "Hide crypto", &texts).await.status, 200);
    }
    drill.lines().await
}

/// The published keys of the fleet, as a defect or somebody's hand might leave them, read by a new environment of usage.
async fn published_keys_make_no_sense() -> Vec<Value> {
    let tables = TableService::start().await;
    let plan = Plan::default().on_system_time().with_tables_at(tables.address());
    let service = plan.start().await;
    let ann = service.client.register("ann-before-the-defect").await;
    let (identity, settings) = ([("owner", "keys"), ("item", "public")], [("name", "keys")]);
    overwrite(&tables.tables(), "identity", &identity, ("jwks", "no keys")).await;
    overwrite(&tables.tables(), "settings", &settings, ("jwks", "no keys")).await;
    let variables = plan.variables().iter();
    let function = variables.fold(Function::named("usage"), |function, (name, value)| {
        function.with(name, value)
    });
    let function = function
        .with("CLEARVIEW_LOG", "info")
        .with("CLEARVIEW_METRICS_NAMESPACE", NAMESPACE);
    let environment = function.start().await.unwrap();
    for n in 0..4 {
        let name = format!("defect-{n}");
        let mut event = events::named("usage/today").value(&ann.access);
        event["headers"]["X-Correlation-ID"] = name.as_str().into();
        event["multiValueHeaders"]["X-Correlation-ID"] = json!([name]);
        let answer = environment.invoke(event.to_string()).await.unwrap();
        assert_eq!(answer["statusCode"], 500, "{answer}");
        environment.logged(|line| line.contains(&name)).await;
    }
    let lines = environment.log();
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn an_entry_of_the_audit_log_is_changed() -> Vec<Value> {
    let drill = Drill::start(&[]).await;
    for name in ["ann", "bob", "eve"] {
        drill.client.register(name).await;
    }
    let page = drill.audit().await.body;
    assert_eq!(page["chain"], "intact", "{page}");
    let (day, writer) = (
        page["day"].as_str().unwrap(),
        page["entries"][0]["writer"].as_str().unwrap(),
    );
    let entry = format!("{writer}#0000000002");
    let key = [("day", day), ("entry", entry.as_str())];
    overwrite(&drill.table_service.tables(), "audit", &key, ("change", "{}")).await;
    assert_eq!(drill.audit().await.body["chain"]["problem"], "edited");
    drill.lines().await
}

/// A slot waits in the cache for half an hour, and the table is down when the schedule comes.
async fn slots_cannot_be_written() -> Vec<Value> {
    let redis = Redis::start();
    let url = redis.url();
    let drill = Drill::start(&[("CLEARVIEW_CACHE_URL", &url)]).await;
    let app = Plan::default().on_system_time().with_cache_at(&url).app();
    let now = app.clock.now();
    let observation = Observation {
        id: "det_1",
        at: now.minus(Duration::from_mins(30)),
        application: None,
        device: None,
        level: 0,
        similar: false,
        failed_open: false,
    };
    let counted = app
        .statistics
        .count(&UserId::random().unwrap(), &[observation], now)
        .await;
    assert!(!counted.degraded, "{counted:?}");
    drill.tables.set(Mode::Cut);
    let path = "/2015-03-31/functions/quota-reset/invocations";
    let answer = drill.client.post(path, &json!({"statistics": "flush"})).await;
    assert_eq!(
        (&answer.body["overdue"], &answer.body["complete"]),
        (&json!(1), &json!(false))
    );
    drill.lines().await
}

const FAILURE: Act = Act::Status {
    status: 500,
    retry_after: None,
};

/// Every fourth call to a model goes wrong: too few for the breaker, too many for the alarms.
async fn some_calls(act: &Act) -> Vec<Value> {
    ask_models(every_fourth(act), 40, &[("CLEARVIEW_MODEL_TIMEOUT_MS", "300")]).await
}

/// The same of calls for rankings.
async fn some_rankings() -> Vec<Value> {
    let upstream = Upstream::start(every_fourth(&FAILURE)).await.unwrap();
    let plans = r#"{"free":{"rankings":{"perDay":1000,"perMinute":1000}}}"#;
    let drill = Drill::start(&[&of_model(&upstream.base_url())[..], &[("CLEARVIEW_PLANS", plans)]].concat()).await;
    let ann = drill.client.register("ann-who-compares").await;
    for n in 0..40 {
        let items = json!([{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]);
        let body = json!({"query": format!("question {n}"), "items": items});
        let request = drill.client.request(Method::POST, "/v1/rank").bearer_auth(&ann.access);
        let answer = send(request.json(&body)).await;
        assert!([200, 503].contains(&answer.status), "{answer:?}");
    }
    drill.lines().await
}

/// Asks for so many streamed replies at once.
async fn replies(script: &str, number: usize, status: u16) -> Vec<Value> {
    let upstream = Upstream::start(Script::parse(script).unwrap()).await.unwrap();
    let own = [("CLEARVIEW_ASSISTANTS", ASSISTANTS), ("CLEARVIEW_PLANS", chat::PLANS)];
    let drill = Drill::start(&[&of_model(&upstream.base_url())[..], &own].concat()).await;
    let ann = drill.client.register("ann-who-talks").await;
    let asked = (0..number).map(|n| {
        let mut body = chat::question("coach", &format!("question {n} of the drill"));
        body["stream"] = json!(true);
        let request = drill.client.request(Method::POST, "/v1/chat/completions");
        request.bearer_auth(&ann.access).json(&body).send()
    });
    for answer in join_all(asked).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), status);
        // To its end, as the record is written then.
        answer.text().await.unwrap();
    }
    drill.lines().await
}

fn every_fourth(act: &Act) -> Script {
    let step = |act: &Act, times| Step {
        act: act.clone(),
        times,
    };
    let steps = (0..20).flat_map(|_| [step(&Act::Answer, 3), step(act, 1)]);
    Script {
        steps: steps.collect(),
        then: Act::Answer,
    }
}

/// The settings of a cheap model at an address.
fn of_model(base: &str) -> [(&str, &str); 3] {
    [
        ("CLEARVIEW_PROVIDERS", CHEAP),
        ("CLEARVIEW_OPENAI_BASE_URL", base),
        ("CLEARVIEW_OPENAI_API_KEY", "sk-test"),
    ]
}

async fn every_call_fails() -> Vec<Value> {
    ask_models(Script::always(FAILURE), 15, &[]).await
}

/// A model whose tokens cost a dollar each.
async fn models_are_dear(variables: &[(&str, &str)]) -> Vec<Value> {
    let prices = format!(r#"{{"{CHEAP}":{{"input":1000000,"output":1000000}}}}"#);
    let own = [("CLEARVIEW_PRICES", prices.as_str())];
    ask_models(Script::always(Act::Answer), 5, &[own.as_slice(), variables].concat()).await
}

/// Asks so many questions that no cache knows, one after the other.
async fn ask_models(script: Script, questions: usize, variables: &[(&str, &str)]) -> Vec<Value> {
    let upstream = Upstream::start(script).await.unwrap();
    let base = upstream.base_url();
    let drill = Drill::start(&[&of_model(&base)[..], variables].concat()).await;
    let ann = drill.client.register("ann-who-asks-models").await;
    for n in 0..questions {
        let text = format!("question {n} that nobody has asked");
        let answer = drill.client.classify(&ann, "Hide crypto", &[&text]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    drill.lines().await
}

impl Drill {
    /// Today's audit log, asked for by the admin.
    async fn audit(&self) -> tests::client::Answer {
        let clock = Clock::system();
        let target = format!("/v1/admin/audit?day={}", clock.now().day());
        let signer = Signer::new(ADMIN, ADMIN_KEY, &clock).unwrap();
        send(signer.request(&self.client, Method::GET, &target, None)).await
    }
}

/// Changes an attribute of an item by hand, behind everybody's back.
pub(crate) async fn overwrite(tables: &Tables, table: &str, key: &[(&str, &str)], change: (&str, &str)) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = tables.client().update_item().table_name(format!("clearview-{table}"));
    let update = key
        .iter()
        .fold(update, |update, (name, value)| update.key(*name, text(value)));
    let update = update
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", change.0)
        .expression_attribute_values(":value", text(change.1));
    update.send().await.unwrap();
}
