//! Lambda's own Invoke API, for the functions that no gateway calls: the events of a schedule or an operator, sent by hand.
//!
//! `aws lambda invoke --endpoint-url http://127.0.0.1:3000 --function-name quota-reset …` works as it does in AWS.

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use shared::app::App;
use shared::invocation::Failure;

/// The parts of an API path before and after a function's name.
const PATH: (&str, &str) = ("/2015-03-31/functions/", "/invocations");

/// Marks a body as a function's error.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// Returns the function that a request invokes, if it is such a request.
#[must_use]
pub fn invoked<'a>(method: &Method, path: &'a str) -> Option<&'a str> {
    let name = path.strip_prefix(PATH.0)?.strip_suffix(PATH.1)?;
    (*method == Method::POST).then_some(name)
}

/// Invokes `function` with the event in `body`. Answers 404 for a function that is called through the gateway, or does not
/// exist.
pub async fn invoke(app: &App, function: &str, body: &[u8]) -> Response<Bytes> {
    if function != quota_reset::NAME {
        let message = "Function not found: quota-reset is the only one that is invoked directly";
        return answer(StatusCode::NOT_FOUND, &json!({"Type": "User", "message": message}));
    }
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        let message = "Could not parse request body into json";
        return answer(StatusCode::BAD_REQUEST, &json!({"Type": "User", "message": message}));
    };
    match quota_reset::handle(app, event).await {
        Ok(summary) => answer(StatusCode::OK, &json!(summary)),
        Err(failure) => {
            let error = json!({"errorType": failure.code(), "errorMessage": failure.to_string()});
            let mut response = answer(StatusCode::OK, &error);
            response
                .headers_mut()
                .insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
            response
        }
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
