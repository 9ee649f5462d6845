//! More requests and connections than a server works on at a time.

use std::net::SocketAddr;

use serde_json::json;
use tests::client::{Client, Device};
use tests::program::LocalServer;
use tests::service::{Plan, Service};
use tests::upstream::{Act, plan_of, upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request to classify one post, without its body.
fn head(device: &Device, length: usize) -> String {
    format!(
        "POST /v1/classify HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n",
        device.access
    )
}

fn body(text: &str) -> String {
    json!({"preference": "Hide crypto", "posts": [{"id": "0", "text": text}]}).to_string()
}

async fn sent(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that a server says before it closes the connection, or until nothing more fits.
async fn read(stream: &mut TcpStream) -> String {
    let mut buffer = vec![0; 16 * 1024];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// Requests that a provider keeps from being answered until it is dropped; one in excess of what fits waits for them.
async fn full(service: &Service, ann: &Device, upstream: &tests::upstream::Upstream) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for text in ["one", "two", "three"] {
        let body = body(text);
        streams.push(sent(service.address(), &(head(ann, body.len()) + &body)).await);
    }
    upstream.called(2).await;
    streams
}

fn plan(upstream: &tests::upstream::Upstream) -> Plan {
    plan_of(upstream).with_room_for(2, 900)
}

#[tokio::test]
async fn a_request_beyond_those_that_wait_is_refused_before_any_work() {
    let upstream = upstream(Act::Hang).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut streams = full(&service, &ann, &upstream).await;
    // Its body is never sent: a server that waits for it gives no answer.
    let mut refused = sent(service.address(), &head(&ann, 100_000)).await;
    let answer = read(&mut refused).await;
    let answer = answer.to_ascii_lowercase();
    for part in [
        "http/1.1 503",
        "retry-after: 1\r\n",
        "content-type: application/problem+json",
        "x-correlation-id: ",
        "\"error\":\"reduced_capacity\"",
        "\"retryable\":true",
    ] {
        assert!(answer.contains(part), "{part} in {answer}");
    }
    assert_eq!(upstream.calls().len(), 2);
    drop(upstream);
    for stream in &mut streams {
        assert!(
            read(stream).await.starts_with("HTTP/1.1 200"),
            "those that fit are answered"
        );
    }
    assert_eq!(service.client.usage(&ann).await.body["used"], 3);
    let metrics = reqwest::get(format!("http://{}/metrics", service.address()))
        .await
        .unwrap();
    assert!(metrics.text().await.unwrap().contains("\nclearview_shed_total 1\n"));
}

#[tokio::test]
async fn a_request_whose_client_has_left_while_it_waited_is_not_begun() {
    let upstream = upstream(Act::Hang).await;
    let service = plan(&upstream).start().await;
    let ann = service.client.register("ann").await;
    let mut streams = full(&service, &ann, &upstream).await;
    // Refused: the third waits for sure.
    let mut refused = sent(service.address(), &head(&ann, 100_000)).await;
    assert!(read(&mut refused).await.starts_with("HTTP/1.1 503"));
    drop(streams.pop());
    drop(upstream);
    for stream in &mut streams {
        assert!(read(stream).await.starts_with("HTTP/1.1 200"));
    }
    // It was first in the line before this one.
    assert_eq!(
        service.client.classify(&ann, "Hide crypto", &["four"]).await.status,
        200
    );
    assert_eq!(service.client.usage(&ann).await.body["used"], 3);
}

#[tokio::test]
async fn connections_beyond_those_that_are_served_are_told_so_or_not_accepted() {
    const GET: &str = "GET /health?deep=false HTTP/1.1\r\nHost: test\r\n\r\n";
    let server = LocalServer::start(&["--connections", "4"], &[]).await;
    let before = descriptors(&server);
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut stream = sent(server.address, GET).await;
        assert!(read(&mut stream).await.starts_with("HTTP/1.1 200"));
        kept.push(stream);
    }
    let mut fifth = sent(server.address, GET).await;
    let mut answer = String::new();
    fifth.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "and closed: {answer}");
    assert!(answer.contains("REDUCED_CAPACITY"), "{answer}");

    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(server.address).await.unwrap());
        kept[0].write_all(GET.as_bytes()).await.unwrap();
        assert!(
            read(&mut kept[0]).await.starts_with("HTTP/1.1 200"),
            "a served one stays served"
        );
        let open = descriptors(&server) - before;
        assert!(open <= 64, "{open} of {}", crowd.len());
    }
    drop(crowd);
    drop(kept);
    // The server learns of each end in its own time.
    loop {
        let mut stream = sent(server.address, GET).await;
        if read(&mut stream).await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}

#[tokio::test]
async fn large_bodies_that_come_together_are_not_all_in_memory_at_once() {
    let server = LocalServer::start(&["--requests", "8"], &[]).await;
    let ann = Client::to(server.address).register("ann").await;
    let before = peak_megabytes(&server);
    let body = body(&"x".repeat(4_000_000));
    let request = format!(
        "{}{body}",
        head(&ann, body.len()).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    );
    let clients = (0..64).map(|_| async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // A refusal may come, and the connection end, before all is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    });
    futures_util::future::join_all(clients).await;
    let grown = peak_megabytes(&server) - before;
    assert!(grown < 100, "{grown} MB for bodies of 256 MB");
}

fn descriptors(server: &LocalServer) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.process_id()));
    files.unwrap().count()
}

fn peak_megabytes(server: &LocalServer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}
