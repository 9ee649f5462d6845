//! The bucket of uploads: a signed request works once, as it was signed, and nothing else does.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local::objects::Objects;
use reqwest::Method;
use shared::clock::{Clock, Timestamp};
use shared::config::Config;
use shared::digest::sha256;
use shared::objects::{Content, Expected, ObjectStore, Put, Stored};
use tests::proxy::{Mode, Proxy};
use tests::service::START;

const KEY: &str = "uploads/u_AAAAAAAAAAAAAAAAAAAAAA/upl_AAAAAAAAAAAAAAAAAAAAAA";

const BODY: &[u8] = b"a picture, as it were";

const FIVE_MINUTES: Duration = Duration::from_mins(5);

/// A store, and its client.
struct Bucket {
    _server: Objects,
    objects: ObjectStore,
    clock: Clock,
    http: reqwest::Client,
}

impl Bucket {
    async fn start(directory: Option<&Path>, clock: Clock) -> Self {
        let (server, objects, _) = open(directory, &clock).await;
        Self {
            _server: server,
            objects,
            clock,
            http: reqwest::Client::new(),
        }
    }

    fn put(&self, now: Timestamp) -> Put {
        let digest = STANDARD.encode(sha256(BODY));
        let object = Expected {
            key: KEY,
            content_type: "image/png",
            bytes: BODY.len() as u64,
            sha256: &digest,
        };
        self.objects.put(object, FIVE_MINUTES, now).unwrap()
    }

    /// Sends a body by a signed request, after `change` of that.
    async fn send(&self, put: &Put, body: &[u8], change: impl FnOnce(&mut reqwest::Request)) -> (u16, String) {
        let mut request = self.http.request(Method::PUT, &put.url).body(body.to_vec());
        for (name, value) in &put.headers {
            request = request.header(*name, value);
        }
        let mut request = request.build().unwrap();
        change(&mut request);
        let answer = self.http.execute(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    }
}

async fn open(directory: Option<&Path>, clock: &Clock) -> (Objects, ObjectStore, Config) {
    let mut config = Config::read(|_| None).unwrap();
    let listen = (Ipv4Addr::LOCALHOST, 0).into();
    let server = Objects::start(directory, listen, &mut config, clock.clone())
        .await
        .unwrap();
    let objects = ObjectStore::of(&config, clock).unwrap();
    (server, objects, config)
}

#[tokio::test]
async fn an_object_is_sent_once_and_read_back_under_the_name_of_its_content() {
    let bucket = Bucket::start(None, Clock::manual(START)).await;
    assert_eq!(bucket.objects.head(KEY).await.unwrap(), None);
    let put = bucket.put(START);
    assert_eq!(put.expires_at, START.plus(FIVE_MINUTES));
    assert_eq!(bucket.send(&put, BODY, |_| {}).await.0, 200);

    let stored = bucket.objects.head(KEY).await.unwrap().unwrap();
    let expected = Stored {
        bytes: BODY.len() as u64,
        content_type: "image/png".to_owned(),
        etag: stored.etag.clone(),
        sha256: Some(STANDARD.encode(sha256(BODY))),
    };
    assert_eq!(stored, expected);
    let read = bucket.objects.get(KEY, &stored.etag, BODY.len()).await.unwrap();
    assert_eq!(read, Content::Whole(BODY.to_vec()));
    let cut = bucket.objects.get(KEY, &stored.etag, BODY.len() - 1).await.unwrap();
    assert_eq!(cut, Content::TooLarge);
    let other = bucket.objects.get(KEY, "\"another\"", BODY.len()).await.unwrap();
    assert_eq!(other, Content::Changed);

    let (again, why) = bucket.send(&put, BODY, |_| {}).await;
    assert!(again == 412 && why.contains("PreconditionFailed"), "{why}");
    let listed = bucket.objects.list("uploads/u_AAAAAAAAAAAAAAAAAAAAAA/").await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].key.as_str(), listed[0].bytes),
        (1, KEY, stored.bytes)
    );
    assert!(bucket.objects.list("uploads/u_B").await.unwrap().is_empty());

    bucket.objects.delete(KEY).await.unwrap();
    bucket.objects.delete(KEY).await.unwrap();
    assert_eq!(bucket.objects.get(KEY, &stored.etag, 100).await.unwrap(), Content::Gone);
}

/// A change of the request that was signed.
type Change = fn(&mut reqwest::Request);

fn set(request: &mut reqwest::Request, name: &'static str, value: &'static str) {
    request.headers_mut().insert(name, value.parse().unwrap());
}

fn url(request: &mut reqwest::Request, from: &str, to: &str) {
    let url = request.url().as_str();
    assert!(url.contains(from), "{url}");
    *request.url_mut() = url.replacen(from, to, 1).parse().unwrap();
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of requests")]
async fn a_request_that_is_not_the_one_that_was_signed_stores_nothing() {
    let bucket = Bucket::start(None, Clock::manual(START)).await;
    let longer = [BODY, b"!"].concat();
    let other = [&BODY[1..], b"!"].concat();
    let same: Change = |_| {};
    let cases: [(&str, &[u8], Change, u16, &str); 15] = [
        ("a longer body", &longer, same, 403, "SignatureDoesNotMatch"),
        ("a shorter body", &BODY[1..], same, 403, "SignatureDoesNotMatch"),
        ("no body", b"", same, 403, "SignatureDoesNotMatch"),
        ("another body", &other, same, 400, "BadDigest"),
        (
            "another type",
            BODY,
            |r| set(r, "content-type", "text/html"),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "no type",
            BODY,
            |r| {
                r.headers_mut().remove("content-type");
            },
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "may replace",
            BODY,
            |r| {
                r.headers_mut().remove("if-none-match");
            },
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "no checksum",
            BODY,
            |r| {
                r.headers_mut().remove("x-amz-checksum-sha256");
            },
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "another checksum",
            BODY,
            |r| {
                set(
                    r,
                    "x-amz-checksum-sha256",
                    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                );
            },
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "more than was signed",
            BODY,
            |r| set(r, "x-amz-acl", "public-read"),
            403,
            "AccessDenied",
        ),
        (
            "another method",
            BODY,
            |r| *r.method_mut() = Method::DELETE,
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "another key",
            BODY,
            |r| url(r, "/upl_A", "/upl_B"),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "a longer life",
            BODY,
            |r| url(r, "Expires=300", "Expires=3000"),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "another signature",
            BODY,
            |r| url(r, "X-Amz-Signature=", "X-Amz-Signature=0"),
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "no signature",
            BODY,
            |r| url(r, "X-Amz-Signature=", "Nothing="),
            403,
            "AccessDenied",
        ),
    ];
    for (what, body, change, status, code) in cases {
        let (refused, why) = bucket.send(&bucket.put(START), body, change).await;
        assert!(refused == status && why.contains(code), "{what}: {refused} {why}");
        assert_eq!(bucket.objects.head(KEY).await.unwrap(), None, "{what}");
    }
    let put = bucket.put(START);
    bucket.clock.advance(FIVE_MINUTES + Duration::from_secs(1));
    let (late, why) = bucket.send(&put, BODY, |_| {}).await;
    assert!(late == 403 && why.contains("expired"), "{why}");
    assert_eq!(bucket.objects.head(KEY).await.unwrap(), None);
}

#[tokio::test]
async fn a_bucket_that_is_down_is_an_outage_and_answers_again_after_it() {
    let clock = Clock::manual(START);
    let (server, _, mut config) = open(None, &clock).await;
    let network = Proxy::to(server.address).await;
    config.objects.endpoint = Some(format!("http://{}", network.address));
    let objects = ObjectStore::of(&config, &clock).unwrap();
    assert_eq!(objects.head(KEY).await.unwrap(), None);
    for mode in [
        Mode::Cut,
        Mode::Freeze,
        Mode::LoseRequests,
        Mode::LoseReplies,
        Mode::Garbage,
        Mode::Error500,
    ] {
        network.set(mode);
        assert!(objects.head(KEY).await.is_err(), "{mode:?}");
        assert!(objects.get(KEY, "\"x\"", 10).await.is_err(), "{mode:?}");
        assert!(objects.delete(KEY).await.is_err(), "{mode:?}");
        assert!(objects.list("uploads/").await.is_err(), "{mode:?}");
        network.set(Mode::Pass);
        clock.advance(Duration::from_secs(6));
        assert_eq!(objects.head(KEY).await.unwrap(), None, "{mode:?}");
    }
}

#[tokio::test]
async fn nothing_is_kept_for_longer_than_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let bucket = Bucket::start(Some(directory.path()), clock.clone()).await;
    assert_eq!(bucket.send(&bucket.put(START), BODY, |_| {}).await.0, 200);
    for (advance, kept) in [(Duration::from_hours(23), true), (Duration::from_hours(2), false)] {
        clock.advance(advance);
        // It removes what is old when it starts, and each hour.
        let restarted = Bucket::start(Some(directory.path()), clock.clone()).await;
        let mut there = true;
        for _ in 0..200 {
            there = restarted.objects.head(KEY).await.unwrap().is_some();
            if there == kept {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(there, kept);
    }
}
