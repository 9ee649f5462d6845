//! Line breaks and control characters: none reaches a header of an answer or starts a line of the log.

use std::net::SocketAddr;

use serde_json::json;
use tests::service::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Returns a server's answer to bytes that no client would send.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn line_breaks_in_headers_and_paths_split_nothing() {
    let service = Service::start().await;
    for header in [
        "X-Correlation-ID: a\rX-Evil: 1",
        "X-Correlation-ID: a\nX-Evil: 1",
        "X-Correlation-ID: a%0d%0aX-Evil: 1",
        "X-Correlation-ID: a\u{85}X-Evil: 1",
        "Origin: https://a\nX-Evil: 1",
    ] {
        let request = format!("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n");
        let answer = raw(service.address(), &request).await;
        assert!(!answer.to_lowercase().contains("x-evil"), "{header:?}: {answer}");
    }
    for path in [
        "/health%0d%0aX-Evil:%201",
        "/v1/auth/sessions/%0d%0aX-Evil:1",
        "//evil.test/health",
        "/health\tx",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = raw(service.address(), &request).await;
        let head = answer.split("\r\n\r\n").next().unwrap();
        assert!(
            !head.to_lowercase().contains("x-evil") && !head.contains("200 OK"),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn an_event_with_line_breaks_in_a_header_is_no_request() {
    let service = Service::start().await;
    let app = std::sync::Arc::new(service.plan.clone().with_tables_at(service.tables_address()).app());
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\u{0}b"] {
        let mut event = tests::events::named("health/health").value("");
        event["headers"]["X-Correlation-ID"] = value.into();
        event["multiValueHeaders"]["X-Correlation-ID"] = json!([value]);
        let function = "health";
        let answer = local::gateway::invoke(app.clone(), function, event.to_string()).await;
        assert!(answer.is_err(), "{value:?}: {answer:?}");
    }
}
