//! The calls of the binaries to the tables, and the rights of their roles in template.yaml: the same.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use shared::clock::{Clock, Timestamp};
use shared::ids::UserId;
use shared::statistics::Observation;
use shared::statistics::marks::Marks;
use shared::statistics::slot::shard;
use tests::definitions::{Template, attribute_of, list};
use tests::events;
use tests::recorder::{Access, Recorder};
use tests::secrets_manager::SecretsManager;
use tests::upstream::{Script, Upstream};

use crate::lambda::later_work::LaterWork;
use crate::lambda::stage::{Stage, body_of, token_of};
use tests::signer::{Attach, Signer};

/// An action on a table: `dynamodb:GetItem`, `quota`.
type Right = (String, String);

/// Rights that no event can use. The cost of models is counted where a model is called, and a signed request to `/metrics` is
/// answered with figures that only AWS has. The published keys are read again when they are some minutes old. Tests of
/// providers and of the attack table use the same calls. A worker deletes what came of a job if its user is erased meanwhile.
const UNSEEN: [(&str, &str, &str); 15] = [
    ("auth", "dynamodb:GetItem", "settings"),
    ("chat", "dynamodb:BatchGetItem", "settings"),
    ("chat", "dynamodb:GetItem", "quota"),
    ("classify", "dynamodb:BatchGetItem", "settings"),
    ("classify", "dynamodb:UpdateItem", "settings"),
    ("detect", "dynamodb:BatchGetItem", "settings"),
    ("detect", "dynamodb:UpdateItem", "settings"),
    ("health", "dynamodb:PutItem", "identity"),
    ("rank", "dynamodb:BatchGetItem", "settings"),
    ("rank", "dynamodb:UpdateItem", "settings"),
    ("worker", "dynamodb:BatchGetItem", "settings"),
    ("worker", "dynamodb:BatchWriteItem", "experiments"),
    ("worker", "dynamodb:DeleteItem", "jobs"),
    ("worker", "dynamodb:Query", "experiments"),
    ("worker", "dynamodb:UpdateItem", "settings"),
];

/// All that each function ever asks for: its events, and what no event shows.
async fn accesses_of(stage: &Stage, name: &str) -> BTreeSet<Access> {
    let registration = stage.register(name).await;
    count_on_the_day_that_is_closed(stage, "u_Zq3oYv0T5wPq8cD1mXkR7A").await;
    count_on_the_day_that_is_closed(stage, registration["userId"].as_str().unwrap()).await;
    end_a_job(stage, registration["userId"].as_str().unwrap()).await;
    finish_an_experiment(stage, registration["userId"].as_str().unwrap()).await;
    let secrets = SecretsManager::start().await;
    let recorder = Recorder::to(stage.tables.address()).await;
    let mut function = stage.function_at(name, recorder.address);
    if name == "key-rotation" {
        let arn = secrets.create("TokenKeys", stage.plan.stored_keys()).await;
        function = function
            .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.endpoint())
            .with("CLEARVIEW_TOKEN_KEYS_SECRET", &arn);
        let environment = function.start().await.unwrap();
        for (event, error) in events::ROTATION {
            let text = events::text_of(event).replace(ROTATED, &arn);
            let answer = environment.invoke(text).await;
            assert_eq!(answer.is_ok(), error.is_empty(), "{event}: {answer:?}");
        }
        return recorder.seen();
    }
    // The first call fails, so that a run of an idempotency key is forgotten.
    let upstream = Upstream::start(Script::parse(FAILS_ONCE).unwrap()).await.unwrap();
    if name == "chat" {
        let settings = tests::chat::plan(&upstream);
        for variable in [
            "CLEARVIEW_ASSISTANTS",
            "CLEARVIEW_OPENAI_BASE_URL",
            "CLEARVIEW_OPENAI_API_KEY",
        ] {
            function = function.with(variable, settings.variables()[variable].clone());
        }
    }
    let later_work = LaterWork::of(stage, &registration).await;
    if ["jobs", "worker"].contains(&name) {
        function = later_work.known_to(function);
    }
    let environment = function.start().await.unwrap();
    for event in events::all().into_iter().filter(|event| event.function() == name) {
        environment
            .invoke(event.with_token(token_of(&registration)))
            .await
            .unwrap();
    }
    for (event, _) in events::SCHEDULED.into_iter().chain(events::QUEUED) {
        if event.starts_with(&format!("{name}/")) {
            let _ = environment.invoke(events::text_of(event)).await;
        }
    }
    if name == "worker" {
        let event = later_work.messages().await;
        let answer = environment.invoke(event.to_string()).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    let mut unseen = unseen(stage, name, &registration);
    if name == "jobs" {
        unseen.extend(later_work.requests().await);
    }
    for event in unseen {
        let answer = environment.invoke(event.to_string()).await.unwrap();
        // The entry that a cursor names is looked for, and is not there.
        let expected = if event["headers"]["Idempotency-Key"] == "first" {
            503..504
        } else if event["queryStringParameters"]["cursor"].is_null() {
            200..300
        } else {
            404..405
        };
        assert!(
            expected.contains(&answer["statusCode"].as_u64().unwrap()),
            "{event}: {}",
            body_of(&answer)
        );
    }
    // At its end it writes what it has counted by itself.
    assert!(environment.terminate().await.success());
    recorder.seen()
}

/// A provider that is down for a moment, for as long as a call and its retry.
const FAILS_ONCE: &str = r#"{"steps":[{"do":"status","status":400,"times":2}],"then":{"do":"answer"}}"#;

/// The digits of the id of a conversation that each user has.
const KEPT_CONVERSATION: &str = "0199e0f0a1b20123456789abcdef0123";

/// The secret of the captured events.
const ROTATED: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:TokenKeys-AbCdEf";

/// Requests that succeed, and that no captured event can be: they carry a refresh token or a signature.
#[expect(clippy::too_many_lines, reason = "a list")]
fn unseen(stage: &Stage, name: &str, registration: &Value) -> Vec<Value> {
    let text = |name: &str| registration[name].as_str().unwrap();
    let (user, session) = (text("userId"), text("refreshToken").split('.').nth(1).unwrap());
    let device = Signer::new(session, text("signingKey"), &Clock::system()).unwrap();
    let admin = stage.plan.admin();
    let at_auth = |path: &str| {
        let mut event = events::named("auth/revoke").value("");
        route(&mut event, "POST", path, path);
        event["body"] = json!({"refreshToken": text("refreshToken")}).to_string().into();
        event
    };
    let own = |method: &str, path: &str, route_of: &str| {
        let mut event = events::named("auth/sessions").value(text("accessToken"));
        route(&mut event, method, path, route_of);
        event["pathParameters"] = json!({"sid": session});
        event
    };
    let signed = |signer: &Signer, mut event: Value| {
        let context = &event["requestContext"];
        let (method, path) = (event["httpMethod"].as_str().unwrap(), context["path"].as_str().unwrap());
        let query = event["queryStringParameters"].as_object().into_iter().flatten();
        let query: Vec<String> = query
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
            .collect();
        let target = if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{}", query.join("&"))
        };
        let host = event["headers"]["Host"].as_str().unwrap();
        let body = event["body"].as_str().unwrap_or_default();
        let headers = signer.sign(method, host, &target, body.as_bytes());
        headers.on_event(&mut event);
        event
    };
    let by_admin = |method: &str, path: &str, route_of: &str, body: Option<Value>| {
        let mut event = events::named("admin/tier-unsigned").value("");
        route(&mut event, method, path, route_of);
        event["pathParameters"] = json!({"userId": user, "tier": "pro"});
        event["body"] = body.map(|body| body.to_string()).into();
        if let Some((_, cursor)) = path.split_once('?') {
            event["queryStringParameters"] = json!({"day": "2026-11-21", "cursor": cursor});
            event["multiValueQueryStringParameters"] = json!({"day": ["2026-11-21"], "cursor": [cursor]});
            route(&mut event, method, route_of, route_of);
        } else if path.ends_with("/stats") {
            event["queryStringParameters"] = Value::Null;
            event["multiValueQueryStringParameters"] = Value::Null;
        } else if path.ends_with("/audit") || path.ends_with("/usage") {
            event["queryStringParameters"] = json!({"day": "2026-11-21"});
            event["multiValueQueryStringParameters"] = json!({"day": ["2026-11-21"]});
        }
        signed(&admin, event)
    };
    let of_user = |action: &str| {
        (
            format!("/v1/admin/users/{user}{action}"),
            format!("/v1/admin/users/{{userId}}{action}"),
        )
    };
    match name {
        "auth" => vec![at_auth("/v1/auth/refresh"), own("DELETE", "/v1/auth/me", "/v1/auth/me")],
        "chat" => {
            let mut event = events::named("chat/unknown-assistant").value(text("accessToken"));
            let body = tests::chat::question("keeper", "How do I begin to run?");
            event["body"] = body.to_string().into();
            let keyed = |key: &str| {
                let mut event = event.clone();
                event["headers"]["Idempotency-Key"] = key.into();
                event["multiValueHeaders"]["Idempotency-Key"] = json!([key]);
                event
            };
            let mut turn = keyed("third");
            let mut said = body.clone();
            said["conversation"] = json!(format!("conv_{KEPT_CONVERSATION}"));
            turn["body"] = said.to_string().into();
            let mut failed = keyed("first");
            failed["body"] = turn["body"].clone();
            let at = |method: &str, rest: &str| {
                let mut event = events::named("chat/models").value(text("accessToken"));
                let path = format!(
                    "/v1/conversations{}",
                    rest.replace("{conversation}", &format!("conv_{KEPT_CONVERSATION}"))
                );
                route(&mut event, method, &path, &format!("/v1/conversations{rest}"));
                event["pathParameters"] = json!({"conversation": format!("conv_{KEPT_CONVERSATION}")});
                event
            };
            vec![
                failed,
                keyed("second"),
                signed(&device, event),
                turn,
                at("POST", ""),
                at("GET", "/{conversation}"),
                at("GET", "/{conversation}/items"),
                at("DELETE", "/{conversation}"),
            ]
        }
        "classify" => vec![signed(
            &device,
            events::named("classify/batch").value(text("accessToken")),
        )],
        "jobs" => {
            let mut event = events::named("jobs/unknown-type").value(text("accessToken"));
            event["body"] =
                json!({"type": "rank", "query": "q", "items": [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]})
                    .to_string()
                    .into();
            vec![signed(&device, event)]
        }
        "detect" => vec![signed(
            &device,
            events::named("detect/explained").value(text("accessToken")),
        )],
        "rank" => vec![signed(&device, events::named("rank/brands").value(text("accessToken")))],
        "usage" => vec![signed(&device, events::named("usage/today").value(text("accessToken")))],
        "admin" => {
            let by = |method: &str, action: &str, body| {
                let (path, route_of) = of_user(action);
                by_admin(method, &path, &route_of, body)
            };
            let plan = json!({"posts": {"perDay": 7, "perMinute": 50}});
            let (pro, plans) = ("/v1/admin/plans/pro", "/v1/admin/plans/{tier}");
            vec![
                by("PUT", "/tier", Some(json!({"tier": "pro"}))),
                by("POST", "/quota/reset", Some(json!({"reason": "r"}))),
                by_admin("GET", pro, plans, None),
                by_admin("PUT", pro, plans, Some(plan)),
                by_admin("GET", "/v1/admin/audit", "/v1/admin/audit", None),
                by_admin("GET", "/v1/admin/audit?a.1", "/v1/admin/audit", None),
                by_admin("GET", "/v1/admin/usage", "/v1/admin/usage", None),
                by_admin("GET", "/v1/admin/stats", "/v1/admin/stats", None),
                by("POST", "/revoke", None),
                by("DELETE", "", None),
            ]
        }
        _ => Vec::new(),
    }
}

fn route(event: &mut Value, method: &str, path: &str, route: &str) {
    event["httpMethod"] = method.into();
    event["path"] = path.into();
    event["resource"] = route.into();
    event["requestContext"]["resourcePath"] = route.into();
    event["requestContext"]["path"] = format!("/live{path}").into();
}

/// A counter of the day that `events/quota-reset/close.json` closes, and the row of the day before it.
async fn count_on_the_day_that_is_closed(stage: &Stage, user: &str) {
    let client = stage.tables.tables().client().clone();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    client
        .put_item()
        .table_name("clearview-quota")
        .item("user", text(user))
        .item("meter#day", text("posts#2026-11-20"))
        .item("used", AttributeValue::N("3".to_owned()))
        .item("tier", text("free"))
        .send()
        .await
        .unwrap();
    client
        .put_item()
        .table_name("clearview-usage")
        .item("user", text(user))
        .item("day#meter", text("2026-11-19#posts"))
        .item("used", AttributeValue::N("3".to_owned()))
        .send()
        .await
        .unwrap();
    // To be gone on with, or erased with its user.
    let now = Clock::system().now().millis();
    client
        .put_item()
        .table_name("clearview-conversations")
        .item("user", text(user))
        .item("item", text(&format!("c#{KEPT_CONVERSATION}")))
        .item("createdAt", AttributeValue::N(now.to_string()))
        .item("updatedAt", AttributeValue::N(now.to_string()))
        .item("messages", AttributeValue::N("0".to_owned()))
        .send()
        .await
        .unwrap();
    let mut marks = Marks::default();
    let id = UserId::parse(user).unwrap();
    marks.insert(&Observation {
        id: "det_1",
        at: Timestamp::parse("2026-11-20T18:05:00Z").unwrap(),
        application: None,
        device: None,
        level: 0,
        similar: false,
        failed_open: false,
    });
    // A slot of the day that is closed, and the row of the day before it.
    for (owner, item) in [
        (
            format!("slots#2026-11-20#{:02}", shard(&id)),
            format!("{user}#18:05#test"),
        ),
        (user.to_owned(), "day#2026-11-19".to_owned()),
    ] {
        client
            .put_item()
            .table_name("clearview-statistics")
            .item("owner", text(&owner))
            .item("item", text(&item))
            .item("marks", AttributeValue::B(Blob::new(marks.encode())))
            .item(
                "counts",
                text(r#"{"total":[[1,0,0,0],[0,0,0,0],[0,0,0,0]],"applications":{}}"#),
            )
            .item("n", AttributeValue::N("1".to_owned()))
            .item("at", AttributeValue::N("0".to_owned()))
            .send()
            .await
            .unwrap();
    }
}

/// A job of a user that has ended: it is erased with the user.
async fn end_a_job(stage: &Stage, user: &str) {
    let client = stage.tables.tables().client().clone();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = client
        .put_item()
        .table_name("clearview-jobs")
        .item("user", text(user))
        .item("job", text("job_of_the_test"))
        .item("finishedAt", AttributeValue::N("1".to_owned()))
        .item("fault", text("EXPIRED"));
    put.send().await.unwrap();
}

/// An experiment of a user: it is erased with the user.
async fn finish_an_experiment(stage: &Stage, user: &str) {
    let client = stage.tables.tables().client().clone();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = client
        .put_item()
        .table_name("clearview-experiments")
        .item("user", text(user))
        .item("id", text("0000000000001#exp_of_the_test"))
        .item("createdAt", AttributeValue::N("1".to_owned()))
        .item("finishedAt", AttributeValue::N("1".to_owned()))
        .item("design", text(r#"{"items":["a","b"],"categories":["c"]}"#));
    put.send().await.unwrap();
}

/// A role that lets its function do something with some keys alone lets it do so with those that it needs.
fn assert_lets(template: &Template, name: &str, access: &Access) {
    let table = access.table.strip_prefix("clearview-").unwrap();
    let (id, ..) = template.tables().find(|(_, of, _)| *of == table).unwrap();
    let (_, _, function) = template.functions().find(|(_, binary, _)| *binary == name).unwrap();
    let patterns: Vec<Option<Vec<String>>> = template
        .statements(function)
        .into_iter()
        .filter(|statement| list(&statement["Action"]).contains(&&json!(access.action)))
        .filter(|statement| {
            let mut resources = list(&statement["Resource"]).into_iter();
            resources.any(|resource| attribute_of(resource).as_deref() == Some(id))
        })
        .map(Template::leading_keys)
        .collect();
    for key in &access.leading {
        let lets = |patterns: &Option<Vec<String>>| {
            let matches = |pattern: &String| match pattern.strip_suffix('*') {
                Some(start) => key.starts_with(start),
                None => key == pattern,
            };
            patterns.as_ref().is_none_or(|patterns| patterns.iter().any(matches))
        };
        // The other test finds calls that no statement covers at all.
        assert!(patterns.is_empty() || patterns.iter().any(lets), "{name}: {access:?}");
    }
}

fn rights_of(template: &Template, binary: &str) -> BTreeSet<Right> {
    let (_, _, function) = template
        .functions()
        .find(|(_, of, _)| *of == binary)
        .unwrap_or_else(|| panic!("no function in the template for {binary}"));
    let mut rights = BTreeSet::new();
    for statement in template.statements(function) {
        for action in list(&statement["Action"]) {
            let action = action.as_str().unwrap();
            if !action.starts_with("dynamodb:") {
                continue;
            }
            for resource in list(&statement["Resource"]) {
                let id = attribute_of(resource).unwrap_or_else(|| panic!("{binary}: {resource}"));
                let table = template.tables().find(|(table, ..)| *table == id);
                let (_, table, _) = table.unwrap_or_else(|| panic!("{binary}: {id} is no table"));
                rights.insert((action.to_owned(), table.to_owned()));
            }
        }
    }
    rights
}

#[tokio::test]
async fn each_role_allows_what_its_function_asks_for_and_nothing_else() {
    let stage = Stage::start().await;
    let template = Template::read();
    // Rotation comes last: a client with the earlier keys is refused after it.
    for name in [
        "admin",
        "auth",
        "chat",
        "classify",
        "detect",
        "health",
        "jobs",
        "quota-reset",
        "rank",
        "usage",
        "webhooks",
        "worker",
        "key-rotation",
    ] {
        let asked: BTreeSet<Right> = accesses_of(&stage, name)
            .await
            .into_iter()
            .inspect(|access| assert_lets(&template, name, access))
            .map(|access| {
                let table = access.table.strip_prefix("clearview-").unwrap().to_owned();
                (access.action, table)
            })
            .collect();
        let mut allowed = rights_of(&template, name);
        for (function, action, table) in UNSEEN {
            if function == name {
                let unseen = (action.to_owned(), table.to_owned());
                assert!(allowed.remove(&unseen), "{unseen:?} is no right of {name} any more");
            }
        }
        let (missing, spare) = (&asked - &allowed, &allowed - &asked);
        assert!(missing.is_empty(), "the role of {name} lacks {missing:?}");
        assert!(spare.is_empty(), "the role of {name} need not allow {spare:?}");
    }
}

#[tokio::test]
async fn health_reads_the_one_key_that_its_role_lets_it_read() {
    let stage = Stage::start().await;
    let template = Template::read();
    let (_, _, function) = template.functions().find(|(_, binary, _)| *binary == "health").unwrap();
    let reads: Vec<_> = template
        .statements(function)
        .into_iter()
        .filter(|statement| list(&statement["Action"]).contains(&&json!("dynamodb:GetItem")))
        .collect();
    let keys: BTreeSet<String> = reads
        .iter()
        .flat_map(|statement| list(&statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]))
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 1, "{reads:?}");
    for access in accesses_of(&stage, "health").await {
        assert_eq!(access.keys, keys, "{access:?}");
    }
}
