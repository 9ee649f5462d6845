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

/// Every model of Bedrock: for a statement that allows it through named inference profiles alone.
const ANY_MODEL: &str = r#"{"Fn::Sub":"arn:${AWS::Partition}:bedrock:*::foundation-model/*"}"#;

/// The objects of the bucket of uploads, which holds nothing else.
const UPLOADS: &str = r#"{"Fn::Sub":"${Uploads.Arn}/uploads/*"}"#;

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
            let of_profiles = !statement["Condition"]["StringEquals"]["bedrock:InferenceProfileArn"].is_null();
            let open = text.contains('*') && !(of_profiles && text == ANY_MODEL) && text != UPLOADS;
            assert!(!statement[part].is_null() && !open, "{role}: {part} {text}");
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
        let service = match id {
            "ApiLogRole" => "apigateway",
            "BackupRole" => "backup",
            _ if id.ends_with("ScheduleRole") => "scheduler",
            _ => "lambda",
        };
        assert_eq!(
            trust["Principal"],
            json!({"Service": format!("{service}.amazonaws.com")}),
            "{id}"
        );
        assert_eq!(list(&trust["Action"]), [&json!("sts:AssumeRole")], "{id}");
        let mut beyond = role["Properties"]["ManagedPolicyArns"].clone();
        if id == "HealthRole" {
            let own: Vec<Value> = beyond.as_array_mut().unwrap().drain(1..3).collect();
            let finds_cache = json!({"Fn::If": ["UsesCache", {"Ref": "FindsCache"}, {"Ref": "AWS::NoValue"}]});
            assert_eq!(own, [json!({"Ref": "ReadsMetrics"}), finds_cache]);
        }
        let beyond = beyond.to_string();
        let traced = json!([{"Ref": "Traced"}]).to_string();
        let in_network =
            json!([{"Ref": "Traced"}, {"Fn::If": ["UsesCache", {"Ref": "InNetwork"}, {"Ref": "AWS::NoValue"}]}]);
        let expected = match service {
            "lambda" if beyond == traced => traced,
            "lambda" => in_network.to_string(),
            // The one role of AWS's own making: it serves every API of the account.
            "apigateway" => json!([{"Fn::Sub":
                "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}])
            .to_string(),
            "backup" => json!([{"Fn::Sub":
                "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"}])
            .to_string(),
            _ => Value::Null.to_string(),
        };
        assert_eq!(beyond, expected, "{id}");
    }
    for (id, _, function) in template.functions() {
        assert!(
            function["Properties"]["Policies"].is_null(),
            "{id}: its role says what it may"
        );
    }
}

#[test]
fn the_shared_policies_hold_nothing_but_traces_interfaces_and_the_sign_in_to_the_cache() {
    let template = Template::read();
    let actions = |id: &str| -> Vec<(String, String)> {
        list(&template.resource(id)["Properties"]["PolicyDocument"]["Statement"])
            .into_iter()
            .flat_map(|statement| {
                let effect = statement["Effect"].as_str().unwrap().to_owned();
                list(&statement["Action"])
                    .into_iter()
                    .map(move |action| (effect.clone(), action.as_str().unwrap().to_owned()))
            })
            .collect()
    };
    assert!(
        actions("Traced")
            .iter()
            .all(|(_, action)| action.starts_with("xray:Put"))
    );
    let in_network = actions("InNetwork");
    let (denied, allowed): (Vec<_>, Vec<_>) = in_network.into_iter().partition(|(effect, _)| effect == "Deny");
    let mut names: Vec<String> = denied.into_iter().map(|(_, action)| action).collect();
    // Lambda may do this with the role; the function's own code may not.
    names.push("elasticache:Connect".to_owned());
    let allowed: Vec<String> = allowed.into_iter().map(|(_, action)| action).collect();
    assert_eq!(allowed, names);
    let policies: Vec<&str> = template
        .resources("AWS::IAM::ManagedPolicy")
        .map(|(id, _)| id)
        .collect();
    assert_eq!(
        policies,
        ["FindsCache", "InNetwork", "MayReadMetrics", "ReadsMetrics", "Traced"]
    );
    // For a role outside the stack: one method of one path.
    let scrape = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/${Stage}/GET/metrics";
    assert_eq!(
        template.resource("MayReadMetrics")["Properties"]["PolicyDocument"]["Statement"],
        json!([{"Effect": "Allow", "Action": ["execute-api:Invoke"], "Resource": {"Fn::Sub": scrape}}])
    );
    assert_eq!(
        actions("ReadsMetrics"),
        [("Allow".to_owned(), "cloudwatch:GetMetricData".to_owned())]
    );
    assert_eq!(
        actions("FindsCache"),
        [("Allow".to_owned(), "elasticache:DescribeServerlessCaches".to_owned())]
    );
    let statements = &template.resource("FindsCache")["Properties"]["PolicyDocument"]["Statement"];
    let limits = json!({"Fn::If": ["UsesLimitsCache", {"Fn::GetAtt": "LimitsStore.ARN"}, {"Ref": "AWS::NoValue"}]});
    assert_eq!(
        statements[0]["Resource"],
        json!([{"Fn::GetAtt": "SharedCache.ARN"}, limits])
    );
}

#[test]
fn a_function_is_in_the_network_if_and_only_if_it_may_be() {
    let template = Template::read();
    for (id, _, function) in template.functions() {
        let role = attribute_of(&function["Properties"]["Role"]).unwrap();
        let may = template.resource(&role)["Properties"]["ManagedPolicyArns"]
            .to_string()
            .contains("InNetwork");
        assert_eq!(may, !function["Properties"]["VpcConfig"].is_null(), "{id}");
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

/// A writer of the public keys could sign in as anybody.
#[test]
fn the_public_keys_are_written_by_auth_and_key_rotation_alone() {
    let template = Template::read();
    let mut writers = Vec::new();
    for (_, binary, function) in template.functions() {
        for statement in template.statements(function) {
            let reads = ["GetItem", "BatchGetItem", "Query", "Scan"].map(|action| json!(format!("dynamodb:{action}")));
            if list(&statement["Action"])
                .into_iter()
                .all(|action| reads.contains(action))
            {
                continue;
            }
            let open = Template::leading_keys(statement).is_none_or(|patterns| {
                patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                    Some(start) => "keys".starts_with(start),
                    None => pattern == "keys",
                })
            });
            let tables = list(&statement["Resource"]).into_iter().filter_map(attribute_of);
            let tables = tables.filter(|table| ["IdentityTable", "SettingsTable"].contains(&table.as_str()));
            writers.extend(tables.filter(|_| open).map(|table| (binary.to_owned(), table)));
        }
    }
    writers.sort();
    let both = |binary: &str| ["IdentityTable", "SettingsTable"].map(|table| (binary.to_owned(), table.to_owned()));
    assert_eq!(writers, [both("auth"), both("key-rotation")].concat());
}

/// Which secret each function may read, and what it may do with it beyond that.
const SECRETS: [(&str, &[&str], &[&str]); 12] = [
    ("admin", &["AdminKeys"], &[]),
    ("auth", &["TokenKeys", "SigningKeys"], &[]),
    ("chat", &["ModelKey", "SigningKeys"], &[]),
    ("classify", &["ModelKey", "SigningKeys"], &[]),
    ("detect", &["ModelKey", "SigningKeys"], &[]),
    ("health", &["AdminKeys", "ModelKey"], &[]),
    (
        "key-rotation",
        &["TokenKeys", "SigningKeys"],
        &["DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"],
    ),
    ("jobs", &["SigningKeys"], &[]),
    ("rank", &["ModelKey", "SigningKeys"], &[]),
    ("usage", &["SigningKeys"], &[]),
    ("webhooks", &["WebhookEndpoints"], &[]),
    ("worker", &["ModelKey"], &[]),
];

#[test]
fn each_secret_is_read_by_those_who_need_it_and_told_to_them_alone() {
    let template = Template::read();
    for (id, binary, function) in template.functions() {
        let of_function = SECRETS.iter().find(|(name, ..)| *name == binary);
        let (secrets, more) = of_function.map_or((&[][..], &[][..]), |(_, secrets, more)| (*secrets, *more));
        let mut actions: Vec<String> = more.iter().map(|action| format!("secretsmanager:{action}")).collect();
        actions.push("secretsmanager:GetSecretValue".to_owned());
        actions.sort();
        let statements = template.statements(function).into_iter();
        let on_secrets: Vec<&Value> = statements
            .filter(|statement| statement["Action"].to_string().contains("secretsmanager:"))
            .collect();
        let readable: Vec<String> = on_secrets
            .iter()
            .flat_map(|statement| {
                let mut allowed: Vec<&str> = list(&statement["Action"])
                    .into_iter()
                    .filter_map(Value::as_str)
                    .collect();
                allowed.sort_unstable();
                assert_eq!(allowed, actions, "{id}");
                list(&statement["Resource"])
            })
            .map(|secret| attribute_of(secret).unwrap())
            .collect();
        assert_eq!(readable, secrets, "{id}");
        let variables = function["Properties"]["Environment"]["Variables"].as_object();
        let mut told: Vec<&str> = variables
            .into_iter()
            .flatten()
            // An empty one, for `sam local` to fill, holds nothing.
            .filter(|(name, value)| (name.contains("KEYS") || name.ends_with("_SECRET")) && *value != "")
            .map(|(name, value)| {
                assert!(name.ends_with("_SECRET"), "{id}: {name} would hold the secret itself");
                value["Ref"].as_str().unwrap()
            })
            .collect();
        told.sort_unstable();
        let mut secrets = secrets.to_vec();
        secrets.sort_unstable();
        assert_eq!(told, secrets, "{id}");
    }
    let globals = &template.value()["Globals"]["Function"]["Environment"]["Variables"];
    assert!(!globals.to_string().contains("KEYS"), "all functions would be told");
}

#[test]
fn the_keys_that_a_function_makes_up_are_rotated_every_month() {
    let template = Template::read();
    let rotated: Vec<&str> = template
        .resources("AWS::SecretsManager::RotationSchedule")
        .map(|(id, schedule)| {
            let properties = &schedule["Properties"];
            assert_eq!(
                attribute_of(&properties["RotationLambdaARN"]).as_deref(),
                Some(template.function_id("key-rotation")),
                "{id}"
            );
            assert_eq!(
                properties["RotationRules"]["ScheduleExpression"], "rate(30 days)",
                "{id}"
            );
            properties["SecretId"]["Ref"].as_str().unwrap()
        })
        .collect();
    assert_eq!(rotated, ["SigningKeys", "TokenKeys"]);
}
