//! Paths and methods: in the contract, in the code, in the integrations, in the permissions to invoke.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use shared::config::Config;
use tests::definitions::{Template, openapi};

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

/// The functions whose answers are streamed: then all of them, as their programs know no other form.
const STREAMING: [&str; 1] = ["chat"];

const ANY: &str = "x-amazon-apigateway-any-method";

/// The paths of the contract with what is said of each.
fn paths(openapi: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let paths = openapi["paths"].as_object().unwrap();
    paths.iter().map(|(path, item)| (path.as_str(), item))
}

/// The paths that each binary serves, by the code.
fn served() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut served: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (_, path, function) in local::gateway::routes() {
        served.entry(function).or_default().insert(path);
    }
    served
}

#[test]
fn every_operation_of_the_contract_is_a_route_and_every_route_an_operation() {
    let openapi = openapi();
    let mut operations: Vec<(String, String)> = paths(&openapi)
        .flat_map(|(path, item)| {
            let methods = METHODS.iter().filter(|method| item.get(**method).is_some());
            methods.map(move |method| (path.to_owned(), method.to_uppercase()))
        })
        .collect();
    operations.sort();
    let mut routes: Vec<(String, String)> = local::gateway::routes()
        .map(|(method, path, _)| (path.to_owned(), method.to_string()))
        .collect();
    routes.sort();
    assert_eq!(operations, routes);
}

#[test]
fn every_method_of_a_path_goes_to_the_function_that_serves_it() {
    let (openapi, template) = (openapi(), Template::read());
    for (path, item) in paths(&openapi) {
        let (.., function) = local::gateway::routes().find(|(_, route, _)| *route == path).unwrap();
        let target = template.invoked(template.function_id(function));
        assert!(
            item.get(ANY).is_some(),
            "{path} does not send every method to its function"
        );
        for (method, operation) in item.as_object().unwrap() {
            if method != ANY && !METHODS.contains(&method.as_str()) {
                continue;
            }
            let integration = &operation["x-amazon-apigateway-integration"];
            assert_eq!(integration["type"], "aws_proxy", "{path} {method}");
            // That of the call to Lambda, whatever the client's is.
            assert_eq!(integration["httpMethod"], "POST", "{path} {method}");
            let uri = integration["uri"]["Fn::Sub"].as_str().unwrap();
            let streams = STREAMING.contains(&function);
            let (version, action) = if streams {
                ("2021-11-15", "response-streaming-invocations")
            } else {
                ("2015-03-31", "invocations")
            };
            let expected = format!(
                "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/{version}/functions/{target}/{action}"
            );
            assert_eq!(uri, expected, "{path} {method}");
            let mode = if streams { json!("STREAM") } else { Value::Null };
            assert_eq!(integration["responseTransferMode"], mode, "{path} {method}");
        }
    }
}

/// The gateway knows no user and no admin: it checks a signature of AWS's for `/metrics`, where a parameter says so, and else none.
#[test]
fn the_gateway_asks_for_awss_signature_for_the_metrics_alone_and_only_where_it_is_told_to() {
    let (openapi, template) = (openapi(), Template::read());
    let asked: Vec<(&str, &Value)> = paths(&openapi)
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            operations.map(move |(method, operation)| (path, method, &operation["x-amazon-apigateway-auth"]))
        })
        .filter(|(.., auth)| !auth.is_null())
        .map(|(path, method, auth)| {
            assert_eq!(method, "get", "{path}");
            (path, auth)
        })
        .collect();
    let by_parameter = json!({"type": {"Fn::If": ["MetricsByIam", "AWS_IAM", "NONE"]}});
    assert_eq!(asked, [("/metrics", &by_parameter)]);
    assert_eq!(
        template.value()["Conditions"]["MetricsByIam"],
        json!({"Fn::Equals": [{"Ref": "MetricsAccess"}, "iam"]})
    );
    assert_eq!(template.value()["Parameters"]["MetricsAccess"]["Default"], "signed");
    // SAM makes a new deployment of the API only where the definition's text is new, which a parameter does not change.
    assert_eq!(template.resource("Api")["Properties"]["AlwaysDeploy"], true);
}

#[test]
fn the_gateway_outwaits_a_request_and_a_function_outwaits_the_gateway() {
    let (openapi, template) = (openapi(), Template::read());
    let millis = |value: &Value| Duration::from_millis(value.as_u64().unwrap());
    let usual = Config::read(|_| None).unwrap().request_timeout;
    let seconds = |value: &Value| value.as_u64().map(Duration::from_secs);
    let globals = seconds(&template.value()["Globals"]["Function"]["Timeout"]).unwrap();
    for (path, item) in paths(&openapi) {
        let (.., name) = local::gateway::routes().find(|(_, route, _)| *route == path).unwrap();
        let own = &template.resource(template.function_id(name))["Properties"]["Timeout"];
        let function = seconds(own).unwrap_or(globals);
        let request = if STREAMING.contains(&name) {
            shared::chat::LONGEST_REPLY
        } else {
            usual
        };
        for operation in item.as_object().unwrap().values() {
            let gateway = millis(&operation["x-amazon-apigateway-integration"]["timeoutInMillis"]);
            assert!(
                request < gateway && gateway < function,
                "{path}: {request:?}, {gateway:?}, {function:?}"
            );
        }
    }
}

#[test]
fn the_gateway_may_invoke_each_function_for_exactly_the_paths_that_it_serves() {
    let (openapi, template) = (openapi(), Template::read());
    let served = served();
    for (id, binary, _) in template.functions() {
        let patterns: Vec<String> = template
            .resources("AWS::Lambda::Permission")
            .filter(|(_, permission)| permission["Properties"]["FunctionName"]["Ref"] == permitted(&template, id))
            .filter(|(_, permission)| permission["Properties"]["Principal"] == "apigateway.amazonaws.com")
            .map(|(name, permission)| {
                let properties = &permission["Properties"];
                assert_eq!(properties["Action"], "lambda:InvokeFunction", "{name}");
                let arn = properties["SourceArn"]["Fn::Sub"].as_str().unwrap();
                let api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/${Stage}/";
                let of_api = arn.strip_prefix(api);
                of_api.unwrap_or_else(|| panic!("{name}: {arn}")).to_owned()
            })
            .collect();
        let may = |path: &str, method: &str| {
            let asked = format!("{method}{path}");
            patterns.iter().any(|pattern| matches(pattern, &asked))
        };
        // A method that no route has shows that every method is covered: its answer is 405.
        let covered: BTreeSet<&str> = paths(&openapi)
            .map(|(path, _)| path)
            .filter(|path| may(path, "GET") && may(path, "PATCH"))
            .collect();
        let expected = served.get(binary).cloned().unwrap_or_default();
        assert_eq!(covered, expected, "{binary}");
        for pattern in &patterns {
            let used = paths(&openapi).any(|(path, _)| matches(pattern, &format!("GET{path}")));
            assert!(used, "{binary}: {pattern} covers no path");
        }
    }
}

#[test]
fn every_permission_is_of_a_function_in_the_template() {
    let template = Template::read();
    let ids: BTreeSet<String> = template.functions().map(|(id, ..)| permitted(&template, id)).collect();
    for (name, permission) in template.resources("AWS::Lambda::Permission") {
        let of = permission["Properties"]["FunctionName"]["Ref"].as_str().unwrap();
        assert!(ids.contains(of), "{name}: {of}");
    }
}

#[test]
fn nobody_but_the_gateway_and_secrets_manager_may_invoke_a_function() {
    let template = Template::read();
    for (name, permission) in template.resources("AWS::Lambda::Permission") {
        let properties = &permission["Properties"];
        match properties["Principal"].as_str() {
            Some("apigateway.amazonaws.com") => assert!(!properties["SourceArn"].is_null(), "{name}"),
            Some("secretsmanager.amazonaws.com") => {
                assert_eq!(
                    properties["FunctionName"]["Ref"],
                    template.function_id("key-rotation"),
                    "{name}"
                );
                assert_eq!(properties["SourceAccount"]["Ref"], "AWS::AccountId", "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Returns the target of a permission to invoke a function: its alias, if it has one, as a caller of the alias needs just that.
fn permitted(template: &Template, id: &str) -> String {
    if template.alias(id).is_some() {
        format!("{id}.Alias")
    } else {
        id.to_owned()
    }
}

/// True if a pattern of an ARN, in which `*` stands for anything, covers `text`.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn a_pattern_covers_what_it_says() {
    for (pattern, text, covered) in [
        ("*/v1/classify", "POST/v1/classify", true),
        ("*/v1/classify", "POST/v1/classify/more", false),
        ("*/v1/auth/*", "POST/v1/auth/refresh", true),
        ("*/v1/auth/*", "POST/v1/authority", false),
        ("GET/health", "GET/health", true),
        ("GET/health", "POST/health", false),
    ] {
        assert_eq!(matches(pattern, text), covered, "{pattern} {text}");
    }
}
