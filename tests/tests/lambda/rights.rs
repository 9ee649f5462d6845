//! What the binaries ask of the tables, and what their roles in template.yaml allow: the same.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use tests::definitions::{Template, attribute_of, list};
use tests::events;
use tests::recorder::{Access, Recorder};

use crate::stage::{Stage, body_of, token_of};

/// An action on a table: `dynamodb:GetItem`, `quota`.
type Right = (String, String);

/// Rights of the template that no call of this version uses.
const UNUSED: [(&str, &str, &str); 2] = [
    ("auth", "dynamodb:DeleteItem", "identity"),
    ("auth", "dynamodb:Query", "identity"),
];

/// All that each function ever asks for: its events, and what no event shows.
async fn accesses_of(stage: &Stage, name: &str) -> BTreeSet<Access> {
    let registration = stage.register(name).await;
    count_on_the_day_that_is_closed(stage).await;
    let recorder = Recorder::to(stage.tables.address()).await;
    let environment = stage.function_at(name, recorder.address).start().await.unwrap();
    for event in events::all().into_iter().filter(|event| event.function() == name) {
        environment
            .invoke(event.with_token(token_of(&registration)))
            .await
            .unwrap();
    }
    for (event, _) in events::SCHEDULED {
        if event.starts_with(&format!("{name}/")) {
            let _ = environment.invoke(events::text_of(event)).await;
        }
    }
    if name == "auth" {
        for path in ["refresh", "revoke"] {
            let mut event = events::named("auth/revoke").value("");
            event["path"] = format!("/v1/auth/{path}").into();
            event["resource"] = event["path"].clone();
            event["requestContext"]["resourcePath"] = event["path"].clone();
            event["body"] = json!({"refreshToken": registration["refreshToken"]}).to_string().into();
            let answer = environment.invoke(event.to_string()).await.unwrap();
            assert!(
                answer["statusCode"].as_u64().unwrap() < 300,
                "{path}: {}",
                body_of(&answer)
            );
        }
    }
    recorder.seen()
}

/// A counter of the day that `events/quota-reset/close.json` closes.
async fn count_on_the_day_that_is_closed(stage: &Stage) {
    let client = stage.tables.tables().client().clone();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    client
        .put_item()
        .table_name("clearview-quota")
        .item("user", text("u_Zq3oYv0T5wPq8cD1mXkR7A"))
        .item("meter#day", text("posts#2026-11-20"))
        .item("used", AttributeValue::N("3".to_owned()))
        .item("tier", text("free"))
        .send()
        .await
        .unwrap();
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
    for name in ["auth", "classify", "health", "quota-reset", "usage"] {
        let asked: BTreeSet<Right> = accesses_of(&stage, name)
            .await
            .into_iter()
            .map(|access| {
                let table = access.table.strip_prefix("clearview-").unwrap().to_owned();
                (access.action, table)
            })
            .collect();
        let mut allowed = rights_of(&template, name);
        for (function, action, table) in UNUSED {
            if function == name {
                let unused = (action.to_owned(), table.to_owned());
                assert!(allowed.remove(&unused), "{unused:?} is no right of {name} any more");
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
