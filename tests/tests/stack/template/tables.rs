//! Tables: as the code defines them, and kept as long as what is in them cannot be had again.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::table::{self, TableSchema};
use tests::definitions::Template;

/// Tables whose content is derived from elsewhere: they go with the stack and are not backed up.
const DERIVED: [&str; 2] = ["answers", "jobs"];

fn schemas() -> BTreeMap<&'static str, TableSchema> {
    table::ALL.into_iter().map(|schema| (schema.name, schema)).collect()
}

#[test]
fn the_template_has_the_tables_of_the_code_and_no_other() {
    let template = Template::read();
    let mut names: Vec<&str> = template.tables().map(|(_, name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, schemas().into_keys().collect::<Vec<_>>());
}

#[test]
fn keys_and_expiry_are_those_of_the_code() {
    let (template, schemas) = (Template::read(), schemas());
    for (id, name, table) in template.tables() {
        let Some(schema) = schemas.get(name) else { continue };
        let properties = &table["Properties"];
        let keys = [(Some(schema.hash), "HASH"), (schema.range, "RANGE")];
        let keys: Vec<(&str, &str)> = keys.into_iter().filter_map(|(key, kind)| Some((key?, kind))).collect();
        let of = |member: fn(&str, &str) -> Value| keys.iter().map(|(key, kind)| member(key, kind)).collect::<Value>();
        assert_eq!(
            properties["KeySchema"],
            of(|key, kind| json!({"AttributeName": key, "KeyType": kind})),
            "{id}"
        );
        assert_eq!(
            properties["AttributeDefinitions"],
            of(|key, _| json!({"AttributeName": key, "AttributeType": "S"})),
            "{id}"
        );
        assert_eq!(
            properties["TimeToLiveSpecification"],
            json!({"AttributeName": table::TTL, "Enabled": true}),
            "{id}"
        );
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{id}");
    }
}

#[test]
fn what_cannot_be_derived_again_is_backed_up_and_outlives_the_stack() {
    let template = Template::read();
    for (id, name, table) in template.tables() {
        let recovery = &table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
        let derived = DERIVED.contains(&name);
        assert_eq!(recovery == true, !derived, "{id}");
        assert_eq!(policies(table), if derived { DELETED } else { KEPT }, "{id}");
        let protected = &table["Properties"]["DeletionProtectionEnabled"]["Fn::If"];
        assert_eq!(protected[0] == "ProtectsTables", !derived, "{id}");
    }
    for (id, secret) in template.resources("AWS::SecretsManager::Secret") {
        let kept = if id == "AddressKey" { DELETED } else { KEPT };
        assert_eq!(policies(secret), kept, "{id}");
    }
}

/// A first deployment that fails leaves nothing behind whose name the next one needs.
const KEPT: (&str, &str) = ("RetainExceptOnCreate", "Retain");

const DELETED: (&str, &str) = ("Delete", "Delete");

fn policies(resource: &Value) -> (&str, &str) {
    let policy = |name: &str| resource[name].as_str().unwrap();
    (policy("DeletionPolicy"), policy("UpdateReplacePolicy"))
}

#[test]
fn nothing_outlives_a_stack_that_was_never_made() {
    let template = Template::read();
    for (id, resource) in template.value()["Resources"].as_object().unwrap() {
        assert_ne!(
            resource["DeletionPolicy"], "Retain",
            "{id} would block the next first deployment"
        );
    }
}

#[test]
fn a_backup_holds_every_table_that_cannot_be_derived_again() {
    let template = Template::read();
    let selection = &template.resource("BackupSelection")["Properties"]["BackupSelection"]["Resources"];
    let tables = template.tables().filter(|(_, name, _)| !DERIVED.contains(name));
    let wanted: Vec<Value> = tables
        .map(|(id, ..)| json!({"Fn::GetAtt": format!("{id}.Arn")}))
        .collect();
    let mut selected = selection.as_array().unwrap().clone();
    selected.sort_by_key(Value::to_string);
    assert_eq!(selected, wanted);
}

#[test]
fn functions_look_for_the_tables_where_they_are() {
    // The names are checked where the template is read: each starts with this.
    assert_eq!(Template::read().table_prefix(), "clearview-${Stage}-");
    for (id, _, function) in Template::read().functions() {
        let own = &function["Properties"]["Environment"]["Variables"]["CLEARVIEW_TABLE_PREFIX"];
        assert!(own.is_null(), "{id} looks elsewhere than the others");
    }
}
