//! The API from outside: checks that need a request.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Response};
use serde_json::{Map, Value};

use super::{Finding, findings};
use crate::outbound::Outbound;

/// The size of a JSON body as large as a function reads, all of it quotes: as an event it is twice as long, and Lambda takes 6
/// MB.
const QUOTES: usize = 2 * 1024 * 1024 - 16;

pub(super) async fn check(url: &str) -> Vec<Finding> {
    let http = match Outbound::new() {
        Ok(http) => http,
        Err(problem) => return vec![Finding::Unread(problem)],
    };
    let ask = async |method: Method, path: &str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", url.trim_end_matches('/')))
            .header("content-type", "application/json")
            .body(Full::from(body));
        match request {
            Ok(request) => http.send(request).await,
            Err(_) => Err(format!("{url:?} is not the address of an API")),
        }
    };
    let health = match ask(Method::GET, "/health", String::new()).await {
        Ok(answer) => health(&answer),
        Err(problem) => return vec![Finding::Fault(problem)],
    };
    let mut faults = Vec::new();
    match ask(Method::GET, "/v1/usage", String::new()).await {
        Ok(answer) => faults.extend(challenge(&answer)),
        Err(problem) => faults.push(problem),
    }
    let body = format!(r#"{{"preference":"{}"}}"#, r#"\""#.repeat(QUOTES));
    match ask(Method::POST, "/v1/classify", body).await {
        Ok(answer) => faults.extend(large_body(&answer)),
        Err(problem) => faults.push(problem),
    }
    [findings("API: health", health), findings("API: refusals", faults)].concat()
}

fn json(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

fn health(answer: &Response<Bytes>) -> Vec<String> {
    let report = json(answer);
    if answer.status() != 200 {
        return vec![format!(
            "/health answers {}: no request can be answered",
            answer.status().as_u16()
        )];
    }
    let mut faults = Vec::new();
    if report["status"] == "degraded" && report["dependencies"].as_object().is_none_or(Map::is_empty) {
        faults.push("/health reports degraded: `clearview admin health` names the dependency".to_owned());
    }
    for name in ["table", "cache"] {
        let status = &report["dependencies"][name]["status"];
        if ["down", "degraded"].iter().any(|bad| status == bad) {
            faults.push(format!("/health reports {name} as {status}"));
        }
    }
    for (provider, state) in report["dependencies"]["providers"].as_object().into_iter().flatten() {
        if state["status"] == "down" {
            faults.push(format!(
                "/health reports the provider {provider} as down: check its key, the function's rights, and Egress"
            ));
        }
    }
    faults
}

/// API Gateway renames the header of a 401 that a function answers.
fn challenge(answer: &Response<Bytes>) -> Option<String> {
    let names = ["www-authenticate", "x-amzn-remapped-www-authenticate"];
    if answer.status() != 401 {
        return Some(format!(
            "a request without a token is answered {}, not 401",
            answer.status().as_u16()
        ));
    }
    let told = names.iter().any(|name| answer.headers().contains_key(*name));
    (!told).then(|| "a 401 carries no challenge (WWW-Authenticate) under either of its names".to_owned())
}

/// The body is within the bound of the contract, so the missing token must be its only fault; or it is refused as too large.
fn large_body(answer: &Response<Bytes>) -> Option<String> {
    let status = answer.status().as_u16();
    let fine = [401, 413].contains(&status);
    (!fine).then(|| {
        format!("a body of 4 MiB that is all quotes is answered {status}: a function's event is too small for it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, header: Option<&str>, body: &str) -> Response<Bytes> {
        let mut answer = Response::builder().status(status);
        if let Some(name) = header {
            answer = answer.header(name, "Bearer");
        }
        answer.body(Bytes::from(body.to_owned())).unwrap()
    }

    #[test]
    fn a_challenge_under_the_gateways_name_for_it_will_do() {
        for name in ["WWW-Authenticate", "x-amzn-Remapped-WWW-Authenticate"] {
            assert_eq!(challenge(&answer(401, Some(name), "")), None);
        }
        assert!(challenge(&answer(401, None, "")).is_some());
        assert!(challenge(&answer(403, None, "")).is_some());
    }

    #[test]
    fn a_provider_that_is_down_is_named() {
        let report = r#"{"dependencies":{"table":{"status":"ok"},"providers":{"bedrock:x":{"status":"down"},"local":{"status":"ok"}}}}"#;
        let faults = health(&answer(200, None, report));
        assert!(faults.len() == 1 && faults[0].contains("bedrock:x"), "{faults:?}");
        assert_eq!(health(&answer(503, None, "")).len(), 1);
        let stranger = r#"{"status":"degraded","dependencies":{}}"#;
        let faults = health(&answer(200, None, stranger));
        assert!(faults.len() == 1 && faults[0].contains("admin health"), "{faults:?}");
        assert!(health(&answer(200, None, r#"{"status":"ok","dependencies":{}}"#)).is_empty());
    }

    #[test]
    fn a_large_body_may_be_refused_and_must_not_break() {
        for (status, fine) in [(401, true), (413, true), (500, false), (502, false)] {
            assert_eq!(large_body(&answer(status, None, "")).is_none(), fine, "{status}");
        }
    }
}
