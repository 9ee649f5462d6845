//! openapi.yaml for those who read it: each operation says what it does, shows a request and an answer, and lists its errors.

use serde_json::Value;
use tests::definitions::{openapi, text_of};

const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// The longest summary, in characters: one line of a list.
const LONGEST_SUMMARY: usize = 72;

/// Every operation with its method and path.
fn operations(openapi: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                found.push((format!("{} {path}", method.to_uppercase()), operation));
            }
        }
    }
    found
}

/// The schema that a reference stands for.
fn resolved<'a>(openapi: &'a Value, node: &'a Value) -> &'a Value {
    match node["$ref"].as_str() {
        Some(reference) => resolved(openapi, openapi.pointer(reference.trim_start_matches('#')).unwrap()),
        None => node,
    }
}

/// True if each of the forms that a content can have is shown by an example. A file has none.
fn is_shown(openapi: &Value, holder: &Value) -> bool {
    let contents = resolved(openapi, holder)["content"].as_object();
    contents.into_iter().flatten().all(|(_, content)| {
        let schema = resolved(openapi, &content["schema"]);
        let examples = [&content["example"], &content["examples"], &schema["example"]];
        schema["format"] == "binary" || examples.iter().any(|example| !example.is_null())
    })
}

#[test]
fn each_operation_has_a_summary_and_examples() {
    let openapi = openapi();
    let mut all = 0;
    for (name, operation) in operations(&openapi) {
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(
            (1..=LONGEST_SUMMARY).contains(&summary.chars().count()),
            "{name}: {summary:?}"
        );
        assert!(!summary.ends_with('.'), "{name}: {summary:?}");
        assert!(
            is_shown(&openapi, &operation["requestBody"]),
            "{name}: its request has no example"
        );
        let answers = operation["responses"].as_object().unwrap();
        for (status, answer) in answers.iter().filter(|(status, _)| status.starts_with('2')) {
            assert!(is_shown(&openapi, answer), "{name}: its answer {status} has no example");
        }
        all += 1;
    }
    assert!(all >= 20, "{all}");
}

#[test]
fn each_operation_lists_its_errors_in_words_and_so_does_the_page() {
    let openapi = openapi();
    let page = text_of("docs/API.md");
    for (name, operation) in operations(&openapi) {
        let answers = operation["responses"].as_object().unwrap();
        let errors: Vec<(&String, &Value)> = answers.iter().filter(|(status, _)| !status.starts_with('2')).collect();
        for expected in ["405", "429", "500", "503"] {
            assert!(
                errors.iter().any(|(status, _)| *status == expected),
                "{name}: {expected}"
            );
        }
        for (status, error) in &errors {
            let said = resolved(&openapi, error)["description"].as_str().unwrap_or_default();
            assert!(said.contains(' '), "{name}: {status} says {said:?}");
        }
        let section = page.split(&format!("\n### {name}\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("{name}: run `make api`"));
        let section = section.split("\n### ").next().unwrap();
        assert!(section.contains("\n**Errors**\n\n- "), "{name}: no list of errors");
    }
}
