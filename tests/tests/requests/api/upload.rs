//! An answer reaches the client also when it is refused in mid-upload, and whatever it sends.

use tests::service::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a head and then pieces of a body until the server answers; its answer's first line.
async fn upload(service: &Service, head: &str, piece: &[u8], pieces: usize) -> String {
    let mut stream = TcpStream::connect(service.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let piece = piece.to_vec();
    let sending = tokio::spawn(async move {
        for _ in 0..pieces {
            if writer.write_all(&piece).await.is_err() {
                break;
            }
        }
        writer
    });
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        match reader.read(&mut buffer).await {
            Ok(length @ 1..) => answer.extend_from_slice(&buffer[..length]),
            _ => break,
        }
    }
    sending.abort();
    String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_body_of_60_megabytes_is_answered_although_the_client_sends_first() {
    let service = Service::start().await;
    let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 62914560\r\n\r\n";
    let line = upload(&service, head, &vec![b'x'; 65_536], 960).await;
    assert_eq!(line, "HTTP/1.1 413 Payload Too Large");
}

#[tokio::test]
async fn a_chunked_body_without_end_is_answered() {
    let service = Service::start().await;
    let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut piece = b"10000\r\n".to_vec();
    piece.extend_from_slice(&vec![b'x'; 65_536]);
    piece.extend_from_slice(b"\r\n");
    let line = upload(&service, head, &piece, 100_000).await;
    assert_eq!(line, "HTTP/1.1 413 Payload Too Large");
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_need_not_send() {
    let service = Service::start().await;
    let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 62914560\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(upload(&service, head, b"", 0).await, "HTTP/1.1 413 Payload Too Large");
}

#[tokio::test]
async fn bytes_that_are_no_http_do_not_harm_the_server() {
    let service = Service::start().await;
    for garbage in [
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /v1/classify HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ] {
        let line = upload(&service, garbage, b"", 0).await;
        assert!(line.is_empty() || line.starts_with("HTTP/1.1 4"), "{line}");
    }
    for path in [
        "/%",
        "/%ff",
        "//",
        "/v1/classify/",
        "/v1/classify?explain=%ff%",
        "/v1/usage?=&&=&%00",
        "*",
    ] {
        let line = upload(
            &service,
            &format!("OPTIONS {path} HTTP/1.1\r\nHost: \u{e9}\r\n\r\n"),
            b"",
            0,
        )
        .await;
        assert!(
            line.starts_with("HTTP/1.1 2") || line.starts_with("HTTP/1.1 4"),
            "{path}: {line}"
        );
    }
    assert_eq!(service.client.get("/health").await.status, 200);
}
