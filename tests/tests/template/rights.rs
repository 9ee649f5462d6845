//! Roles: no wildcards, nobody trusted but the service that acts, the signing keys for auth alone.

use serde_json::{Value, json};
use tests::definitions::{Template, attribute_of, list};

/// The statements of every role, with the role's id.
fn statements(template: &Template) -> Vec<(String, Value)> {
    template
        .resources("AWS::IAM::Role")
        .flat_map(|(id, role)| {
            let policies = list(&role["Properties"]["Policies"]).into_iter();
            let statements = policies.flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
            statements.map(move |statement| (id.to_owned(), statement.clone()))
        })
        .collect()
}

#[test]
fn no_role_has_a_wildcard() {
    let statements = statements(&Template::read());
    assert!(!statements.is_empty());
    for (role, statement) in statements {
        assert_eq!(statement["Effect"], "Allow", "{role}");
        for member in statement.as_object().unwrap().keys() {
            // NotAction and NotResource are wildcards with a hole.
            let plain = ["Effect", "Action", "Resource", "Condition", "Sid"].contains(&member.as_str());
            assert!(plain, "{role}: {member}");
        }
        for part in ["Action", "Resource"] {
            let text = statement[part].to_string();
            assert!(
                !statement[part].is_null() && !text.contains('*'),
                "{role}: {part} {text}"
            );
        }
    }
}

#[test]
fn every_role_is_its_services_to_take_and_has_no_other_rights_than_those_written_here() {
    let template = Template::read();
    for (id, role) in template.resources("AWS::IAM::Role") {
        let trust = list(&role["Properties"]["AssumeRolePolicyDocument"]["Statement"]);
        let [trust] = trust.as_slice() else {
            panic!("{id}: {trust:?}")
        };
        let service = if id.ends_with("ScheduleRole") {
            "scheduler"
        } else {
            "lambda"
        };
        assert_eq!(
            trust["Principal"],
            json!({"Service": format!("{service}.amazonaws.com")}),
            "{id}"
        );
        assert_eq!(list(&trust["Action"]), [&json!("sts:AssumeRole")], "{id}");
        assert!(role["Properties"]["ManagedPolicyArns"].is_null(), "{id}");
    }
    for (id, _, function) in template.functions() {
        assert!(
            function["Properties"]["Policies"].is_null(),
            "{id}: its role says what it may"
        );
    }
}

#[test]
fn each_role_writes_the_log_of_its_function_and_no_other() {
    let template = Template::read();
    for (id, _, function) in template.functions() {
        let own = &function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"];
        let logs: Vec<&Value> = template
            .statements(function)
            .into_iter()
            .filter(|statement| statement["Action"].to_string().contains("logs:"))
            .collect();
        let [statement] = logs.as_slice() else {
            panic!("{id}: {logs:?}")
        };
        assert_eq!(
            statement["Action"],
            json!(["logs:CreateLogStream", "logs:PutLogEvents"]),
            "{id}"
        );
        assert_eq!(attribute_of(&statement["Resource"]).as_deref(), own.as_str(), "{id}");
    }
}

#[test]
fn nobody_but_auth_can_read_the_keys_that_sign_tokens() {
    let template = Template::read();
    let secrets: Vec<&str> = template
        .resources("AWS::SecretsManager::Secret")
        .map(|(id, _)| id)
        .collect();
    for (id, binary, function) in template.functions() {
        let reads: Vec<Value> = template
            .statements(function)
            .into_iter()
            .filter(|statement| statement["Action"].to_string().contains("secretsmanager:"))
            .cloned()
            .collect();
        let variables = function["Properties"]["Environment"]["Variables"].as_object();
        let told: Vec<&String> = variables
            .into_iter()
            .flat_map(serde_json::Map::keys)
            .filter(|name| name.starts_with("CLEARVIEW_TOKEN_KEYS"))
            .collect();
        if binary == "auth" {
            let [read] = reads.as_slice() else {
                panic!("{id}: {reads:?}")
            };
            assert_eq!(list(&read["Action"]), [&json!("secretsmanager:GetSecretValue")], "{id}");
            let secret = attribute_of(&read["Resource"]).unwrap();
            assert_eq!(secrets, [secret.as_str()], "{id}");
            let variable = &function["Properties"]["Environment"]["Variables"]["CLEARVIEW_TOKEN_KEYS_SECRET"];
            assert_eq!(variable["Ref"], secret, "{id}");
        } else {
            assert!(reads.is_empty() && told.is_empty(), "{id}: {reads:?} {told:?}");
        }
    }
    let globals = &template.value()["Globals"]["Function"]["Environment"]["Variables"];
    assert!(
        !globals.to_string().contains("TOKEN_KEYS"),
        "all functions would be told"
    );
}
