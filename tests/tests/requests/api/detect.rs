//! Detect as its clients see it, on the embedded model.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Answer, Device, send};
use tests::screens::Screen;
use tests::service::{Plan, Service};

/// Everything counts as explicit: the model says 0 of nothing.
const STRICT: (&str, &str) = ("CLEARVIEW_DETECT_THRESHOLDS", r#"{"local":[1e-9,1e-9,1e-9]}"#);

async fn send_file(service: &Service, device: &Device, query: &str, (kind, bytes): (&str, Vec<u8>)) -> Answer {
    let request = service.client.request(Method::POST, &format!("/v1/detect{query}"));
    let request = request.bearer_auth(&device.access).header("content-type", kind);
    send(request.body(bytes)).await
}

async fn capture(service: &Service, device: &Device, screen: &Screen) -> Answer {
    send_file(service, device, "?device=tablet", ("image/png", screen.png())).await
}

async fn send_json(service: &Service, device: &Device, body: &Value) -> Answer {
    let request = service.client.request(Method::POST, "/v1/detect");
    send(request.bearer_auth(&device.access).json(body)).await
}

async fn used(service: &Service, device: &Device) -> u64 {
    let usage = service.client.usage(device).await;
    usage.body["meters"]["images"]["used"].as_u64().unwrap()
}

#[tokio::test]
async fn a_screenshot_is_judged_and_the_answer_says_by_whom() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let answer = capture(&service, &ann, &Screen::of(1)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = &answer.body;
    assert!(body["id"].as_str().unwrap().starts_with("det_"));
    assert_eq!(
        (&body["level"], &body["label"], &body["flagged"], &body["source"]),
        (&json!(0), &json!("safe"), &json!(false), &json!("local"))
    );
    assert_eq!(
        (
            &body["cached"],
            &body["failedOpen"],
            &body["nextCaptureMs"],
            &body["degraded"]
        ),
        (&json!(false), &json!(false), &json!(5000), &json!([]))
    );
    assert_eq!(body["model"], "nsfw-mobilenet-v2-140:1");
    assert_eq!(body["usage"]["used"], 1);
    let categories: Vec<&String> = body["categories"].as_object().unwrap().keys().collect();
    assert_eq!(categories, ["sexual", "suggestive"], "it can tell no others");
    assert!(body["score"].as_f64().unwrap() < 0.5 && body["labels"].is_null());
    assert!(answer.limit("ratelimit-policy", "daily").starts_with("q=17280"));

    let explained = send_file(&service, &ann, "?explain=true", ("image/png", Screen::of(2).png())).await;
    assert_eq!(explained.body["labels"].as_object().unwrap().len(), 5, "{explained:?}");
}

#[tokio::test]
async fn the_bytes_decide_the_type_and_each_form_is_taken() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let screen = Screen::of(4);
    for (n, (kind, bytes)) in [
        ("image/png", screen.png()),
        ("image/jpeg", screen.jpeg()),
        ("IMAGE/WEBP; q=1", screen.webp()),
        ("image/jpeg", screen.png()),
    ]
    .into_iter()
    .enumerate()
    {
        let query = format!("?device=d{n}");
        let answer = send_file(&service, &ann, &query, (kind, bytes)).await;
        assert_eq!(
            (answer.status, &answer.body["level"]),
            (200, &json!(0)),
            "{kind}: {answer:?}"
        );
    }
    let body = json!({"image": STANDARD.encode(screen.png()), "application": "com.example.app", "device": "d9"});
    let answer = send_json(&service, &ann, &body).await;
    assert_eq!(
        (answer.status, &answer.body["source"]),
        (200, &json!("cache")),
        "the same pixels"
    );
}

#[tokio::test]
async fn each_image_of_a_batch_has_an_answer_of_its_own() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let image = |id: &str, bytes: &[u8]| json!({"id": id, "image": STANDARD.encode(bytes)});
    let broken = &Screen::of(3).png()[..200];
    let body = json!({"images": [
        image("a", &Screen::of(1).png()), image("b", broken), image("c", &Screen::of(2).jpeg()), image("d", &Screen::of(1).webp()),
    ]});
    let answer = send_json(&service, &ann, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = answer.body["results"].as_array().unwrap();
    let ids: Vec<&str> = results.iter().map(|result| result["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
    for at in [0, 2, 3] {
        assert_eq!(results[at]["level"], 0, "{answer:?}");
        assert!(results[at]["detectionId"].as_str().unwrap().starts_with("det_"));
    }
    let expected = json!({"error": "UNREADABLE_IMAGE", "detail": "The image is damaged.", "retryable": false});
    assert_eq!((&results[1]["error"], &results[1]["level"]), (&expected, &Value::Null));
    assert_eq!(answer.body["nextCaptureMs"], 5000);
    assert_eq!(
        used(&service, &ann).await,
        2,
        "two of them show the same pixels, and one is broken"
    );
}

#[tokio::test]
async fn what_cannot_be_judged_is_422_and_not_charged() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let png = Screen::of(1).png();
    let mut lying = png.clone();
    // 20,000 pixels wide, says its header.
    lying[16..20].copy_from_slice(&20_000_u32.to_be_bytes());
    for (name, bytes) in [
        ("nothing", Vec::new()),
        ("text", b"not an image".to_vec()),
        ("GIF", b"GIF89a\x20\x00\x20\x00\x00\x00\x00;".to_vec()),
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec()),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()),
        ("cut PNG", png[..png.len() / 2].to_vec()),
        ("cut JPEG", Screen::of(1).jpeg()[..600].to_vec()),
        ("cut WebP", Screen::of(1).webp()[..100].to_vec()),
        ("lying PNG", lying),
    ] {
        let answer = send_file(&service, &ann, "", ("image/png", bytes)).await;
        let expected = if name == "nothing" {
            (400, "INVALID_REQUEST")
        } else {
            (422, "UNREADABLE_IMAGE")
        };
        assert_eq!((answer.status, answer.error()), expected, "{name}: {answer:?}");
        assert!(!answer.body["detail"].as_str().unwrap().contains("panic"), "{name}");
    }
    assert_eq!(used(&service, &ann).await, 0);
    assert_eq!(capture(&service, &ann, &Screen::of(1)).await.status, 200);
}

#[tokio::test]
async fn each_bound_is_named_where_it_is_broken() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let good = STANDARD.encode(Screen::of(1).png());
    let image = |id: &str| json!({"id": id, "image": good});
    let many: Vec<Value> = (0..11).map(|n| image(&n.to_string())).collect();
    let large = STANDARD.encode(vec![7_u8; 3_000_001]);
    for (body, pointers) in [
        (json!({}), vec![""]),
        (json!({"image": good, "images": [image("a")]}), vec![""]),
        (json!({"image": "***"}), vec!["/image"]),
        (json!({"image": ""}), vec!["/image"]),
        (json!({"image": large}), vec!["/image"]),
        (json!({"image": null}), vec!["/image"]),
        (json!({"image": good, "url": "https://example.com"}), vec!["/url"]),
        (json!({"images": []}), vec!["/images"]),
        (json!({"images": many}), vec!["/images"]),
        (json!({"images": [image("a"), image("a")]}), vec!["/images/1/id"]),
        (
            json!({"images": [image("")], "device": "a b"}),
            vec!["/images/0/id", "/device"],
        ),
        (
            json!({"image": good, "application": "x".repeat(65)}),
            vec!["/application"],
        ),
    ] {
        let answer = send_json(&service, &ann, &body).await;
        assert_eq!((answer.status, answer.error()), (400, "INVALID_REQUEST"), "{answer:?}");
        assert_eq!(answer.pointers(), pointers, "{answer:?}");
    }
    for query in ["?device=", "?device=a%20b", "?device=a&device=b", "?application=%C3%BC"] {
        let answer = send_file(&service, &ann, query, ("image/png", Screen::of(1).png())).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "INVALID_REQUEST"),
            "{query}: {answer:?}"
        );
    }
    let answer = send_file(&service, &ann, "", ("image/gif", Screen::of(1).png())).await;
    assert_eq!((answer.status, answer.error()), (415, "UNSUPPORTED_MEDIA_TYPE"));
    assert!(answer.body["detail"].as_str().unwrap().contains("image/webp"));
    assert_eq!(used(&service, &ann).await, 0);
}

#[tokio::test]
async fn an_image_is_flagged_from_the_operators_level_on_and_an_unsafe_one_keeps_the_pace_high() {
    let plan = Plan::default().with(STRICT.0, STRICT.1);
    let service = plan.clone().start().await;
    let ann = service.client.register("ann").await;
    for n in 0..8 {
        let answer = capture(&service, &ann, &Screen::of(n)).await;
        assert_eq!(
            (&answer.body["level"], &answer.body["label"], &answer.body["flagged"]),
            (&json!(3), &json!("explicit"), &json!(true)),
            "{answer:?}"
        );
        assert_eq!(answer.body["nextCaptureMs"], 5000, "{n}");
        service.clock.advance(Duration::from_secs(5));
    }
    let levels = r#"{"local":[1e-9,1,1]}"#;
    let service = plan.with("CLEARVIEW_DETECT_THRESHOLDS", levels).start().await;
    let ann = service.client.register("ann").await;
    let answer = capture(&service, &ann, &Screen::of(1)).await;
    assert_eq!(
        (&answer.body["level"], &answer.body["flagged"]),
        (&json!(1), &json!(false))
    );
}

#[tokio::test]
async fn a_key_is_charged_once_for_each_image_of_its_batch() {
    let service = Service::start().await;
    let ann = service.client.register("ann").await;
    let images = (0..3).map(|n| json!({"id": n.to_string(), "image": STANDARD.encode(Screen::of(n).png())}));
    let body = json!({"images": images.collect::<Vec<_>>()});
    for _ in 0..2 {
        let request = service.client.request(Method::POST, "/v1/detect");
        let request = request.bearer_auth(&ann.access).header("idempotency-key", "k1");
        let answer = send(request.json(&body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let results = answer.body["results"].as_array().unwrap();
        assert!(results.iter().all(|result| result["error"].is_null()), "{answer:?}");
        assert_eq!(used(&service, &ann).await, 3);
    }
}

#[tokio::test]
async fn a_plan_can_look_closer() {
    let plans = r#"{"free":{"images":{"perDay":100,"perMinute":100},"detect":{"looks":14}}}"#;
    let service = Plan::default().with("CLEARVIEW_PLANS", plans).start().await;
    let ann = service.client.register("ann").await;
    let answer = capture(&service, &ann, &Screen::of(1)).await;
    assert_eq!((answer.status, &answer.body["level"]), (200, &json!(0)), "{answer:?}");
}
