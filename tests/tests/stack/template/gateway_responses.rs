//! API Gateway's own answers are those that the functions would give.

use std::collections::BTreeMap;
use std::time::Duration;

use lambda_http::http::header::{self, HeaderMap, HeaderValue};
use local::gateway::refuse;
use serde_json::Value;
use shared::error::{Error, Outage};
use shared::http::LARGEST_BODY;
use tests::definitions::openapi;

/// Of a page that may read answers.
const ORIGIN: &str = "https://app.example.com";

/// Which error each of them is in our own terms; `None` for the two that no function answers with.
fn error_of(name: &str) -> Option<Error> {
    Some(match name {
        "DEFAULT_4XX" | "MISSING_AUTHENTICATION_TOKEN" => Error::NotFound,
        "BAD_REQUEST_PARAMETERS" => Error::Invalid(Vec::new()),
        "REQUEST_TOO_LARGE" => Error::PayloadTooLarge {
            limit_bytes: LARGEST_BODY,
        },
        "UNSUPPORTED_MEDIA_TYPE" => Error::UnsupportedMediaType,
        "THROTTLED" => Error::RateLimitExceeded {
            limit: "gateway",
            retry_after: Duration::from_secs(1),
        },
        "DEFAULT_5XX" => Error::Internal(Box::new(Outage(String::new()))),
        "INTEGRATION_FAILURE" | "INTEGRATION_TIMEOUT" => Error::Unavailable(Outage(String::new())),
        "ACCESS_DENIED" | "WAF_FILTERED" => return None,
        other => panic!("what is {other}?"),
    })
}

/// The headers of an answer that do not depend on what it says.
fn headers_of_every_answer() -> BTreeMap<String, String> {
    let request = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(ORIGIN))]);
    let answer = refuse(&Error::NotFound, &request, &[ORIGIN.to_owned()]);
    let pairs = answer.headers().iter();
    pairs
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

fn responses() -> Vec<(String, Value)> {
    let openapi = openapi();
    let responses = openapi["x-amazon-apigateway-gateway-responses"].as_object().unwrap();
    responses
        .iter()
        .map(|(name, response)| (name.clone(), response.clone()))
        .collect()
}

fn headers(response: &Value) -> BTreeMap<String, String> {
    let parameters = response["responseParameters"].as_object().unwrap();
    parameters
        .iter()
        .map(|(name, value)| {
            let name = name.strip_prefix("gatewayresponse.header.").unwrap();
            (name.to_ascii_lowercase(), value.as_str().unwrap().to_owned())
        })
        .collect()
}

fn body(name: &str, response: &Value) -> Value {
    let template = response["responseTemplates"]["application/json"].as_str().unwrap();
    serde_json::from_str(template).unwrap_or_else(|error| panic!("{name}: {error} in {template}"))
}

#[test]
fn each_carries_the_headers_of_every_answer() {
    for (name, response) in responses() {
        let sent = headers(&response);
        for (header, value) in headers_of_every_answer() {
            let expected = match header.as_str() {
                // The gateway has no other name for a request than its own.
                "x-correlation-id" => "context.requestId".to_owned(),
                // Nor does it know which origins are listed.
                "access-control-allow-origin" => "method.request.header.Origin".to_owned(),
                // A static value stands in quotes, which nothing escapes inside it.
                _ => format!("'{value}'"),
            };
            assert_eq!(sent.get(&header), Some(&expected), "{name}: {header}");
        }
    }
}

#[test]
fn each_is_a_problem_with_the_status_that_it_is_sent_with() {
    for (name, response) in responses() {
        let body = body(&name, &response);
        assert_eq!(response["statusCode"], body["status"].to_string(), "{name}");
        assert_eq!(body["correlationId"], "$context.requestId", "{name}");
        let mut members: Vec<&String> = body.as_object().unwrap().keys().collect();
        members.retain(|member| *member != "retryAfterMs");
        assert_eq!(
            members,
            [
                "correlationId",
                "detail",
                "error",
                "retryable",
                "status",
                "title",
                "type"
            ],
            "{name}"
        );
        let wait = headers(&response).get("retry-after").cloned();
        let in_body = body["retryAfterMs"]
            .as_u64()
            .map(|millis| format!("'{}'", millis / 1000));
        assert_eq!(wait, in_body, "{name}: header and body tell the same wait");
        assert_eq!(wait.is_some(), body["retryable"] == true, "{name}");
    }
}

#[test]
fn each_says_what_a_function_would_say() {
    for (name, response) in responses() {
        let Some(error) = error_of(&name) else { continue };
        let expected = refuse(&error, &HeaderMap::new(), &[]);
        let expected: Value = serde_json::from_slice(expected.body()).unwrap();
        let body = body(&name, &response);
        for member in ["type", "title", "status", "error", "retryable"] {
            assert_eq!(body[member], expected[member], "{name}: {member}");
        }
    }
}
