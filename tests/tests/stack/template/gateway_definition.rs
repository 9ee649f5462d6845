//! gateway.json: what API Gateway imports is in step with the contract, and holds nothing that its importer could refuse.

use serde_json::{Map, Value, json};
use tests::definitions::{Template, openapi, text_of};

const EXTENSION: &str = "x-amazon-apigateway-";

fn gateway() -> Value {
    serde_json::from_str(&text_of("gateway.json")).unwrap()
}

/// The members of an operation that only API Gateway reads.
fn extensions(operation: &Value) -> Map<String, Value> {
    let members = operation.as_object().unwrap().iter();
    members
        .filter(|(name, _)| name.starts_with(EXTENSION))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn names(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[test]
fn it_has_the_contracts_paths_methods_integrations_and_gateway_responses() {
    let (gateway, openapi) = (gateway(), openapi());
    assert_eq!(names(&gateway["paths"]), names(&openapi["paths"]), "run `make gateway`");
    for (path, item) in openapi["paths"].as_object().unwrap() {
        let imported = &gateway["paths"][path];
        assert_eq!(names(imported), names(item), "{path}: run `make gateway`");
        for (method, operation) in item.as_object().unwrap() {
            assert_eq!(
                extensions(&imported[method]),
                extensions(operation),
                "{path} {method}: run `make gateway`"
            );
        }
    }
    for member in [
        "x-amazon-apigateway-gateway-responses",
        "x-amazon-apigateway-binary-media-types",
    ] {
        assert_eq!(gateway[member], openapi[member], "run `make gateway`");
    }
}

#[test]
fn it_has_nothing_else_than_declared_path_parameters() {
    let gateway = gateway();
    assert_eq!(
        names(&gateway),
        [
            "info",
            "openapi",
            "paths",
            "x-amazon-apigateway-binary-media-types",
            "x-amazon-apigateway-gateway-responses"
        ]
    );
    // Both ways: a type that is listed is base64 in requests and in answers, and JSON must stay text.
    let binary = json!(["image/jpeg", "image/png", "image/webp"]);
    assert_eq!(gateway["x-amazon-apigateway-binary-media-types"], binary);
    assert_eq!(json!(local::event::BINARY), binary, "the local server does the same");
    for (path, item) in gateway["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let others = names(operation).into_iter().filter(|name| !name.starts_with(EXTENSION));
            for name in others {
                assert!(
                    ["parameters", "responses"].contains(&name.as_str()),
                    "{path} {method}: {name}"
                );
            }
            let declared: Vec<String> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|parameter| {
                    assert_eq!(parameter["in"], "path", "{path} {method}");
                    format!("{{{}}}", parameter["name"].as_str().unwrap())
                })
                .collect();
            let wanted: Vec<&str> = path.split('/').filter(|part| part.starts_with('{')).collect();
            assert_eq!(declared, wanted, "{path} {method}");
        }
    }
    assert!(!gateway.to_string().contains("$ref"));
}

#[test]
fn the_template_imports_it_under_the_apis_own_name() {
    let template = Template::read();
    let api = &template.resource("Api")["Properties"];
    let include = &api["DefinitionBody"]["Fn::Transform"];
    assert_eq!(include["Parameters"]["Location"], "gateway.json");
    assert_eq!(
        gateway()["info"]["title"],
        api["Name"],
        "alarms and X-Ray's rule go by this name"
    );
}
