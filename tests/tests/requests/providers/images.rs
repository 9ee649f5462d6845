//! Judges of images: the bytes on the wire, answers that are none, the image's own fault, the cascade, and what stands in.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use shared::config::Config;
use shared::config::providers::ProviderName;
use tests::client::{Answer, Device, send};
use tests::screens::Screen;
use tests::service::{Plan, Service};
use tests::upstream::{Act, ReceivedCall, Script, Upstream, plan_of, upstream};

const MODERATION: &str = "openai-moderation:omni-moderation-latest";
const LABELS: &str = "rekognition";
const SEEING: &str = "openai:seeing";
const AT_BEDROCK: &str = "bedrock:amazon.nova-lite-v1:0";

/// Every wire.
const WIRES: [&str; 4] = [MODERATION, LABELS, SEEING, AT_BEDROCK];

/// The embedded model is never sure of anything.
const ALWAYS_IN_DOUBT: (&str, &str) = ("CLEARVIEW_DETECT_DOUBT", "0-1");

fn plan(upstream: &Upstream, chain: &str) -> Plan {
    let address = format!("http://{}", upstream.address);
    plan_of(upstream)
        .with("CLEARVIEW_DETECT_PROVIDERS", chain)
        .with(
            "CLEARVIEW_PLANS",
            r#"{"free":{"images":{"perDay":100000,"perMinute":100000}}}"#,
        )
        .with("AWS_ENDPOINT_URL_REKOGNITION", address.clone())
        .with("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address)
}

/// Sends a screen: each number's is another one.
async fn see(service: &Service, device: &Device, number: u64) -> Answer {
    send_screen(service, device, &Screen::of(number)).await
}

async fn send_screen(service: &Service, device: &Device, screen: &Screen) -> Answer {
    let request = service
        .client
        .request(Method::POST, "/v1/detect?device=tablet&explain=true");
    let request = request.bearer_auth(&device.access).header("content-type", "image/png");
    send(request.body(screen.png())).await
}

fn error(status: u16, error: Value) -> Act {
    Act::Refuse {
        status,
        error,
        post: None,
        member: None,
    }
}

/// The image that a call carries, by its wire.
fn sent(call: &ReceivedCall) -> Vec<u8> {
    let body = &call.body;
    let text = if call.path.ends_with("/moderations") {
        body["input"][0]["image_url"]["url"].as_str()
    } else if call.path.ends_with("/converse") {
        body["messages"][0]["content"][1]["image"]["source"]["bytes"].as_str()
    } else if call.path == "/" {
        body["Image"]["Bytes"].as_str()
    } else {
        body["messages"][1]["content"][1]["image_url"]["url"].as_str()
    };
    let text = text.unwrap_or_else(|| panic!("{} {body}", call.path));
    let encoded = text.rsplit_once(',').map_or(text, |(_, encoded)| encoded);
    STANDARD.decode(encoded).unwrap()
}

#[tokio::test]
async fn each_wire_gives_each_level_and_says_what_it_has_looked_for() {
    let upstream = upstream(Act::Answer).await;
    for (at, wire) in (0..).zip(WIRES) {
        let service = plan(&upstream, wire).start().await;
        let ann = service.client.register("ann").await;
        for level in 0..4_u8 {
            upstream.follow(Script::always(Act::Sees { level }));
            let answer = see(&service, &ann, at * 10 + u64::from(level)).await;
            let body = &answer.body;
            assert_eq!(
                (answer.status, &body["level"]),
                (200, &json!(level)),
                "{wire}: {answer:?}"
            );
            assert_eq!(
                (&body["source"], &body["degraded"]),
                (&json!("model"), &json!([])),
                "{wire}"
            );
            assert_eq!(body["flagged"], json!(level >= 2), "{wire}");
            let expected = if wire == LABELS { "rekognition:7.0" } else { wire };
            assert_eq!(body["model"], expected);
            let names: BTreeSet<&str> = body["categories"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let has_weapons = wire != MODERATION;
            assert!(names.contains("sexual") && names.contains("gore"), "{wire}: {names:?}");
            assert_eq!(
                names.contains("weapons"),
                has_weapons,
                "{wire} cannot tell what it does not look for"
            );
        }
    }
}

#[tokio::test]
async fn an_image_is_sent_small_without_anything_but_pixels_in_the_form_of_each_wire() {
    let upstream = upstream(Act::Answer).await;
    for wire in WIRES {
        let service = plan(&upstream, wire).start().await;
        let ann = service.client.register("ann").await;
        let large = Screen::of(3).enlarged(4);
        assert_eq!(send_screen(&service, &ann, &large).await.status, 200);
        let call = upstream.calls().pop().unwrap();
        let image = sent(&call);
        let small = image::load_from_memory_with_format(&image, image::ImageFormat::Jpeg).unwrap();
        assert_eq!((small.width(), small.height()), (432, 768), "{wire}");
        assert!(!image.windows(4).any(|part| part == b"Exif"), "{wire}");
        let members: Vec<&String> = call.body.as_object().unwrap().keys().collect();
        let (path, expected): (&str, &[&str]) = match wire {
            MODERATION => ("/v1/moderations", &["input", "model"]),
            LABELS => ("/", &["Image", "MinConfidence"]),
            SEEING => (
                "/v1/chat/completions",
                &["max_completion_tokens", "messages", "model", "response_format"],
            ),
            _ => (
                "/model/amazon.nova-lite-v1%3A0/converse",
                &["inferenceConfig", "messages", "system", "toolConfig"],
            ),
        };
        assert_eq!(call.path, path);
        assert_eq!(members, expected, "{wire}");
        let authorization = match wire {
            LABELS => "/us-east-1/rekognition/aws4_request",
            AT_BEDROCK => "/us-east-1/bedrock/aws4_request",
            _ => "Bearer sk-test",
        };
        assert!(call.authorization.contains(authorization), "{}", call.authorization);
        assert_eq!(call.target.ends_with("DetectModerationLabels"), wire == LABELS);
    }
    let format = &upstream.calls()[2].body["response_format"]["json_schema"];
    assert_eq!((&format["name"], &format["strict"]), (&json!("scores"), &json!(true)));
}

#[tokio::test]
async fn an_answer_that_is_none_or_does_not_come_is_followed_by_the_next_provider() {
    let upstream = upstream(Act::Answer).await;
    let mut number = 0;
    for (wire, next) in [
        (MODERATION, SEEING),
        (LABELS, SEEING),
        (SEEING, LABELS),
        (AT_BEDROCK, LABELS),
    ] {
        let mut acts = vec![
            Act::Junk,
            Act::Html,
            Act::Truncated,
            Act::OutOfRange,
            Act::LeaveOut,
            Act::Prose,
            Act::Cut,
            Act::Hang,
            Act::Status {
                status: 429,
                retry_after: Some(30),
            },
            Act::Status {
                status: 500,
                retry_after: None,
            },
            Act::Status {
                status: 503,
                retry_after: Some(30),
            },
            Act::Status {
                status: 403,
                retry_after: None,
            },
        ];
        if wire == MODERATION {
            acts.push(Act::Twice);
        }
        let service = plan(&upstream, &format!("{wire},{next}"))
            .with_deadlines(500, 8000)
            .start()
            .await;
        let ann = service.client.register("ann").await;
        for act in acts {
            // A wait that it asked for is over, and a breaker closed again.
            service.clock.advance(Duration::from_mins(11));
            let ann = renewed(&service, &ann).await;
            number += 1;
            let before = upstream.calls().len();
            let step = tests::upstream::Step {
                act: act.clone(),
                times: 1,
            };
            upstream.follow(Script {
                steps: vec![step],
                then: Act::Sees { level: 1 },
            });
            let answer = see(&service, &ann, number).await;
            assert_eq!(
                (answer.status, &answer.body["level"]),
                (200, &json!(1)),
                "{wire} {act:?}: {answer:?}"
            );
            assert_eq!(answer.body["source"], "model", "{wire} {act:?}");
            assert!(upstream.calls().len() >= before + 2, "{wire} {act:?}");
        }
    }
}

async fn renewed(service: &Service, device: &Device) -> Device {
    let body = json!({"refreshToken": device.refresh});
    let answer = service.client.post("/v1/auth/refresh", &body).await;
    if answer.status == 200 {
        Device::of(&answer)
    } else {
        service.client.register("ann").await
    }
}

#[tokio::test]
async fn the_images_own_fault_opens_no_breaker_and_is_not_asked_again() {
    let upstream = upstream(Act::Answer).await;
    let by_name = |name: &str| error(400, json!({"__type": name, "Message": "no"}));
    let by_code = |code: &str| {
        error(
            400,
            json!({"error": {"code": code, "message": "no", "type": "invalid_request_error"}}),
        )
    };
    for (wire, act) in [
        (LABELS, by_name("InvalidImageFormatException")),
        (LABELS, by_name("ImageTooLargeException")),
        (MODERATION, by_code("invalid_image_format")),
        (SEEING, by_code("image_content_policy_violation")),
        (SEEING, error(413, json!({}))),
        (AT_BEDROCK, error(400, json!({"message": "Could not process image"}))),
        (SEEING, Act::Declines),
        (AT_BEDROCK, Act::Declines),
    ] {
        let service = plan(&upstream, wire).start().await;
        let ann = service.client.register("ann").await;
        upstream.follow(Script::always(act.clone()));
        let before = upstream.calls().len();
        for number in 0..12 {
            let answer = see(&service, &ann, number).await;
            assert_eq!(
                (&answer.body["source"], &answer.body["degraded"]),
                (&json!("local"), &json!(["model"])),
                "{wire} {act:?}"
            );
        }
        assert_eq!(
            upstream.calls().len(),
            before + 12,
            "{wire} {act:?}: each is asked once, and none is kept back"
        );
        let health = service.client.get("/health").await;
        assert_eq!(
            health.body["dependencies"]["providers"][wire]["status"], "ok",
            "{wire} {act:?}: {health:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_of_our_rights_opens_the_breaker_as_ever() {
    let upstream = upstream(error(400, json!({"__type": "AccessDeniedException", "Message": "no"}))).await;
    let service = plan(&upstream, LABELS).start().await;
    let ann = service.client.register("ann").await;
    for number in 0..15 {
        assert_eq!(see(&service, &ann, number).await.body["source"], "local");
    }
    assert_eq!(upstream.calls().len(), 10, "ten failures in a row open it");
}

#[tokio::test]
async fn with_everybody_down_a_known_judgement_is_stale_and_else_the_embedded_model_stands_in() {
    let upstream = upstream(Act::Sees { level: 3 }).await;
    let chain = format!("{MODERATION},{LABELS},{SEEING}");
    let service = plan(&upstream, &chain).start().await;
    let ann = service.client.register("ann").await;
    assert_eq!(see(&service, &ann, 1).await.body["level"], 3);
    upstream.follow(Script::always(Act::Status {
        status: 500,
        retry_after: None,
    }));
    service.clock.advance(Duration::from_mins(10));
    let stale = see(&service, &ann, 1).await;
    assert_eq!(
        (&stale.body["source"], &stale.body["level"], &stale.body["degraded"]),
        (&json!("stale"), &json!(3), &json!(["model"])),
        "{stale:?}"
    );
    let other = see(&service, &ann, 2).await;
    assert_eq!(
        (
            &other.body["source"],
            &other.body["degraded"],
            &other.body["failedOpen"]
        ),
        (&json!("local"), &json!(["model"]), &json!(false)),
        "{other:?}"
    );
    upstream.follow(Script::always(Act::Sees { level: 3 }));
    service.clock.advance(Duration::from_mins(11));
    let ann = renewed(&service, &ann).await;
    let back = see(&service, &ann, 2).await;
    assert_eq!(
        (&back.body["source"], &back.body["level"]),
        (&json!("model"), &json!(3)),
        "a stand-in's judgement is not kept"
    );

    let without = plan(&upstream, &chain)
        .with("CLEARVIEW_LOCAL_FALLBACK", "off")
        .start()
        .await;
    upstream.follow(Script::always(Act::Cut));
    let bob = without.client.register("bob").await;
    let open = see(&without, &bob, 5).await;
    assert_eq!(
        (&open.body["source"], &open.body["level"], &open.body["failedOpen"]),
        (&json!("default"), &json!(0), &json!(true)),
        "{open:?}"
    );
}

#[tokio::test]
async fn a_cascade_asks_where_the_embedded_model_is_in_doubt_and_nowhere_else() {
    let upstream = upstream(Act::Sees { level: 2 }).await;
    let service = plan(&upstream, &format!("local>{LABELS}")).start().await;
    let ann = service.client.register("ann").await;
    let sure = see(&service, &ann, 1).await;
    assert_eq!(
        (&sure.body["source"], &sure.body["level"], &sure.body["degraded"]),
        (&json!("local"), &json!(0), &json!([])),
        "{sure:?}"
    );
    assert!(upstream.calls().is_empty());
    let again = see(&service, &ann, 1).await;
    assert_ne!(again.body["source"], "local", "it is remembered: {again:?}");

    let (name, band) = ALWAYS_IN_DOUBT;
    let service = plan(&upstream, &format!("local>{LABELS}"))
        .with(name, band)
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let doubtful = see(&service, &ann, 2).await;
    assert_eq!(
        (
            &doubtful.body["source"],
            &doubtful.body["level"],
            &doubtful.body["model"]
        ),
        (&json!("model"), &json!(2), &json!("rekognition:7.0")),
        "{doubtful:?}"
    );
    assert_eq!(upstream.calls().len(), 1);
    upstream.follow(Script::always(Act::Status {
        status: 500,
        retry_after: None,
    }));
    let alone = see(&service, &ann, 3).await;
    assert_eq!(
        (&alone.body["source"], &alone.body["degraded"]),
        (&json!("local"), &json!(["model"])),
        "{alone:?}"
    );
}

#[tokio::test]
async fn a_price_per_call_counts_for_the_days_money() {
    let upstream = upstream(Act::Sees { level: 1 }).await;
    let service = plan(&upstream, LABELS)
        .with(
            "CLEARVIEW_PRICES",
            r#"{"rekognition":{"call":0.001},"openai:cheap":{"input":1,"output":1}}"#,
        )
        .with("CLEARVIEW_DAILY_SPEND_LIMIT", "0.0025")
        .start()
        .await;
    let ann = service.client.register("ann").await;
    let mut sources = Vec::new();
    for number in 0..5 {
        service.clock.advance(Duration::from_secs(6));
        let answer = see(&service, &ann, number).await;
        sources.push((
            answer.body["source"].as_str().unwrap().to_owned(),
            answer.body["degraded"].clone(),
        ));
    }
    assert_eq!(upstream.calls().len(), 3, "the third passes the limit");
    assert!(sources[..3].iter().all(|(source, _)| source == "model"), "{sources:?}");
    for (source, degraded) in &sources[3..] {
        assert_eq!(source, "local");
        assert!(degraded.as_array().unwrap().contains(&json!("spend")), "{sources:?}");
    }
}

#[test]
fn moderators_judge_images_alone() {
    for (variable, chain) in [
        ("CLEARVIEW_PROVIDERS", "rekognition"),
        ("CLEARVIEW_PROVIDERS", "openai-moderation:m,local"),
        ("CLEARVIEW_RANK_PROVIDERS", "rekognition,local"),
    ] {
        let read = Config::read(|name| (name == variable).then(|| chain.to_owned()));
        let error = read.unwrap_err();
        assert_eq!(error.variable, variable);
        assert!(error.problem.contains("CLEARVIEW_DETECT_PROVIDERS"), "{error}");
    }
    let keyless = Config::read(|name| (name == "CLEARVIEW_DETECT_PROVIDERS").then(|| MODERATION.to_owned()));
    assert_eq!(keyless.unwrap_err().variable, "CLEARVIEW_OPENAI_API_KEY");
    for wire in WIRES {
        assert_eq!(ProviderName::parse(wire).unwrap().to_string(), wire);
    }
}
